"""Times on axes: drawn in the site's zone, with UTC under the pointer."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from wattline_dashboards import times


def local(unix_ms: float, zone: ZoneInfo) -> str:
    """A moment for an axis: the zone's clock, without an offset, as the browser has none of it."""
    when = datetime.fromtimestamp(unix_ms / 1000, UTC).astimezone(zone)
    return when.replace(tzinfo=None).isoformat(timespec="seconds")


def utc_axis(unix_ms: float) -> str:
    """A moment for an axis that is itself in UTC, and has its labels in the zone."""
    when = datetime.fromtimestamp(unix_ms / 1000, UTC).replace(tzinfo=None)
    return when.isoformat(timespec="milliseconds")


def utc(unix_ms: float) -> str:
    """The same moment for a hover: `1 Nov 2026 14:05 UTC`."""
    when = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return f"{times.day_and_year(when)} {when:%H:%M} UTC"


def iso(unix_ms: float | None) -> str | None:
    """The same moment for a file."""
    if unix_ms is None:
        return None
    when = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")
