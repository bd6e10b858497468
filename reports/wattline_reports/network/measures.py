"""What factories are compared by: ratios of their own, and sums over their size.

A sum is never compared as it is: a larger factory is not a better one. It is divided by offered
GPU-hours, by installed GPUs or by the energy of the data centre, all of the same bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wattline_collector.kpi import registry
from wattline_collector.kpi.view import JOULES_PER_KWH
from wattline_reports.exchange.bundle import Bundle

Told = Mapping[str, Any]
"""A figure of `kpis.json`."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum of a bundle: one of the two that a figure is made of.

    Attributes:
        kpi: Whose sum it is.
        part: `numerator` or `denominator`.
        dims: Which of the KPI's figures.
        scale: From the KPI's unit to the one it is counted in here.
        per_hour: Divided by the hours of the period: GPU-hours of installed GPUs become GPUs.
    """

    kpi: str
    part: str = "numerator"
    dims: Mapping[str, str] = field(default_factory=dict)
    scale: float = 1.0
    per_hour: bool = False

    def of(self, one: Bundle) -> tuple[float | None, Told | None]:
        """The sum, and the figure it is of; None where the bundle has none."""
        told = figure_of(one, self.kpi, self.dims)
        value = None if told is None else told[self.part]
        if value is None:
            return None, told
        hours = one.manifest.period.seconds / 3600 if self.per_hour else 1.0
        return float(value) * self.scale / hours, told


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that factories are compared by.

    Attributes:
        key: Its name in figures: the KPI's id, or a word of this report's own.
        name: What people call it.
        short: The same over a narrow picture.
        unit: Of its value.
        above: What is above the line.
        below: What is below it; None: it is the KPI as the bundle has it.
        least: Where its axis begins.
    """

    key: str
    name: str
    short: str
    unit: str
    above: Sum
    below: Sum | None = None
    scale: float = 1.0
    units: tuple[str, str] = ("", "")
    least: float = 0.0

    @property
    def is_kpi(self) -> bool:
        """Whether it is a KPI's own value."""
        return self.below is None


@dataclass(frozen=True, slots=True)
class Theme:
    """Measures that answer one question."""

    id: str
    title: str
    question: str
    measures: tuple[Measure, ...]


def figure_of(one: Bundle, id: str, dims: Mapping[str, str]) -> Told | None:
    """A figure of a bundle; None where it has none of that name."""
    wanted = dict(dims)
    for told in one.figures:
        if told["id"] == id and told["dims"] == wanted:
            return told
    return None


def _kpi(id: str, short: str, *, least: float = 0.0, **dims: str) -> Measure:
    kpi = registry.find(id)
    return Measure(
        id, kpi.name[:1].upper() + kpi.name[1:], short, kpi.unit, Sum(id, dims=dims),
        units=(kpi.numerator_unit, kpi.denominator_unit), least=least,
    )  # fmt: skip


_OFFERED = Sum("U01", "denominator")
_GPUS = Sum("U03", "denominator", per_hour=True)
_GPUS_100 = Sum("U03", "denominator", scale=0.01, per_hour=True)
_KWH = Sum("S03", scale=1 / JOULES_PER_KWH)
_MWH = Sum("S03", scale=1e-3 / JOULES_PER_KWH)

THEMES: tuple[Theme, ...] = (
    Theme(
        "production",
        "AI production",
        "How much is made of an offered GPU-hour, and of a megawatt-hour?",
        (
            Measure(
                "trained_per_gpu_hour", "Tokens trained per offered GPU-hour", "trained per GPU-h",
                "Mtok/GPU-h", Sum("P01", scale=1e-6), _OFFERED, units=("Mtok", "GPU-h"),
            ),
            Measure(
                "served_per_gpu_hour", "Inference tokens per offered GPU-hour", "served per GPU-h",
                "Mtok/GPU-h", Sum("P03", scale=1e-6), _OFFERED, units=("Mtok", "GPU-h"),
            ),
            Measure(
                "trained_per_mwh", "Tokens trained per MWh of the data centre", "trained per MWh",
                "Gtok/MWh", Sum("P01", scale=1e-9), _MWH, units=("Gtok", "MWh"),
            ),
        ),
    ),
    Theme(
        "use",
        "Use of the GPUs",
        "How much of what was offered was used, and how much of it worked?",
        (_kpi("U01", "allocated"), _kpi("U02", "effective"), _kpi("E04", "GPU activity")),
    ),
    Theme(
        "energy",
        "Energy and water",
        "What did a GPU-hour take, and what did the building add?",
        (
            _kpi("S03", "PUE", least=1.0),
            Measure(
                "kwh_per_gpu_hour", "Energy of the data centre per offered GPU-hour",
                "energy per GPU-h", "kWh/GPU-h", _KWH, _OFFERED, units=("kWh", "GPU-h"),
            ),
            _kpi("S04", "WUE"),
        ),
    ),
    Theme(
        "availability",
        "Availability",
        "How much of the time was there something to use?",
        (_kpi("A01", "scheduled"), _kpi("A02", "overall"), _kpi("A06", "nodes")),
    ),
    Theme(
        "service",
        "Users and training",
        "How many did a factory of that size serve?",
        (
            Measure(
                "projects_per_100_gpus", "Active projects per 100 installed GPUs",
                "projects per 100 GPUs", "projects/100 GPUs",
                Sum("I05", dims={"who": "projects"}), _GPUS_100, units=("projects", "100 GPUs"),
            ),
            Measure(
                "training_per_gpu", "Training delivered per installed GPU",
                "training per GPU", "person-days/GPU",
                Sum("I09", dims={"figure": "person_days"}), _GPUS, units=("person-days", "GPU"),
            ),
            Measure(
                "wasted_share", "Wasted GPU-hours of those offered", "wasted",
                "%", Sum("E06"), _OFFERED, scale=100, units=("GPU-h", "GPU-h"),
            ),
        ),
    ),
)  # fmt: skip
"""In the order of every report: what is made, hours, energy, and then the rest."""

MEASURES = tuple(measure for theme in THEMES for measure in theme.measures)
