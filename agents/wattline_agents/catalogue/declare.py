"""What a metric, a column and a table are."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from wattline_agents.record import record

VERSION = 1
"""Sent with every batch; raised when a column changes its meaning, not when one is added."""

PREFIX = "aif_"


class Kind(StrEnum):
    """How values of a metric add up over time."""

    COUNTER = "counter"
    GAUGE = "gauge"


class Type(StrEnum):
    """How a column is held on the wire and in the store."""

    INT = "int64"
    FLOAT = "float64"
    TEXT = "string"


@record(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        column: Its column on the wire and in the store, unit included.
        family: Its Prometheus name without the prefix `aif_`.
        labels: The Prometheus labels that tell this column from others of its family.
        kind: Counter or gauge.
        unit: Unit in UCUM as OpenTelemetry writes it: `W`, `J`, `Cel`, `Hz`, `By`, `s`, `1`.
        help: One sentence for people.
        type: How it is held.
        otel: The OpenTelemetry instrument it maps to, where there is one.
        every_seconds: How often a source should read it, at least.
    """

    column: str
    family: str
    kind: Kind
    unit: str
    help: str
    type: Type = Type.FLOAT
    labels: tuple[tuple[str, str], ...] = ()
    otel: str | None = None
    every_seconds: float = 1.0

    @property
    def name(self) -> str:
        """The Prometheus name, e.g. `aif_gpu_power_watts`."""
        return PREFIX + self.family


@record(frozen=True, slots=True)
class Field:
    """A column of a table that is no metric: a key, a time, a label."""

    column: str
    type: Type
    help: str
    required: bool = False


@record(frozen=True, slots=True)
class Table:
    """What one batch holds.

    Attributes:
        name: The last part of the path `/v1/batches/{name}`.
        help: What a row is.
        fields: Keys and labels, in order; `time_unix_ms` always first.
        metrics: Metrics, in order; every one may be null, and null is "not known".
        key: The columns that, with the sending node and the time, make a row unique.
    """

    name: str
    help: str
    fields: tuple[Field, ...]
    metrics: tuple[Metric, ...] = ()
    key: tuple[str, ...] = ()

    @property
    def columns(self) -> Mapping[str, Type]:
        """Every column and its type, in order."""
        fields = {field.column: field.type for field in self.fields}
        return fields | {metric.column: metric.type for metric in self.metrics}

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that may not be missing or null."""
        return tuple(field.column for field in self.fields if field.required)

    @property
    def counters(self) -> tuple[str, ...]:
        """Columns that only grow between resets."""
        return tuple(m.column for m in self.metrics if m.kind is Kind.COUNTER)


TIME = Field("time_unix_ms", Type.INT, "When it was read, milliseconds since 1970 UTC.", True)
DEVICE_KEY = Field("device", Type.TEXT, "The device's vendor UUID.", True)
JOB_KEY = Field("job", Type.TEXT, "The job's key: id, and `.N` after the Nth restart.", True)


def gauge(column: str, family: str, unit: str, help: str, **more: object) -> Metric:
    """A value as it is now."""
    return Metric(column, family, Kind.GAUGE, unit, help, **more)  # type: ignore[arg-type]


def counter(column: str, family: str, unit: str, help: str, **more: object) -> Metric:
    """A value that only grows between resets."""
    return Metric(column, family, Kind.COUNTER, unit, help, **more)  # type: ignore[arg-type]
