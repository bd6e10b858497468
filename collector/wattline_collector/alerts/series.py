"""What rules can speak of: the catalogue's metrics, the collector's own, and figures of the books.

A series has a name here, `device.power_watts`, and one in Prometheus, `aif_gpu_power_watts`. It has
the same labels in both, but for `system`: a collector may hold several systems, while what stands
in one Prometheus belongs to one. So `system` is a label of everything here and is not written.
Figures of the books are the collector's to export, of all its systems: they have the label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from wattline_agents.catalogue import AGENT, DEVICE, JOB, NODE, PREFIX, XID, Table

KEYS = ("node", "device", "xid", "job", "model", "project")
"""All labels a rule can tell subjects apart by, in the order in which they are written."""

ASSIGNMENT = "assignment.held"
"""1 for each device and the job that holds it."""
MODEL = "device_info.present"
"""1 for each device and its model."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of every subject of a table.

    Attributes:
        name: `table.column`.
        keys: The labels that tell its subjects apart.
        metric: Its name in Prometheus.
        labels: What tells it from others of that name there.
        is_counter: Whether it only grows between resets.
        help: What it is.
    """

    name: str
    keys: tuple[str, ...]
    metric: str
    labels: tuple[tuple[str, str], ...] = ()
    is_counter: bool = False
    help: str = ""

    @property
    def table(self) -> str:
        """The part of its name before the dot."""
        return self.name.partition(".")[0]

    @property
    def column(self) -> str:
        """The part of its name after the dot."""
        return self.name.partition(".")[2]


_TABLES: tuple[tuple[Table, tuple[str, ...]], ...] = (
    (DEVICE, ("node", "device")),
    (NODE, ("node",)),
    (JOB, ("node", "job")),
    (XID, ("node", "device", "xid")),
    (AGENT, ("node",)),
)

COLLECTOR: Mapping[str, str] = MappingProxyType(
    {
        "batches_refused_total": "Batches that were none of their table.",
        "batches_turned_away_total": "Batches that had to come back later.",
        "unsealed_bytes": "Bytes of log not yet sealed.",
        "commit_errors_total": "Groups the disk did not take.",
        "seal_errors_total": "Times sealing failed.",
        "booking_errors_total": "Times booking failed.",
        "booked_age_seconds": "How far the books are behind.",
        "alerts_failed_total": "Messages about alerts that were given up.",
    }
)
"""What the collector tells of itself at `/metrics` and rules may speak of."""

BOOKS: Mapping[str, str] = MappingProxyType(
    {
        "commercial_share_ratio": "Commercial part of the Union's access time, this year so far.",
        "commercial_alarm": "Which level that has reached: 1 notice, 2 warning, 3 limit, 4 over.",
        "completeness_ratio": "Samples received over expected, the last booked day (KPI Q03).",
        "completeness_target_ratio": "What the profile aims at with Q03; 0.95 if it does not say.",
        "closure_gap_ratio": "How far books and meters are apart, the last booked day (KPI S14).",
        "power_budget_watts": "What the system may draw, as the profile says.",
        "energy_used_ratio": "Energy of this year over what the profile says it may be.",
        "energy_forecast_ratio": "The same by the year's end, at the pace of the year so far.",
    }
)
"""Figures of the books by system, made anew about every hour; see `guards.py`."""

GRANT: Mapping[str, str] = MappingProxyType(
    {
        "used_ratio": "Used over granted GPU-hours of a grant that holds.",
        "elapsed_ratio": "Part of the grant's time that is over.",
        "behind": "1: at half its time or later, less of it was used than must be.",
        "left_seconds": "When it is used up at the pace of four weeks, where that is before its "
        "end.",
    }
)
"""Figures of the books by system and project."""

BOOKED = ("books", "grant")
"""The tables whose series have a label `system` in Prometheus too."""


def _all() -> Iterator[Series]:
    for table, keys in _TABLES:
        for metric in table.metrics:
            yield Series(
                f"{table.name}.{metric.column}",
                keys,
                metric.name,
                metric.labels,
                metric.column in table.counters,
                metric.help,
            )
    for column, help in COLLECTOR.items():
        metric_name = f"wattline_collector_{column}"
        yield Series(f"collector.{column}", (), metric_name, (), column.endswith("_total"), help)
    for column, help in BOOKS.items():
        yield Series(f"books.{column}", (), f"wattline_books_{column}", help=help)
    for column, help in GRANT.items():
        yield Series(f"grant.{column}", ("project",), f"wattline_grant_{column}", help=help)
    held = ("node", "device", "job")
    yield Series(ASSIGNMENT, held, f"{PREFIX}gpu_assignment", help="1: the job holds the device.")
    yield Series(
        MODEL, ("node", "device", "model"), f"{PREFIX}gpu_info", help="1: the device is there."
    )


SERIES: Mapping[str, Series] = MappingProxyType({series.name: series for series in _all()})
"""All series by name."""


def in_order(keys: Iterator[str] | tuple[str, ...] | set[str]) -> tuple[str, ...]:
    """Labels in the order they are written in."""
    wanted = set(keys)
    return tuple(key for key in KEYS if key in wanted)
