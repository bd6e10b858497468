"""The rules as a table of documentation; a test keeps the page equal to it."""

from __future__ import annotations

from collections.abc import Sequence

from wattline_collector.alerts.promql import alert_name, duration, number
from wattline_collector.alerts.rule import Rule


def markdown(rules: Sequence[Rule]) -> str:
    """A Markdown table of the rules, in their order."""
    lines = [
        "| rule | severity | about | fires when | for | mutes |",
        "|---|---|---|---|---|---|",
    ]
    for rule in rules:
        clears = (
            f", until {rule.clears.comparison} {number(rule.clears.number)}" if rule.clears else ""
        )
        fires = f"{rule.figure} {rule.fires.comparison} {number(rule.fires.number)}{clears}"
        mutes = ", ".join(f"`{id}`" for id in rule.mutes) or "-"
        lines.append(
            f"| `{rule.id}` | {rule.severity.value} | {rule.about.value} | {fires} "
            f"| {duration(rule.for_seconds)} | {mutes} |"
        )
    return "\n".join(lines) + "\n"


def explained(rule: Rule) -> str:
    """All of a rule, for a terminal."""
    indented = "\n".join(f"    {line}" for line in rule.source.splitlines())
    parts = [
        f"{rule.id} ({rule.severity.value}, about a {rule.about.value})",
        f"  figure: {rule.figure} [{rule.unit}]",
        f"  fires for each {', '.join(rule.keys) or 'system'} where",
        indented,
        f"  for {duration(rule.for_seconds)}; goes on for {duration(rule.keep_seconds)} more; "
        f"samples needed in {rule.minimum_coverage:.0%} of its minutes",
        f"  means: {rule.meaning}",
        f"  check: {rule.check}",
        f"  do:    {rule.action}",
        f"  in Prometheus: {alert_name(rule)} (wattline alerts rules --prometheus)",
    ]
    if rule.mutes:
        parts.insert(-1, f"  mutes, for the same subject: {', '.join(rule.mutes)}")
    return "\n".join(parts) + "\n"
