import re

import pytest
from opentelemetry.semconv._incubating.attributes import (
    cpu_attributes,
    disk_attributes,
    hw_attributes,
    network_attributes,
)
from opentelemetry.semconv._incubating.metrics import hw_metrics, system_metrics
from opentelemetry.semconv.schemas import Schemas

from wattline_agents.catalogue import TABLES, Table
from wattline_agents.sinks.otel_names import (
    CONVENTIONS,
    SCHEMA_URL,
    STATUS,
    Name,
    component_of,
    names_of,
    states,
)


def documented() -> dict[str, tuple[str, str]]:
    """Every metric of the conventions -> its instrument and unit, as the library documents them."""
    found = {}
    for module in (hw_metrics, system_metrics):
        assert module.__file__ is not None
        with open(module.__file__) as file:
            text = file.read()
        for name, instrument, unit in re.findall(
            r'Final = "([\w.]+)"\n"""\n.*?\nInstrument: (\w+)\nUnit: (\S+)', text
        ):
            found[name] = (instrument, unit)
    return found


def all_names() -> list[tuple[str, str, Name]]:
    return [
        (table.name, column, name)
        for table in TABLES.values()
        for component in (("cpu", None) if table.name == "meter" else (None,))
        for column, name in names_of(table, component).items()
    ]


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_column_of_the_catalogue_has_a_name(table: Table) -> None:
    assert list(names_of(table)) == [metric.column for metric in table.metrics]


def test_the_table_of_conventions_names_columns_that_there_are() -> None:
    for table, columns in CONVENTIONS.items():
        assert set(columns) <= set(TABLES[table].columns)


def test_the_conventions_are_those_the_library_knows_with_its_instruments_and_units() -> None:
    known = documented()
    assert len(known) > 50
    for table, column, name in [*all_names(), ("device", "", STATUS)]:
        if name.is_convention:
            assert (name.instrument, name.unit) == known[name.name], (table, column)


def test_the_schema_is_the_newest_the_library_knows() -> None:
    assert SCHEMA_URL in {schema.value for schema in Schemas}


def test_attributes_have_the_names_and_values_of_the_conventions() -> None:
    known = {
        hw_attributes.HW_GPU_TASK: {task.value for task in hw_attributes.HwGpuTaskValues},
        hw_attributes.HW_SENSOR_LOCATION: {"core", "memory", "hottest"},
        network_attributes.NETWORK_IO_DIRECTION: {
            way.value for way in network_attributes.NetworkIoDirectionValues
        },
        disk_attributes.DISK_IO_DIRECTION: {
            way.value for way in disk_attributes.DiskIoDirectionValues
        },
        cpu_attributes.CPU_MODE: {mode.value for mode in cpu_attributes.CpuModeValues},
        "system.memory.state": {"used"},
    }
    for table, column, name in all_names():
        for attribute, value in name.attributes.items() if name.is_convention else ():
            if attribute != "error.type":
                assert value in known[attribute], (table, column)
    assert {state.value for state in hw_attributes.HwStateValues} >= set(states(1, 0))


def test_what_the_catalogue_says_of_opentelemetry_is_what_is_exported() -> None:
    for table in TABLES.values():
        names = names_of(table, "cpu" if table.name == "meter" else None)
        for metric in table.metrics:
            assert names[metric.column].name == (metric.otel or metric.name), metric.column


def test_no_two_columns_of_a_subject_are_the_same_series() -> None:
    for table in TABLES.values():
        names = names_of(table, "cpu" if table.name == "meter" else None).values()
        series = [(name.name, *sorted(name.attributes.items())) for name in names]
        assert len(series) == len(set(series)), table.name


def test_a_name_has_one_instrument_one_unit_and_one_sentence_where_it_is_a_convention() -> None:
    kinds: dict[str, set[tuple[str, str]]] = {}
    for _, _, name in all_names():
        kinds.setdefault(name.name, set()).add((name.instrument, name.unit))
        assert name.help.endswith(".")
    assert [name for name, found in kinds.items() if len(found) > 1] == []


def test_what_has_no_convention_keeps_its_prometheus_name_unit_and_labels() -> None:
    names = names_of(TABLES["device"])
    throttled = names["throttle_thermal_seconds_total"]
    assert throttled.name == "aif_gpu_throttle_seconds_total"
    assert (throttled.unit, throttled.attributes) == ("s", {"reason": "thermal"})
    assert names["sm_active_ratio"].unit == "1"
    assert names["up"].unit == "", "who translates it would call it aif_gpu_up_ratio"


@pytest.mark.parametrize(
    ("domain", "component"),
    [("cpu", "cpu"), ("package-0", "cpu"), ("dram-1", "memory"), ("memory", "memory"),
     ("node", None), ("accel0", None), ("psys", None), ("core", None), ("cpu-rail", None)],
)  # fmt: skip
def test_only_meters_of_one_component_follow_the_convention(
    domain: str, component: str | None
) -> None:
    assert component_of(domain) == component
    is_convention = names_of(TABLES["meter"], component_of(domain))["power_watts"].is_convention
    assert is_convention is (component is not None)


@pytest.mark.parametrize(
    ("up", "action", "state"),
    [(1, 0, "ok"), (1, None, "ok"), (1, 2, "degraded"), (0, None, "failed"), (0, 1, "failed")],
)
def test_a_device_is_in_one_state(up: int, action: int | None, state: str) -> None:
    found = states(up, action)
    assert [name for name, value in found.items() if value] == [state]
    assert set(found) == {"ok", "degraded", "failed"}
