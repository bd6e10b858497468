"""Periods as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

from wattline_agents.errors import UsageError


def parse_time(text: str, what: str) -> datetime:
    """A moment in ISO 8601: `2026-11-01`, `2026-11-01T06:00`, with `Z` or an offset; UTC if none.

    Raises:
        UsageError: It is not one; the message names `what` was asked for.
    """
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(
            f"{what}: {text[:40]!r} is not a time; write 2026-11-01 or 2026-11-01T06:00Z"
        ) from error
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
