"""Whether rows can be true: bounds on every column, from the catalogue.

The columns of a batch of eight rows cost more to call on than to look at, so columns with the same
bounds are laid end to end and looked at once; only what fails is searched for its column and row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from wattline_agents.catalogue import DEVICE, TABLES, Kind, Metric, Table, Type
from wattline_agents.errors import WireError
from wattline_agents.wire import MAX_TEXT_BYTES
from wattline_collector.receive.decode import without_nan

EARLIEST_MS = 946_684_800_000
"""2000-01-01: no accelerator is older, and a clock that says so is not set."""
LATEST_MS = 4_102_444_800_000
"""2100-01-01, for the plans that may lie ahead: until when a device counts as installed."""
AHEAD_MS = 86_400_000
"""A clock may be wrong by a time zone, not by more."""
MOST = 10**18
"""Whole numbers above it: sums of a few leave 64 bits."""
MOST_AMOUNT = 10**30
"""Operations of a model in its lifetime are counted to 1e27; a million times that is nonsense."""
MOST_RATIO = 2
"""A ratio is 0-1; a little over is jitter, and 2 and more is percent."""


@dataclass(frozen=True, slots=True)
class _Bound:
    """Columns of one type that may hold the same.

    Attributes:
        places: Where they stand in the rows.
        least: The least value allowed; None leaves only infinity out.
        most: The greatest; None is the end of tomorrow.
        say: What a value beyond is.
    """

    places: tuple[int, ...]
    least: int | None
    most: int | None
    say: str


@dataclass(frozen=True, slots=True)
class _Plan:
    required: tuple[int, ...]
    texts: tuple[tuple[int, bool], ...]
    ints: tuple[_Bound, ...]
    floats: tuple[_Bound, ...]


_TIME = (EARLIEST_MS, None, "not a time from 2000 to a day from now, in milliseconds")
_PLAN = (EARLIEST_MS, LATEST_MS, "not a time from 2000 to 2100, in milliseconds")
_SHARE = (0, MOST_RATIO, "not a share, which is 0-1")
_RATIO = (0, MOST_RATIO, "not a ratio, which is 0-1")
_SWITCH = (0, 1, "neither 0 nor 1")
_COUNT = (0, MOST, "negative, or beyond 1e18")
_AMOUNT = (0, MOST_AMOUNT, "negative, or beyond 1e30")
_INTEGER = (-MOST, MOST, "beyond 1e18")
_NUMBER = (None, None, "infinite")


_CONTROL = r"[\x00-\x1f\x7f-\x9f\x{2028}-\x{202e}\x{2066}-\x{2069}]"
"""What moves a cursor, begins a line, or turns the direction of writing: a control group's name may
hold any of it, and a name so made reads as another one."""

_SWITCHES = frozenset({"up", "power_stale", "row_remap_pending", "row_remap_failed"}) | {
    metric.column for metric in DEVICE.metrics if metric.family == "gpu_throttle_active"
}


def _may_be(table: Table, column: str) -> tuple[int | None, int | None, str]:
    if column.endswith("_unix_ms"):
        return _PLAN if column.startswith("installed_") else _TIME
    if column == "share":
        return _SHARE
    metric = next((m for m in table.metrics if m.column == column), None)
    if metric is not None and (bounds := _of_metric(metric)) is not None:
        return bounds
    return _INTEGER if table.columns[column] is Type.INT else _NUMBER


def _of_metric(metric: Metric) -> tuple[int, int, str] | None:
    if metric.column.endswith("_ratio"):
        return _RATIO
    if metric.type is Type.INT and metric.column in _SWITCHES:
        return _SWITCH
    if metric.kind is Kind.COUNTER or metric.column.endswith("_bytes"):
        return _COUNT if metric.type is Type.INT else _AMOUNT
    return None


@lru_cache(maxsize=1024)
def _plan(name: str, columns: tuple[str, ...]) -> _Plan:
    """What to look at in rows of these columns."""
    table = TABLES[name]
    groups: dict[tuple[Type, tuple[int | None, int | None, str]], list[int]] = {}
    for place, column in enumerate(columns):
        if (type := table.columns[column]) is not Type.TEXT:
            groups.setdefault((type, _may_be(table, column)), []).append(place)

    def bounds(wanted: Type) -> tuple[_Bound, ...]:
        return tuple(
            _Bound(tuple(places), *may_be)
            for (type, may_be), places in groups.items()
            if type is wanted
        )

    return _Plan(
        required=tuple(columns.index(column) for column in table.required),
        texts=tuple(
            (place, column in table.required)
            for place, column in enumerate(columns)
            if table.columns[column] is Type.TEXT
        ),
        ints=bounds(Type.INT),
        floats=bounds(Type.FLOAT),
    )


def checked(table: Table, rows: pa.RecordBatch, now_ms: int) -> pa.RecordBatch:
    """Rows that can be true, with null in place of NaN.

    Raises:
        WireError: A required value is null, or a time, number or text is out of bounds; the
            message names table, column and row.
    """
    plan = _plan(table.name, tuple(rows.schema.names))
    columns = rows.columns
    for place in plan.required:
        if columns[place].null_count:
            _refuse(table, rows, place, pc.is_null(columns[place]), "null, and it is required")
    for place, required in plan.texts:
        _check_text(table, rows, place, required)
    for bound in plan.ints:
        _check_numbers(table, rows, bound, _end_to_end(columns, bound), now_ms)
    if not plan.floats:
        return rows
    everything = _laid(columns, plan.floats)
    # One sum tells of every NaN and infinity, because nothing takes either away again.
    total = pc.sum(everything).as_py()
    if total is not None and not math.isfinite(total):
        if any(pc.any(pc.is_nan(columns[p])).as_py() for b in plan.floats for p in b.places):
            return checked(table, without_nan(rows), now_ms)
        _refuse_infinite(table, rows, plan.floats)
    start = 0
    for bound in plan.floats:
        length = len(bound.places) * rows.num_rows
        if bound.least is not None:
            _check_numbers(table, rows, bound, everything.slice(start, length), now_ms)
        start += length
    return rows


def _end_to_end(columns: Sequence[pa.Array], bound: _Bound) -> pa.Array:
    if len(bound.places) == 1:
        return columns[bound.places[0]]
    return pa.concat_arrays([columns[place] for place in bound.places])


def _laid(columns: Sequence[pa.Array], bounds: Sequence[_Bound]) -> pa.Array:
    return pa.concat_arrays([columns[place] for bound in bounds for place in bound.places])


def _check_numbers(
    table: Table, rows: pa.RecordBatch, bound: _Bound, values: pa.Array, now_ms: int
) -> None:
    least = -MOST if bound.least is None else bound.least
    most = now_ms + AHEAD_MS if bound.most is None else bound.most
    ends = pc.min_max(values).as_py()
    if ends["min"] is None or (least <= ends["min"] and ends["max"] <= most):
        return
    for place in bound.places:
        column = rows.column(place)
        kind = column.type
        number = float if pa.types.is_floating(kind) else int
        under = pc.less(column, pa.scalar(number(least), kind))
        over = pc.greater(column, pa.scalar(number(most), kind))
        wrong = pc.or_(under, over)
        _refuse(table, rows, place, wrong, bound.say)


def _refuse_infinite(table: Table, rows: pa.RecordBatch, bounds: Sequence[_Bound]) -> None:
    for bound in bounds:
        for place in bound.places:
            _refuse(table, rows, place, pc.is_inf(rows.column(place)), "infinite")


def _check_text(table: Table, rows: pa.RecordBatch, place: int, required: bool) -> None:
    values = rows.column(place)
    lengths = pc.binary_length(values)
    ends = pc.min_max(lengths).as_py()
    if ends["min"] is None:
        return
    if ends["max"] > MAX_TEXT_BYTES:
        say = f"text over {MAX_TEXT_BYTES} bytes"
        _refuse(table, rows, place, pc.greater(lengths, MAX_TEXT_BYTES), say)
    if required and ends["min"] == 0:
        _refuse(table, rows, place, pc.equal(lengths, 0), "empty text, and it is required")
    # Text is shown on terminals and pages: a control character has no business in a name.
    control = pc.match_substring_regex(values, _CONTROL)
    if control.true_count:
        _refuse(table, rows, place, control, "a control character in text")


def _refuse(table: Table, rows: pa.RecordBatch, place: int, wrong: pa.Array, say: str) -> None:
    row = pc.index(wrong, True).as_py()
    if row >= 0:
        raise WireError(f"{table.name}.{rows.schema.names[place]}, row {row}: {say}")
