"""One cell: text that a person or a program wrote, to a value of its column."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from wattline_agents.nearest import instead
from wattline_agents.wire import MAX_TEXT_BYTES
from wattline_collector.imports.recording import LEAST_MS, MOST_MS
from wattline_collector.imports.timed import unix_ms
from wattline_collector.registers.declare import Column, Kind, Malformed, Register, Value, Values

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}\Z")
_NUMBER = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,18})?(?:[eE][+-]?\d{1,2})?\Z", re.ASCII)
_WHOLE = re.compile(r"\d{1,18}\Z", re.ASCII)
_COMMA = re.compile(r"[+-]?[\d.' \u00a0\u202f]*\d,\d+\Z", re.ASCII)
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:[' \u00a0\u202f]\d{3})+(?:\.\d+)?\Z")
_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<time>\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(?P<zone>Z|[+-]\d\d:?\d\d)?)?\Z",
    re.ASCII,
)
_MOST_SHOWN = 40
_SEPARATORS = re.compile(r"[\s_-]+")

FLAGS: Mapping[str, bool] = {
    "yes": True, "true": True, "1": True, "y": True,
    "no": False, "false": False, "0": False, "n": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """What cells that say less than they could are read as.

    Attributes:
        zone: The zone of times that name none.
        system: The system of rows that name none.
    """

    zone: tzinfo = UTC
    system: str | None = None


def row(register: Register, texts: Mapping[str, str], setting: Setting) -> Values:
    """One row of a register.

    Args:
        register: Whose row it is.
        texts: Its cells by column; a missing one is empty.
        setting: What is understood.

    Raises:
        Malformed: A cell, or the row as a whole, is not what it should be.
    """
    values: Values = {}
    for column in register.columns:
        text = texts.get(column.name, "").strip()
        if text:
            values[column.held_as] = value(column, text, setting)
        elif column.required:
            raise Malformed(column.name, "missing")
        else:
            values[column.held_as] = None
    if values["system"] is None:
        values["system"] = setting.system
    return register.finish(values)


def value(column: Column, text: str, setting: Setting) -> Value:
    """The value of a cell that is not empty.

    Raises:
        Malformed: It is not what the column wants; the message says what would be.
    """
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise Malformed(column.name, f"over {MAX_TEXT_BYTES} bytes: {shown(text)}")
    match column.kind:
        case Kind.NAME:
            if not _NAME.match(text):
                raise Malformed(
                    column.name,
                    f"{shown(text)} is not a name (letters, digits and . _ : @ + -, at most 128)",
                )
            return text
        case Kind.TEXT:
            return _text(column, text)
        case Kind.WORD:
            return word(column, text)
        case Kind.WORDS:
            return " ".join(sorted({word(column, part) for part in re.split(r"[\s|/]+", text)}))
        case Kind.NUMBER | Kind.WHOLE:
            return _number(column, text)
        case Kind.FLAG:
            if text.lower() not in FLAGS:
                raise Malformed(column.name, f"{shown(text)} is neither yes nor no")
            return FLAGS[text.lower()]
        case Kind.TIME:
            return _time_ms(column, text, setting.zone)


def shown(text: str) -> str:
    """A text from outside, fit to stand in a message: in quotes, printable and short."""
    cut = text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."
    return "'" + "".join(c if c.isprintable() else "?" for c in cut) + "'"


def word(column: Column, text: str) -> str:
    """The word of a list that is meant; case, and which of space, - and _ it was, do not matter.

    Raises:
        Malformed: None is meant; the message names the nearest, or all there are.
    """
    meant = {_plain(known): known for known in column.words}
    meant |= {_plain(written): known for written, known in column.synonyms.items()}
    found = meant.get(_plain(text))
    if found is None:
        # A list of 249 countries helps nobody.
        hint = instead(text, column.words)
        if hint.startswith("there are") and len(column.words) > 40:
            hint = f"such as {column.example}"
        raise Malformed(column.name, f"{shown(text)} is not among its words; {hint}")
    return found


def _plain(text: str) -> str:
    return _SEPARATORS.sub("_", text.strip().lower())


def _text(column: Column, text: str) -> str:
    normal = unicodedata.normalize("NFC", text)
    # Also what turns the direction of writing: a title so made reads as another one.
    if not normal.isprintable():
        raise Malformed(column.name, f"holds characters that cannot be printed: {shown(text)}")
    return normal


def _number(column: Column, text: str) -> float | int:
    is_whole = column.kind is Kind.WHOLE
    if not (_WHOLE if is_whole else _NUMBER).match(text):
        if _COMMA.match(text):
            raise Malformed(
                column.name,
                f"{shown(text)} has a comma: write 1234.5 with a point, and nothing between"
                " thousands",
            )
        if _GROUPED.match(text):
            raise Malformed(column.name, f"{shown(text)}: write nothing between thousands")
        kind = "a whole number" if is_whole else "a number such as 1234.5"
        unit = f" in {column.unit}, without the unit" if column.unit else ""
        raise Malformed(column.name, f"{shown(text)} is not {kind}{unit}")
    number = int(text) if is_whole else float(text)
    if not column.least <= number <= column.most:
        raise Malformed(
            column.name, f"{shown(text)} is not from {column.least:g} to {column.most:g}"
        )
    return number


def _time_ms(column: Column, text: str, zone: tzinfo) -> int:
    match = _TIME.match(text)
    if match is None:
        raise Malformed(
            column.name, f"{shown(text)} is not a date such as 2026-03-31 or 2026-03-31T17:30"
        )
    if not "1990" <= match["date"][:4] <= "2100":
        # What databases write for "for ever" is often the year 9999.
        hint = "; leave it empty for without end" if column.closes else ""
        raise Malformed(column.name, f"{shown(text)} is not from 1990 to 2100{hint}")
    try:
        day = date.fromisoformat(match["date"])
        if match["time"] is None:
            if column.closes:
                day += timedelta(days=1)
            when = _local(column, datetime.combine(day, time()), zone, text)
        else:
            local = datetime.combine(day, time.fromisoformat(match["time"]))
            stated = match["zone"]
            if stated is None:
                when = _local(column, local, zone, text)
            else:
                offset = datetime.fromisoformat(f"2000-01-01T00:00{stated}").tzinfo
                when = local.replace(tzinfo=offset)
        time_ms = unix_ms(when)
    except (ValueError, OverflowError) as error:
        raise Malformed(column.name, f"{shown(text)}: {error}") from None
    if not LEAST_MS <= time_ms <= MOST_MS:
        raise Malformed(column.name, f"{shown(text)} is not from 1990 to 2100")
    return time_ms


def _local(column: Column, local: datetime, zone: tzinfo, text: str) -> datetime:
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() != second.utcoffset() and local.time() != time():
        raise Malformed(
            column.name,
            f"{shown(text)} comes twice or never in {zone}, where clocks change:"
            " write its offset, such as +02:00",
        )
    return first
