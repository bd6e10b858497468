from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from random import Random

import polars as pl
import pytest

from wattline_collector.alerts.evaluate import Evaluation, increases
from wattline_collector.alerts.expression import Over
from wattline_collector.alerts.parse import parse, parse_condition
from wattline_collector.alerts.series import SERIES
from wattline_collector.alerts.window import Window

NOW_MS = 6_000_000


def window(
    samples: Mapping[str, Mapping[str, Sequence[tuple[int, float | None]]]], node: str = "n"
) -> Window:
    """Samples of devices: by device and column, (seconds before now, value)."""
    columns = {column for of in samples.values() for column in of}
    found = Window({SERIES[f"device.{column}"]: 3600 for column in columns})
    times = sorted({at for of in samples.values() for some in of.values() for at, _ in some})
    for at in reversed(times):
        now_ms = NOW_MS - at * 1000
        rows = [
            {"system": "s", "node": node, "device": device, "at_ms": now_ms}
            | {column: dict(some).get(at) for column, some in of.items()}
            for device, of in samples.items()
            if any(at == one for some in of.values() for one, _ in some)
        ]
        found.add("device", pl.DataFrame(rows, infer_schema_length=None), now_ms)
    return found


def values(of: Window, text: str, now_ms: int = NOW_MS) -> dict[tuple[str, ...], float]:
    frame = Evaluation(of, now_ms).values(parse(text))
    assert frame.columns[0] == "system" and frame.columns[-1] == "value"
    return {tuple(row[1:-1]): row[-1] for row in frame.iter_rows()}


def test_the_newest_value_counts_for_five_minutes() -> None:
    known = window({"a": {"power_watts": [(300, 1.0)]}, "b": {"power_watts": [(301, 1.0)]}})
    assert values(known, "device.power_watts") == {("n", "a"): 1.0}


def test_nothing_is_known_of_what_was_never_read() -> None:
    known = window({"a": {"power_watts": [(10, None)]}})
    assert values(known, "device.power_watts") == {}
    assert values(known, "avg(device.power_watts[5m])") == {}


def test_windows_hold_the_samples_on_both_their_ends() -> None:
    known = window({"a": {"power_watts": [(301, 90.0), (300, 1.0), (60, 2.0), (0, 6.0)]}})
    found = {
        function: values(known, f"{function}(device.power_watts[5m])")["n", "a"]
        for function in ("avg", "min", "max", "last", "count")
    }
    assert found == {"avg": 3.0, "min": 1.0, "max": 6.0, "last": 6.0, "count": 3.0}


def test_an_increase_is_stretched_to_its_window() -> None:
    # 9 in 540 of 600 seconds, with a sample a minute: 10 in the whole of it.
    grown = [(60 * minute, 100.0 - minute) for minute in range(10)]
    known = window({"a": {"pcie_replays_total": grown}})
    assert values(known, "increase(device.pcie_replays_total[10m])")["n", "a"] == pytest.approx(10)
    assert values(known, "rate(device.pcie_replays_total[10m])")["n", "a"] == pytest.approx(1 / 60)


def test_a_counter_that_began_anew_grew_by_what_it_has_since() -> None:
    known = window({"a": {"pcie_replays_total": [(600, 50.0), (300, 60.0), (0, 4.0)]}})
    assert values(known, "increase(device.pcie_replays_total[10m])")["n", "a"] == 14.0


def test_one_sample_is_no_increase() -> None:
    known = window({"a": {"pcie_replays_total": [(10, 50.0)]}})
    assert values(known, "increase(device.pcie_replays_total[10m])") == {}


@pytest.mark.parametrize("seed", range(20))
def test_an_increase_is_never_negative_and_nought_only_without_growth(seed: int) -> None:
    random = Random(seed)
    apart, at, samples = random.randrange(1, 60), 0.0, []
    for place in range(random.randrange(2, 20)):
        step = random.choice((0.0, random.uniform(0, 1e6)))
        at = step if place % 7 == 6 else at + step
        samples.append({"id": 0, "at_ms": place * apart * 1000, "value": at})
    end_ms = (len(samples) - 1) * apart * 1000
    frame = pl.DataFrame(samples, schema={"id": pl.UInt32, "at_ms": pl.Int64, "value": pl.Float64})
    (value,) = increases(frame, end_ms, max(60, end_ms // 1000))["value"].to_list()
    pairs = list(pairwise(one["value"] for one in samples))
    # A counter that fell grew by what it shows since.
    assert (value > 0) is any(new > old or 0 < new < old for old, new in pairs)
    assert value >= 0


def test_an_age_counts_from_the_newest_row_however_old() -> None:
    known = window({"a": {"up": [(2000, 1.0)]}})
    known.add(
        "device",
        pl.DataFrame([{"system": "s", "node": "n", "device": "a", "at_ms": NOW_MS - 2_000_000}]),
        NOW_MS,
    )
    assert values(known, "age(device.up)") == {("n", "a"): 2000.0}
    assert values(known, "device.up") == {}


def test_a_row_that_came_before_is_no_new_sample() -> None:
    known = window({"a": {"up": [(100, 1.0)]}})
    row = pl.DataFrame(
        [{"system": "s", "node": "n", "device": "a", "at_ms": NOW_MS - 100_000, "up": 1.0}]
    )
    for _ in range(3):
        known.add("device", row, NOW_MS)
    assert values(known, "count(device.up[10m])") == {("n", "a"): 1.0}


def test_groups_are_by_system_even_where_that_is_not_said() -> None:
    known = Window({SERIES["device.power_watts"]: 60})
    rows = [
        {"system": system, "node": "n", "device": device, "at_ms": NOW_MS, "power_watts": watts}
        for system, device, watts in (("s", "a", 1.0), ("s", "b", 2.0), ("t", "c", 4.0))
    ]
    known.add("device", pl.DataFrame(rows), NOW_MS)
    frame = Evaluation(known, NOW_MS).values(parse("sum(device.power_watts by all)"))
    assert sorted(frame.iter_rows()) == [("s", 3.0), ("t", 4.0)]


def test_a_group_is_shared_by_all_its_members() -> None:
    known = window(
        {name: {"power_watts": [(0, watts)]} for name, watts in (("a", 1.0), ("b", 3.0))}
    )
    found = values(known, "device.power_watts / median(device.power_watts by node)")
    assert found == {("n", "a"): 0.5, ("n", "b"): 1.5}


def test_either_takes_the_second_only_where_the_first_is_unknown() -> None:
    known = window(
        {
            "a": {"sm_active_ratio": [(0, 0.2)], "busy_ratio": [(0, 0.9)]},
            "b": {"busy_ratio": [(0, 0.7)]},
        }
    )
    found = values(known, "either(device.sm_active_ratio, device.busy_ratio)")
    assert found == {("n", "a"): 0.2, ("n", "b"): 0.7}


def test_only_values_where_a_condition_holds_are_left() -> None:
    known = window(
        {
            "a": {"power_watts": [(0, 5.0)], "busy_ratio": [(0, 0.9)]},
            "b": {"power_watts": [(0, 5.0)], "busy_ratio": [(0, 0.1)]},
            "c": {"power_watts": [(0, 5.0)]},
        }
    )
    found = values(known, "where(device.power_watts, device.busy_ratio > 0.5)")
    assert found == {("n", "a"): 5.0}


def test_nothing_is_known_of_a_division_by_nought() -> None:
    known = window({"a": {"power_watts": [(0, 5.0)], "power_limit_watts": [(0, 0.0)]}})
    assert values(known, "device.power_watts / device.power_limit_watts") == {}


def test_the_time_counts_in_seconds() -> None:
    known = window({"a": {"up": [(0, 1.0)]}})
    assert values(known, "now - device.up") == {("n", "a"): NOW_MS / 1000 - 1}
    assert values(known, "device.up * (2 + 3)") == {("n", "a"): 5.0}


@pytest.mark.parametrize(
    ("comparison", "holds"),
    [("<", False), ("<=", True), (">", False), (">=", True), ("==", True), ("!=", False)],
)
def test_conditions_compare(comparison: str, holds: bool) -> None:
    known = window({"a": {"up": [(0, 1.0)]}})
    found = Evaluation(known, NOW_MS).holding(parse_condition(f"device.up {comparison} 1"))
    assert (found.height == 1) is holds


def test_coverage_counts_the_minutes_that_have_a_sample() -> None:
    every = [(30 + 60 * minute, 1.0) for minute in range(10)]
    known = window({"a": {"busy_ratio": every}, "b": {"busy_ratio": [*every[:3], *every[8:]]}})
    part = parse("avg(device.busy_ratio[10m])")
    assert isinstance(part, Over)
    found = Evaluation(known, NOW_MS).covered(part)
    assert dict(zip(found["device"], found["value"], strict=True)) == {"a": 1.0, "b": 0.5}


def test_samples_older_than_any_window_are_forgotten() -> None:
    known = Window({SERIES["device.up"]: 600})
    for minute in range(100):
        row = {"system": "s", "node": "n", "device": "a", "at_ms": minute * 60_000, "up": 1.0}
        known.add("device", pl.DataFrame([row]), minute * 60_000)
    assert known.samples(SERIES["device.up"], 0, NOW_MS).height == 12
    assert known.bytes < 1000


def test_subjects_that_come_and_go_do_not_fill_memory() -> None:
    series = SERIES["assignment.held"]
    known = Window({series: 0})
    for turn in range(60):
        rows = pl.DataFrame(
            [
                {"system": "s", "node": "n", "device": f"d{place}", "job": f"{turn}-{place}"}
                | {"at_ms": turn * 60_000, "held": 1.0}
                for place in range(400)
            ]
        )
        known.add("assignment", rows, turn * 60_000)
    assert known.samples(series, 0, NOW_MS).height == 400 * 7
    assert known._subjects["assignment"].known.height < 11_000


def test_what_a_store_had_before_counts_as_if_it_had_been_seen() -> None:
    known = Window({SERIES["device.pcie_replays_total"]: 1800})
    before = pl.DataFrame(
        [
            {"system": "s", "node": "n", "device": "a", "at_ms": NOW_MS - back * 1000}
            | {"pcie_replays_total": value}
            for back, value in ((900, 5), (901, 4), (300, None))
        ]
    )
    known.fill("device", before, 15_000)
    row = {"system": "s", "node": "n", "device": "a", "at_ms": NOW_MS, "pcie_replays_total": 35}
    known.add("device", pl.DataFrame([row]), NOW_MS)
    found = values(known, "increase(device.pcie_replays_total[15m])")
    assert found == {("n", "a"): 30.0}
