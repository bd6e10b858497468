from __future__ import annotations

from pathlib import Path

import pytest

from wattline_agents.errors import InputError
from wattline_collector.advice.read import advisor, advisor_of, shipped
from wattline_collector.advice.rule import Condition, Severity

OWN = """\
[site]
euro_per_kwh = 0.2
interactive = ["Lab"]

# A rule of our own
[rule.too-hot]
needs = ["temperature_max_celsius"]
when = [["temperature_max_celsius", ">", 80], ["kind", "not in", ["other"]]]
severity = "low"
title = "It was {temperature_max_celsius} warm"
text = "Warm."
action = "Cool it."
suppresses = ["too-warm"]

[rule.held-time]
minimum_coverage = 0.5

[rule.power-capped]
enabled = false
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "rules.toml"


def test_a_site_adds_changes_and_turns_off(site: Path) -> None:
    site.write_text(OWN)
    found = advisor(site)
    rules = {rule.id: rule for rule in found.rules}
    assert len(rules) == len(shipped().rules)
    assert found.rules[-1].id == "too-hot"
    own = rules["too-hot"]
    assert own.severity is Severity.LOW
    assert own.when[1] == Condition("kind", "not in", ("other",))
    assert (own.minimum_run_seconds, own.minimum_coverage) == (900, 0.9)
    assert rules["held-time"].minimum_coverage == 0.5
    assert rules["held-time"].title == next(
        rule.title for rule in shipped().rules if rule.id == "held-time"
    )
    assert "power-capped" not in rules
    assert found.site.euro_per_kwh == 0.2
    assert found.site.grams_co2e_per_kwh is None
    assert found.site.interactive == ("lab",)


def test_a_store_may_hold_its_sites_rules(tmp_path: Path) -> None:
    assert advisor_of(tmp_path) == shipped()
    (tmp_path / "rules.toml").write_text("[rule.held-time]\nenabled = false\n")
    assert len(advisor_of(tmp_path).rules) == len(shipped().rules) - 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = ", "not TOML"),
        ("a" * 2_000_000, "over 1 MiB"),
        ("\n[other]\nx = 1", ":2: other: unknown table; there are rule, site"),
        ("[site]\n\neuro_per_kwH = 1", ":3: site.euro_per_kwH: unknown key; did you mean"),
        ("[site]\neuro_per_kwh = -1", ":2: site.euro_per_kwh: not from 0 to 10: -1"),
        ("[site]\neuro_per_kwh = nan", ":2: site.euro_per_kwh: not from 0 to 10: nan"),
        ("[site]\neuro_per_kwh = true", ":2: site.euro_per_kwh: not a number: True"),
        ("[site]\ninteractive = 'lab'", ":2: site.interactive: not a list: 'lab'"),
        ("site = 3", ":1: site: not a table: write [site]"),
        ("[rule.held-time]\n\nwenn = []", ":3: rule.held-time.wenn: unknown key; did you"),
        ("[rule.held-time]\nwhen = []", ":2: rule.held-time.when: no condition"),
        ("[rule.held-time]\nwhen = [['held', '>']]", ":2: rule.held-time.when: not a condition"),
        ("[rule.held-time]\nwhen = [['hold', '>', 1]]", "no figure 'hold'; did you mean 'held'"),
        ("[rule.held-time]\nwhen = [['held', '=', 1]]", "when: no comparison '='; there are <"),
        ("[rule.held-time]\nwhen = [['held', '>', 'x']]", "when: no figure 'x'"),
        ("[rule.held-time]\nwhen = [['state', '>', 1]]", "when: state is a word: compare it with"),
        ("[rule.held-time]\nwhen = [['state', 'in', [1]]]", "when: not a word: 1"),
        ("[rule.held-time]\nwhen = [['held', '>', true]]", "when: not a number: True"),
        ("[rule.held-time]\nneeds = ['hold']", "needs: no figure 'hold'"),
        ("[rule.held-time]\nneeds = [{}]", "needs: no figure {}"),
        ("[rule.held-time]\nseverity = 'huge'", "severity: not one of high, medium, low: 'huge'"),
        ("[rule.held-time]\nminimum_coverage = 90", "minimum_coverage: not from 0 to 1: 90"),
        ("[rule.held-time]\ntitle = 'a\\u001bb'\ntext = \"a\\u001b[2J\"", "text: not a line of"),
        ("[rule.held-time]\ntitle = '{held'", "title: "),
        ("[rule.held-time]\ntitle = '{held.__class__}'", "is not the plain name of a figure"),
        ("[rule.held-time]\ntitle = '{held!r}'", "is not the plain name of a figure"),
        ("[rule.held-time]\ntitle = '{held:>1000000}'", "is not the plain name of a figure"),
        ("[rule.held-time]\ntitle = '{0}'", "is not the plain name of a figure"),
        ("[rule.held-time]\ntitle = '{hold}'", "title: no figure 'hold'"),
        ("[rule.held-time]\nenabled = 1", "enabled: neither true nor false: 1"),
        ("[rule.heldtime]\nenabled = false", ":1: rule.heldtime: no rule to turn off; did"),
        ("[rule.held-time]\nsuppresses = ['nix']", "suppresses: no rule 'nix'"),
        (
            "[rule.low-activity]\nsuppresses = ['held-time']",
            "suppresses: low-activity would suppress itself",
        ),
        ("[rule.new]\ntitle = 'x'", ":1: rule.new: "),
        ("[rule]\nnew = 3", ":2: rule.new: not a table"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_file_line_and_key(site: Path, text: str, message: str) -> None:
    site.write_text(text)
    with pytest.raises(InputError) as refused:
        advisor(site)
    assert str(refused.value).startswith(str(site))
    assert message in str(refused.value)
    assert str(refused.value).count("\n") == 0 and len(str(refused.value)) < 400


def test_a_file_that_cannot_be_read_is_named(site: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        advisor(site)
    site.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        advisor(site)
