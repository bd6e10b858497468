"""How a review writes numbers, dates and the names that come from outside."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from wattline_collector.kpi.figure import Period
from wattline_collector.palette import THIN_SPACE, UNKNOWN

NARROW = "\u202f"
"""A thin space at which no line breaks: a number and its unit stay together."""

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

_ORDINALS = ("first", "second", "third", "fourth")

LONGEST_NAME = 64
"""Longer names of jobs, nodes and systems are cut in the middle."""


def tied(text: str) -> str:
    """Text whose thin spaces do not break across lines."""
    return text.replace(THIN_SPACE, NARROW)


def shown(name: str) -> str:
    """A name from outside as text a person can trust: what cannot be seen is written out.

    Control characters, direction overrides, private and unassigned code points become `[U+202E]`;
    any white space becomes one space; a very long name loses its middle.
    """
    composed = unicodedata.normalize("NFC", name)
    letters = []
    for letter in composed:
        if letter.isspace():
            letters.append(" ")
        elif unicodedata.category(letter).startswith("C"):
            letters.append(f"[U+{ord(letter):04X}]")
        else:
            letters.append(letter)
    text = " ".join("".join(letters).split())
    if len(text) > LONGEST_NAME:
        half = (LONGEST_NAME - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    return text or "[empty]"


def grouped(value: float, decimals: int = 0) -> str:
    """A number with thin spaces between groups of three digits and a true minus."""
    text = f"{value:,.{decimals}f}".replace(",", NARROW)
    if text.startswith("-"):
        text = "\u2212" + text[1:] if float(f"{value:.{decimals}f}") else text[1:]
    return text


def decimals_for(largest: float, least: int = 0) -> int:
    """How many decimals a column needs so that its largest number shows four digits."""
    if largest <= 0:
        return max(least, 0)
    return min(max(3 - math.floor(math.log10(largest)), least), 6)


def column(values: Sequence[float | None], decimals: int) -> list[str]:
    """Numbers of one column; a number under half of the last place shows as less than it."""
    least = f"<{NARROW}{grouped(10**-decimals, decimals)}"
    return [
        UNKNOWN
        if value is None
        else "0"
        if value == 0
        else least
        if 0 < value < 0.5 * 10**-decimals
        else grouped(value, decimals)
        for value in values
    ]


def summing_column(values: Sequence[float], decimals: int) -> tuple[list[str], str]:
    """Numbers of one column and their total, rounded so that what is printed adds up.

    Each number is rounded down to the last place, and the places still missing to the rounded total
    go to the largest remainders; a number that is something but rounds to nothing says so.
    """
    unit: float = 10**-decimals
    scaled = [value / unit for value in values]
    whole = [math.floor(value + 1e-9) for value in scaled]
    total = round(math.fsum(scaled))
    by_remainder = sorted(range(len(values)), key=lambda i: (whole[i] - scaled[i], i))
    for place in by_remainder[: max(0, total - sum(whole))]:
        whole[place] += 1
    least = f"<{NARROW}{grouped(unit, decimals)}"
    texts = [
        "0" if value == 0 else least if count == 0 else grouped(count * unit, decimals)
        for count, value in zip(whole, values, strict=True)
    ]
    return texts, grouped(total * unit, decimals)


def scale_for(largest: float) -> tuple[str, float]:
    """The SI prefix, and its factor, in which the largest number has one to three digits."""
    for prefix, factor in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if largest >= factor:
            return prefix, factor
    return "", 1.0


def count_of(count: int, one: str, many: str | None = None) -> str:
    """`1 day`, `3 days`, `1 234 days`, held together."""
    return f"{grouped(count)}\u00a0{one if count == 1 else many or one + 's'}"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def sentence(text: str) -> str:
    """Text with a capital at its start and a full stop at its end."""
    text = text.strip()
    if not text:
        return ""
    text = re.sub(r"(?<=\. )[a-z]", lambda first: first[0].upper(), text)
    return text[0].upper() + text[1:] + ("" if text[-1] in ".?!:" else ".")


def day_month(day: date) -> str:
    """`3 Nov`."""
    return f"{day.day}\u00a0{MONTHS[day.month - 1][:3]}"


def month_year(day: date) -> str:
    """`Nov 2026`."""
    return f"{MONTHS[day.month - 1][:3]}\u00a0{day.year}"


def long_day(day: date) -> str:
    """`3 November 2026`."""
    return f"{day.day}\u00a0{MONTHS[day.month - 1]}\u00a0{day.year}"


def moment(time: datetime) -> str:
    """`3 November 2026, 14:30`."""
    return f"{long_day(time.date())}, {time:%H:%M}"


def period_name(period: Period) -> str:
    """A period as a person says it: `November 2026`, `third quarter of 2026`, `2026`, two dates."""
    code = period_code(period)
    start = period.start
    if "Q" in code:
        return f"{_ORDINALS[(start.month - 1) // 3]} quarter of {start.year}"
    if len(code) == 4:
        return str(start.year)
    if len(code) == 7:
        return f"{MONTHS[start.month - 1]}\u00a0{start.year}"
    if not _whole_days(period):
        same = start.date() == period.end.date()
        end = f"{period.end:%H:%M}" if same else moment(period.end)
        return f"{moment(start)} to {end}\u00a0UTC"
    last = (period.end - timedelta(days=1)).date()
    if last == start.date():
        return long_day(last)
    return f"{long_day(start.date())} to {long_day(last)}"


def period_phrase(period: Period) -> str:
    """The same at the start of a sentence: `in November 2026`, `from 3 November 2026 to ...,`."""
    code, name = period_code(period), period_name(period)
    if "Q" in code:
        return f"in the {name}"
    if len(code) <= 7:
        return f"in {name}"
    return f"on {name}" if len(code) == 10 else f"from {name},"


def period_bounds(period: Period) -> str:
    """Its exact start and end."""
    return f"from {moment(period.start)}\u00a0UTC up to {moment(period.end)}\u00a0UTC"


def period_code(period: Period) -> str:
    """A period as a file's name says it: `2026`, `2026-Q4`, `2026-11`, `2026-11-03_2026-11-12`."""
    start, end = period.start, period.end
    if _whole_days(period) and start.day == 1 and end.day == 1:
        months = (end.year - start.year) * 12 + end.month - start.month
        if months == 12 and start.month == 1:
            return f"{start.year}"
        if months == 3 and start.month % 3 == 1:
            return f"{start.year}-Q{(start.month + 2) // 3}"
        if months == 1:
            return f"{start:%Y-%m}"
    if not _whole_days(period):
        return f"{start:%Y%m%dT%H%M%SZ}_{end:%Y%m%dT%H%M%SZ}"
    last = end - timedelta(days=1)
    return f"{start:%Y-%m-%d}" if last == start else f"{start:%Y-%m-%d}_{last:%Y-%m-%d}"


def _whole_days(period: Period) -> bool:
    return not any(
        (time.hour, time.minute, time.second, time.microsecond) != (0, 0, 0, 0)
        for time in (period.start, period.end)
    )
