"""Nodes, their meters, and the agent itself."""

from __future__ import annotations

from wattline_agents.catalogue.declare import (
    TIME,
    Field,
    Table,
    Type,
    counter,
    gauge,
)

NODE = Table(
    "node",
    "One node at one time.",
    (TIME,),
    (
        counter(
            "energy_joules_total",
            "host_energy_joules_total",
            "J",
            "Energy used by the whole node, from its own meter.",
            otel="hw.host.energy",
        ),
        gauge(
            "power_watts",
            "host_power_watts",
            "W",
            "Power drawn by the whole node.",
            otel="hw.host.power",
        ),
        *(
            counter(
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
        gauge(
            "cpu_busy_ratio",
            "host_cpu_busy_ratio",
            "1",
            "Share of processor time not idle since the reading before.",
            otel="system.cpu.utilization",
            every_seconds=10,
        ),
        gauge(
            "memory_used_bytes",
            "host_memory_used_bytes",
            "By",
            "Main memory in use: total less available.",
            type=Type.INT,
            otel="system.memory.usage",
            every_seconds=10,
        ),
        gauge(
            "memory_size_bytes",
            "host_memory_size_bytes",
            "By",
            "Main memory there is.",
            type=Type.INT,
            otel="system.memory.limit",
            every_seconds=60,
        ),
        *(
            counter(
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
            counter(
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
        gauge(
            "temperature_celsius",
            "host_temperature_celsius",
            "Cel",
            "The hottest sensor of the host.",
            otel="hw.temperature",
            every_seconds=10,
        ),
    ),
)

NODE_INFO = Table(
    "node_info",
    "Who a node is; sent at start, on change, and every ten minutes.",
    (
        TIME,
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

METER = Table(
    "meter",
    "One meter of a node at one time: of the whole node, or of a part of it.",
    (
        TIME,
        Field("source", Type.TEXT, "What meters: pm_counters, rapl, grace, redfish, ipmi.", True),
        Field("domain", Type.TEXT, "What is metered: node, cpu, package-0, dram-0, accel0.", True),
    ),
    (
        counter(
            "energy_joules_total",
            "host_meter_energy_joules_total",
            "J",
            "Energy used by the domain.",
            otel="hw.energy",
        ),
        gauge(
            "power_watts",
            "host_meter_power_watts",
            "W",
            "Power drawn by the domain.",
            otel="hw.power",
        ),
        gauge(
            "power_limit_watts",
            "host_meter_power_limit_watts",
            "W",
            "The cap on the domain's power.",
            every_seconds=60,
        ),
        gauge(
            "reading_age_seconds",
            "host_meter_reading_age_seconds",
            "s",
            "How old the meter says its reading is.",
        ),
    ),
    key=("source", "domain"),
)

AGENT = Table(
    "agent",
    "An agent's own health.",
    (TIME,),
    (
        counter(
            "readings_total",
            "agent_readings_total",
            "{reading}",
            "Rows read.",
            type=Type.INT,
        ),
        counter(
            "read_errors_total",
            "agent_read_errors_total",
            "{error}",
            "Reads that failed.",
            type=Type.INT,
        ),
        counter(
            "late_ticks_total",
            "agent_late_ticks_total",
            "{tick}",
            "Ticks that began more than half a period late.",
            type=Type.INT,
        ),
        counter(
            "batches_dropped_total",
            "agent_batches_dropped_total",
            "{batch}",
            "Batches that left a full spool unsent, oldest first; a killed agent counts one.",
            type=Type.INT,
        ),
        counter(
            "batches_refused_total",
            "agent_batches_refused_total",
            "{batch}",
            "Batches the collector refused and the agent set aside.",
            type=Type.INT,
        ),
        counter(
            "exports_failed_total",
            "agent_exports_failed_total",
            "{export}",
            "Exports to OpenTelemetry and InfluxDB given up, and times that a sink took no rows.",
            type=Type.INT,
        ),
        gauge(
            "spool_bytes",
            "agent_spool_bytes",
            "By",
            "Bytes waiting in the spool.",
            type=Type.INT,
        ),
        counter(
            "read_timeouts_total",
            "agent_read_timeouts_total",
            "{error}",
            "Reads that did not end in time and were given up.",
            type=Type.INT,
        ),
        gauge(
            "devices_unread",
            "agent_devices_unread",
            "{device}",
            "Devices the driver lists or the bus has that could not be read.",
            type=Type.INT,
        ),
        counter(
            "cpu_seconds_total",
            "agent_cpu_seconds_total",
            "s",
            "Processor time the agent used, the processes that read for it included.",
        ),
        gauge(
            "memory_resident_bytes",
            "agent_memory_resident_bytes",
            "By",
            "Main memory the agent holds, the processes that read for it included.",
            type=Type.INT,
        ),
        gauge("read_seconds", "agent_read_duration_seconds", "s", "How long the last read took."),
    ),
)

CAPABILITY = Table(
    "capability",
    "What of a device or node cannot be read, and why; sent as `device_info` is.",
    (
        TIME,
        Field("source", Type.TEXT, "Which source would read it.", True),
        Field("device", Type.TEXT, "The device; null for what belongs to the node."),
        Field("column", Type.TEXT, "The column that is therefore null.", True),
        Field("reason", Type.TEXT, "Why, for people.", True),
    ),
    key=("source", "device", "column"),
)
