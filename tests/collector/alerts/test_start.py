from __future__ import annotations

from pathlib import Path

import pytest

from wattline_agents.errors import InputError, UsageError
from wattline_collector.alerts.read import shipped
from wattline_collector.alerts.start import Ways, alerting, rules_of_store


def test_without_a_way_rules_are_judged_and_nobody_is_told(tmp_path: Path) -> None:
    found = alerting(tmp_path, None, Ways(), pytest.fail)
    assert found.rules == shipped() and found.notifiers == ()


def test_a_site_keeps_its_rules_in_the_store_or_names_a_file(tmp_path: Path) -> None:
    (tmp_path / "alerts.toml").write_text("[rule.held]\nenabled = false\n")
    other = tmp_path / "other.toml"
    other.write_text("[rule.coverage]\nenabled = false\n")

    def off(file: Path | None) -> set[str]:
        kept = {rule.id for rule in rules_of_store(tmp_path, file)}
        return {rule.id for rule in shipped()} - kept

    assert off(None) == {"held"}
    assert off(other) == {"coverage"}


def test_a_mistake_in_the_rules_is_heard_of_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "alerts.toml").write_text("[rule.held]\nfor = 3\n")
    with pytest.raises(InputError, match=r"alerts.toml:2: rule.held.for: not a time"):
        alerting(tmp_path, None, Ways(), pytest.fail)


def test_every_way_that_is_named_is_told(tmp_path: Path) -> None:
    ways = Ways(
        alertmanager="http://127.0.0.1:1",
        webhook="http://127.0.0.1:1",
        mail="ops@site.eu",
        smtp="127.0.0.1:1",
    )
    found = alerting(tmp_path, None, ways, pytest.fail)
    assert [one.name for one in found.notifiers] == ["alertmanager", "webhook", "mail"]
    for one in found.notifiers:
        one.close()


@pytest.mark.parametrize(
    ("ways", "complaint"),
    [
        (Ways(webhook_secret=Path("x")), "--alert-webhook-secret needs --alert-webhook"),
        (Ways(mail="a@b.eu"), "--alert-mail needs --smtp"),
        (Ways(smtp="mail:25"), "--smtp needs --alert-mail"),
        (Ways(mail_from="a@b.eu"), "--alert-mail-from needs --alert-mail"),
        (Ways(smtp_user="me"), "--smtp-user needs --smtp"),
        (Ways(alertmanager="nowhere"), "--alertmanager: not an address"),
    ],
)
def test_half_of_a_way_is_refused(tmp_path: Path, ways: Ways, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        alerting(tmp_path, None, ways, pytest.fail)
