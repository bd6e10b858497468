"""S01-S06, S08, S09: the indicators of the Energy Efficiency Directive and of ISO/IEC 30134.

Formulas, Delegated Regulation (EU) 2024/1364, Annex III:

    PUE = E_DC / E_IT            ERF = E_REUSE / E_DC
    WUE = W_IN / E_IT (m3/MWh)   REF = E_RES-TOT / E_DC, E_RES-TOT = GOO + PPA + OS

and CUE = CO2e of E_DC / E_IT (ISO/IEC 30134-8), CER = heat removed / energy of cooling (-7).

All of them are of a year. Over anything else, or over a year with holes, the same quotient is
called interim. E_DC-BG, the part of E_DC from back-up generators, is told beside it and added to
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from wattline_collector.kpi.meters import Metered, metered

JOULES_PER_KWH = 3.6e6
JOULES_PER_MWH = 3.6e9
RENEWABLE = ("E_RES-GOO", "E_RES-PPA", "E_RES-OS")
LEAST_CENTRES = 3
"""Data centres an average must be of before it may be published (Annex IV)."""
_YEAR_MS = 365 * 86_400_000 - 2 * 3_600_000  # two hours for time zones and their changes
_WHOLE = 0.999
"""Coverage of a year from which it is one: what is lost at its edges is no hole."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """One indicator of one period.

    Attributes:
        name: Its name: PUE, WUE, ERF, REF, CUE, CER.
        value: The quotient; None where one of both sides is not known.
        unit: Of the value.
        numerator: What is above the line, in base units.
        denominator: What is below it.
        coverage: Share of the period in which all its meters have readings.
        is_interim: Whether it is of less than a year, or of a year with holes.
        category: Of the IT energy, 1 to 3 after EN 50600-4-2; None where it has none.
        note: What a reader must know beside it.
    """

    name: str
    value: float | None
    unit: str
    numerator: float | None
    denominator: float | None
    coverage: float
    is_interim: bool
    category: int | None = None
    note: str = ""

    @property
    def label(self) -> str:
        """As it may be called: `PUE`, or `interim PUE`."""
        return f"interim {self.name}" if self.is_interim else self.name


def pue(e_dc: float | None, e_it: float | None) -> float | None:
    """S03: E_DC / E_IT, both in one unit."""
    return _ratio(e_dc, e_it)


def wue(w_in_m3: float | None, e_it_joules: float | None) -> float | None:
    """S04: W_IN / E_IT, in m3 per MWh, which is litres per kWh."""
    return _ratio(w_in_m3, None if e_it_joules is None else e_it_joules / JOULES_PER_MWH)


def erf(e_reuse: float | None, e_dc: float | None) -> float | None:
    """S05: E_REUSE / E_DC, both in one unit."""
    return _ratio(e_reuse, e_dc)


def ref(
    goo: float | None, ppa: float | None, own: float | None, e_dc: float | None
) -> float | None:
    """S06: (GOO + PPA + OS) / E_DC, all in one unit.

    Of the three, those that are None are not counted: what nobody can show is no renewable energy.
    None of them known is not known.
    """
    known = [part for part in (goo, ppa, own) if part is not None]
    return _ratio(sum(known) if known else None, e_dc)


def cue(kg_co2e: float | None, e_it_joules: float | None) -> float | None:
    """S08: CO2e of E_DC / E_IT, in kg per kWh; say by which method the first was found."""
    return _ratio(kg_co2e, None if e_it_joules is None else e_it_joules / JOULES_PER_KWH)


def cer(heat_removed: float | None, cooling_energy: float | None) -> float | None:
    """S09: heat removed / energy the cooling used, both in one unit."""
    return _ratio(heat_removed, cooling_energy)


def annex_iii(
    meters: pl.DataFrame,
    *,
    start_ms: int,
    end_ms: int,
    system: str | None = None,
    boundaries: Mapping[str, str] | None = None,
) -> dict[str, Indicator]:
    """PUE, WUE, ERF and REF of a period, each over the time that its own meters share.

    Args:
        meters: As `registers.meters` gives them.
        start_ms: Start of the period.
        end_ms: Its end.
        system: Only meters of this system; of the site, if not given.
        boundaries: Where to measure an indicator; see `meters.metered`.
    """

    def of(*codes: str) -> Metered:
        return metered(
            meters, codes, start_ms=start_ms, end_ms=end_ms, system=system, boundaries=boundaries
        )

    def indicator(
        name: str, found: Metered, above: str, below: str, unit: str, value: float | None
    ) -> Indicator:
        return Indicator(
            name, value, unit, found.values[above], found.values[below], found.coverage,
            is_interim(start_ms, end_ms, found.coverage),
            found.category if below == "E_IT" else None,
            _missing(found, (above, below)),
        )  # fmt: skip

    energy, water, reuse = of("E_DC", "E_IT"), of("W_IN", "E_IT"), of("E_REUSE", "E_DC")
    return {
        "PUE": indicator(
            "PUE", energy, "E_DC", "E_IT", "1", pue(energy.values["E_DC"], energy.values["E_IT"])
        ),
        "WUE": indicator(
            "WUE", water, "W_IN", "E_IT", "m3/MWh", wue(water.values["W_IN"], water.values["E_IT"])
        ),
        "ERF": indicator(
            "ERF", reuse, "E_REUSE", "E_DC", "1", erf(reuse.values["E_REUSE"], reuse.values["E_DC"])
        ),
        "REF": _ref(meters, of, start_ms, end_ms, system),
    }


def energy(
    meters: pl.DataFrame, code: str, *, start_ms: int, end_ms: int, system: str | None = None
) -> Indicator:
    """S01, S02: E_DC, E_DC-BG or E_IT of a period, in joules, over the time it was metered."""
    found = metered(meters, [code], start_ms=start_ms, end_ms=end_ms, system=system)
    value = found.values[code]
    return Indicator(
        code, value, "J", value, None, found.coverage, is_interim(start_ms, end_ms, found.coverage),
        found.category, _missing(found, (code,)),
    )  # fmt: skip


def cooling(
    meters: pl.DataFrame, *, start_ms: int, end_ms: int, system: str | None = None
) -> Indicator:
    """S09 from meters at the boundary `cooling`: heat removed over energy used there."""
    at_cooling = meters.filter(pl.col("boundary") == "cooling", pl.col("eed").is_null())
    told = at_cooling.with_columns(pl.col("quantity").alias("eed"))
    found = metered(told, ["heat", "energy"], start_ms=start_ms, end_ms=end_ms, system=system)
    heat, used = found.values["heat"], found.values["energy"]
    return Indicator(
        "CER", cer(heat, used), "1", heat, used, found.coverage,
        is_interim(start_ms, end_ms, found.coverage), None, _missing(found, ("heat", "energy")),
    )  # fmt: skip


def is_interim(start_ms: int, end_ms: int, coverage: float) -> bool:
    """Whether a period is less than a year, or a year with holes."""
    return end_ms - start_ms < _YEAR_MS or coverage < _WHOLE


def year_of(year: int) -> tuple[int, int]:
    """Start and end of a calendar year, Unix ms UTC."""
    first, last = (
        round(datetime(y, 1, 1, tzinfo=UTC).timestamp() * 1000) for y in (year, year + 1)
    )
    return first, last


def merged(parts: Iterable[tuple[float | None, float | None]]) -> float | None:
    """A ratio of several data centres, systems or months: sum over sum.

    Args:
        parts: Numerator and denominator of each; those of which one is None are left out whole.
    """
    known = [(above, below) for above, below in parts if above is not None and below is not None]
    return _ratio(sum(a for a, _ in known), sum(b for _, b in known)) if known else None


def published_average(
    parts: Iterable[tuple[float | None, float | None]],
) -> float | None:
    """An average of an indicator over data centres as Annex IV publishes it.

    Weighted by total energy: sum(E_DC x value) / sum(E_DC). For PUE that is not sum(E_DC) /
    sum(E_IT), which `merged` gives.

    Args:
        parts: Value and E_DC of each data centre.

    Returns:
        None for fewer than three data centres.
    """
    known = [(value, weight) for value, weight in parts if value is not None and weight is not None]
    if len(known) < LEAST_CENTRES:
        return None
    return _ratio(sum(v * w for v, w in known), sum(w for _, w in known))


def _ref(
    meters: pl.DataFrame, of: Callable[..., Metered], start_ms: int, end_ms: int, system: str | None
) -> Indicator:
    there = [code for code in RENEWABLE if meters.filter(pl.col("eed") == code).height]
    if system is not None:
        mine = meters.filter(pl.col("system") == system)
        there = [code for code in there if mine.filter(pl.col("eed") == code).height]
    found = of("E_DC", *there)
    parts = {code: found.values.get(code) for code in RENEWABLE}
    e_dc = found.values["E_DC"]
    value = ref(parts["E_RES-GOO"], parts["E_RES-PPA"], parts["E_RES-OS"], e_dc)
    known = [part for part in parts.values() if part is not None]
    absent = [code for code in RENEWABLE if code not in there]
    notes = [_missing(found, ("E_DC", *there))]
    if not there:
        notes.append("no certificate, contract or own production is registered")
    elif absent:
        notes.append(f"{', '.join(absent)}: none registered, none counted")
    return Indicator(
        "REF", value, "1", sum(known) if known else None, e_dc, found.coverage,
        is_interim(start_ms, end_ms, found.coverage), None, "; ".join(filter(None, notes)),
    )  # fmt: skip


def _missing(found: Metered, codes: Iterable[str]) -> str:
    absent = [code for code in codes if not found.meters[code]]
    if absent:
        return f"no meter of {', '.join(absent)}"
    return "" if found.covered_ms else "its meters have no time in common"


def _ratio(above: float | None, below: float | None) -> float | None:
    if above is None or below is None or below <= 0:
        return None
    return above / below
