from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from wattline_collector.advice.evaluate import advise
from wattline_collector.advice.rule import COMPARISONS, Condition, Rule, Severity
from wattline_collector.advice.template import NotATemplate, filled, names
from wattline_collector.efficiency.report import JobReport

Make = Callable[..., JobReport]


def rule(id: str = "r", **more: object) -> Rule:
    usual = Rule(
        id=id, needs=("held",), when=(Condition("held", ">", 0.5),), minimum_run_seconds=0,
        minimum_coverage=0.9, suppresses=(), severity=Severity.LOW, title="t {held}", text="x",
        action="y",
    )  # fmt: skip
    return replace(usual, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("comparison", "value", "holds"),
    [("<", 4, False), ("<=", 4, True), (">", 3, True), (">=", 5, False), ("==", 4, True),
     ("!=", 4, False), (">", "nodes", True), ("<", "nodes", False), ("<", "cpus", False)],
)  # fmt: skip
def test_numbers_are_compared_with_numbers_and_other_figures(
    job: Make, comparison: str, value: float | str, holds: bool
) -> None:
    assert comparison in COMPARISONS
    told = rule(needs=("gpus",), when=(Condition("gpus", comparison, value),), title="t")
    found = advise(job({"gpus": 4, "nodes": 2}), [told])
    assert bool(found.findings) is holds


@pytest.mark.parametrize(
    ("comparison", "state", "holds"),
    [("in", "failed", True), ("in", "running", False), ("not in", "running", True),
     ("not in", "failed", False), ("in", None, False), ("not in", None, False)],
)  # fmt: skip
def test_of_a_word_nobody_said_nothing_holds(
    job: Make, comparison: str, state: str | None, holds: bool
) -> None:
    told = rule(when=(Condition("state", comparison, ("failed", "timeout")),))
    assert bool(advise(job({"held": 0.1}, state=state), [told]).findings) is holds


def test_the_weightiest_finding_comes_first(job: Make) -> None:
    rules = [rule(s.value, severity=s) for s in (Severity.LOW, Severity.HIGH, Severity.MEDIUM)]
    found = advise(job({"held": 0.9}), rules).findings
    assert [finding.rule for finding in found] == ["high", "medium", "low"]


def test_a_cause_mutes_the_consequences_of_its_consequences(job: Make) -> None:
    rules = [
        rule("leaf"),
        rule("middle", suppresses=("leaf",), when=(Condition("held", ">", 0.99),)),
        rule("root", suppresses=("middle",)),
    ]
    found = advise(job({"held": 0.9}), rules)
    # The middle one does not hold, and what follows from it follows from the root all the same.
    assert [finding.rule for finding in found.findings] == ["root"]
    assert found.muted == (("leaf", "root"),)


def test_what_is_missing_is_said_in_place_of_an_accusation(job: Make) -> None:
    rules = [rule("a"), rule("b", minimum_coverage=0.95, when=(Condition("held", ">", 0.99),))]
    found = advise(job({"held": 0.9}, thin={"held": 0.6}), rules)
    assert found.findings == ()
    (thin,) = found.unjudged
    # Whether it would have held is not told.
    assert (thin.figure, thin.coverage, thin.needed) == ("held", 0.6, 0.95)
    assert thin.rules == ("a", "b")


def test_a_finding_says_its_numbers(job: Make) -> None:
    (found,) = advise(job({"held": 0.75}, thin={"held": 0.93}), [rule()]).findings
    assert found.title == "t 75.0\u2009%"
    assert found.figures == {"held": 0.75}
    assert found.coverage == 0.93


def test_a_template_holds_names_and_nothing_else() -> None:
    assert names("{held} of {gpus}, {{literally}}") == ("held", "gpus")
    assert filled("{held} of {{x}}", {"held": "5 %"}) == "5 % of {x}"
    for wrong in ("{", "{}", "{a.b}", "{a[0]}", "{a!r}", "{a:5}", "{a b}"):
        with pytest.raises(NotATemplate):
            names(wrong)
