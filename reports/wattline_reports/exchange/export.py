"""A bundle of a store's books: everything that may leave, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from wattline_agents.errors import InputError, UsageError
from wattline_collector.kpi import registry
from wattline_collector.kpi.declare import Kpi
from wattline_collector.kpi.figure import Figure, Period
from wattline_collector.kpi.view import View, load
from wattline_collector.ledger.audit import audit
from wattline_collector.ledger.chain import chains
from wattline_collector.profile.schema import FactoryProfile
from wattline_reports.exchange import (
    bundle,
    canonical,
    cubes,
    dcat,
    dictionary,
    eed_file,
    factors_file,
    manifest,
    profile_file,
    scan,
    tables,
)
from wattline_reports.exchange.bundle import KPIS, KPIS_SCHEMA, Bundle
from wattline_reports.exchange.cubes import CUBES, EXCHANGES, FAMILIES, LINKS, Row
from wattline_reports.exchange.disclosure import table
from wattline_reports.exchange.disclosure.suppress import suppress
from wattline_reports.exchange.disclosure.table import Cell, Key
from wattline_reports.exchange.manifest import EED, Books, Manifest, Parameters
from wattline_reports.exchange.sensitive import hides, is_in_a_cube, tells_hidden
from wattline_reports.exchange.settled import settled
from wattline_reports.exchange.verify import published_of, standing

DIMENSIONS = frozenset(
    {
        "access_mode", "benchmark", "boundary", "cause", "due", "figure", "indicator", "kind",
        "loss", "meter", "month", "network", "of", "per", "power_level", "quantile", "quarter",
        "report", "size", "stage", "system", "tokens", "user_category", "way", "which", "who",
        "year",
    }
)  # fmt: skip
"""What a figure in a bundle may be split by: never by project, user, job, node or device."""


def of_store(
    store: Path,
    period: Period,
    kind: str,
    *,
    rules: Parameters | None = None,
    earlier: Sequence[Bundle] = (),
    public: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Bundle:
    """Make a bundle, unsigned.

    Args:
        store: The store's directory.
        period: Over what time.
        kind: One of `manifest.KINDS`.
        rules: What cells have to satisfy; those that every bundle must keep if None.
        earlier: The factory's bundles that were sent before.
        public: Whether anybody may have it.
        progress: Told hours audited and hours there are.

    Raises:
        UsageError: The store has no books, no profile or no register of projects, or there is no
            such kind.
        Refused: A name that must not leave stands in it; nothing is made.
    """
    if kind not in manifest.KINDS:
        raise UsageError(f"no bundle is a {kind[:30]!r}; there are {', '.join(manifest.KINDS)}")
    rules = rules or Parameters()
    view = load(store, period)
    profile = view.profile
    if profile is None:
        raise UsageError(
            "a bundle says whose it is: write the factory's profile, `wattline profile template`, "
            "and let it hold, `wattline profile use FILE`"
        )
    if view.projects is None or view.projects.is_empty():
        raise UsageError(
            "a bundle says whose time it was: `wattline import projects-csv FILE` brings in the "
            "register of projects"
        )
    mine = [one for one in earlier if one.manifest.factory == profile.id]
    balanced = not audit(store, progress)
    told = _manifest(store, view, profile, kind, rules, mine, balanced=balanced)
    cells = _cubes(store, view, rules, standing(mine, told), mine, told)
    files = {
        KPIS: canonical.dumps({"schema": KPIS_SCHEMA, "figures": _in_order(view, rules, cells)}),
        "methods/dictionary.json": canonical.dumps(dictionary.definitions()),
        **{CUBES[name].file: cubes.to_csv(CUBES[name], rows) for name, rows in cells.items()},
        profile_file.FILE: canonical.dumps(profile_file.of(profile)),
        factors_file.FILE: factors_file.to_csv(factors_file.of(view)),
    }
    if kind == EED:
        files[eed_file.FILE] = canonical.dumps(eed_file.of_store(store, period))
    described = _with_files(told, files)
    publisher = profile.host
    files["dcat.jsonld"] = canonical.dumps(
        dcat.dataset(described, publisher=publisher, public=public)
    )
    _scan(files, store, profile)
    return bundle.of(_with_files(told, files), files, [], "the bundle")


def _scan(files: Mapping[str, bytes], store: Path, profile: FactoryProfile) -> None:
    """Hold every file against the store's names.

    Raises:
        Refused: One of them stands in one.
    """
    names = scan.names_of(store)
    # The publisher is the host, who may well be called as an account is: his name is his to give.
    # What is declared has words of the trade, as jobs' names do: `h200`, `grid`.
    declared = (profile_file.FILE, factors_file.FILE)
    kept = {name: data for name, data in files.items() if name not in ("dcat.jsonld", *declared)}
    scan.check(kept, names, "the bundle")
    others = scan.names_of(store, with_named=False) - profile_file.products(profile)
    scan.check({name: files[name] for name in declared}, others, "the bundle")


def _with_files(told: Manifest, files: Mapping[str, bytes]) -> Manifest:
    return replace(told, files=manifest.of_files(files))


def _manifest(
    store: Path,
    view: View,
    profile: FactoryProfile,
    kind: str,
    rules: Parameters,
    mine: Sequence[Bundle],
    *,
    balanced: bool,
) -> Manifest:
    alike = [one.manifest for one in mine if one.manifest.kind == kind]
    same = [one for one in alike if one.period == view.period]
    before = [one for one in alike if one.period.end <= view.period.start]
    newest = max(same, key=lambda one: one.revision, default=None)
    last = max(before, key=lambda one: (one.period.end, one.revision), default=None)
    lasts = [chain.last() for chain in chains(store / "ledger")]
    heads = sorted(one.digest for one in lasts if one is not None)
    return Manifest(
        kind=kind,
        factory=profile.id,
        country=profile.country,
        tracks=() if profile.track is None else (profile.track,),
        period=view.period,
        timezone=profile.time_zone,
        revision=1 if newest is None else newest.revision + 1,
        supersedes=None if newest is None else newest.digest,
        previous=None if last is None else last.digest,
        version=version("wattline-reports"),
        dictionary=dictionary.digest(),
        books=Books(balanced, len(view.control.hours), tuple(heads)),
        disclosure=rules,
        files={},
    )


# Figures


def figures(view: View) -> Iterator[Figure]:
    """Every figure that a bundle may hold: each KPI, its parts, and its systems where several."""
    several = view.totals["system"].n_unique() > 1
    for kpi in registry.REGISTRY.values():
        if is_in_a_cube(kpi.id) or not set(kpi.parts) <= DIMENSIONS:
            continue
        yield from registry.evaluate(kpi, view)
        if several and _can_split(kpi):
            yield from registry.evaluate(kpi, view, ["system"])


def _in_order(
    view: View, rules: Parameters, cells: Mapping[str, Mapping[Key, object]]
) -> list[dict[str, Any]]:
    """The figures as they stand in a bundle: by the dictionary, then by what they are of."""
    places = {id: place for place, id in enumerate(registry.REGISTRY)}
    told = [_told(one, rules, cells) for one in figures(view)]
    return sorted(told, key=lambda one: (places[one["id"]], sorted(one["dims"].items())))


def _can_split(kpi: Kpi) -> bool:
    return "system" in kpi.by and "system" not in kpi.parts


def _told(
    figure: Figure, rules: Parameters, cells: Mapping[str, Mapping[Key, object]]
) -> dict[str, Any]:
    """A figure as it stands in a bundle: without its note, which is free text."""
    told: dict[str, Any] = {
        name: settled(getattr(figure, name))
        for name in (
            "id", "unit", "value", "numerator", "denominator", "n", "coverage", "level", "low",
            "high",
        )
    } | {
        "method": figure.method[:200],
        "status": figure.status.value,
        "flags": [],
        "dims": dict(figure.dims),
    }  # fmt: skip
    if hides(told, rules) or tells_hidden(figure.id, cells):
        nothing = dict.fromkeys(("value", "numerator", "denominator", "low", "high"))
        return told | nothing | {"n": None, "status": "suppressed", "flags": ["A"]}
    if figure.level == "declared":
        told["flags"] = ["D"]
    return told


# Cubes


def _cubes(
    store: Path,
    view: View,
    rules: Parameters,
    beside: Sequence[Bundle],
    mine: Sequence[Bundle],
    told: Manifest,
) -> Mapping[str, Mapping[Key, Row | None]]:
    parts = {
        "access": tables.of_projects(
            view, ("participating_state", "user_category", "access_mode", "commercial")
        ),
        "sectors": tables.of_projects(view, ("sector", "commercial")),
        "waiting": tables.waiting(view),
    }
    protected: dict[str, dict[Key, Row | None]] = {}
    for family in FAMILIES:
        cells = {name: table.cells_of(parts[name]) for name in family}
        shown = _protected(cells, rules, beside, mine, told)
        for name in family:
            protected[name] = {key: shown[key] for key in cells[name]}
    plain: dict[str, dict[Key, Row | None]] = {
        "incidents": tables.incidents(view, rules.hour_digits),
        "energy": {
            key: row
            for month, part in months(view.period, view.zone)
            for key, row in tables.energy(month, load(store, part), rules.hour_digits).items()
        },
    }
    exchanged = tables.exchanges(view)
    return protected | plain | ({} if exchanged is None else {EXCHANGES: exchanged})


def _protected(
    tables: Mapping[str, Mapping[Key, Cell]],
    rules: Parameters,
    beside: Sequence[Bundle],
    mine: Sequence[Bundle],
    told: Manifest,
) -> dict[Key, Row | None]:
    """The cubes of a family, which are hidden together; their keys differ in their length."""
    family = tuple(tables)
    cells = {key: cell for found in tables.values() for key, cell in found.items()}
    known = [
        published_of(family, one) for one in beside if any(name in one.cubes for name in family)
    ]
    before = {
        key
        for one in mine
        for name in family
        for key, row in one.cubes.get(name, {}).items()
        if row is None and key in cells
    }
    ends = told.period.to_json()
    try:
        shown = suppress(
            cells,
            (ends["from"], ends["to"]),
            rules,
            published=known,
            hidden_before=before,
            links=LINKS[family],
        ).table
    except ValueError as error:
        raise InputError(
            "the books no longer add up to what earlier bundles say of parts of this time: "
            "export those periods again first, so that their revisions say the same"
        ) from error
    return {
        key: None
        if key in shown.hidden
        else (*shown.shown[key], table.rounded_count(cells[key].projects, rules.count_base))
        for key in cells
    }


def months(period: Period, zone: str) -> Iterator[tuple[str, Period]]:
    """The months of a period in a time zone, the first and the last as far as they are in it."""
    local = period.start.astimezone(ZoneInfo(zone))
    first = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while first < period.end:
        after = _next_month(first)
        low, high = max(first, period.start), min(after, period.end)
        yield (
            f"{first:%Y-%m}",
            Period(low.astimezone(period.start.tzinfo), high.astimezone(period.start.tzinfo)),
        )
        first = after


def _next_month(first: datetime) -> datetime:
    return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
