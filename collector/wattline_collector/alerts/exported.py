"""The rules as a file for Prometheus, and a test of it for promtool."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from wattline_collector.advice.template import filled, names
from wattline_collector.alerts.promql import alert_name, duration, rule_promql
from wattline_collector.alerts.rule import Rule

_HEAD = """\
# Rules for Prometheus 2.42 or later, made by `wattline alerts rules --prometheus`: make them anew
# rather than change them. They read what agents and the collector export; scrape agents with
# `honor_labels: true`, or the label `job` is the scrape's and not the scheduler's.
"""
_WRITTEN = {
    "ratio": "{{ $value | humanizePercentage }}",
    "s": "{{ $value | humanizeDuration }}",
    "Cel": "{{ $value | humanize }} °C",
    "By": "{{ $value | humanize1024 }}B",
    "W": "{{ $value | humanize }} W",
    "1": "{{ $value | humanize }}",
}


def rule_file(rules: Iterable[Rule], *, annotated: bool = True) -> str:
    """A rule file: one group, one alert a rule.

    Args:
        rules: The rules.
        annotated: With texts for people; promtool compares them, too, with what a test expects.
    """
    lines = [_HEAD + "groups:", "  - name: wattline", "    interval: 1m", "    rules:"]
    for rule in rules:
        lines += [f"      - alert: {alert_name(rule)}", "        expr: |"]
        lines += [f"          {line}" for line in rule_promql(rule).splitlines()]
        if rule.for_seconds:
            lines.append(f"        for: {duration(rule.for_seconds)}")
        if rule.keep_seconds:
            lines.append(f"        keep_firing_for: {duration(rule.keep_seconds)}")
        lines += _mapping("labels", _labels(rule))
        if annotated:
            lines += _mapping("annotations", _annotations(rule))
    return "\n".join(lines) + "\n"


def unit_test(
    rules: Sequence[Rule],
    rule_path: str,
    series: Mapping[str, Sequence[float | None]],
    firing: Sequence[Iterable[tuple[str, Mapping[str, str]]]],
) -> str:
    """A test for `promtool test rules`: these samples, and these alerts, minute by minute.

    The rule file it tests is one without texts for people.

    Args:
        rules: All that the rule file has.
        rule_path: The rule file, relative to the test.
        series: A sample a minute by series, such as `aif_gpu_up{node="n1"}`; None: none came.
        firing: For each minute the alerts that fire, as rule and labels. Those of other rules of
            the file must not.
    """
    lines = [
        "rule_files:",
        f"  - {json.dumps(rule_path)}",
        "evaluation_interval: 1m",
        "tests:",
        "  - interval: 1m",
        "    input_series:",
    ]
    for name, values in series.items():
        text = " ".join("_" if value is None else f"{value:.12g}" for value in values)
        lines += [f"      - series: {json.dumps(name)}", f"        values: {json.dumps(text)}"]
    lines.append("    alert_rule_test:")
    for minute, found in enumerate(firing):
        alerts: dict[str, list[Mapping[str, str]]] = {rule.id: [] for rule in rules}
        for id, labels in found:
            alerts[id].append(labels)
        for rule in rules:
            lines += [f"      - eval_time: {minute}m", f"        alertname: {alert_name(rule)}"]
            if not alerts[rule.id]:
                continue
            lines.append("        exp_alerts:")
            for labels in alerts[rule.id]:
                expected = {**_labels(rule), **labels}
                lines.append(f"          - exp_labels: {json.dumps(expected)}")
    return "\n".join(lines) + "\n"


def _labels(rule: Rule) -> dict[str, str]:
    return {"severity": rule.severity.value, "about": rule.about.value, "rule": rule.id}


def _annotations(rule: Rule) -> dict[str, str]:
    texts = {
        "summary": rule.title,
        "figure": f"{rule.figure}: {{value}}",
        "meaning": rule.meaning,
        "check": rule.check,
        "action": rule.action,
    }
    words = {name: f"{{{{ $labels.{name} }}}}" for name in rule.keys}
    system = "{{ $labels.system }}" if rule.is_booked else "the system"
    words |= {"value": _WRITTEN[rule.unit], "system": system}
    return {
        name: filled(text, {used: words[used] for used in names(text)})
        for name, text in texts.items()
    }


def _mapping(name: str, words: Mapping[str, str]) -> list[str]:
    # A JSON text is a YAML text.
    return [
        f"        {name}:",
        *(
            f"          {key}: {json.dumps(word, ensure_ascii=False)}"
            for key, word in words.items()
        ),
    ]
