"""Power sensors that stand still, and those that only seem to."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wattline_agents.sources.stale import Standstill


def watch(readings: list[tuple[int, float]], **beside: object) -> list[bool]:
    """Whether each of these readings (second, watts) is stale."""
    sensor = Standstill()
    return [sensor.look(second * 1000, round(watts * 1000), **beside)  # type: ignore[arg-type]
            for second, watts in readings]  # fmt: skip


def test_a_fine_reading_that_stands_is_stale_after_a_minute() -> None:
    told = watch([(second, 46.19) for second in range(80)])
    assert told.index(True) == 60
    assert all(told[60:])


def test_any_change_is_life() -> None:
    told = watch([(second, 46.19 + 0.01 * (second // 50)) for second in range(600)])
    assert not any(told)


def test_a_sensor_that_moves_again_is_believed_at_once() -> None:
    sensor = Standstill()
    assert [sensor.look(second * 1000, 46_190) for second in (0, *range(1, 70))][-1]
    assert not sensor.look(70_000, 46_200)
    assert sensor.since_ms == 70_000


def test_a_reading_in_whole_watts_may_stand_for_long() -> None:
    assert not any(watch([(second, 36.0) for second in range(3600)], busy=0.0, celsius=40))


def test_a_sensor_that_was_fine_once_is_fine() -> None:
    told = watch([(0, 70.5), *((second, 71.0) for second in range(1, 90))])
    assert told.index(True) == 61


def test_load_that_moves_contradicts_even_whole_watts() -> None:
    sensor = Standstill()
    told = [sensor.look(s * 1000, 36_000, busy=0.0 if s < 10 else 0.9) for s in range(40)]
    assert told.index(True) == 20


def test_a_little_load_contradicts_nothing() -> None:
    sensor = Standstill()
    told = [sensor.look(s * 1000, 36_000, busy=0.0 if s % 2 else 0.3) for s in range(300)]
    assert not any(told)


@pytest.mark.parametrize(("milliwatts", "first"), [(46_190, 20), (250_000, None)])
def test_heat_contradicts_a_fine_reading_and_not_a_board_at_its_cap(
    milliwatts: int, first: int | None
) -> None:
    sensor = Standstill()
    told = [sensor.look(s * 1000, milliwatts, busy=1.0, celsius=32 + s) for s in range(55)]
    assert (told.index(True) if True in told else None) == first


@pytest.mark.parametrize(
    ("counted_watts", "stale"), [(250.0, False), (262.0, False), (330.0, True), (0.0, False)]
)
def test_the_energy_counter_contradicts_if_it_is_off_by_more_than_sensors_err(
    counted_watts: float, stale: bool
) -> None:
    sensor = Standstill()
    told = [sensor.look(s * 1000, 250_000, joules=1e6 + s * counted_watts) for s in range(100)]
    assert any(told) is stale


def test_a_counter_that_begins_again_contradicts_nothing() -> None:
    sensor = Standstill()
    told = [sensor.look(s * 1000, 250_000, joules=1e6 if s < 5 else s * 250.0) for s in range(60)]
    assert not any(told)


def test_a_pause_in_looking_proves_nothing() -> None:
    told = watch([(0, 46.19), (600, 46.19), (601, 46.19)])
    assert not any(told)


def test_few_readings_alike_are_chance() -> None:
    sensor = Standstill(pause_ms=180_000)
    told = [sensor.look(minute * 60_000, 46_190) for minute in range(12)]
    assert told.index(True) == 10


def test_a_clock_set_back_proves_nothing() -> None:
    told = watch([(1000, 46.19), *((second, 46.19) for second in range(59))])
    assert not any(told)


def test_what_else_shows_that_the_sensor_moves_is_believed() -> None:
    assert not any(watch([(second, 46.19) for second in range(200)], alive=True))


def rows(path: Path) -> Iterator[dict[str, str]]:
    """The recording's rows, with names without units, and the second since the first."""
    open_ = gzip.open if path.suffix == ".gz" else open
    with open_(path, "rt") as file:
        reader = csv.reader(file)
        names = [name.split("[")[0].strip() for name in next(reader)]
        first: datetime | None = None
        for row in reader:
            named = dict(zip(names, (cell.strip() for cell in row), strict=True))
            at = datetime.strptime(named["timestamp"], "%Y/%m/%d %H:%M:%S.%f").replace(tzinfo=UTC)
            first = first or at
            yield named | {"ms": str(round((at - first).total_seconds() * 1000))}


def stale_since(path: Path, *, every_ms: int, first_ms: int = 0) -> tuple[int, int, int]:
    """Readings taken, stale ones, and the time in ms of the first stale one (or -1)."""
    sensor, due, taken, stale, since = Standstill(), first_ms, 0, 0, -1
    for row in rows(path):
        now = int(row["ms"])
        if now < due:
            continue
        due += every_ms
        taken += 1
        watts = float(row["power.draw"].split()[0])
        busy = row.get("utilization.gpu")
        if sensor.look(
            now,
            round(watts * 1000),
            busy=None if busy is None else float(busy) / 100,
            celsius=float(row["temperature.gpu"]),
        ):
            stale += 1
            since = now if since < 0 else since
    return taken, stale, since


@pytest.mark.recordings
def test_the_recorded_dead_sensor_is_flagged_within_a_minute(shared: Path) -> None:
    path = shared / "data/17-gpu-power-sensor/mlperf_nvidia_smi_unknown_error.csv.gz"
    taken, stale, since = stale_since(path, every_ms=1000)
    assert taken > 690
    assert 20_000 <= since <= 61_000
    assert stale >= taken - 61, "once it is flagged it stays so"


@pytest.mark.recordings
@pytest.mark.parametrize("every_ms", [1, 100, 1000])
@pytest.mark.parametrize("name", ["A100_update_freq_gpudata.csv.gz", "A100_transient/gpudata.csv"])
def test_recorded_sensors_that_live_are_never_flagged(
    shared: Path, name: str, every_ms: int
) -> None:
    taken, stale, _ = stale_since(shared / "data/17-gpu-power-sensor" / name, every_ms=every_ms)
    assert taken >= 16
    assert stale == 0
