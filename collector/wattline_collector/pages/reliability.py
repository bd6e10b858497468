"""What the page *Reliability* asks: what was out, since when, why, and what it took."""

from __future__ import annotations

from wattline_agents.errors import UsageError
from wattline_collector.access import Sight, sees
from wattline_collector.kpi.figure import iso
from wattline_collector.kpi.period import parse_time
from wattline_collector.pages import incidents, strip
from wattline_collector.pages.period import SYSTEM, figures, scope, told
from wattline_collector.pages.read import House, Json, Question, Read
from wattline_collector.warning.finding import ALPHA, LEMONS, Kind
from wattline_collector.warning.lemons import (
    LEAST_INCIDENTS,
    LEAST_NODE_DAYS,
    LEAST_NODES,
)

FIGURES = ("A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08")
WARNING_DAYS = 30
"""Days that early warning looks back: it reads every reading of them."""
_MOST_DAYS = 92


def answer(house: House, question: Question) -> Json:
    """`GET /v1/reliability`: the figures, the strip of hours, and the incidents.

    Raises:
        UsageError: `by` is none of `strip.BY`.
    """
    by = question.one("by") or strip.BY[0]
    if by not in strip.BY:
        raise UsageError(f"by: {by[:20]!r} is neither of {', '.join(strip.BY)}")
    asked = scope(house, question)
    return {
        **asked.to_json(),
        "figures": told(figures(asked, FIGURES)),
        "strip": strip.strip(asked.view, by),
        "incidents": incidents.incidents(asked.view, asked.system),
    }


def warnings(house: House, question: Question) -> Json:
    """`GET /v1/reliability/warnings`: nodes and devices that are not as others are.

    Evidence names jobs to those alone who see everybody's.

    Raises:
        UsageError: `days` is no number of days, or `until` no time.
    """
    from wattline_collector.warning.gather import gather
    from wattline_collector.warning.report import report

    days = _days(question.one("days"))
    until = question.one("until")
    end_ms = None if until is None else round(parse_time(until, "until").timestamp() * 1000)
    found = report(gather(house.store.path, days, end_ms)).to_json()
    system = question.one("system")
    listed = found["findings"]
    assert isinstance(listed, list)
    return {
        **found,
        "findings": [
            _narrowed(one, sees(question.viewer, Sight.JOBS))
            for one in listed
            if system in (None, one["system"])
        ],
        "asked_at": iso(question.now),
        "limits": {
            "alpha": ALPHA,
            "least_incidents": LEAST_INCIDENTS,
            "least_nodes": LEAST_NODES,
            "least_node_days": LEAST_NODE_DAYS,
            "counted": [kind.value for kind in LEMONS],
        },
    }


def _narrowed(finding: Json, sees_jobs: bool) -> Json:
    if sees_jobs or finding["kind"] != Kind.JOB_FAILURE.value:
        return finding
    # What stands in brackets is which jobs they were.
    return {**finding, "evidence": str(finding["evidence"]).partition(" (")[0]}


def _days(text: str | None) -> int:
    if text is None:
        return WARNING_DAYS
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:6]) <= _MOST_DAYS:
        raise UsageError(f"days: {text[:20]!r} is no whole number from 1 to {_MOST_DAYS}")
    return int(text)


READS = (
    Read(
        "/v1/reliability",
        (Sight.FIGURES,),
        answer,
        takes=SYSTEM | {"by"},
        keep_seconds=30.0,
    ),
    Read(
        "/v1/reliability/warnings",
        (Sight.FIGURES,),
        warnings,
        takes=SYSTEM | {"days", "until"},
        keep_seconds=600.0,
        by_viewer=True,
    ),
)
