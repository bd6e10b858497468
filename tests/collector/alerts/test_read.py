from __future__ import annotations

from pathlib import Path

import pytest

from wattline_agents.errors import InputError
from wattline_collector.alerts.read import rules_of, shipped
from wattline_collector.alerts.rule import Rule

WHOLE = """\
[rule.fan]
severity = "warning"
about = "node"
figure = "temperature of the host"
unit = "Cel"
value = "max(node.temperature_celsius[5m])"
fires = "> 60"
clears = "< 55"
for = "5m"
title = "{node} is at {value}"
meaning = "It is warm."
check = "Its fans."
action = "Clean it."
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site.toml"


def named(rules: tuple[Rule, ...]) -> dict[str, Rule]:
    return {rule.id: rule for rule in rules}


def test_without_a_file_the_shipped_rules_hold() -> None:
    assert rules_of(None) == shipped()


def test_shipped_rules_mute_rules_that_there_are() -> None:
    ids = named(shipped()).keys()
    assert {other for rule in shipped() for other in rule.mutes} <= ids


def test_a_site_adds_a_rule(site: Path) -> None:
    site.write_text(WHOLE)
    rules = rules_of(site)
    assert rules[:-1] == shipped()
    assert (rules[-1].id, rules[-1].keys, rules[-1].for_seconds) == ("fan", ("node",), 300)


def test_a_site_changes_what_it_states_and_leaves_the_rest(site: Path) -> None:
    site.write_text('[rule.held]\nfor = "1h"\n')
    before, after = named(shipped())["held"], named(rules_of(site))["held"]
    assert after.for_seconds == 3600
    assert after.value == before.value and after.title == before.title


def test_a_site_turns_a_rule_off(site: Path) -> None:
    site.write_text("[rule.held]\nenabled = false\n")
    assert set(named(shipped())) - set(named(rules_of(site))) == {"held"}


@pytest.mark.parametrize(
    ("change", "line", "complaint"),
    [
        ('severity = "warning"->severity = "loud"', 2, "there are critical, warning, info"),
        ('about = "node"->about = "rack"', 3, "there are device, node"),
        ('about = "node"->about = "device"', 6, "needs values by device"),
        ('unit = "Cel"->unit = "K"', 5, "there are W, Cel"),
        ("node.temperature_celsius[5m]->node.heat[5m]", 6, "no series 'node.heat'"),
        ('fires = "> 60"->fires = "hot"', 7, "not a comparison"),
        ('fires = "> 60"->fires = "> 6.0.0"', 7, "not a comparison"),
        ('clears = "< 55"->clears = "< 65"', 8, "must be under what fires"),
        ('clears = "< 55"->clears = "> 55"', 8, "must be under what fires"),
        ('for = "5m"->for = "5"', 9, "not a time"),
        ('for = "5m"->for = "30h"', 9, "longer than a day"),
        ("{value}->{valu}", 10, "did you mean 'value'?"),
        ("{value}->{value.__class__}", 10, "not the plain name"),
        ("Clean it.->Clean\\nit.", 13, "one line"),
        ('for = "5m"->keeep = "5m"', 9, "did you mean 'keep'?"),
        ('for = "5m"->mutes = ["helt"]', 9, "did you mean 'held'?"),
        ('for = "5m"->group_by = ["device"]', 9, "there are node"),
        ('for = "5m"->minimum_coverage = 2', 9, "not from 0 to 1"),
        ('for = "5m"->when = ["device.up > 0"]', 9, "labels of the value"),
        ('for = "5m"->enabled = 1', 9, "neither true nor false"),
        ('for = "5m"->let = { x = 3 }', 9, "no text"),
        ('action = "Clean it."->', 1, "action: missing"),
        ("[rule.fan]->[rule.Fan]", 1, "small letters"),
        ("[rule.fan]->[rules.fan]", 1, "did you mean 'rule'?"),
        ("max(node.temperature_celsius[5m])->3", 6, "a number alone"),
    ],
)
def test_a_mistake_is_named_by_line_and_key(
    site: Path, change: str, line: int, complaint: str
) -> None:
    old, new = change.split("->")
    assert old in WHOLE
    site.write_text(WHOLE.replace(old, new))
    with pytest.raises(InputError) as refused:
        rules_of(site)
    assert str(refused.value).startswith(f"{site}:{line}: ")
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"[rule", "not TOML"),
        (b"\xff\xfe", "not UTF-8"),
        (b"#" * (1024 * 1024 + 1), "over 1 MiB"),
        (b"[rule.none]\nenabled = false\n", "no rule to turn off"),
        (b"rule = 3\n", "not a table"),
    ],
)
def test_what_is_no_file_of_rules_is_refused(site: Path, content: bytes, complaint: str) -> None:
    site.write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        rules_of(site)


def test_a_file_that_is_not_there_is_named(site: Path) -> None:
    with pytest.raises(InputError, match=r"site.toml: cannot be read: No such file"):
        rules_of(site)
