"""What the page *My jobs* asks: the jobs somebody may see, found, sorted and cut into pages."""

from __future__ import annotations

import math
from collections.abc import Mapping

import polars as pl

from wattline_agents.errors import UsageError
from wattline_collector.access import Sight, Viewer, sees
from wattline_collector.kpi.sums import ratio
from wattline_collector.pages.job_table import KEY, job_table, seen_by
from wattline_collector.pages.kept import Kept
from wattline_collector.pages.period import scope
from wattline_collector.pages.read import House, Json, Question, Read

ROWS = 50
"""Jobs on a page: 25,000 ran in a day, and somebody reads some dozens."""

MOST_ROWS = 5_000
"""Jobs in a file that somebody saves."""

SORTS: Mapping[str, str] = {
    "job": "job",
    "user": "user",
    "state": "state",
    "start": "start_ms",
    "devices": "devices",
    "gpu_hours": "gpu_hours",
    "working": "working",
    "wasted": "wasted_gpu_hours",
    "energy": "energy_joules",
    "tokens": "tokens",
    "efficiency": "tokens_per_joule",
}
"""What the list can be sorted by, and the column that is."""

STATES: Mapping[str, tuple[str, ...]] = {
    "running": ("running", "suspended"),
    "waiting": ("pending",),
    "completed": ("completed",),
    "failed": (
        "failed", "timeout", "out_of_memory", "node_fail", "deadline", "boot_fail", "preempted",
        "cancelled", "requeued",
    ),
}  # fmt: skip
"""States by how a person asks for them."""

_MOST_SEARCHED = 80
_SEARCHED = ("job", "job_id", "name", "project")
_SHOWN = (
    "system", "job", "job_id", "name", "user", "project", "kind", "state", "submit_ms", "start_ms",
    "end_ms", "devices", "gpu_hours", "working", "coverage", "wasted_gpu_hours", "energy_joules",
    "energy_coverage", "tokens", "tokens_per_joule",
)  # fmt: skip
_TAKES = frozenset({"system", "user", "state", "search", "sort", "order", "page", "rows"})

Tables = tuple[dict[str, object], pl.DataFrame]
_tables: Kept[Tables] = Kept(15.0, 4)


def answer(house: House, question: Question) -> Json:
    """`GET /v1/my-jobs`: a page of the jobs of a period, and sums over all that were asked for.

    Raises:
        UsageError: A sort, order, state or page there is not, or a store without books.
    """
    column, descending = _order(question)
    about, table = _table(house, question)
    theirs = seen_by(table, question.viewer)
    found = _asked(theirs, question)
    length = _number(question, "rows", ROWS, MOST_ROWS)
    pages = max(1, math.ceil(found.height / length))
    number = min(_number(question, "page", 1, 999_999), pages)
    rows = found.sort(
        column, *KEY, descending=[descending, False, True], nulls_last=True
    ).slice((number - 1) * length, length)  # fmt: skip
    return {
        **about,
        "jobs": found.height,
        "all_jobs": theirs.height,
        "page": number,
        "pages": pages,
        "rows": rows.select(_SHOWN).to_dicts(),
        "totals": totals(found),
        "states": dict(theirs["state"].drop_nulls().value_counts().sort("state").iter_rows()),
        "everybody": sees(question.viewer, Sight.JOBS),
        "several_users": _several(theirs, question.viewer),
    }


def totals(found: pl.DataFrame) -> Json:
    """Sums over jobs; ratios are sums over sums."""

    def known(name: str) -> pl.Expr:
        return pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name)

    names = (
        "gpu_hours", "working_hours", "assigned_hours", "measured_hours", "wasted_gpu_hours",
        "energy_joules", "tokens", "priced_tokens", "priced_joules",
    )  # fmt: skip
    sums = found.select(map(known, names)).with_columns(
        pl.when(pl.col("measured_hours") > 0)
        .then(ratio(pl.col("working_hours"), pl.col("assigned_hours")))
        .alias("working"),
        ratio(pl.col("measured_hours"), pl.col("assigned_hours")).alias("coverage"),
        ratio(pl.col("priced_tokens"), pl.col("priced_joules")).alias("tokens_per_joule"),
    )
    shown = ("gpu_hours", "working", "coverage", "wasted_gpu_hours", "energy_joules", "tokens",
             "tokens_per_joule")  # fmt: skip
    return sums.select(shown).row(0, named=True)


def _table(house: House, question: Question) -> Tables:
    """The jobs of the period, made once for all who ask: what anybody may see is cut from it."""
    period = question.period
    # Periods that are open to the present differ by the moment they are asked for.
    bounds = None if period is None else tuple(
        int(at.timestamp()) // 60 for at in (period.start, period.end)
    )  # fmt: skip

    def make() -> Tables:
        asked = scope(house, question)
        said = asked.to_json()
        # How many devices there are, and notes on everybody's jobs, are not for every owner of one.
        about = {name: said[name] for name in ("period", "time_zone", "system", "systems")}
        return about, job_table(asked.view)

    return _tables.get(house.store, (question.one("system"), bounds), make)


def _asked(table: pl.DataFrame, question: Question) -> pl.DataFrame:
    user, state, search = (question.one(name) for name in ("user", "state", "search"))
    if user:
        table = table.filter(pl.col("user") == user)
    if state:
        if state not in STATES:
            raise UsageError(f"state: {state[:20]!r} is none of {', '.join(STATES)}")
        table = table.filter(pl.col("state").is_in(STATES[state]))
    if search and (words := search.strip()[:_MOST_SEARCHED].lower()):
        table = table.filter(
            pl.any_horizontal(
                pl.col(name).str.to_lowercase().str.contains(words, literal=True).fill_null(False)
                for name in _SEARCHED
            )
        )
    return table


def _order(question: Question) -> tuple[str, bool]:
    sort = question.one("sort") or "start"
    order = question.one("order") or "down"
    if sort not in SORTS:
        raise UsageError(f"sort: {sort[:20]!r} is none of {', '.join(SORTS)}")
    if order not in ("up", "down"):
        raise UsageError(f"order: {order[:20]!r} is neither up nor down")
    return SORTS[sort], order == "down"


def _number(question: Question, name: str, default: int, most: int) -> int:
    said = question.one(name) or str(default)
    if not said.isdecimal() or len(said) > 6 or not 1 <= int(said) <= most:
        raise UsageError(f"{name}: {said[:20]!r} is no number from 1 to {most}")
    return int(said)


def _several(theirs: pl.DataFrame, viewer: Viewer) -> bool:
    """Whether there is anybody's job but the viewer's: only then is there a user to choose."""
    return bool((theirs["user"] != (viewer.name or "")).any())


READS = (
    Read(
        "/v1/my-jobs", (Sight.OWN, Sight.JOBS), answer, takes=_TAKES, keep_seconds=10.0,
        by_viewer=True,
    ),
)  # fmt: skip
