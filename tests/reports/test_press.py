"""What pages may have made: a closed list of words, each report for whom it is for."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.access import Role, Sight, Viewer, sees
from wattline_collector.reports import press as collectors
from wattline_reports.kinds import kinds
from wattline_reports.made_file import Key
from wattline_reports.press import OFFERED, PRESS, needs
from wattline_reports.shelf import New, Shelf, of_store

NOW = datetime(2026, 12, 6, tzinfo=UTC)


def asked(**more: Any) -> dict[str, Any]:
    return {"kind": "review", "period": "2026-11", "formats": ["html", "pdf"]} | more


def keep(store: Path, kind: str, **more: Any) -> str:
    key = Key(kind, "2026-11", **more)
    new = New(key, kind.title(), f"{kind}_x", "0a1b", "hand", "", True, 1.0, {"html": b"<p>"})
    return Shelf(of_store(store)).put(new, NOW)[0].id


def may(role: Role, kind: str, **options: str) -> bool:
    return sees(Viewer("x", roles=frozenset({role})), *needs(kind, options))


def test_the_collector_finds_the_press_that_is_installed() -> None:
    assert collectors.found() is PRESS


def test_every_kind_says_whom_it_is_for() -> None:
    for name in kinds():
        defaults = {one.key: one.default for one in kinds()[name].options if one.choices}
        assert needs(name, defaults) != tuple(Sight), f"{name} is for nobody: say whom it is for"


def test_every_choice_of_a_kind_that_pages_offer_says_whom_it_is_for(tmp_path: Path) -> None:
    for offered in PRESS.offered(tmp_path):
        kind = kinds()[offered.about["name"]]
        choices = next((one.choices for one in kind.options if one.choices), ("",))
        assert set(offered.needs) == set(choices), kind.name


def test_what_nobody_thought_of_is_for_whoever_sees_all() -> None:
    assert needs("poem", {}) == tuple(Sight)
    assert needs("review", {"variant": "secret"}) == tuple(Sight)


@pytest.mark.parametrize(
    ("kind", "options", "roles"),
    [
        ("review", {"variant": "public"}, {Role.OPERATOR, Role.SUPPORT, Role.MANAGER}),
        ("review", {"variant": "restricted"}, {Role.OPERATOR, Role.MANAGER}),
        ("hosting-audit", {}, {Role.OPERATOR, Role.MANAGER}),
        ("eed", {"schema": "eed-2024"}, {Role.OPERATOR, Role.SUPPORT, Role.MANAGER}),
        ("operations", {}, {Role.OPERATOR, Role.SUPPORT, Role.MANAGER}),
        ("project", {}, {Role.OPERATOR}),
        ("job", {}, {Role.OPERATOR, Role.SUPPORT}),
    ],
)
def test_a_report_is_for_those_who_may_see_what_it_shows(
    kind: str, options: dict[str, str], roles: set[Role]
) -> None:
    assert {role for role in Role if may(role, kind, **options)} == roles


def test_an_order_becomes_words_of_the_command_that_it_takes(tmp_path: Path) -> None:
    ordered = PRESS.order(tmp_path, asked(options={"variant": "restricted"}), "manager")
    assert ordered.words == (
        "report", "--store", str(tmp_path), "--keep", "--progress", "--why", "page",
        "--by", "manager", "--period", "2026-11", "--format", "html,pdf",
        "--variant", "restricted", "--", "review",
    )  # fmt: skip
    assert ordered.needs == (Sight.FIGURES, Sight.PROJECTS)
    assert ordered.about["options"] == {"variant": "restricted"}
    # Every one of these words is understood: it is the store that there is not.
    done = subprocess.run(
        [sys.executable, "-m", "wattline_agents.cli",
         *(word if word != str(tmp_path) else f"{word}/none" for word in ordered.words)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "is not a directory, so it holds no store" in done.stderr


def test_a_projects_name_cannot_be_an_option(tmp_path: Path) -> None:
    ordered = PRESS.order(tmp_path, asked(kind="project", of="--out=x"), "operator")
    assert ordered.words[-3:] == ("--", "project", "--out=x")
    assert ordered.about["of"] == ["--out=x"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"kind": "reviw"}, "did you mean 'review'"),
        ({"kind": "certificate"}, "there are review"),
        ({"kind": ["review"]}, "did you mean 'review'"),
        ({"kind": None}, "there are review"),
        ({"period": "yesterday"}, "is not a period"),
        ({"period": 2026}, "a text such as 2026-11"),
        ({"period": "2026-11" + "x" * 100}, "a text such as 2026-11"),
        ({"period": "2026-11", "kind": "eed"}, "eed is of a year"),
        ({"formats": []}, "some of html"),
        ({"formats": ["html", "--out"]}, "some of html"),
        ({"formats": "html"}, "some of html"),
        ({"options": {"key": "/etc/passwd"}}, "there are variant"),
        ({"options": {"variant": "--out"}}, "there are public, restricted"),
        ({"options": ["variant"]}, "an object is meant"),
        ({"of": "P1"}, "is of the whole factory"),
        ({"kind": "project"}, "which? project needs"),
        ({"kind": "project", "of": "a\nb"}, "which? project needs"),
        ({"kind": "project", "of": "x" * 101}, "which? project needs"),
    ],
)
def test_what_a_page_cannot_ask_for_is_refused_in_words(
    tmp_path: Path, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        PRESS.order(tmp_path, asked(**more), "manager")


def test_no_option_that_names_a_file_is_for_pages() -> None:
    for name in OFFERED:
        for option in kinds()[name].options:
            assert option.choices or option.metavar not in ("FILE", "PEM", "DIR"), name


def test_the_periods_on_offer_are_those_of_which_something_is_held(
    factory_store: Path, tmp_path: Path
) -> None:
    offered = {one.about["name"]: one.about for one in PRESS.offered(factory_store)}
    assert list(offered) == list(OFFERED)
    assert offered["review"]["periods"]["month"][-1] == "2025-11"
    assert offered["review"]["free"] is True
    assert list(offered["eed"]["periods"]) == ["year"]
    assert (offered["eed"]["free"], offered["eed"]["usual"]) == (False, "year")
    empty = {one.about["name"]: one.about for one in PRESS.offered(tmp_path)}
    assert empty["review"]["periods"] == {"year": [], "quarter": [], "month": []}


def test_what_was_made_is_listed_with_whom_it_is_for_and_handed_out(tmp_path: Path) -> None:
    review = keep(tmp_path, "review", options={"variant": "public"})
    job = keep(tmp_path, "job", of=("4711",))
    signed = keep(tmp_path, "certificate", options={"jobs": "1, 2"})
    listed = {one.about["id"]: one for one in PRESS.listed(tmp_path)}
    assert set(listed) == {review, job, signed}
    assert listed[review].needs == (Sight.FIGURES,)
    assert Sight.JOBS in listed[signed].needs
    assert listed[review].about["made_ms"] == NOW.timestamp() * 1000
    document = PRESS.document(tmp_path, job, "html")
    assert document is not None
    assert (document.content, document.jobs) == (b"<p>", ("4711",))
    other = PRESS.document(tmp_path, signed, "html")
    assert other is not None
    assert other.jobs == ("1", "2")
    for id, form in ((job, "pdf"), ("../x", "html"), (f"{job}/..", "html")):
        assert PRESS.document(tmp_path, id, form) is None


def test_a_change_of_what_is_known_is_seen_at_once(tmp_path: Path) -> None:
    id = keep(tmp_path, "eed", options={"schema": "eed-2024"})
    assert PRESS.listed(tmp_path)[0].about["checked"] == 0
    keep(tmp_path, "eed", options={"schema": "eed-2024"})
    (one,) = PRESS.listed(tmp_path)
    assert (one.about["id"], one.about["checked"]) == (id, 1)


def test_which_report_a_run_made_is_read_from_what_it_printed() -> None:
    assert PRESS.kept("/s/reports/2026.review/x.html\n/s/reports/2026.review/x.pdf\n") == (
        "2026.review"
    )
    assert PRESS.kept("") is None
