"""Moments: in the site's time zone for the eye, in UTC under the pointer."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from dash import html

from wattline_collector.palette import UNKNOWN
from wattline_dashboards import times


def moment(unix_ms: float | None, zone: ZoneInfo, *, seconds: bool = False) -> html.Time | str:
    """`21 Nov 2026 14:05`, with the UTC time as its title; a dash where it is not known."""
    if unix_ms is None:
        return UNKNOWN
    utc = datetime.fromtimestamp(unix_ms / 1000, UTC)
    clock = "%H:%M:%S" if seconds else "%H:%M"
    return html.Time(
        shown(utc, zone, clock),
        dateTime=utc.isoformat(timespec="seconds").replace("+00:00", "Z"),
        title=f"{times.day_and_year(utc)} {utc:{clock}} UTC",
    )


def shown(when: datetime, zone: ZoneInfo, clock: str = "%H:%M") -> str:
    """`21 Nov 2026 14:05` in a time zone; `clock` may be empty for the day alone."""
    local = when.astimezone(zone)
    day = times.day_and_year(local)
    return f"{day} {local:{clock}}" if clock else day
