"""Which of an audit's findings concern a period."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from wattline_collector.kpi.figure import Period

_HOUR = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}(?=Z)")


class Finding(Protocol):
    """What the collector's audit returns: its `hour` names one hour, or the first and the last."""

    @property
    def hour(self) -> str:
        """For people, e.g. `2026-11-01T05Z (sim)`."""
        ...


def within(findings: Iterable[Finding], period: Period) -> list[str]:
    """One line per finding that touches the period; one without an hour touches every period."""
    return [str(finding) for finding in findings if _touches(finding.hour, period)]


def _touches(hours: str, period: Period) -> bool:
    times = [datetime.strptime(t, "%Y-%m-%dT%H").replace(tzinfo=UTC) for t in _HOUR.findall(hours)]
    if not times:
        return True
    return min(times) < period.end and max(times) + timedelta(hours=1) > period.start
