"""The rules as a table of documentation; a test keeps the page equal to it."""

from __future__ import annotations

from collections.abc import Sequence

from wattline_collector.advice.rule import Condition, Rule
from wattline_collector.efficiency.figures import FIGURES
from wattline_collector.efficiency.peaks import table
from wattline_collector.efficiency.writing import duration
from wattline_collector.palette import THIN_SPACE

_UNITS = {"Cel": "°C", "B": "bytes", "s": "s", "1": ""}


def markdown(rules: Sequence[Rule]) -> str:
    """A Markdown table of the rules, in their order."""
    lines = [
        "| rule | speaks when | after | mutes | weight |",
        "|---|---|---|---|---|",
        *(
            f"| `{rule.id}` | {', '.join(_said(one) for one in rule.when)} "
            f"| {_after(rule.minimum_run_seconds)} "
            f"| {', '.join(f'`{id}`' for id in rule.suppresses) or '-'} | {rule.severity.value} |"
            for rule in rules
        ),
    ]
    return "\n".join(lines) + "\n"


def figures_markdown() -> str:
    """A Markdown table of a job's figures, in their order."""
    lines = ["| id | unit | what |", "|---|---|---|"]
    lines += [f"| `{f.id}` | {f.unit} | {f.help} |" for f in FIGURES.values()]
    return "\n".join(lines) + "\n"


def peaks_markdown() -> str:
    """A Markdown table of the peaks that MFU divides by."""
    lines = ["| device | format | TFLOP/s | source |", "|---|---|---|---|"]
    lines += [f"| {p.device} | {p.dtype} | {p.flops / 1e12:g} | {p.source} |" for p in table()]
    return "\n".join(lines) + "\n"


def _said(condition: Condition) -> str:
    if isinstance(condition.value, tuple):
        words = " or ".join(condition.value)
        return f"`{condition.figure}` {'is' if condition.comparison == 'in' else 'is not'} {words}"
    if isinstance(condition.value, str):
        return f"`{condition.figure}` {condition.comparison} `{condition.value}`"
    unit = _UNITS.get(FIGURES[condition.figure].unit, "")
    number = f"{condition.value:,.12g}"
    return f"`{condition.figure}` {condition.comparison} {number}{' ' + unit if unit else ''}"


def _after(seconds: float) -> str:
    return duration(seconds).replace(THIN_SPACE, " ") if seconds else "any time"
