"""Systems: what stands there, and whose time on it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from wattline_collector.profile.declare import Kind, ident, key, named, numbers, part, table
from wattline_collector.profile.schema import words
from wattline_collector.profile.schema.service import Sla
from wattline_collector.profile.units import BYTES, ENERGY, FLOPS, POWER, RATE
from wattline_collector.registers.words import STATES


@table
class Device:
    """A model of accelerator that the system has, as its driver calls it.

    A device is what the agent counts: a MI250X is two of them, each with half the peaks.
    """

    id: str = ident("What the profile calls it.")
    model: str = key(
        Kind.TEXT, "The product name as the driver says it; `wattline agent --devices` shows it.",
        '"NVIDIA H200"',
    )  # fmt: skip
    count: int = key(
        Kind.WHOLE, "How many are installed.", "1024", least=1, most=1_000_000
    )  # fmt: skip
    vendor: str | None = key(Kind.TEXT, "Who makes it.", '"NVIDIA"', default=None)
    memory_bytes: float | None = key(
        Kind.QUANTITY, "Memory of one.", '"141 GB"', default=None, unit=BYTES, least=1e6,
        serves="coordination-review",
    )  # fmt: skip
    memory_bandwidth_bytes_per_second: float | None = key(
        Kind.QUANTITY, "What its memory moves at most.", '"4.8 TB/s"', default=None, unit=RATE,
        least=1e6, serves="E04",
    )  # fmt: skip
    tdp_watts: float | None = key(
        Kind.QUANTITY, "Power it is designed for.", '"700 W"', default=None, unit=POWER, least=1,
        most=10_000, serves="coordination-review",
    )  # fmt: skip
    link_bytes_per_second: float | None = key(
        Kind.QUANTITY, "What its links to its neighbours move at most, all together.",
        '"900 GB/s"', default=None, unit=RATE, least=1e6,
    )  # fmt: skip
    peak_source: str | None = key(
        Kind.TEXT, "Where the peaks are from.", '"data sheet, dense"', default=None
    )
    peaks: Mapping[str, float] = numbers(
        Kind.QUANTITY,
        "Dense peak by number format, without structured sparsity. It wins over the peak that"
        " Wattline knows of the model.",
        'bf16 = "989 TFLOP/s"', words=words.DTYPES, default_factory=dict, unit=FLOPS, least=1e9,
        most=1e18, serves="E01 E02 C03 challenge",
    )  # fmt: skip


@table
class Partition:
    """A part of the system whose nodes are alike."""

    id: str = ident("What the scheduler calls it.")
    nodes: int = key(Kind.WHOLE, "How many nodes.", "256", least=1, most=1_000_000)
    device: str | None = key(
        Kind.NAME, "Which device they have: a name among [system.NAME.device.*].", '"h200"',
        default=None,
    )  # fmt: skip
    devices_per_node: int = key(
        Kind.WHOLE, "How many of them a node has.", "4", default=0, most=1024
    )
    node_power_watts: float | None = key(
        Kind.QUANTITY, "Rated power of one node.", '"5.6 kW"', default=None, unit=POWER, least=1,
        most=1e6,
    )  # fmt: skip
    link_bytes_per_second: float | None = key(
        Kind.QUANTITY, "What a node's network links move at most, all together.",
        '"1600 Gbit/s"', default=None, unit=RATE, least=1e3,
    )  # fmt: skip


@table
class Rack:
    """A rack, as agents name it (`rack` in their configuration)."""

    id: str = ident("Its name.")
    partition: str | None = key(
        Kind.NAME, "Which partition its nodes belong to.", '"booster"', default=None
    )
    nodes: int | None = key(
        Kind.WHOLE, "How many nodes stand in it.", "32", default=None, most=100_000
    )
    rated_power_watts: float | None = key(
        Kind.QUANTITY, "What it may draw.", '"180 kW"', default=None, unit=POWER, least=1, most=1e7
    )
    place: str | None = key(Kind.TEXT, "Where it stands.", '"hall 1, row C"', default=None)


@table
class Entitlement:
    """Whose the system's time is (Regulation (EU) 2021/1173, Articles 17 and 18)."""

    gpu_hours_per_year: float | None = key(
        Kind.NUMBER,
        "Total access time of a year in GPU-hours, as agreed: what the shares are shares of.",
        "8000000", default=None, least=1, serves="U04 I04 hosting-audit",
    )  # fmt: skip
    union_share: float | None = key(
        Kind.SHARE, "The Union's share of it.", "0.50", default=None,
        serves="U04 I04 hosting-audit",
    )  # fmt: skip
    host_share: float | None = key(
        Kind.SHARE, "The hosting entity's own share, where it is apart from its State's.", "0.05",
        default=None,
    )  # fmt: skip
    national: Mapping[str, float] = numbers(
        Kind.SHARE, "Shares of Participating States, ISO 3166-1 alpha-2.", "FI = 0.45",
        words=STATES, default_factory=dict, serves="hosting-audit",
    )  # fmt: skip
    commercial_share_most: float | None = key(
        Kind.SHARE, "Largest part of the Union's time that may be sold; the law's if not told.",
        "0.20", default=None,
    )  # fmt: skip
    accounting_unit: str = key(
        Kind.WORD, "What access time is accounted in, by the hosting agreement.", '"gpu_hour"',
        default="gpu_hour", words=("gpu_hour", "node_hour"),
    )  # fmt: skip
    agreement: str | None = key(
        Kind.TEXT, "The agreement it stands in.", '"hosting agreement 2026-01, annex 3"',
        default=None,
    )  # fmt: skip


@table
class System:
    """A supercomputer of the factory, by the name that its agents send as `system`."""

    id: str = ident("What agents call it.")
    name: str = key(Kind.TEXT, "What people call it.", '"Example-1"')
    kind: str | None = key(
        Kind.WORD, "Its class in the regulation; caps of the Union's share hang on it.",
        '"ai_optimised"', default=None, words=words.CLASSES, serves="hosting-audit",
    )  # fmt: skip
    in_service: date | None = key(
        Kind.DATE, "First day of service.", "2026-01-15", default=None,
        serves="hosting-audit coordination-review",
    )  # fmt: skip
    until: date | None = key(Kind.DATE, "Last day of service.", "2031-12-31", default=None)
    rated_power_watts: float | None = key(
        Kind.QUANTITY, "Rated power of all of it.", '"2.3 MW"', default=None, unit=POWER,
        least=1, most=1e9, serves="coordination-review",
    )  # fmt: skip
    power_budget_watts: float | None = key(
        Kind.QUANTITY, "What all its nodes may draw at once; an alert tells when it is near.",
        '"2.0 MW"', default=None, unit=POWER, least=1, most=1e9,
    )  # fmt: skip
    energy_budget_per_year_joules: float | None = key(
        Kind.QUANTITY, "What it may use in a calendar year; an alert tells when it will be more.",
        '"14 GWh"', default=None, unit=ENERGY, least=1,
    )  # fmt: skip
    cooling: str | None = key(
        Kind.WORD, "How it is cooled.", '"direct_liquid"', default=None, words=words.COOLING
    )
    interconnect: str | None = key(
        Kind.TEXT, "The network between its nodes.", '"InfiniBand NDR, dragonfly+"', default=None
    )
    storage_bytes: float | None = key(
        Kind.QUANTITY, "Raw capacity of its storage.", '"40 PB"', default=None, unit=BYTES
    )
    rmax_flops: float | None = key(
        Kind.QUANTITY, "Rmax of its last HPL run.", '"175 PFLOP/s"', default=None, unit=FLOPS,
        least=1e9, most=1e20, serves="S11",
    )  # fmt: skip
    rmax_source: str | None = key(
        Kind.TEXT, "Where that is from.", '"acceptance test, 2026-01"', default=None
    )
    capability_share: float = key(
        Kind.SHARE, "From which part of its devices on a job is a capability job.", "0.20",
        default=0.2, least=0.001,
    )  # fmt: skip
    partitions: Mapping[str, Partition] = named(Partition, "booster", default_factory=dict)
    racks: Mapping[str, Rack] = named(Rack, "r01", default_factory=dict)
    devices: Mapping[str, Device] = named(
        Device, "h200", default_factory=dict, serves="coordination-review"
    )
    entitlement: Entitlement | None = part(Entitlement, default=None)
    sla: Mapping[str, Sla] = named(Sla, "A01", default_factory=dict, words=words.KPIS)
