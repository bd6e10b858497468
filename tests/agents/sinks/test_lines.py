import re
from typing import Any

import pytest
from influxdb_client import Point, WritePrecision  # type: ignore[attr-defined]

from wattline_agents.catalogue import TABLES, Metric, Table, Type
from wattline_agents.sinks.exposition import Statement
from wattline_agents.sinks.lines import (
    lines_of,
    measurement_and_field,
    write_rows,
    write_statements,
)
from wattline_agents.wire import Row

DEVICE = TABLES["device"]
NASTY = ["a b", "a,b=c", 'quo"te', "back\\slash", "new\nline", "tab\there", "ü", "%s{}", "end\\"]


def lines(table: Table, *rows: Row) -> list[str]:
    return list(write_rows("n01", table, rows))


def test_a_row_is_one_line_and_one_more_for_each_label() -> None:
    row: Row = {
        "time_unix_ms": 1_790_000_000_123,
        "device": "GPU-1",
        "up": 1,
        "power_watts": 412.25,
        "temperature_celsius": 55.0,
        "memory_temperature_celsius": 61.5,
    }
    assert lines(DEVICE, row) == [
        "aif_gpu,device=GPU-1,node=n01 up=1i,power_watts=412.25 1790000000123",
        "aif_gpu,device=GPU-1,node=n01,sensor=core temperature_celsius=55.0 1790000000123",
        "aif_gpu,device=GPU-1,node=n01,sensor=memory temperature_celsius=61.5 1790000000123",
    ]


def test_what_is_not_known_is_not_written() -> None:
    row: Row = {
        "time_unix_ms": 1,
        "device": "GPU-1",
        "power_watts": None,
        "busy_ratio": float("nan"),
    }
    assert lines(DEVICE, row, {"time_unix_ms": 2, "device": "GPU-1"}) == []


@pytest.mark.parametrize(("given", "written"), [(400, "400"), (400.5, "400.5"), (1e22, "1e+22")])
def test_a_float_column_is_written_without_the_sign_of_whole_numbers_whatever_it_holds(
    given: float, written: str
) -> None:
    (line,) = lines(DEVICE, {"time_unix_ms": 1, "device": "d", "power_watts": given})
    assert f" power_watts={written} " in line


@pytest.mark.parametrize(("given", "written"), [(1, "1i"), (1.0, "1i"), (2**62, f"{2**62}i")])
def test_a_whole_column_is_written_as_a_whole_number(given: float, written: str) -> None:
    (line,) = lines(DEVICE, {"time_unix_ms": 1, "device": "d", "memory_used_bytes": given})
    assert f" memory_used_bytes={written} " in line


def value(metric: Metric) -> int | float:
    return 7 if metric.type is Type.INT else 0.5


@pytest.mark.parametrize("table", [t for t in TABLES.values() if t.metrics], ids=lambda t: t.name)
def test_every_value_is_written_under_its_prometheus_name_and_labels(table: Table) -> None:
    row: dict[str, int | float | str] = {"time_unix_ms": 5}
    row |= {
        field.column: 3 if field.type is Type.INT else f"its-{field.column}"
        for field in table.fields
        if field.column in table.key
    }
    row |= {metric.column: value(metric) for metric in table.metrics}
    written = set()
    for line in lines(table, row):
        head, fields, _ = line.split(" ")
        measurement, *tags = head.split(",")
        for field in fields.split(","):
            name, _, number = field.partition("=")
            assert number in ("7i", "0.5")
            written.add((f"{measurement}_{name}", frozenset(tags)))
    subject = {"node=n01"} | {f"{key}={row[key]}" for key in table.key}
    assert written == {
        (metric.name, frozenset(subject | {f"{name}={text}" for name, text in metric.labels}))
        for metric in table.metrics
    }


def test_no_field_has_two_types() -> None:
    types: dict[tuple[str, str], set[bool]] = {}
    for table in TABLES.values():
        for line in lines_of(table):
            for _, field, is_whole in line.fields:
                types.setdefault((line.measurement, field), set()).add(is_whole)
    assert [place for place, found in types.items() if len(found) > 1] == []


def test_measurement_and_field_make_up_the_prometheus_name() -> None:
    for table in TABLES.values():
        for metric in table.metrics:
            measurement, field = measurement_and_field(metric.family)
            assert f"{measurement}_{field}" == metric.name
            assert re.fullmatch(r"[a-z][a-z0-9_]*", field)


@pytest.mark.parametrize("text", NASTY)
def test_texts_are_escaped_as_influxdb_s_own_client_does(text: str) -> None:
    (line,) = lines(DEVICE, {"time_unix_ms": 9, "device": text, "up": 1})
    make: Any = Point
    point = make("aif_gpu").tag("node", "n01").tag("device", text).field("up", 1)
    point = point.time(9, write_precision=WritePrecision.MS)
    assert line == point.to_line_protocol()


def test_what_is_no_text_in_any_encoding_costs_only_itself() -> None:
    (line,) = lines(DEVICE, {"time_unix_ms": 9, "device": "GPU-\udcff", "up": 1})
    assert line.encode() == b"aif_gpu,device=GPU-?,node=n01 up=1i 9"


def test_statements_say_it_in_their_tags() -> None:
    one = Statement("gpu_info", "Who.", (("device", "GPU-1"), ("model", "H 100"), ("pci", "")))
    assert list(write_statements("n01", [one], 7)) == [
        "aif_gpu,device=GPU-1,model=H\\ 100,node=n01 info=1i 7"
    ]
