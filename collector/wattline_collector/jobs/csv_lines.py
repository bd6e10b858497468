"""Records of a CSV, each where it begins, however others are damaged.

A quotation mark that is never closed would make everything after it one field. So a record ends
after some lines at most, and where it is damaged only its first line is given up.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping

import polars as pl

from wattline_collector.jobs.accounts import Damage

CHUNK = 25_000
"""Records turned into columns at once."""
_MOST_LINES = 64


def fields(text: str, delimiter: str) -> list[str]:
    """The fields of one record."""
    line = text.rstrip("\r\n")
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def frames(
    lines: Iterable[tuple[int, bytes | None]],
    delimiter: str,
    width: int,
    wanted: Mapping[str, int],
    set_aside: Callable[[Damage, str], None],
) -> Iterator[pl.DataFrame]:
    """Columns of text and `line`, some ten thousand records at a time.

    Args:
        lines: Number and bytes of every line after the header; None for one too long to keep.
        delimiter: Between fields.
        width: How many fields a record has.
        wanted: Columns to keep, and their places.
        set_aside: Is given every damaged record and its text.
    """
    numbers: list[int] = []
    rows: list[tuple[str, ...]] = []
    places = list(wanted.values())
    for number, record in _records(lines, delimiter, width, set_aside):
        numbers.append(number)
        rows.append(tuple([record[place] for place in places]))
        if len(rows) == CHUNK:
            yield _frame(wanted, numbers, rows)
            numbers, rows = [], []
    if rows:
        yield _frame(wanted, numbers, rows)


def _frame(
    wanted: Mapping[str, int], numbers: list[int], rows: list[tuple[str, ...]]
) -> pl.DataFrame:
    columns = zip(wanted, zip(*rows, strict=True), strict=True)
    data = {name: pl.Series(name, values, pl.String) for name, values in columns}
    return pl.DataFrame({"line": pl.Series(numbers, dtype=pl.Int64), **data})


def _records(
    lines: Iterable[tuple[int, bytes | None]],
    delimiter: str,
    width: int,
    set_aside: Callable[[Damage, str], None],
) -> Iterator[tuple[int, list[str]]]:
    source = iter(lines)
    again: deque[tuple[int, str]] = deque()

    def following() -> tuple[int, str] | None:
        if again:
            return again.popleft()
        for number, raw in source:
            if raw is None:
                set_aside(Damage(number, "", "a line of more than 4 MiB"), "")
                continue
            return number, raw.decode("utf-8", "replace")
        return None

    while (first := following()) is not None:
        number, text = first
        more: list[tuple[int, str]] = []
        whole = text
        while whole.count('"') % 2 and len(more) < _MOST_LINES and (one := following()) is not None:
            more.append(one)
            whole += one[1]
        record = fields(whole, delimiter)
        if more and (len(record) != width or whole.count('"') % 2):
            again.extendleft(reversed(more))
            record = fields(text, delimiter)
        if len(record) == width:
            yield number, record
        elif text.strip():
            reason = f"has {len(record)} fields where {width} are expected"
            set_aside(Damage(number, "", reason), text.rstrip("\r\n"))
