"""`wattline alerts`: what fires, what fired, and by which rules."""

from __future__ import annotations

import json
import re
import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_agents.command import Command
from wattline_agents.errors import UsageError
from wattline_collector.default_store import HELP, default_store

if TYPE_CHECKING:
    from wattline_collector.alerts.rule import Rule

_DESCRIPTION = """\
Alerts for operators: a running collector judges rules every 15 seconds and tells those it was told
to tell (wattline collector --help). Here is what fires, what fired, and the rules themselves.

examples:
  wattline alerts list --store DIR                what fires now, and what to do about it
  wattline alerts history --since 7d              what fired and ended, the newest first
  wattline alerts explain device-lost             one rule: when it fires, what it means, what to do
  wattline alerts check site.toml                 is it a file of rules?
  wattline alerts rules --prometheus > w.yml      the same rules for a Prometheus of your own"""

_STALE_MS = 120_000
_AGO = {"m": 60, "h": 3600, "d": 86_400}


def _configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = actions.add_parser(
        "list", help="what fires now", epilog="example: wattline alerts list --store DIR"
    )
    _add_store(listed)
    listed.add_argument("--pending", action="store_true", help="and what holds, not for long yet")
    listed.add_argument("--json", action="store_true", help="print it as JSON")
    history = actions.add_parser(
        "history", help="what fired and ended",
        epilog="example: wattline alerts history --since 7d --rule device-lost",
    )  # fmt: skip
    _add_store(history)
    history.add_argument(
        "--since", type=_ago, default=86_400, metavar="AGO", help="30m, 24h or 7d (24h)"
    )
    history.add_argument("--rule", metavar="ID", help="of this rule alone")
    history.add_argument("--json", action="store_true", help="print it as JSON")
    rules = actions.add_parser(
        "rules", help="list the rules", epilog="example: wattline alerts rules --prometheus > w.yml"
    )
    _add_store(rules)
    rules.add_argument("--rules", type=Path, metavar="FILE", help="with what this file changes")
    form = rules.add_mutually_exclusive_group()
    form.add_argument("--prometheus", action="store_true", help="as a rule file for Prometheus")
    form.add_argument("--table", action="store_true", help="as the table of the documentation")
    form.add_argument("--json", action="store_true", help="as JSON")
    check = actions.add_parser(
        "check", help="say what is wrong with a file of rules",
        epilog="example: wattline alerts check site.toml",
    )  # fmt: skip
    check.add_argument("file", type=Path, metavar="FILE", help="the site's rules, as TOML")
    explain = actions.add_parser(
        "explain", help="say all of one rule", epilog="example: wattline alerts explain device-lost"
    )
    explain.add_argument("id", metavar="ID", help="as `wattline alerts rules` lists them")
    _add_store(explain)
    explain.add_argument("--rules", type=Path, metavar="FILE", help="with what this file changes")


def _add_store(parser: ArgumentParser) -> None:
    parser.add_argument("--store", type=Path, metavar="DIR", help=HELP)


def _ago(text: str) -> int:
    match = re.fullmatch(r"(\d{1,5})([mhd])", text)
    if match is None:
        raise ValueError  # argparse turns it into its own message
    return int(match[1]) * _AGO[match[2]]


def _run(arguments: Namespace) -> int:
    match arguments.action:
        case "list":
            return _list(arguments)
        case "history":
            return _history(arguments)
        case "rules":
            return _rules(arguments)
        case "check":
            return _check(arguments)
        case _:
            return _explain(arguments)


def _store(arguments: Namespace) -> Path:
    store: Path | None = arguments.store
    return store or default_store()


def _now_ms() -> int:
    from wattline_agents.clock import SystemClock

    return SystemClock().unix_ms()


def _list(arguments: Namespace) -> int:
    from wattline_collector.alerts import kept, telling
    from wattline_collector.alerts.machine import State
    from wattline_collector.alerts.start import rules_of_store

    store = _store(arguments)
    known = kept.read_state(store)
    if known is None:
        raise UsageError(f"{store}: no alerts are kept there; a running collector judges them")
    rules = {rule.id: rule for rule in rules_of_store(store)}
    muted = telling.muted(known.alerts, rules)
    told = telling.by_urgency(
        telling.tell(alert, rules[alert.rule])
        for alert in known.alerts
        if alert.rule in rules and (arguments.pending or alert.state is State.FIRING)
    )
    if arguments.json:
        alerts = [one.to_json() | {"muted_by": muted.get(one.alert.key)} for one in told]
        print(json.dumps({"time_unix_ms": known.at_ms, "alerts": alerts}, indent=2))
        return 0
    age_ms = _now_ms() - known.at_ms
    if age_ms > _STALE_MS:
        old = telling.written(age_ms / 1000, "s")
        print(f"judged last {old} ago: is the collector running?", file=sys.stderr)
    shown = [one for one in told if one.alert.key not in muted]
    for one in shown:
        alert, rule = one.alert, one.rule
        since = _time(alert.fired_ms or alert.since_ms)
        waits = " (pending)" if alert.state is State.PENDING else ""
        print(f"{rule.severity.value:<8}  {since}  {one.title}{waits}")
        print(f"          {rule.id}: {one.said(rule.action)}")
    hidden = len(told) - len(shown)
    if hidden:
        print(f"{hidden} more that follow from these; --json shows them")
    if not told:
        print("nothing fires")
    return 0


def _history(arguments: Namespace) -> int:
    from wattline_collector.alerts import kept, telling
    from wattline_collector.alerts.start import rules_of_store

    store = _store(arguments)
    since_ms = _now_ms() - arguments.since * 1000
    entries = kept.read_history(store, since_ms, arguments.rule)
    if arguments.json:
        print(json.dumps(entries, indent=2))
        return 0
    rules = {rule.id: rule for rule in rules_of_store(store)}
    for entry in entries:
        why = f" ({entry['why']})" if entry.get("why") else ""
        rule = rules.get(str(entry["rule"]))
        value = entry.get("value")
        shown = "" if rule is None or value is None else telling.written(float(value), rule.unit)
        labels = " ".join(
            f"{telling.safe(str(name))}={telling.safe(str(word))}"
            for name, word in entry["labels"].items()
            if word
        )
        at = _time(int(entry["at_ms"]))
        print(f"{at}  {entry['event']:<5}{why}  {entry['rule']}  {labels}  {shown}")
    if not entries:
        print("nothing fired or ended in that time")
    return 0


def _rules(arguments: Namespace) -> int:
    from wattline_collector.alerts.exported import rule_file
    from wattline_collector.alerts.page import markdown
    from wattline_collector.alerts.promql import rule_promql
    from wattline_collector.alerts.start import rules_of_store

    rules = rules_of_store(_store(arguments), arguments.rules)
    if arguments.prometheus:
        print(rule_file(rules), end="")
    elif arguments.table:
        print(markdown(rules), end="")
    elif arguments.json:
        print(json.dumps([_as_json(rule, rule_promql(rule)) for rule in rules], indent=2))
    else:
        width = max((len(rule.id) for rule in rules), default=0)
        for rule in rules:
            severity, about = rule.severity.value, rule.about.value
            print(f"{rule.id:<{width}}  {severity:<8}  {about:<9}  {rule.figure}")
    return 0


def _as_json(rule: Rule, promql: str) -> dict[str, object]:
    return {
        "id": rule.id,
        "severity": rule.severity.value,
        "about": rule.about.value,
        "figure": rule.figure,
        "unit": rule.unit,
        "labels": list(rule.keys),
        "expression": rule.source,
        "promql": promql,
        "for_seconds": rule.for_seconds,
        "keep_seconds": rule.keep_seconds,
        "minimum_coverage": rule.minimum_coverage,
        "group_by": list(rule.group_by),
        "mutes": list(rule.mutes),
        "title": rule.title,
        "meaning": rule.meaning,
        "check": rule.check,
        "action": rule.action,
    }


def _check(arguments: Namespace) -> int:
    from wattline_collector.alerts.read import rules_of, shipped

    rules = rules_of(arguments.file)
    known = {rule.id: rule for rule in shipped()}
    new = [rule.id for rule in rules if rule.id not in known]
    changed = [rule.id for rule in rules if rule.id in known and rule != known[rule.id]]
    off = [id for id in known if id not in {rule.id for rule in rules}]
    print(f"{arguments.file}: good; {len(rules)} rules hold with it")
    for word, ids in (("new", new), ("changed", changed), ("off", off)):
        if ids:
            print(f"  {word}: {', '.join(ids)}")
    return 0


def _explain(arguments: Namespace) -> int:
    from wattline_agents.nearest import instead
    from wattline_collector.alerts.page import explained
    from wattline_collector.alerts.start import rules_of_store

    rules = {rule.id: rule for rule in rules_of_store(_store(arguments), arguments.rules)}
    rule = rules.get(arguments.id)
    if rule is None:
        raise UsageError(f"no rule {arguments.id[:60]!r}; {instead(arguments.id, rules)}")
    print(explained(rule), end="")
    return 0


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


COMMAND = Command(
    name="alerts",
    help="what fires, what fired, and by which rules",
    description=_DESCRIPTION,
    configure=_configure,
    run=_run,
)
