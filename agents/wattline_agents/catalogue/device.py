"""Accelerators: what they read, who they are, and what belongs to one of them."""

from __future__ import annotations

from wattline_agents.catalogue.declare import (
    DEVICE_KEY,
    TIME,
    Field,
    Table,
    Type,
    counter,
    gauge,
)

THROTTLE_REASONS = ("power_cap", "thermal", "power_brake")

DEVICE = Table(
    "device",
    "One device (GPU, GCD or MIG instance) at one time.",
    (TIME, DEVICE_KEY),
    (
        gauge("up", "gpu_up", "1", "1 if the device answered, 0 if it is lost.", type=Type.INT),
        counter(
            "energy_joules_total",
            "gpu_energy_joules_total",
            "J",
            "Energy used, from the hardware's own counter.",
            otel="hw.energy",
        ),
        counter(
            "energy_resets_total",
            "gpu_energy_resets_total",
            "{reset}",
            "Times the energy counter began again, as a driver reload or a reset makes it.",
            type=Type.INT,
        ),
        counter(
            "energy_integral_joules_total",
            "gpu_energy_integral_joules_total",
            "J",
            "Energy since the agent started, as the integral of power; to check the counter by.",
        ),
        gauge(
            "energy_counter_over_integral",
            "gpu_energy_agreement_ratio",
            "1",
            "Energy by the counter over that by the integral since both are known; 1 if equal.",
            every_seconds=5,
        ),
        gauge(
            "power_watts",
            "gpu_power_watts",
            "W",
            "Power drawn; the device's identity says whether instant or a one-second average.",
            otel="hw.power",
        ),
        gauge(
            "power_min_watts",
            "gpu_power_min_watts",
            "W",
            "The least power in the device's own ring of samples since the reading before.",
        ),
        gauge(
            "power_max_watts",
            "gpu_power_max_watts",
            "W",
            "The most power in the device's own ring of samples since the reading before.",
        ),
        gauge(
            "power_average_watts",
            "gpu_power_average_watts",
            "W",
            "Power averaged over the last second by the device itself.",
        ),
        gauge(
            "module_power_watts",
            "gpu_module_power_watts",
            "W",
            "Power of the whole module the device sits on, processor and memory included.",
        ),
        gauge(
            "memory_power_watts",
            "gpu_memory_power_watts",
            "W",
            "Power of the device memory alone.",
            every_seconds=5,
        ),
        gauge(
            "power_stale",
            "gpu_power_stale",
            "1",
            "1 if the power sensor stands still, so that its reading is left out; 0 if it lives.",
            type=Type.INT,
        ),
        gauge(
            "power_limit_watts",
            "gpu_power_limit_watts",
            "W",
            "The limit the hardware enforces now.",
            every_seconds=60,
        ),
        gauge(
            "power_limit_default_watts",
            "gpu_power_limit_default_watts",
            "W",
            "The limit the device is delivered with.",
            every_seconds=60,
        ),
        gauge(
            "busy_ratio",
            "gpu_busy_ratio",
            "1",
            "Share of time in which any kernel ran; says nothing of how much of the chip it used.",
            otel="hw.gpu.utilization",
        ),
        gauge(
            "memory_busy_ratio",
            "gpu_memory_busy_ratio",
            "1",
            "Share of time in which device memory was read or written.",
        ),
        gauge(
            "sm_active_ratio",
            "gpu_sm_active_ratio",
            "1",
            "Share of the compute units that had work, averaged over time.",
        ),
        gauge(
            "sm_occupancy_ratio",
            "gpu_sm_occupancy_ratio",
            "1",
            "Share of the warps that the compute units could hold which they held.",
        ),
        gauge(
            "tensor_active_ratio",
            "gpu_tensor_active_ratio",
            "1",
            "Share of time the tensor (matrix) pipe was active.",
        ),
        gauge(
            "dram_active_ratio",
            "gpu_dram_active_ratio",
            "1",
            "Share of time device memory moved data.",
        ),
        gauge(
            "fp64_active_ratio",
            "gpu_fp_active_ratio",
            "1",
            "Share of time the 64-bit floating-point pipe was active.",
            labels=(("precision", "fp64"),),
            every_seconds=5,
        ),
        gauge(
            "fp32_active_ratio",
            "gpu_fp_active_ratio",
            "1",
            "Share of time the 32-bit floating-point pipe was active.",
            labels=(("precision", "fp32"),),
            every_seconds=5,
        ),
        gauge(
            "fp16_active_ratio",
            "gpu_fp_active_ratio",
            "1",
            "Share of time the 16-bit floating-point pipe was active.",
            labels=(("precision", "fp16"),),
            every_seconds=5,
        ),
        gauge(
            "memory_used_bytes",
            "gpu_memory_used_bytes",
            "By",
            "Device memory in use.",
            type=Type.INT,
            otel="hw.gpu.memory.usage",
            every_seconds=5,
        ),
        gauge(
            "memory_size_bytes",
            "gpu_memory_size_bytes",
            "By",
            "Device memory there is.",
            type=Type.INT,
            otel="hw.gpu.memory.limit",
            every_seconds=60,
        ),
        gauge(
            "memory_reserved_bytes",
            "gpu_memory_reserved_bytes",
            "By",
            "Device memory that the driver keeps for itself.",
            type=Type.INT,
            every_seconds=5,
        ),
        gauge(
            "temperature_celsius",
            "gpu_temperature_celsius",
            "Cel",
            "Temperature of the chip.",
            labels=(("sensor", "core"),),
            otel="hw.temperature",
            every_seconds=5,
        ),
        gauge(
            "memory_temperature_celsius",
            "gpu_temperature_celsius",
            "Cel",
            "Temperature of the device memory.",
            labels=(("sensor", "memory"),),
            otel="hw.temperature",
            every_seconds=5,
        ),
        gauge(
            "temperature_margin_celsius",
            "gpu_temperature_margin_celsius",
            "Cel",
            "How far the chip is from the temperature at which it slows down.",
            every_seconds=5,
        ),
        gauge(
            "sm_clock_hertz",
            "gpu_sm_clock_hertz",
            "Hz",
            "Clock of the compute units.",
            every_seconds=5,
        ),
        gauge(
            "memory_clock_hertz",
            "gpu_memory_clock_hertz",
            "Hz",
            "Clock of the device memory.",
            every_seconds=5,
        ),
        gauge(
            "performance_state",
            "gpu_performance_state",
            "1",
            "Performance state, 0 (fastest) to 15.",
            type=Type.INT,
            every_seconds=5,
        ),
        *(
            counter(
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
            gauge(
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
            counter(
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
            counter(
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
            counter(
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
        counter(
            "pcie_replays_total",
            "gpu_pcie_replays_total",
            "{error}",
            "Packets sent again over PCI Express.",
            type=Type.INT,
            otel="hw.errors",
            every_seconds=60,
        ),
        gauge(
            "pcie_link_generation",
            "gpu_pcie_link_generation",
            "1",
            "Generation at which the PCI Express link runs now.",
            type=Type.INT,
            every_seconds=60,
        ),
        gauge(
            "pcie_link_width",
            "gpu_pcie_link_width",
            "1",
            "Lanes on which the PCI Express link runs now.",
            type=Type.INT,
            every_seconds=60,
        ),
        *(
            counter(
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
            counter(
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
            gauge(
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
        gauge(
            "row_remap_pending",
            "gpu_row_remap_pending",
            "1",
            "1 if a row or page waits for a reset to be replaced.",
            type=Type.INT,
            every_seconds=60,
        ),
        gauge(
            "row_remap_failed",
            "gpu_row_remap_failed",
            "1",
            "1 if a row or page could not be replaced: the device is worn out.",
            type=Type.INT,
            every_seconds=60,
        ),
        gauge(
            "recovery_action",
            "gpu_recovery_action",
            "1",
            "What the driver asks for: 0 nothing, 1 reset, 2 reboot, 3 drain P2P, 4 drain, reset.",
            type=Type.INT,
            every_seconds=60,
        ),
        counter(
            "xid_events_total",
            "gpu_xid_events_total",
            "{error}",
            "XID errors since the agent started; `aif_gpu_xid_total` has them by number.",
            type=Type.INT,
            otel="hw.errors",
        ),
        gauge(
            "processes",
            "gpu_processes",
            "{process}",
            "Compute processes on the device.",
            type=Type.INT,
            every_seconds=10,
        ),
        gauge(
            "sample_age_seconds",
            "gpu_sample_age_seconds",
            "s",
            "How old the newest reading is; grows while the device does not answer.",
        ),
        gauge(
            "read_seconds",
            "gpu_read_duration_seconds",
            "s",
            "How long the driver took to answer for this device.",
        ),
        counter(
            "read_timeouts_total",
            "gpu_read_timeouts_total",
            "{error}",
            "Times the driver did not answer for this device in time.",
            type=Type.INT,
        ),
        counter(
            "read_errors_total",
            "gpu_read_errors_total",
            "{error}",
            "Readings of this device that failed since the agent started.",
            type=Type.INT,
        ),
    ),
    key=("device",),
)

DEVICE_INFO = Table(
    "device_info",
    "Who a device is; sent at start, on change, and every ten minutes.",
    (
        TIME,
        DEVICE_KEY,
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

MIG = Table(
    "mig",
    "One MIG instance of a device at one time. It has no power of its own.",
    (
        TIME,
        DEVICE_KEY,
        Field("instance", Type.TEXT, "The instance's UUID.", True),
        Field("gpu_instance", Type.INT, "Number of the GPU instance on its device."),
        Field("profile", Type.TEXT, "Its size, such as 3g.40gb."),
    ),
    (
        *(
            gauge(f"{name}_ratio", f"mig_{name}_ratio", "1", text)
            for name, text in (
                ("sm_active", "Share of the instance's compute units that had work."),
                ("sm_occupancy", "Share of the warps the instance could hold which it held."),
                ("tensor_active", "Share of time the instance's tensor pipe was active."),
                ("dram_active", "Share of time the instance's memory moved data."),
            )
        ),
        *(
            gauge(
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
        gauge(
            "processes",
            "mig_processes",
            "{process}",
            "Compute processes on the instance.",
            type=Type.INT,
        ),
        gauge("slice_ratio", "mig_slice_ratio", "1", "Share of the device's compute slices."),
    ),
    key=("device", "instance"),
)

PROCESS = Table(
    "process",
    "One compute process on one device at one time.",
    (
        TIME,
        DEVICE_KEY,
        Field("pid", Type.INT, "The process, as the host numbers it.", True),
        Field("cgroup", Type.TEXT, "Its control group, which tells its job."),
        Field("instance", Type.TEXT, "The MIG instance it runs on, if any."),
    ),
    (
        gauge(
            "memory_used_bytes",
            "process_gpu_memory_used_bytes",
            "By",
            "Device memory the process holds.",
            type=Type.INT,
            every_seconds=10,
        ),
        gauge(
            "sm_busy_ratio",
            "process_gpu_busy_ratio",
            "1",
            "Share of time the process kept compute units busy, as the driver samples it.",
            every_seconds=10,
        ),
        counter(
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
    (TIME, DEVICE_KEY, Field("xid", Type.INT, "The error's number.", True)),
    (
        counter(
            "count_total",
            "gpu_xid_total",
            "{error}",
            "Times it occurred since the agent started.",
            type=Type.INT,
        ),
        gauge(
            "last_unix_seconds",
            "gpu_xid_last_timestamp_seconds",
            "s",
            "When it occurred last, seconds since 1970 UTC.",
        ),
    ),
    key=("device", "xid"),
)
