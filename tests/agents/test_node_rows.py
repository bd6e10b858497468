from typing import Any

import pytest

from wattline_agents.node_rows import NodeRows

HOST: dict[str, Any] = {"time_unix_ms": 1000, "cpu_busy_ratio": 0.5, "power_watts": None}
RAPL: dict[str, Any] = {"time_unix_ms": 1000, "energy_joules_total": 7.0, "power_watts": 300.0}
BMC: dict[str, Any] = {"time_unix_ms": 1000, "power_watts": 900.0, "temperature_celsius": 31.0}


@pytest.fixture
def rows() -> NodeRows:
    return NodeRows()


def test_what_several_sources_know_of_one_time_is_one_row(rows: NodeRows) -> None:
    assert rows.merged([("host", HOST, 5000), ("rapl", RAPL, 1000)]) == {
        1000: [
            {
                "time_unix_ms": 1000,
                "cpu_busy_ratio": 0.5,
                "energy_joules_total": 7.0,
                "power_watts": 300.0,
            }
        ]
    }


def test_the_first_that_meters_the_node_meters_it_alone(rows: NodeRows) -> None:
    assert rows.merged([("host", HOST, 1000)]) == {1000: [HOST]}
    rows.merged([("bmc", BMC, 1000)])
    ((row,),) = rows.merged([("rapl", RAPL, 1000), ("bmc", BMC, 1000)]).values()
    assert row == BMC
    # Not even while its meter says nothing: energy of two meters does not add up.
    ((row,),) = rows.merged([("rapl", RAPL, 1000)]).values()
    assert row == {"time_unix_ms": 1000}
    assert rows.meter == "bmc"


@pytest.mark.parametrize(
    ("host", "bmc", "expected"), [(5000, 30_000, 30_000), (30_000, 5000, 5000)]
)
def test_the_period_is_that_of_the_meter(
    rows: NodeRows, host: int, bmc: int, expected: int
) -> None:
    given = [("host", HOST, host), ("bmc", BMC, bmc)]
    assert list(rows.merged(given)) == [expected]
    assert list(NodeRows().merged(given[::-1])) == [expected]


def test_without_a_meter_it_is_the_shortest(rows: NodeRows) -> None:
    given = [("a", HOST, 5000), ("b", {"time_unix_ms": 1000, "temperature_celsius": 3.0}, 2000)]
    assert list(rows.merged(given)) == [2000]


def test_rows_of_different_times_stay_apart(rows: NodeRows) -> None:
    later = {**HOST, "time_unix_ms": 2000, "power_watts": 5.0}
    ((first, second),) = rows.merged([("r", HOST, 1000), ("r", later, 1000)]).values()
    assert (first["time_unix_ms"], second["time_unix_ms"]) == (1000, 2000)
