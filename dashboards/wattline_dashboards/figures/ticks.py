"""Where an axis of time is labelled: at moments that people count by, on the site's clock.

The axis itself is in UTC, which has no hour twice: where clocks are set back in the period, ticks
still stand at the right moments, and what stands under the pointer is UTC.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from wattline_dashboards import times

MOST = 10

_ZEROS = re.compile(r"(\.\d*?)0+(?=\D|$)")

_STEPS = (
    *(timedelta(seconds=count) for count in (1, 2, 5, 10, 15, 30)),
    *(timedelta(minutes=count) for count in (1, 2, 5, 10, 15, 30)),
    *(timedelta(hours=count) for count in (1, 2, 3, 6, 12)),
    *(timedelta(days=count) for count in (1, 2, 5, 10)),
)
_MONTH = timedelta(days=30)


def plain(label: str) -> str:
    """A label of an axis without the zeros that an exact value does not need: `2.00 GHz`, `2 GHz`.

    Labels stand at round values, where the digits that say how exact a reading is mean nothing.
    """
    return _ZEROS.sub(lambda found: found[1].rstrip("."), label, count=1)


def between(low: float, high: float, most: int = 4) -> list[float]:
    """Round values within a scale that does not begin at zero: two or more, at most so many."""
    if not high > low:
        return [low]
    unit = 10.0 ** math.floor(math.log10(high - low))
    for step in (unit * size for size in (0.1, 0.2, 0.5, 1, 2, 5)):
        first, last = math.ceil(low / step), math.floor(high / step)
        if last - first < most:
            # From whole numbers, so that no tick has the crumbs of a sum of fractions.
            return [round(place * step, 12) for place in range(first, last + 1)]
    return [low]


def ticks(
    start_ms: float, end_ms: float, zone: ZoneInfo, most: int = MOST
) -> list[tuple[int, str]]:
    """Moments (ms, UTC) and their labels, at most about `most` of them."""
    span = timedelta(milliseconds=max(end_ms - start_ms, 1))
    start = datetime.fromtimestamp(start_ms / 1000, UTC).astimezone(zone)
    step = next((step for step in _STEPS if span / step <= most), None)
    if step is not None:
        labelled = list(_steps(start, step, span))
    else:
        labelled = list(_months(start, span, most))
    found: dict[int, str] = {}
    for naive, label in labelled:
        at = round(naive.replace(tzinfo=zone).timestamp() * 1000)
        if start_ms <= at < end_ms:
            found.setdefault(at, label)
    return sorted(found.items())


def _steps(start: datetime, step: timedelta, span: timedelta) -> Iterator[tuple[datetime, str]]:
    at = start.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if step < timedelta(days=1):
        at += (start.replace(tzinfo=None) - at) // step * step
    else:
        # The same dates whenever the page is looked at.
        at -= timedelta(days=at.toordinal() % step.days)
    # An hour more at the end: the clock may be set back in between.
    for _ in range(int(span / step) + 3 + int(timedelta(hours=1) / step)):
        yield at, _label(at, step)
        at += step


def _label(at: datetime, step: timedelta) -> str:
    if at.hour == at.minute == at.second == 0:
        return times.day(at)
    return f"{at:%H:%M:%S}" if step < timedelta(minutes=1) else f"{at:%H:%M}"


def _months(start: datetime, span: timedelta, most: int) -> Iterator[tuple[datetime, str]]:
    every = -(-int(span / _MONTH) // most) or 1
    for count in range(0, int(span / _MONTH) + 2, every):
        month = start.month - 1 + count
        at = datetime(start.year + month // 12, month % 12 + 1, 1)
        with_year = at.month == 1 or count == 0
        yield at, times.month(at) if with_year else times.month_name(at)
