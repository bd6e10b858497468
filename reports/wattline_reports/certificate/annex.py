"""Annex XI of the AI Act, section 1: compute, training time and energy of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from wattline_collector.kpi.view import running_seconds
from wattline_reports.asked import Asked
from wattline_reports.certificate.chosen import Chosen, added, hours_of, models
from wattline_reports.quoted import Quoted, stated

MEASURED_FROM = 0.90
"""Coverage under which energy is called estimated, and not known."""
_SPDX = {"training": "trainingEnergyConsumption", "inference": "inferenceEnergyConsumption"}


@dataclass(frozen=True, slots=True)
class Annex:
    """The statement.

    Attributes:
        compute: Operations of training, FLOP (point 2(d)).
        energy: Energy of training, kWh (point 2(e)).
        hours: GPU-hours of training.
        time: Time in which any of the training jobs ran, h.
        jobs: How many of the jobs train.
        estimated: Whether the energy is an estimate, as too little of it was metered.
        models: Models and their parameters.
        by_kind: Energy of training and of inference jobs, for the SPDX form.
    """

    compute: Quoted
    energy: Quoted
    hours: Quoted
    time: Quoted
    jobs: int
    estimated: bool
    models: Sequence[tuple[str, int | None]]
    by_kind: Mapping[str, Quoted]

    @property
    def figures(self) -> tuple[Quoted, ...]:
        """Those in the statement."""
        return self.compute, self.energy, self.hours, self.time

    def to_json(self) -> dict[str, object]:
        """As the certificate's machine form has it."""
        return {
            "compute_flop": self.compute.value,
            "compute_coverage": self.compute.figure.coverage,
            "training_time_hours": self.time.value,
            "training_gpu_hours": self.hours.value,
            "training_jobs": self.jobs,
            "energy_kwh": self.energy.value,
            "energy_coverage": self.energy.figure.coverage,
            "energy_is": "unknown" if self.energy.value is None else
            "estimated" if self.estimated else "known",
            "energy_boundary": self.energy.figure.method,
            "models": [{"name": name, "parameters": count} for name, count in self.models],
        }  # fmt: skip

    def spdx(self) -> dict[str, object]:
        """The energy as the AI profile of SPDX 3.0 has it."""
        return {
            "type": "ai_EnergyConsumption",
            **{
                f"ai_{_SPDX[kind]}": [
                    {
                        "type": "ai_EnergyConsumptionDescription",
                        "ai_energyQuantity": one.value,
                        "ai_energyUnit": "kilowattHour",
                    }
                ]
                for kind, one in self.by_kind.items()
                if one.value is not None
            },
        }


def of(chosen: Chosen) -> Annex:
    """The statement of the jobs that a certificate is of."""
    asked = chosen.asked
    training = chosen.jobs.filter(pl.col("kind") == "training")
    inference = chosen.jobs.filter(pl.col("kind") == "inference")
    energy = _energy(asked, training, "annex_xi", "training", "no training job among them")
    return Annex(
        compute=_compute(asked, training),
        energy=energy,
        hours=_told(asked, "gpu_hours", "GPU-hours of training", "GPU-h",
                    hours_of(training) if training.height else None, training.height),
        time=_told(asked, "time", "time in which training ran", "h", _ran(asked, training),
                   training.height),
        jobs=training.height,
        estimated=energy.value is not None and (energy.figure.coverage or 0.0) < MEASURED_FROM,
        models=models(asked, training),
        by_kind={
            kind: _energy(asked, rows, f"spdx.{kind}", kind, "")
            for kind, rows in (("training", training), ("inference", inference)) if rows.height
        },
    )  # fmt: skip


def _energy(asked: Asked, jobs: pl.DataFrame, prefix: str, of: str, why: str) -> Quoted:
    found = added(asked, "S12", jobs, prefix) if jobs.height else []
    name = f"energy of {of}"
    if found:
        figure = replace(found[0].figure, name=name)
        return replace(found[0], figure=figure)
    return stated(f"{prefix}.S12", name, "kWh", None, period=asked.period,
                  method="", note=why or "no job")  # fmt: skip


def _compute(asked: Asked, training: pl.DataFrame) -> Quoted:
    """P04 of the training jobs; one that did not say its model's size is a hole."""
    none = "no training job among them"
    if training.height:
        none = (
            "no training job says its model\u2019s size and counts tokens: docs/training.md says "
            "how"
        )
    found = added(asked, "P04", training, "annex_xi") if training.height else []
    if not found or found[0].value is None:
        return stated("annex_xi.P04", "compute of training", "FLOP", None, period=asked.period,
                      method="", note=none)  # fmt: skip
    told = found[0]
    # Jobs that count nothing have no row at all, and trained nevertheless.
    counted = _counted(asked, training)
    coverage = (told.figure.coverage or 0.0) * counted
    return stated(
        "annex_xi.P04", "compute of training", "FLOP", told.value, period=asked.period,
        method=told.figure.method, n=told.figure.n, coverage=coverage, level="derived",
    )  # fmt: skip


def _counted(asked: Asked, training: pl.DataFrame) -> float:
    rows = asked.view.job.select("system", "job").unique()
    whole = hours_of(training)
    counted = hours_of(training.join(rows, on=["system", "job"], how="semi"))
    return counted / whole if whole else 1.0


def _ran(asked: Asked, training: pl.DataFrame) -> float | None:
    running = asked.view.running.join(training, on=["system", "job"], how="semi")
    if running.is_empty():
        return None
    return float(running_seconds(running, [])["seconds"][0]) / 3600


def _told(asked: Asked, id: str, name: str, unit: str, value: float | None, count: int) -> Quoted:
    return stated(
        f"annex_xi.{id}", name, unit, value, period=asked.period, n=count,
        method="ledger and scheduler", level="measured",
        note="" if value is not None else "no training job among them ran",
    )  # fmt: skip
