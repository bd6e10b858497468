"""Figures for whoever asks: the command line, the API, the pages and the reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from wattline_agents.errors import InputError, UsageError
from wattline_collector.kpi import registry
from wattline_collector.kpi.compare import Compared, side_by_side
from wattline_collector.kpi.declare import DIMENSIONS, TIME, Kpi
from wattline_collector.kpi.figure import Figure, Period, iso
from wattline_collector.kpi.overview import Overview, notes, of_view
from wattline_collector.kpi.period import compared_with
from wattline_collector.kpi.targets import aim_of
from wattline_collector.kpi.view import View, load, utc
from wattline_collector.ledger.books import Books

MOST = 200_000
"""Figures of one question. Each is an object; a site has that many jobs in a month."""

_LIKE = 0.005
"""Relative difference of two periods' lengths up to which nothing is said: a change of clocks."""

By = str | Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked for.

    Attributes:
        period: Over what time.
        figures: The figures, in the order of their ids.
        compared: The same, each beside that of the other period; None where none was asked for.
        other: The other period.
        notes: What their reader must know.
    """

    period: Period
    figures: list[Figure]
    compared: list[Compared] | None
    other: Period | None
    notes: list[str]

    def to_json(self) -> list[dict[str, object]]:
        """A list of figures; compared ones have `target` and `previous` too."""
        return [one.to_json() for one in self.compared or self.figures]


def figures(
    store: Path, ids: Sequence[str], period: Period | None = None, by: By = None
) -> list[Figure]:
    """Compute KPIs from a store's books; see `ask`."""
    return ask(store, ids, period, by).figures


def ask(
    store: Path,
    ids: Sequence[str],
    period: Period | None = None,
    by: By = None,
    compare: str | None = None,
    most: int = MOST,
    as_of: datetime | None = None,
) -> Answer:
    """Compute KPIs from a store's books, and what their reader must know.

    Args:
        store: The store's directory.
        ids: Which, in order; all that can be split so if empty.
        period: Over what time; all that the store holds if None.
        by: Any of `DIMENSIONS` to split by: some, or one text with commas.
        compare: `previous`, `year-ago` or FROM..TO: the period to compare with.
        most: Figures that an answer may have.
        as_of: As the books and registers stood then; as they stand now if None.

    Raises:
        UsageError: An id or dimension there is not, a period that ends before it starts, more
            figures than there may be, or a store without books.
    """
    kpis = [registry.find(id) for id in dict.fromkeys(id.upper() for id in ids)]
    split = dimensions(by)
    checked(period)
    if compare is not None:
        if period is None:
            raise UsageError("to compare, say which period: --from 2026-11-01 --to 2026-12-01")
        for name in split:
            if name in TIME:
                raise UsageError(f"whole periods are compared: leave out --by {name}, or --compare")
    if not kpis:
        kpis = [kpi for kpi in registry.REGISTRY.values() if set(split) <= set(kpi.by)]
    view = load(store, period, as_of)
    found = _figures(view, kpis, split, most)
    said = notes(view)
    if view.zone != "UTC" and set(split) & set(TIME):
        said.insert(0, f"hours, days and the like are those of {view.zone}, as its profile says")
    if compare is None:
        return Answer(view.period, found, None, None, said)
    other = compared_with(compare, view.period, view.zone)
    earlier = _figures(load(store, other, as_of), kpis, split, most)
    systems = view.totals["system"].unique().to_list()
    compared = side_by_side(
        found,
        earlier,
        registry.REGISTRY,
        lambda figure: aim_of(registry.REGISTRY[figure.id], figure, view.profile, systems),
    )
    return Answer(view.period, found, compared, other, unlike(store, view.period, other) + said)


def dimensions(by: By) -> list[str]:
    """What to split by, each once, in the order it was asked for.

    Raises:
        UsageError: There is no such dimension; the message lists those there are.
    """
    texts = [] if by is None else [by] if isinstance(by, str) else by
    names = [name.strip() for text in texts for name in text.split(",")]
    for name in names:
        if name not in DIMENSIONS:
            raise UsageError(f"cannot split by {name[:20]!r}; there are {', '.join(DIMENSIONS)}")
    return list(dict.fromkeys(names))


def overview(store: Path, period: Period | None = None, as_of: datetime | None = None) -> Overview:
    """Everything the pages and the report show of a period.

    Pages go on while somebody edits the profile: one that is not right is left out, and said.

    Raises:
        UsageError: As for `figures`.
    """
    checked(period)
    return overview_of(load(store, period, as_of))


def overview_of(view: View) -> Overview:
    """The same of a view that is loaded already."""
    try:
        _ = view.profile
    except InputError as error:
        assert view.inputs is not None, "only a store has a profile that can be wrong"
        without = replace(view, inputs=replace(view.inputs, without_profile=True))
        found = of_view(without)
        said = f"figures are without the factory's profile, which is not right: {error}"
        return replace(found, notes=[said, *found.notes])
    return of_view(view)


def checked(period: Period | None) -> None:
    """Refuse a period that does not end after it starts.

    Raises:
        UsageError: It does not.
    """
    if period is not None and period.end <= period.start:
        ends = period.to_json()
        raise UsageError(
            f"the period ends before it starts: from {ends['from']} to {ends['to']}; swap them"
        )


def _figures(view: View, kpis: Sequence[Kpi], by: Sequence[str], most: int) -> list[Figure]:
    found: list[Figure] = []
    for kpi in kpis:
        found += registry.evaluate(kpi, view, by, most=most - len(found))
    return found


def unlike(store: Path, period: Period, other: Period) -> list[str]:
    """Why sums of two periods cannot be set beside each other, where they cannot.

    Args:
        store: The store's directory.
        period: The one.
        other: What it is compared with.
    """
    found = []
    span = Books(store).span()
    if span is not None and utc(span[0]) > other.start:
        found.append(
            f"the books begin at {iso(utc(span[0]))}, later than the period compared with: sums "
            "of the two are not of like time"
        )
    if abs(period.seconds - other.seconds) > _LIKE * period.seconds:
        days = [f"{one.seconds / 86_400:.4g}" for one in (period, other)]
        found.append(
            f"the periods are of {days[0]} and {days[1]} days: sums of the two are not of like "
            "time, ratios are"
        )
    return found
