"""A figure: a KPI's value with everything needed to defend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """How far a value may be trusted."""

    OK = "ok"
    PARTIAL = "partial"  # coverage under the KPI's comfort level; the value is still shown
    WITHHELD = "withheld"  # coverage under its floor: no value
    UNKNOWN = "unknown"  # nothing to compute it from: no value


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time, start included and end not, both UTC."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.start).total_seconds()

    def to_json(self) -> dict[str, str]:
        """`{"from", "to"}` in ISO 8601 with a trailing Z."""
        return {"from": iso(self.start), "to": iso(self.end)}


def iso(time: datetime) -> str:
    """ISO 8601 in UTC, with milliseconds only where there are any."""
    text = time.isoformat(timespec="milliseconds" if time.microsecond else "seconds")
    return text.replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Figure:
    """One value of one KPI.

    Attributes:
        id: Its id in the dictionary, e.g. `S10`, or `OEE`.
        name: Its name.
        unit: Unit of `value`.
        value: The ratio or sum in `unit`; null where it is not known.
        numerator: The sum above the line, in `numerator_unit`.
        denominator: The sum below the line, in `denominator_unit`; null for a plain sum.
        n: How many things (jobs, devices, nodes) it is made of.
        coverage: Observed over expected time of exactly the cells it is made of, 0-1.
        method: How it was found, e.g. `counter, gpu boundary`.
        status: How far it may be trusted.
        note: What a reader must know beside it: why it is null, what was left out.
        dims: What it is restricted to, e.g. `{"job": "42"}`.
        period: Over what time.
        numerator_unit: Unit of `numerator`.
        denominator_unit: Unit of `denominator`.
        low: Lower end of the value's uncertainty, in `unit`; null where none is stated.
        high: Its upper end.
        level: How it comes to be known: `measured`, `derived` or `declared`.
    """

    id: str
    name: str
    unit: str
    value: float | int | None
    numerator: float | int | None
    denominator: float | int | None
    n: int
    coverage: float | None
    method: str
    status: Status
    period: Period
    note: str = ""
    dims: Mapping[str, str] = field(default_factory=dict)
    numerator_unit: str = ""
    denominator_unit: str = ""
    low: float | int | None = None
    high: float | int | None = None
    level: str = "measured"

    def to_json(self) -> dict[str, object]:
        """As it leaves the program; the first twelve keys are the public contract."""
        return {
            "id": self.id,
            "name": self.name,
            "unit": self.unit,
            "value": self.value,
            "numerator": self.numerator,
            "denominator": self.denominator,
            "n": self.n,
            "coverage": self.coverage,
            "method": self.method,
            "status": self.status.value,
            "dims": dict(self.dims),
            "period": self.period.to_json(),
            "note": self.note,
            "numerator_unit": self.numerator_unit,
            "denominator_unit": self.denominator_unit,
            "low": self.low,
            "high": self.high,
            "level": self.level,
        }
