"""Every KPI, declared once: id, name, formula in words, unit, where it comes from, how to compute.

A KPI's `compute` is a pure function of a `View` and the dimensions to split by. It returns one row
per combination: `numerator`, `denominator` (null for a plain sum), `n`, `coverage` (null where
coverage has no meaning), `method`, `note`. Dividing, rounding off and withholding is done here, the
same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from wattline_agents.errors import UsageError
from wattline_collector.kpi import efficiency, energy, oee, production, quality, utilisation
from wattline_collector.kpi.figure import Figure, Status
from wattline_collector.kpi.view import View

Compute = Callable[[View, list[str]], pl.DataFrame]

COMFORT = 0.95
"""Coverage from which a figure needs no remark beside it."""


@dataclass(frozen=True, slots=True)
class Kpi:
    """A declared KPI.

    Attributes:
        id: Its id in the dictionary.
        name: Its name.
        formula: In words, for people.
        unit: Unit of the value.
        numerator: What is above the line.
        numerator_unit: Its unit.
        denominator: What is below the line; empty for a plain sum.
        denominator_unit: Its unit.
        direction: `up` if more is better, `down` if less is, `none`.
        audience: `O` operators, `M` management, `J` job owners.
        authority: Where the definition comes from.
        compute: How.
        scale: The value is numerator / denominator (or the numerator) times this.
        by: What it can be split by.
        floor: Coverage under which the value is withheld.
        note: What else a reader should know.
    """

    id: str
    name: str
    formula: str
    unit: str
    numerator: str
    numerator_unit: str
    denominator: str
    denominator_unit: str
    direction: str
    audience: str
    authority: str
    compute: Compute
    scale: float = 1.0
    by: tuple[str, ...] = ("system", "node", "job", "day")
    floor: float = 0.5
    note: str = ""


_ALL = (
    Kpi(
        "OEE",
        "overall equipment effectiveness",
        "availability x performance x quality",
        "1",
        "product of the three factors",
        "1",
        "",
        "",
        "up",
        "O, M",
        "manufacturing practice (OEE), on the ledger's accounts",
        oee.overall,
        by=("system", "node", "day"),
        note="Loading (assigned / offered) stands beside it: an idle factory is not a bad machine.",
    ),
    Kpi(
        "OEE_A",
        "availability",
        "offered / planned device time; planned is installed less maintenance, offered is planned "
        "less down; time nobody observed is left out of both and lowers the coverage",
        "1",
        "offered device time",
        "GPU-h",
        "planned device time",
        "GPU-h",
        "up",
        "O, M",
        "OEE",
        oee.availability,
        by=("system", "node", "day"),
        note="Maintenance is what the register of outages, or the scheduler, says it is.",
    ),
    Kpi(
        "OEE_P",
        "performance",
        "integral of SM activity / assigned device time in which it was measured; the best the "
        "hardware does is all SMs active all the time",
        "1",
        "integral of SM activity",
        "GPU-h",
        "assigned device time with measured activity",
        "GPU-h",
        "up",
        "O, M",
        "OEE",
        oee.performance,
    ),
    Kpi(
        "OEE_Q",
        "quality",
        "kept / made working time; made is busy and slowed, kept is made less that whose work was "
        "thrown away: after the last checkpoint of a job that failed, or before its run went on "
        "from an earlier step; a running job's work counts as kept so far",
        "1",
        "working device time whose work was kept",
        "GPU-h",
        "working device time of jobs whose state is known",
        "GPU-h",
        "up",
        "O, M",
        "OEE",
        oee.quality,
    ),
    Kpi(
        "LOADING",
        "loading",
        "assigned / offered device time",
        "1",
        "assigned device time",
        "GPU-h",
        "offered device time",
        "GPU-h",
        "up",
        "O, M",
        "OEE",
        utilisation.allocated,
        by=("system", "node", "day"),
    ),
    Kpi(
        "P01",
        "training tokens",
        "sum of tokens in committed steps, as the jobs count them",
        "tok",
        "tokens trained on",
        "tok",
        "",
        "",
        "up",
        "J, O, M",
        "dictionary P01",
        production.training_tokens,
        by=("system", "job", "day"),
        floor=0.0,
    ),
    Kpi(
        "P02",
        "AI token throughput",
        "(training tokens + inference tokens) / time in which at least one job that counts tokens "
        "ran",
        "tok/s",
        "tokens trained on, prompt tokens and generated tokens",
        "tok",
        "time in which a job that counts tokens ran",
        "s",
        "up",
        "M, O, J",
        "dictionary P02",
        production.throughput,
        by=("system", "job", "day"),
        floor=0.0,
        note="Prompt tokens answered from a cache are counted as prompt tokens.",
    ),
    Kpi(
        "P03",
        "inference tokens served",
        "sum of prompt and generated tokens",
        "tok",
        "prompt tokens and generated tokens",
        "tok",
        "",
        "",
        "up",
        "O, M",
        "dictionary P03",
        production.inference_tokens,
        by=("system", "job", "day"),
        floor=0.0,
        note="Prompt tokens answered from a cache are counted as prompt tokens.",
    ),
    Kpi(
        "E04",
        "GPU activity",
        "mean share of SMs with work over assigned device time in which it was measured; not the "
        "driver's utilisation flag",
        "%",
        "integral of SM activity",
        "GPU-h",
        "assigned device time with measured activity",
        "GPU-h",
        "up",
        "J, O",
        "dictionary E04; vendor counters",
        efficiency.activity,
        scale=100,
    ),
    Kpi(
        "E06",
        "wasted GPU-hours",
        "held (under 5 % active for over 10 minutes) and the working time whose work was thrown "
        "away: after the last checkpoint of a job that failed, or before its run went on from an "
        "earlier step",
        "GPU-h",
        "held time and working time whose work was thrown away",
        "GPU-h",
        "",
        "",
        "down",
        "M, O, J",
        "dictionary E06",
        efficiency.wasted,
        note="The work of a failed job that tells of no checkpoint counts whole.",
    ),
    Kpi(
        "U01",
        "allocated utilisation",
        "assigned / offered device time",
        "%",
        "assigned device time",
        "GPU-h",
        "offered device time",
        "GPU-h",
        "up",
        "O, M",
        "dictionary U01; DOE operational assessment reports",
        utilisation.allocated,
        scale=100,
        by=("system", "node", "day"),
    ),
    Kpi(
        "U02",
        "effective utilisation",
        "integral of SM activity / offered device time; assigned time in which activity was not "
        "measured is left out and lowers the coverage",
        "%",
        "integral of SM activity",
        "GPU-h",
        "offered device time, less assigned time without measured activity",
        "GPU-h",
        "up",
        "M, O",
        "dictionary U02",
        utilisation.effective,
        scale=100,
        by=("system", "node", "day"),
    ),
    Kpi(
        "S10",
        "tokens per joule",
        "all tokens / energy of the jobs that count tokens, at the widest boundary that is "
        "metered; a job's tokens count by the share of its time whose energy is known",
        "tok/J",
        "tokens trained on, prompt tokens and generated tokens, of time with known energy",
        "tok",
        "energy of the jobs that made them",
        "J",
        "up",
        "J, O, M",
        "dictionary S10 (tokens per kWh is 3,600,000 times this)",
        energy.tokens_per_joule,
        by=("system", "job", "day"),
    ),
    Kpi(
        "S12",
        "job energy",
        "sum of energy booked to jobs, at the widest boundary that is metered: the node's own "
        "meter where there is one, else its devices'",
        "kWh",
        "energy booked to jobs",
        "J",
        "",
        "",
        "none",
        "J",
        "dictionary S12; AI Act Annex XI section 1(2)(e)",
        energy.job_energy,
        scale=1 / 3_600_000,
        note="Switches, storage and cooling are not in it.",
    ),
    Kpi(
        "S14",
        "attribution closure",
        "energy booked to jobs, free time and overhead / energy that the node meters counted",
        "%",
        "energy booked at the node boundary",
        "J",
        "energy by the node meters",
        "J",
        "none",
        "O, M",
        "dictionary S14",
        energy.closure,
        scale=100,
        by=("system", "node", "day"),
        note="100 % is balance. Until a facility meter is read, the node meters stand for IT.",
    ),
    Kpi(
        "Q03",
        "telemetry completeness",
        "samples received / samples expected of everything installed",
        "%",
        "samples received",
        "samples",
        "samples expected",
        "samples",
        "up",
        "O, M",
        "dictionary Q03; Regulation (EC) 223/2009 Article 12, accuracy",
        quality.completeness,
        scale=100,
        by=("system", "node", "day"),
        floor=0.0,
    ),
)

REGISTRY: Mapping[str, Kpi] = MappingProxyType({kpi.id: kpi for kpi in _ALL})
"""All KPIs by id."""


def find(id: str) -> Kpi:
    """The KPI of that id, upper or lower case.

    Raises:
        UsageError: There is none; the message lists those there are.
    """
    kpi = REGISTRY.get(id.upper())
    if kpi is None:
        raise UsageError(f"no KPI {id[:20]!r}; there are {', '.join(REGISTRY)}")
    return kpi


def explain(id: str) -> dict[str, object]:
    """What a KPI is, for people.

    Raises:
        UsageError: There is no such KPI.
    """
    kpi = find(id)
    names = (
        "id", "name", "formula", "unit", "numerator", "numerator_unit", "denominator",
        "denominator_unit", "direction", "audience", "authority", "floor", "note",
    )  # fmt: skip
    return {name: getattr(kpi, name) for name in names} | {"by": list(kpi.by), "comfort": COMFORT}


def evaluate(kpi: Kpi, view: View, by: Sequence[str] = ()) -> list[Figure]:
    """Compute a KPI.

    Args:
        kpi: Which.
        view: From what.
        by: Dimensions to split by; one figure for all if empty.

    Raises:
        UsageError: It cannot be split by that.
    """
    for dimension in by:
        if dimension not in kpi.by:
            raise UsageError(
                f"{kpi.id} cannot be split by {dimension[:20]!r}; it can be by {', '.join(kpi.by)}"
            )
    rows = kpi.compute(view, list(by))
    if by:
        rows = rows.sort(by)
    return [_figure(kpi, view, by, row) for row in rows.iter_rows(named=True)]


def _figure(kpi: Kpi, view: View, by: Sequence[str], row: Mapping[str, object]) -> Figure:
    numerator, denominator = _number(row["numerator"]), _number(row["denominator"])
    coverage = _number(row["coverage"])
    note = str(row["note"] or "")
    value: float | int | None = None
    if numerator is not None:
        if not kpi.denominator:
            value = numerator if kpi.scale == 1 else numerator * kpi.scale
        elif denominator:
            value = numerator / denominator * kpi.scale
    status = Status.OK
    if value is None:
        status = Status.UNKNOWN
        note = note or "nothing in this period to compute it from"
    elif coverage is not None and coverage < kpi.floor:
        status, value = Status.WITHHELD, None
        note = _join(
            note, f"withheld: {coverage:.0%} of the time was covered, under {kpi.floor:.0%}"
        )
    elif coverage is not None and coverage < COMFORT:
        status = Status.PARTIAL
    return Figure(
        id=kpi.id,
        name=kpi.name,
        unit=kpi.unit,
        value=value,
        numerator=numerator,
        denominator=denominator,
        n=int(_number(row["n"]) or 0),
        coverage=coverage,
        method=str(row["method"] or ""),
        status=status,
        period=view.period,
        note=note,
        dims={name: str(row[name]) for name in by},
        numerator_unit=kpi.numerator_unit,
        denominator_unit=kpi.denominator_unit,
    )


def _number(value: object) -> float | int | None:
    return value if isinstance(value, int | float) else None


def _join(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
