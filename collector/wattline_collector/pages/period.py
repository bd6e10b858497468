"""The books of the period that a page asks about, and figures of them as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from wattline_agents.errors import InputError, UsageError
from wattline_collector.kpi import registry
from wattline_collector.kpi.buckets import buckets
from wattline_collector.kpi.figure import Figure, Period
from wattline_collector.kpi.overview import notes
from wattline_collector.kpi.query import checked
from wattline_collector.kpi.view import View, load
from wattline_collector.pages.read import House, Json, Question

SYSTEM = frozenset({"system"})
"""What a page takes that goes by the picker of systems."""

_STEPS = (("hour", 3), ("day", 92), ("week", 550), ("month", 36_600))
"""What a period of at most so many days is cut into: some dozens of points at any length."""
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Scope:
    """What a page is about.

    Attributes:
        view: The books of the period, of the one system where one is asked for.
        system: That system; None: all.
        is_part: Whether there are others: then what is of the whole site is not this system's.
        notes: What a reader of any figure must know.
    """

    view: View
    system: str | None
    is_part: bool
    notes: list[str]

    def to_json(self) -> dict[str, object]:
        """What every answer begins with."""
        view = self.view
        systems = {*view.control.booked_until["system"], *view.inventory["system"]}
        return {
            "period": view.period.to_json(),
            "time_zone": view.zone,
            "system": self.system,
            "systems": sorted(str(one) for one in systems),
            "devices": view.totals.select("system", "device").n_unique(),
            "notes": self.notes,
        }


def scope(house: House, question: Question) -> Scope:
    """Load what a question is about.

    A profile that is not right is left out, and said: pages go on while somebody edits it.

    Raises:
        UsageError: The store holds no books, or the system is none of its systems.
    """
    checked(question.period)
    view, said = _without_wrong_profile(load(house.store.path, question.period))
    system = question.one("system")
    if system is None:
        return Scope(view, None, False, [*said, *notes(view)])
    known = sorted({str(name) for name in view.inventory["system"]})
    if system not in known:
        raise UsageError(
            f"system: the books have none called {system[:80]!r}; they have {', '.join(known)}"
        )
    mine = view.only_system(system)
    return Scope(mine, system, mine is not view, [*said, *notes(mine)])


def earlier(house: House, now: Scope, period: Period) -> View:
    """The books of another period, of the same system."""
    view, _ = _without_wrong_profile(load(house.store.path, period))
    return view if now.system is None else view.only_system(now.system)


def figures(scope: Scope, ids: Iterable[str], by: Sequence[str] = ()) -> list[Figure]:
    """KPIs of a scope; those that can be split by system are the one system's alone.

    What meters of the whole site counted is no system's, so of one system such a figure is unknown
    and says so.
    """
    found = []
    for id in ids:
        kpi = registry.REGISTRY[id]
        split = [*by]
        if scope.is_part and "system" in kpi.by and "system" not in split:
            split.append("system")
        for figure in registry.evaluate(kpi, scope.view, split):
            named = figure.dims.get("system")
            if scope.is_part and named not in (None, scope.system):
                continue
            found.append(figure)
    return found


def told(figures: Iterable[Figure]) -> list[Json]:
    """Figures as they leave the program."""
    return [figure.to_json() for figure in figures]


def step_of(period: Period) -> str:
    """The dimension of time that a period of such a length is shown by."""
    days = period.seconds / _DAY_SECONDS
    return next((name for name, most in _STEPS if days <= most), "year")


def starts(view: View, step: str) -> dict[str, int]:
    """When each hour, day and so on of a period begins, Unix ms, by its name."""
    cut = buckets([step], *view.bounds_ms, view.zone)
    return {bucket.names[step]: bucket.start_ms for bucket in cut}


def points(scope: Scope, id: str, step: str) -> list[Json]:
    """A KPI over time: `at_unix_ms`, its parts, and what defends each value."""
    begin = starts(scope.view, step)
    return [
        {
            "at_unix_ms": begin.get(figure.dims[step]),
            **{name: figure.dims[name] for name in registry.REGISTRY[id].parts},
            "value": figure.value,
            "numerator": figure.numerator,
            "denominator": figure.denominator,
            "coverage": figure.coverage,
            "status": figure.status.value,
        }
        for figure in figures(scope, [id], [step])
    ]


def _without_wrong_profile(view: View) -> tuple[View, list[str]]:
    try:
        _ = view.profile
    except InputError as error:
        assert view.inputs is not None, "only a store has a profile that can be wrong"
        without = replace(view, inputs=replace(view.inputs, without_profile=True))
        return without, [f"figures are without the factory's profile, which is not right: {error}"]
    return view, []
