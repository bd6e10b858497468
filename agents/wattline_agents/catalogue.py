"""Every metric, declared once.

A table is what travels in one batch: one row per subject (device, node or job) per tick, one
column per metric. From this declaration are made the wire's columns, the store's schema, the
Prometheus exposition, the pages' labels and the page of documentation (`wattline agent --metrics`).

Units are base units always: watts, joules, celsius, hertz, bytes, seconds, ratio 0-1. A source
converts when it reads. A counter only ever grows between resets and its column ends in `_total`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

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


@dataclass(frozen=True, slots=True)
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
        dcgm: Names dcgm-exporter gives it, old and new.
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
    dcgm: tuple[str, ...] = ()
    every_seconds: float = 1.0

    @property
    def name(self) -> str:
        """The Prometheus name, e.g. `aif_gpu_power_watts`."""
        return PREFIX + self.family


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a table that is no metric: a key, a time, a label."""

    column: str
    type: Type
    help: str
    required: bool = False


@dataclass(frozen=True, slots=True)
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


_TIME = Field("time_unix_ms", Type.INT, "When it was read, milliseconds since 1970 UTC.", True)
_DEVICE = Field("device", Type.TEXT, "The device's vendor UUID.", True)
_JOB = Field("job", Type.TEXT, "The job's key: id, and `.N` after the Nth restart.", True)


def _gauge(column: str, family: str, unit: str, help: str, **more: object) -> Metric:
    return Metric(column, family, Kind.GAUGE, unit, help, **more)  # type: ignore[arg-type]


def _counter(column: str, family: str, unit: str, help: str, **more: object) -> Metric:
    return Metric(column, family, Kind.COUNTER, unit, help, **more)  # type: ignore[arg-type]


THROTTLE_REASONS = ("power_cap", "thermal", "power_brake")
TOKEN_KINDS = ("trained", "prompt", "prompt_cached", "generated")
PHASES = ("init", "data_wait", "step", "checkpoint_save", "restore", "eval")

DEVICE = Table(
    "device",
    "One device (GPU, GCD or MIG instance) at one time.",
    (_TIME, _DEVICE),
    (
        _gauge("up", "gpu_up", "1", "1 if the device answered, 0 if it is lost.", type=Type.INT),
        _counter(
            "energy_joules_total",
            "gpu_energy_joules_total",
            "J",
            "Energy used, from the hardware's own counter.",
            otel="hw.energy",
            dcgm=("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "DCGM_FI_DEV_TOTAL_ENERGY_JOULES"),
        ),
        _gauge(
            "power_watts",
            "gpu_power_watts",
            "W",
            "Power drawn; the device's identity says whether instant or a one-second average.",
            otel="hw.power",
            dcgm=("DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_BOARD_POWER_WATTS"),
        ),
        _gauge(
            "power_limit_watts",
            "gpu_power_limit_watts",
            "W",
            "The limit the hardware enforces now.",
            dcgm=("DCGM_FI_DEV_ENFORCED_POWER_LIMIT",),
            every_seconds=60,
        ),
        _gauge(
            "busy_ratio",
            "gpu_busy_ratio",
            "1",
            "Share of time in which any kernel ran; says nothing of how much of the chip it used.",
            otel="hw.gpu.utilization",
            dcgm=("DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_GPU_UTIL_RATIO"),
        ),
        _gauge(
            "memory_busy_ratio",
            "gpu_memory_busy_ratio",
            "1",
            "Share of time in which device memory was read or written.",
            dcgm=("DCGM_FI_DEV_MEM_COPY_UTIL",),
        ),
        _gauge(
            "sm_active_ratio",
            "gpu_sm_active_ratio",
            "1",
            "Share of the compute units that had work, averaged over time.",
            dcgm=("DCGM_FI_PROF_SM_ACTIVE", "DCGM_FI_PROF_SM_UTIL_RATIO"),
        ),
        _gauge(
            "tensor_active_ratio",
            "gpu_tensor_active_ratio",
            "1",
            "Share of time the tensor (matrix) pipe was active.",
            dcgm=("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "DCGM_FI_PROF_TENSOR_UTIL_RATIO"),
        ),
        _gauge(
            "dram_active_ratio",
            "gpu_dram_active_ratio",
            "1",
            "Share of time device memory moved data.",
            dcgm=("DCGM_FI_PROF_DRAM_ACTIVE",),
        ),
        _gauge(
            "memory_used_bytes",
            "gpu_memory_used_bytes",
            "By",
            "Device memory in use.",
            type=Type.INT,
            otel="hw.gpu.memory.usage",
            dcgm=("DCGM_FI_DEV_FB_USED",),
            every_seconds=5,
        ),
        _gauge(
            "memory_size_bytes",
            "gpu_memory_size_bytes",
            "By",
            "Device memory there is.",
            type=Type.INT,
            otel="hw.gpu.memory.limit",
            dcgm=("DCGM_FI_DEV_FB_TOTAL",),
            every_seconds=60,
        ),
        _gauge(
            "temperature_celsius",
            "gpu_temperature_celsius",
            "Cel",
            "Temperature of the chip.",
            labels=(("sensor", "core"),),
            otel="hw.temperature",
            dcgm=("DCGM_FI_DEV_GPU_TEMP",),
            every_seconds=5,
        ),
        _gauge(
            "memory_temperature_celsius",
            "gpu_temperature_celsius",
            "Cel",
            "Temperature of the device memory.",
            labels=(("sensor", "memory"),),
            otel="hw.temperature",
            dcgm=("DCGM_FI_DEV_MEMORY_TEMP",),
            every_seconds=5,
        ),
        _gauge(
            "sm_clock_hertz",
            "gpu_sm_clock_hertz",
            "Hz",
            "Clock of the compute units.",
            dcgm=("DCGM_FI_DEV_SM_CLOCK",),
            every_seconds=5,
        ),
        _gauge(
            "memory_clock_hertz",
            "gpu_memory_clock_hertz",
            "Hz",
            "Clock of the device memory.",
            dcgm=("DCGM_FI_DEV_MEM_CLOCK",),
            every_seconds=5,
        ),
        *(
            _counter(
                f"throttle_{reason}_seconds_total",
                "gpu_throttle_seconds_total",
                "s",
                text,
                labels=(("reason", reason),),
                every_seconds=5,
            )
            for reason, text in (
                ("power_cap", "Time the clocks were held back by the power cap."),
                ("thermal", "Time the clocks were held back by heat."),
                ("power_brake", "Time the clocks were held back by the power brake."),
            )
        ),
        _counter(
            "read_errors_total",
            "gpu_read_errors_total",
            "{error}",
            "Readings of this device that failed since the agent started.",
            type=Type.INT,
        ),
    ),
    key=("device",),
)

NODE = Table(
    "node",
    "One node at one time.",
    (_TIME,),
    (
        _counter(
            "energy_joules_total",
            "host_energy_joules_total",
            "J",
            "Energy used by the whole node, from its own meter.",
            otel="hw.host.energy",
        ),
        _gauge(
            "power_watts",
            "host_power_watts",
            "W",
            "Power drawn by the whole node.",
            otel="hw.host.power",
        ),
        *(
            _counter(
                f"cpu_{mode}_seconds_total",
                "host_cpu_seconds_total",
                "s",
                f"Processor time in mode {mode}, summed over cores.",
                labels=(("mode", mode),),
                otel="system.cpu.time",
                every_seconds=10,
            )
            for mode in ("user", "system", "idle", "iowait")
        ),
        _gauge(
            "cpu_busy_ratio",
            "host_cpu_busy_ratio",
            "1",
            "Share of processor time not idle since the reading before.",
            otel="system.cpu.utilization",
            every_seconds=10,
        ),
        _gauge(
            "memory_used_bytes",
            "host_memory_used_bytes",
            "By",
            "Main memory in use: total less available.",
            type=Type.INT,
            otel="system.memory.usage",
            every_seconds=10,
        ),
        _gauge(
            "memory_size_bytes",
            "host_memory_size_bytes",
            "By",
            "Main memory there is.",
            type=Type.INT,
            otel="system.memory.limit",
            every_seconds=60,
        ),
        *(
            _counter(
                f"network_{direction}_bytes_total",
                "host_network_bytes_total",
                "By",
                f"Bytes the network interfaces {verb}, loopback excluded.",
                type=Type.INT,
                labels=(("direction", direction),),
                otel="system.network.io",
                every_seconds=10,
            )
            for direction, verb in (("receive", "received"), ("transmit", "sent"))
        ),
        *(
            _counter(
                f"disk_{direction}_bytes_total",
                "host_disk_bytes_total",
                "By",
                f"Bytes {verb} disks.",
                type=Type.INT,
                labels=(("direction", direction),),
                otel="system.disk.io",
                every_seconds=10,
            )
            for direction, verb in (("read", "read from"), ("write", "written to"))
        ),
        _gauge(
            "temperature_celsius",
            "host_temperature_celsius",
            "Cel",
            "The hottest sensor of the host.",
            otel="hw.temperature",
            every_seconds=10,
        ),
    ),
)

JOB = Table(
    "job",
    "What one job has made so far, as the job or its engine counts it.",
    (_TIME, _JOB),
    (
        *(
            _counter(
                f"tokens_{kind}_total",
                "job_tokens_total",
                "{token}",
                text,
                type=Type.INT,
                labels=(("kind", kind),),
                every_seconds=5,
            )
            for kind, text in (
                ("trained", "Tokens trained on, in committed steps."),
                ("prompt", "Prompt tokens served, cached ones included."),
                ("prompt_cached", "Prompt tokens that a cache answered."),
                ("generated", "Tokens generated."),
            )
        ),
        _counter("steps_total", "job_steps_total", "{step}", "Steps finished.", type=Type.INT),
        _counter(
            "samples_total", "job_samples_total", "{sample}", "Samples worked on.", type=Type.INT
        ),
        _counter(
            "requests_total",
            "job_requests_total",
            "{request}",
            "Requests answered.",
            type=Type.INT,
        ),
        _counter("flops_total", "job_flops_total", "{operation}", "Model operations done."),
        *(
            _counter(
                f"phase_{phase}_seconds_total",
                "job_phase_seconds_total",
                "s",
                f"Time spent in phase {phase}.",
                labels=(("phase", phase),),
                every_seconds=5,
            )
            for phase in PHASES
        ),
    ),
    key=("job",),
)

AGENT = Table(
    "agent",
    "An agent's own health.",
    (_TIME,),
    (
        _counter(
            "readings_total",
            "agent_readings_total",
            "{reading}",
            "Rows read.",
            type=Type.INT,
        ),
        _counter(
            "read_errors_total",
            "agent_read_errors_total",
            "{error}",
            "Reads that failed.",
            type=Type.INT,
        ),
        _counter(
            "late_ticks_total",
            "agent_late_ticks_total",
            "{tick}",
            "Ticks that began more than half a period late.",
            type=Type.INT,
        ),
        _counter(
            "batches_dropped_total",
            "agent_batches_dropped_total",
            "{batch}",
            "Batches that left a full spool unsent, oldest first.",
            type=Type.INT,
        ),
        _counter(
            "batches_refused_total",
            "agent_batches_refused_total",
            "{batch}",
            "Batches the collector refused and the agent set aside.",
            type=Type.INT,
        ),
        _gauge(
            "spool_bytes",
            "agent_spool_bytes",
            "By",
            "Bytes waiting in the spool.",
            type=Type.INT,
        ),
        _gauge("read_seconds", "agent_read_duration_seconds", "s", "How long the last read took."),
    ),
)

DEVICE_INFO = Table(
    "device_info",
    "Who a device is; sent at start, on change, and every ten minutes.",
    (
        _TIME,
        _DEVICE,
        Field("index", Type.INT, "Its place on the node, for people; never a key."),
        Field("vendor", Type.TEXT, "nvidia, amd, intel, ..."),
        Field("model", Type.TEXT, "The vendor's product name."),
        Field("pci", Type.TEXT, "PCI bus id."),
        Field("driver", Type.TEXT, "Driver version."),
        Field("source", Type.TEXT, "What reads it: nvml, simulated, a recording's name."),
        Field("power_mode", Type.TEXT, "instant or average_1s."),
        Field("power_scope", Type.TEXT, "gpu or module."),
        Field(
            "installed_from_unix_ms",
            Type.INT,
            "Since when it counts as installed; if null, since it was first seen.",
        ),
        Field(
            "installed_until_unix_ms",
            Type.INT,
            "Until when it counts as installed; if null, it still does.",
        ),
    ),
    key=("device",),
)

NODE_INFO = Table(
    "node_info",
    "Who a node is; sent at start, on change, and every ten minutes.",
    (
        _TIME,
        Field("rack", Type.TEXT, "Where it stands."),
        Field("partition", Type.TEXT, "The scheduler's partition."),
        Field("os", Type.TEXT, "Operating system."),
        Field("cores", Type.INT, "Processor cores."),
        Field("power_source", Type.TEXT, "What meters the node: rapl, pm_counters, a recording."),
        Field("agent_version", Type.TEXT, "Version of the agent that sends this."),
        Field(
            "installed_from_unix_ms",
            Type.INT,
            "Since when it counts as installed; if null, since it was first seen.",
        ),
        Field(
            "installed_until_unix_ms",
            Type.INT,
            "Until when it counts as installed; if null, it still does.",
        ),
    ),
)

JOB_INFO = Table(
    "job_info",
    "What a job is; sent at start, on change, at the end, and every ten minutes.",
    (
        _TIME,
        _JOB,
        Field("name", Type.TEXT, "The name its owner gave it."),
        Field("kind", Type.TEXT, "training, inference or other."),
        Field("project", Type.TEXT, "The grant it runs under."),
        Field("user", Type.TEXT, "Its owner; a person's name, shown only to those allowed."),
        Field("state", Type.TEXT, "running, completed, failed or cancelled."),
        Field("start_unix_ms", Type.INT, "When it started."),
        Field("end_unix_ms", Type.INT, "When it ended; null while it runs."),
    ),
    key=("job",),
)

ASSIGNMENT = Table(
    "assignment",
    "A device held by a job over an interval, as far as is known at the row's time.",
    (
        _TIME,
        _DEVICE,
        _JOB,
        Field("start_unix_ms", Type.INT, "Since when the job holds the device.", True),
        Field("end_unix_ms", Type.INT, "Until when; if null, it still did at the row's time."),
        Field("share", Type.FLOAT, "Part of the device, 0-1; 1 if null."),
        Field("method", Type.TEXT, "How it was found: job, simulated, recording, slurm, pid."),
    ),
    key=("device", "job", "start_unix_ms"),
)

TABLES: Mapping[str, Table] = MappingProxyType(
    {
        table.name: table
        for table in (
            DEVICE, NODE, JOB, AGENT, DEVICE_INFO, NODE_INFO, JOB_INFO, ASSIGNMENT,
        )
    }
)  # fmt: skip
"""All tables by name."""
