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
        ),
        _counter(
            "energy_resets_total",
            "gpu_energy_resets_total",
            "{reset}",
            "Times the energy counter began again, as a driver reload or a reset makes it.",
            type=Type.INT,
        ),
        _counter(
            "energy_integral_joules_total",
            "gpu_energy_integral_joules_total",
            "J",
            "Energy since the agent started, as the integral of power; to check the counter by.",
        ),
        _gauge(
            "energy_counter_over_integral",
            "gpu_energy_agreement_ratio",
            "1",
            "Energy by the counter over that by the integral since both are known; 1 if equal.",
            every_seconds=5,
        ),
        _gauge(
            "power_watts",
            "gpu_power_watts",
            "W",
            "Power drawn; the device's identity says whether instant or a one-second average.",
            otel="hw.power",
        ),
        _gauge(
            "power_min_watts",
            "gpu_power_min_watts",
            "W",
            "The least power in the device's own ring of samples since the reading before.",
        ),
        _gauge(
            "power_max_watts",
            "gpu_power_max_watts",
            "W",
            "The most power in the device's own ring of samples since the reading before.",
        ),
        _gauge(
            "power_average_watts",
            "gpu_power_average_watts",
            "W",
            "Power averaged over the last second by the device itself.",
        ),
        _gauge(
            "module_power_watts",
            "gpu_module_power_watts",
            "W",
            "Power of the whole module the device sits on, processor and memory included.",
        ),
        _gauge(
            "memory_power_watts",
            "gpu_memory_power_watts",
            "W",
            "Power of the device memory alone.",
            every_seconds=5,
        ),
        _gauge(
            "power_stale",
            "gpu_power_stale",
            "1",
            "1 if the power sensor stands still, so that its reading is left out; 0 if it lives.",
            type=Type.INT,
        ),
        _gauge(
            "power_limit_watts",
            "gpu_power_limit_watts",
            "W",
            "The limit the hardware enforces now.",
            every_seconds=60,
        ),
        _gauge(
            "power_limit_default_watts",
            "gpu_power_limit_default_watts",
            "W",
            "The limit the device is delivered with.",
            every_seconds=60,
        ),
        _gauge(
            "busy_ratio",
            "gpu_busy_ratio",
            "1",
            "Share of time in which any kernel ran; says nothing of how much of the chip it used.",
            otel="hw.gpu.utilization",
        ),
        _gauge(
            "memory_busy_ratio",
            "gpu_memory_busy_ratio",
            "1",
            "Share of time in which device memory was read or written.",
        ),
        _gauge(
            "sm_active_ratio",
            "gpu_sm_active_ratio",
            "1",
            "Share of the compute units that had work, averaged over time.",
        ),
        _gauge(
            "sm_occupancy_ratio",
            "gpu_sm_occupancy_ratio",
            "1",
            "Share of the warps that the compute units could hold which they held.",
        ),
        _gauge(
            "tensor_active_ratio",
            "gpu_tensor_active_ratio",
            "1",
            "Share of time the tensor (matrix) pipe was active.",
        ),
        _gauge(
            "dram_active_ratio",
            "gpu_dram_active_ratio",
            "1",
            "Share of time device memory moved data.",
        ),
        _gauge(
            "fp64_active_ratio",
            "gpu_fp_active_ratio",
            "1",
            "Share of time the 64-bit floating-point pipe was active.",
            labels=(("precision", "fp64"),),
            every_seconds=5,
        ),
        _gauge(
            "fp32_active_ratio",
            "gpu_fp_active_ratio",
            "1",
            "Share of time the 32-bit floating-point pipe was active.",
            labels=(("precision", "fp32"),),
            every_seconds=5,
        ),
        _gauge(
            "fp16_active_ratio",
            "gpu_fp_active_ratio",
            "1",
            "Share of time the 16-bit floating-point pipe was active.",
            labels=(("precision", "fp16"),),
            every_seconds=5,
        ),
        _gauge(
            "memory_used_bytes",
            "gpu_memory_used_bytes",
            "By",
            "Device memory in use.",
            type=Type.INT,
            otel="hw.gpu.memory.usage",
            every_seconds=5,
        ),
        _gauge(
            "memory_size_bytes",
            "gpu_memory_size_bytes",
            "By",
            "Device memory there is.",
            type=Type.INT,
            otel="hw.gpu.memory.limit",
            every_seconds=60,
        ),
        _gauge(
            "memory_reserved_bytes",
            "gpu_memory_reserved_bytes",
            "By",
            "Device memory that the driver keeps for itself.",
            type=Type.INT,
            every_seconds=5,
        ),
        _gauge(
            "temperature_celsius",
            "gpu_temperature_celsius",
            "Cel",
            "Temperature of the chip.",
            labels=(("sensor", "core"),),
            otel="hw.temperature",
            every_seconds=5,
        ),
        _gauge(
            "memory_temperature_celsius",
            "gpu_temperature_celsius",
            "Cel",
            "Temperature of the device memory.",
            labels=(("sensor", "memory"),),
            otel="hw.temperature",
            every_seconds=5,
        ),
        _gauge(
            "temperature_margin_celsius",
            "gpu_temperature_margin_celsius",
            "Cel",
            "How far the chip is from the temperature at which it slows down.",
            every_seconds=5,
        ),
        _gauge(
            "sm_clock_hertz",
            "gpu_sm_clock_hertz",
            "Hz",
            "Clock of the compute units.",
            every_seconds=5,
        ),
        _gauge(
            "memory_clock_hertz",
            "gpu_memory_clock_hertz",
            "Hz",
            "Clock of the device memory.",
            every_seconds=5,
        ),
        _gauge(
            "performance_state",
            "gpu_performance_state",
            "1",
            "Performance state, 0 (fastest) to 15.",
            type=Type.INT,
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
        *(
            _gauge(
                f"throttle_{reason}_active",
                "gpu_throttle_active",
                "1",
                f"1 while the clocks are held back by {text}.",
                type=Type.INT,
                labels=(("reason", reason),),
                every_seconds=5,
            )
            for reason, text in (
                ("power_cap", "the power cap"),
                ("thermal", "heat"),
                ("power_brake", "the power brake"),
                ("sync_boost", "the slowest device of its group"),
            )
        ),
        *(
            _counter(
                f"pcie_{direction}_bytes_total",
                "gpu_pcie_bytes_total",
                "By",
                f"Bytes {verb} over PCI Express.",
                type=Type.INT,
                labels=(("direction", direction),),
                otel="hw.gpu.io",
                every_seconds=5,
            )
            for direction, verb in (("receive", "received"), ("transmit", "sent"))
        ),
        *(
            _counter(
                f"nvlink_{direction}_bytes_total",
                "gpu_nvlink_bytes_total",
                "By",
                f"Bytes {verb} over NVLink or xGMI, all links together.",
                type=Type.INT,
                labels=(("direction", direction),),
                every_seconds=5,
            )
            for direction, verb in (("receive", "received"), ("transmit", "sent"))
        ),
        *(
            _counter(
                f"c2c_{direction}_bytes_total",
                "gpu_c2c_bytes_total",
                "By",
                f"Bytes {verb} over the link between chips of one module.",
                type=Type.INT,
                labels=(("direction", direction),),
                every_seconds=5,
            )
            for direction, verb in (("receive", "received"), ("transmit", "sent"))
        ),
        _counter(
            "pcie_replays_total",
            "gpu_pcie_replays_total",
            "{error}",
            "Packets sent again over PCI Express.",
            type=Type.INT,
            otel="hw.errors",
            every_seconds=60,
        ),
        _gauge(
            "pcie_link_generation",
            "gpu_pcie_link_generation",
            "1",
            "Generation at which the PCI Express link runs now.",
            type=Type.INT,
            every_seconds=60,
        ),
        _gauge(
            "pcie_link_width",
            "gpu_pcie_link_width",
            "1",
            "Lanes on which the PCI Express link runs now.",
            type=Type.INT,
            every_seconds=60,
        ),
        *(
            _counter(
                f"nvlink_{kind}_errors_total",
                "gpu_nvlink_errors_total",
                "{error}",
                text,
                type=Type.INT,
                labels=(("kind", kind),),
                otel="hw.errors",
                every_seconds=60,
            )
            for kind, text in (
                ("replay", "Packets sent again over NVLink."),
                ("recovery", "Times an NVLink had to be trained again."),
                ("crc", "NVLink packets with a wrong checksum."),
            )
        ),
        *(
            _counter(
                f"ecc_{type_}_{lifetime}_total",
                "gpu_ecc_errors_total",
                "{error}",
                f"Memory errors {type_}, {text}.",
                type=Type.INT,
                labels=(("type", type_), ("lifetime", lifetime)),
                otel="hw.errors" if lifetime == "volatile" else None,
                every_seconds=60,
            )
            for type_ in ("corrected", "uncorrected")
            for lifetime, text in (
                ("volatile", "since the driver was loaded"),
                ("aggregate", "in the life of the device"),
            )
        ),
        *(
            _gauge(
                f"row_remaps_{kind}",
                "gpu_row_remaps",
                "{row}",
                f"Rows or pages of device memory replaced after {kind} errors.",
                type=Type.INT,
                labels=(("type", kind),),
                every_seconds=60,
            )
            for kind in ("corrected", "uncorrected")
        ),
        _gauge(
            "row_remap_pending",
            "gpu_row_remap_pending",
            "1",
            "1 if a row or page waits for a reset to be replaced.",
            type=Type.INT,
            every_seconds=60,
        ),
        _gauge(
            "row_remap_failed",
            "gpu_row_remap_failed",
            "1",
            "1 if a row or page could not be replaced: the device is worn out.",
            type=Type.INT,
            every_seconds=60,
        ),
        _gauge(
            "recovery_action",
            "gpu_recovery_action",
            "1",
            "What the driver asks for: 0 nothing, 1 reset, 2 reboot, 3 drain P2P, 4 drain, reset.",
            type=Type.INT,
            every_seconds=60,
        ),
        _counter(
            "xid_events_total",
            "gpu_xid_events_total",
            "{error}",
            "XID errors since the agent started; `aif_gpu_xid_total` has them by number.",
            type=Type.INT,
            otel="hw.errors",
        ),
        _gauge(
            "processes",
            "gpu_processes",
            "{process}",
            "Compute processes on the device.",
            type=Type.INT,
            every_seconds=10,
        ),
        _gauge(
            "sample_age_seconds",
            "gpu_sample_age_seconds",
            "s",
            "How old the newest reading is; grows while the device does not answer.",
        ),
        _gauge(
            "read_seconds",
            "gpu_read_duration_seconds",
            "s",
            "How long the driver took to answer for this device.",
        ),
        _counter(
            "read_timeouts_total",
            "gpu_read_timeouts_total",
            "{error}",
            "Times the driver did not answer for this device in time.",
            type=Type.INT,
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
            "Batches that left a full spool unsent, oldest first; a killed agent counts one.",
            type=Type.INT,
        ),
        _counter(
            "batches_refused_total",
            "agent_batches_refused_total",
            "{batch}",
            "Batches the collector refused and the agent set aside.",
            type=Type.INT,
        ),
        _counter(
            "exports_failed_total",
            "agent_exports_failed_total",
            "{export}",
            "Exports to OpenTelemetry and InfluxDB that were given up.",
            type=Type.INT,
        ),
        _gauge(
            "spool_bytes",
            "agent_spool_bytes",
            "By",
            "Bytes waiting in the spool.",
            type=Type.INT,
        ),
        _counter(
            "read_timeouts_total",
            "agent_read_timeouts_total",
            "{error}",
            "Reads that did not end in time and were given up.",
            type=Type.INT,
        ),
        _gauge(
            "devices_unread",
            "agent_devices_unread",
            "{device}",
            "Devices the driver lists or the bus has that could not be read.",
            type=Type.INT,
        ),
        _counter(
            "cpu_seconds_total",
            "agent_cpu_seconds_total",
            "s",
            "Processor time the agent used, the processes that read for it included.",
        ),
        _gauge(
            "memory_resident_bytes",
            "agent_memory_resident_bytes",
            "By",
            "Main memory the agent holds, the processes that read for it included.",
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
        Field("power_mode", Type.TEXT, "instant, average_1s, or average over a time nobody tells."),
        Field("power_scope", Type.TEXT, "gpu or module."),
        Field("energy_scope", Type.TEXT, "gpu or module."),
        Field("minor", Type.INT, "N of its /dev/nvidiaN or renderD(128+N); never a key."),
        Field("serial", Type.TEXT, "The board's serial number."),
        Field("vbios", Type.TEXT, "Version of its firmware."),
        Field("mig", Type.TEXT, "enabled or disabled; null where there is no such thing."),
        Field(
            "module",
            Type.TEXT,
            "What it shares its power meter with: devices of one module name the same.",
        ),
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

MIG = Table(
    "mig",
    "One MIG instance of a device at one time. It has no power of its own.",
    (
        _TIME,
        _DEVICE,
        Field("instance", Type.TEXT, "The instance's UUID.", True),
        Field("gpu_instance", Type.INT, "Number of the GPU instance on its device."),
        Field("profile", Type.TEXT, "Its size, such as 3g.40gb."),
    ),
    (
        *(
            _gauge(f"{name}_ratio", f"mig_{name}_ratio", "1", text)
            for name, text in (
                ("sm_active", "Share of the instance's compute units that had work."),
                ("sm_occupancy", "Share of the warps the instance could hold which it held."),
                ("tensor_active", "Share of time the instance's tensor pipe was active."),
                ("dram_active", "Share of time the instance's memory moved data."),
            )
        ),
        *(
            _gauge(
                f"memory_{name}_bytes",
                f"mig_memory_{name}_bytes",
                "By",
                text,
                type=Type.INT,
                every_seconds=15,
            )
            for name, text in (
                ("used", "Memory of the instance in use."),
                ("size", "Memory of the instance there is."),
            )
        ),
        _gauge(
            "processes",
            "mig_processes",
            "{process}",
            "Compute processes on the instance.",
            type=Type.INT,
        ),
        _gauge("slice_ratio", "mig_slice_ratio", "1", "Share of the device's compute slices."),
    ),
    key=("device", "instance"),
)

PROCESS = Table(
    "process",
    "One compute process on one device at one time.",
    (
        _TIME,
        _DEVICE,
        Field("pid", Type.INT, "The process, as the host numbers it.", True),
        Field("cgroup", Type.TEXT, "Its control group, which tells its job."),
        Field("instance", Type.TEXT, "The MIG instance it runs on, if any."),
    ),
    (
        _gauge(
            "memory_used_bytes",
            "process_gpu_memory_used_bytes",
            "By",
            "Device memory the process holds.",
            type=Type.INT,
            every_seconds=10,
        ),
        _gauge(
            "sm_busy_ratio",
            "process_gpu_busy_ratio",
            "1",
            "Share of time the process kept compute units busy, as the driver samples it.",
            every_seconds=10,
        ),
        _counter(
            "cpu_seconds_total",
            "process_cpu_seconds_total",
            "s",
            "Processor time of the process.",
            every_seconds=10,
        ),
    ),
    key=("device", "pid"),
)

XID = Table(
    "xid",
    "XID errors of a device, by number; sent when one occurs and every ten minutes.",
    (_TIME, _DEVICE, Field("xid", Type.INT, "The error's number.", True)),
    (
        _counter(
            "count_total",
            "gpu_xid_total",
            "{error}",
            "Times it occurred since the agent started.",
            type=Type.INT,
        ),
        _gauge(
            "last_unix_seconds",
            "gpu_xid_last_timestamp_seconds",
            "s",
            "When it occurred last, seconds since 1970 UTC.",
        ),
    ),
    key=("device", "xid"),
)

METER = Table(
    "meter",
    "One meter of a node at one time: of the whole node, or of a part of it.",
    (
        _TIME,
        Field("source", Type.TEXT, "What meters: pm_counters, rapl, grace, redfish, ipmi.", True),
        Field("domain", Type.TEXT, "What is metered: node, cpu, package-0, dram-0, accel0.", True),
    ),
    (
        _counter(
            "energy_joules_total",
            "host_meter_energy_joules_total",
            "J",
            "Energy used by the domain.",
            otel="hw.energy",
        ),
        _gauge(
            "power_watts",
            "host_meter_power_watts",
            "W",
            "Power drawn by the domain.",
            otel="hw.power",
        ),
        _gauge(
            "power_limit_watts",
            "host_meter_power_limit_watts",
            "W",
            "The cap on the domain's power.",
            every_seconds=60,
        ),
        _gauge(
            "reading_age_seconds",
            "host_meter_reading_age_seconds",
            "s",
            "How old the meter says its reading is.",
        ),
    ),
    key=("source", "domain"),
)

CAPABILITY = Table(
    "capability",
    "What of a device or node cannot be read, and why; sent as `device_info` is.",
    (
        _TIME,
        Field("source", Type.TEXT, "Which source would read it.", True),
        Field("device", Type.TEXT, "The device; null for what belongs to the node."),
        Field("column", Type.TEXT, "The column that is therefore null.", True),
        Field("reason", Type.TEXT, "Why, for people.", True),
    ),
    key=("source", "device", "column"),
)

TABLES: Mapping[str, Table] = MappingProxyType(
    {
        table.name: table
        for table in (
            DEVICE, NODE, JOB, AGENT, MIG, PROCESS, XID, METER,
            DEVICE_INFO, NODE_INFO, JOB_INFO, ASSIGNMENT, CAPABILITY,
        )
    }
)  # fmt: skip
"""All tables by name."""
