from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

from wattline_collector.alerts import xids
from wattline_collector.alerts.expression import Newest
from wattline_collector.alerts.read import shipped

RULES = {rule.id: rule for rule in shipped()}


@pytest.mark.parametrize("id", xids.RULES)
def test_a_rule_is_about_the_xids_of_its_class_and_no_others(id: str) -> None:
    chosen = [
        words
        for one in RULES[id].expressions
        if isinstance(one, Newest)
        for label, words in one.chosen
        if label == "xid"
    ]
    assert chosen == [tuple(map(str, xids.RULES[id]))]


def test_the_page_lists_the_same() -> None:
    page = (Path(__file__).parents[3] / "docs/alerts.md").read_text()
    assert xids.CATALOGUE in page
    table = page.split("### XIDs")[1].split("### ")[0]
    for id, codes in xids.RULES.items():
        (row,) = [line for line in table.splitlines() if line.startswith(f"| `{id}` |")]
        listed: set[int] = set()
        for first, last in re.findall(r"(\d+)(?: to (\d+))?", row.split("|")[3].split("which")[0]):
            listed |= set(range(int(first), int(last or first) + 1))
        assert listed == set(codes)


def test_no_rule_of_xids_has_no_class() -> None:
    assert {id for id in RULES if id.startswith("xid-")} == set(xids.RULES)


def test_an_xid_is_in_one_class_alone() -> None:
    everything = list(chain.from_iterable(xids.RULES.values()))
    assert len(everything) == len(set(everything))


@pytest.mark.parametrize(
    ("xid", "rule"),
    [
        (48, "xid-critical"),  # double-bit error: a workflow that ends in a reset
        (62, "xid-critical"),  # micro-controller halt: reset
        (79, "xid-critical"),  # off the bus: restart the machine
        (119, "xid-critical"),  # no answer from the device's own processor: reset
        (94, "xid-warning"),  # contained: restart the application, reset when convenient
        (145, "xid-warning"),  # NVLink 5: by a sub-code that is not known
        (13, "xid-application"),
        (45, "xid-application"),
        (63, "xid-noted"),  # a row was replaced: ignore
        (154, "xid-noted"),  # repeats what another XID said
    ],
)
def test_the_catalogue_says_what_an_xid_asks_for(xid: int, rule: str) -> None:
    assert xid in xids.RULES[rule]
