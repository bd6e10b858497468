from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from wattline_collector.ledger import shared_meter
from wattline_collector.ledger.audit import audit
from wattline_collector.ledger.books import Books

HOUR = 3600


def _dies(telemetry: Any, last_s: float = HOUR) -> None:
    """Two modules of two dies; the even die of each reports 500 W for both."""
    for number in range(4):
        telemetry.device(f"die{number}", module=f"module{number // 2}", energy_scope="module")
        meters = number % 2 == 0
        telemetry.samples(
            f"die{number}",
            last_s=last_s,
            watts=500.0 if meters else None,
            counter=(lambda s: 500 * s) if meters else None,
            busy_ratio=0.8,
        )


def test_each_die_is_charged_its_part_of_the_meter_that_both_share(
    telemetry: Any, joules: Any
) -> None:
    _dies(telemetry)
    telemetry.assign("even", 0, HOUR, "die0")
    telemetry.assign("odd", 0, HOUR, "die1")
    telemetry.assign("whole", 0, HOUR, "die2")
    telemetry.assign("whole", 0, HOUR, "die3")
    books = telemetry.book(HOUR)
    assert joules(books, job="even") == {"busy": pytest.approx(250 * HOUR)}
    assert joules(books, job="odd") == {"busy": pytest.approx(250 * HOUR)}
    assert joules(books, job="whole") == {"busy": pytest.approx(500 * HOUR)}


def test_no_time_of_the_die_without_a_meter_counts_as_not_metered(telemetry: Any) -> None:
    _dies(telemetry)
    books = telemetry.book(HOUR)
    entries = books.minutes("device", books.hours()[0])
    assert entries is not None
    assert entries["energy_ms"].sum() == entries["duration_ms"].sum() == 4 * HOUR * 1000
    assert entries["energy_joules"].sum() == pytest.approx(1000 * HOUR)


def test_books_of_a_shared_meter_balance(telemetry: Any) -> None:
    _dies(telemetry, 2 * HOUR)
    telemetry.assign("odd", 100, 5000, "die1")
    telemetry.book(2 * HOUR)
    assert audit(telemetry.path) == []


def test_a_silence_of_a_shared_meter_is_known_to_both_once_it_speaks_again(
    telemetry: Any, joules: Any
) -> None:
    _dies(telemetry)
    telemetry.book(4 * HOUR)
    for name, meters in (("die0", True), ("die1", False)):
        telemetry.samples(
            name,
            first_s=5 * HOUR,
            last_s=6 * HOUR,
            watts=500.0 if meters else None,
            counter=(lambda s: 500 * s) if meters else None,
        )
    books = telemetry.book(6 * HOUR)
    for name in ("die0", "die1"):
        assert sum(joules(books, device=name).values()) == pytest.approx(250 * 6 * HOUR)


def test_books_from_before_modules_were_known_are_read(telemetry: Any) -> None:
    _dies(telemetry)
    books = telemetry.book(HOUR)
    path = books.root / "inventory.parquet"
    pl.read_parquet(path).drop("module").write_parquet(path)
    assert Books(telemetry.path).inventory["module"].null_count() == 4
    telemetry.device("die0", module="module0")
    telemetry.book(2 * HOUR)
    assert books.inventory.filter(pl.col("key") == "die0")["module"].to_list() == ["module0"]


def _samples(**joules: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"subject": place, "time": time, "energy_joules_total": value, "power_watts": None}
            for place, values in enumerate(joules.values())
            for time, value in enumerate(values)
        ],
        schema={
            "subject": pl.Int32, "time": pl.Int64, "energy_joules_total": pl.Float64,
            "power_watts": pl.Float64,
        },
    )  # fmt: skip


def _devices(*modules: tuple[str, str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"subject": place, "node": node, "module": module}
            for place, (node, module) in enumerate(modules)
        ],
        schema={"subject": pl.Int32, "node": pl.String, "module": pl.String},
    )


@pytest.mark.parametrize(
    ("modules", "even", "odd"),
    [
        ([("n1", "m"), ("n1", "m")], [5.0, None, 7.0], [5.0, None, 7.0]),
        ([("n1", "m"), ("n2", "m")], [10.0, None, 14.0], [None, None, None]),
        ([("n1", None), ("n1", None)], [10.0, None, 14.0], [None, None, None]),
        ([("n1", "a"), ("n1", "b")], [10.0, None, 14.0], [None, None, None]),
    ],
    ids=["one module", "of two nodes", "no module", "a module each"],
)
def test_only_devices_of_one_module_of_a_node_share(
    modules: list[tuple[str, str | None]], even: list[float | None], odd: list[float | None]
) -> None:
    samples = _samples(even=[10.0, None, 14.0], odd=[None, None, None])
    told = shared_meter.spread(samples, _devices(*modules))
    assert told["energy_joules_total"].to_list() == even + odd
    assert told.drop("energy_joules_total").equals(samples.drop("energy_joules_total"))


def test_devices_of_a_module_with_a_meter_each_keep_their_own() -> None:
    samples = _samples(even=[10.0, 12.0], odd=[None, 3.0])
    assert shared_meter.spread(samples, _devices(("n1", "m"), ("n1", "m"))).equals(samples)
