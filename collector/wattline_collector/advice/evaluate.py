"""Which rules hold for a job, and which of them are worth saying."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wattline_collector.advice.rule import COMPARISONS, WORD_FACTS, Condition, Rule, Severity
from wattline_collector.advice.template import filled, names
from wattline_collector.efficiency.report import JobReport
from wattline_collector.efficiency.writing import written

_RANK = {severity: place for place, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that holds.

    Attributes:
        rule: Its id.
        severity: How much there is to gain.
        title: What was found.
        text: What it means.
        action: What to do.
        link: Where more is said.
        figures: The figures it stands on, with their values.
        coverage: The least coverage among them.
    """

    rule: str
    severity: Severity
    title: str
    text: str
    action: str
    link: str
    figures: Mapping[str, float | None]
    coverage: float

    def to_json(self) -> dict[str, object]:
        """As it leaves the program."""
        return {
            "rule": self.rule,
            "severity": self.severity.value,
            "title": self.title,
            "text": self.text,
            "action": self.action,
            "link": self.link,
            "figures": dict(self.figures),
            "coverage": self.coverage,
        }


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A figure that is known for too little of the time to judge by.

    Attributes:
        figure: Its id.
        coverage: For how much of the time it is known.
        needed: For how much it would have to be.
        rules: What is therefore not judged.
    """

    figure: str
    coverage: float
    needed: float
    rules: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """As it leaves the program."""
        return {
            "figure": self.figure,
            "coverage": self.coverage,
            "needed": self.needed,
            "rules": list(self.rules),
        }


@dataclass(frozen=True, slots=True)
class Advice:
    """What a job's owner is told.

    Attributes:
        findings: The rules that hold, the weightiest first, without the consequences of others.
        muted: The rules that hold too, and are consequences: (rule, by which).
        unjudged: What could not be judged, because too little of it is known.
    """

    findings: tuple[Finding, ...]
    muted: tuple[tuple[str, str], ...] = ()
    unjudged: tuple[Unjudged, ...] = ()

    def to_json(self) -> dict[str, object]:
        """As it leaves the program."""
        return {
            "findings": [finding.to_json() for finding in self.findings],
            "muted": [{"rule": rule, "by": by} for rule, by in self.muted],
            "unjudged": [unjudged.to_json() for unjudged in self.unjudged],
        }


def advise(report: JobReport, rules: Sequence[Rule]) -> Advice:
    """Judge a job by the rules.

    One cause is said once: a rule that holds mutes its consequences, and theirs. A rule whose
    figures are known for too little of the time says nothing of the job; that it could not be
    judged is said instead, whether it would have held or not.
    """
    holding: list[Rule] = []
    short: dict[str, tuple[float, float, list[str]]] = {}
    for rule in rules:
        if (report.figures.value("run_seconds") or 0) < rule.minimum_run_seconds:
            continue
        if any(report.figures.value(need) is None for need in rule.needs):
            continue
        if thin := _thin(report, rule):
            figure, coverage = thin
            known = short.setdefault(figure, (coverage, rule.minimum_coverage, []))
            known[2].append(rule.id)
            short[figure] = (coverage, max(known[1], rule.minimum_coverage), known[2])
            continue
        if all(_holds(report, condition) for condition in rule.when):
            holding.append(rule)
    muted = _muted(holding, {rule.id: rule for rule in rules})
    said = [rule for rule in holding if rule.id not in muted]
    return Advice(
        tuple(_finding(report, rule) for rule in sorted(said, key=lambda r: _RANK[r.severity])),
        tuple(muted.items()),
        tuple(Unjudged(figure, *of[:2], tuple(of[2])) for figure, of in short.items()),
    )


def _thin(report: JobReport, rule: Rule) -> tuple[str, float] | None:
    """The least covered figure that the rule needs, if it is covered too little."""
    least = min(
        ((report.figure(need).coverage or 0.0, need) for need in rule.needs),
        default=(1.0, ""),
    )
    return (least[1], least[0]) if least[0] < rule.minimum_coverage else None


def _holds(report: JobReport, condition: Condition) -> bool:
    value = condition.value
    if condition.figure in WORD_FACTS:
        word = getattr(report.identity, condition.figure)
        inside = isinstance(value, tuple) and word in value
        # Of a word nobody said, neither is known.
        return word is not None and inside == (condition.comparison == "in")
    left = report.figures.value(condition.figure)
    right = report.figures.value(value) if isinstance(value, str) else value
    if left is None or right is None or isinstance(right, tuple):
        return False
    return COMPARISONS[condition.comparison](left, right)


def _muted(holding: Sequence[Rule], rules: Mapping[str, Rule]) -> dict[str, str]:
    """Those of the holding rules that are consequences of another, and of which."""
    held = {rule.id for rule in holding}
    muted: dict[str, str] = {}
    for rule in holding:
        for consequence in _consequences(rule.suppresses, rules):
            if consequence in held and consequence != rule.id:
                muted.setdefault(consequence, rule.id)
    return muted


def _consequences(first: Iterable[str], rules: Mapping[str, Rule]) -> list[str]:
    """Rules that follow from these, step by step; the rules form no circle."""
    found: dict[str, None] = {}
    waiting = list(first)
    while waiting:
        id = waiting.pop()
        if id not in found:
            found[id] = None
            waiting += rules[id].suppresses if id in rules else ()
    return list(found)


def _finding(report: JobReport, rule: Rule) -> Finding:
    texts = (rule.title, rule.text, rule.action)
    used = dict.fromkeys(name for text in texts for name in names(text))
    values = {name: written(report.figure(name)) for name in used}
    coverage = min((report.figure(need).coverage or 0.0 for need in rule.needs), default=1.0)
    stands_on = dict.fromkeys((*rule.needs, *used))
    return Finding(
        rule=rule.id,
        severity=rule.severity,
        title=filled(rule.title, values),
        text=filled(rule.text, values),
        action=filled(rule.action, values),
        link=rule.link,
        figures={name: report.figures.value(name) for name in stands_on},
        coverage=coverage,
    )
