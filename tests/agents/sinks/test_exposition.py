import math
import random
import re
import subprocess
from collections.abc import Iterable
from typing import Any

import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_1

from wattline_agents.catalogue import TABLES, Kind, Metric, Table, Type
from wattline_agents.columns import columns_of
from wattline_agents.sinks.exposition import (
    Labels,
    Page,
    Reading,
    Readings,
    Statement,
    Subject,
)
from wattline_agents.wire import Row, Value

Found = dict[tuple[str, frozenset[tuple[str, str]]], float]

AWKWARD: tuple[int | float, ...] = (
    0, 1, -1, 2**53 + 1, 2**63 - 1, 0.1, 1 / 3, 5e-324, 1.7976931348623157e308, 1e16, 1e-5, -0.0,
    412.5, 123456789.125,
)  # fmt: skip


def labels_of(table: Table, number: int) -> tuple[tuple[str, str], ...]:
    return tuple((name, f"{name}-{number}") for name in table.key)


def reading_of(row: Row, turn: int = 0) -> Readings[Reading]:
    """All that is known of a subject, read at once."""
    columns = columns_of(tuple(row))
    return Readings([Reading(columns, [*row.values()], turn)])


def row_of(reading: Reading) -> dict[str, Value]:
    """The row that was read."""
    return dict(zip(reading.columns.names, reading.cells, strict=True))


def subject_of(table: str, labels: Labels, row: Row) -> Subject:
    return Subject(TABLES[table], labels, reading_of(row))


def value_of(metric: Metric, number: int) -> int | float:
    value = AWKWARD[number % len(AWKWARD)]
    if metric.kind is Kind.COUNTER:
        value = abs(value)
    return int(value) % 2**63 if metric.type is Type.INT else value


def everything() -> list[Subject]:
    """Two subjects of every table (one of tables without a key), every column filled."""
    subjects: list[Subject] = []
    count = 0
    for table in TABLES.values():
        for number in range(2 if table.key else 1):
            values: dict[str, Value] = {"time_unix_ms": 1}
            for metric in table.metrics:
                values[metric.column] = value_of(metric, count)
                count += 1
            subjects.append(subject_of(table.name, labels_of(table, number), values))
    return subjects


STATEMENTS = (
    Statement("gpu_info", "Who a device is.", (("device", "device-0"), ("model", "H200"))),
    Statement("gpu_info", "Who a device is.", (("device", "device-1"), ("model", ""))),
    Statement("job_info", 'What a "job" is, 100 %.', (("name", 'a\\b"c\nd{}%s %d é €'),)),
)


def expected(subjects: Iterable[Subject], statements: Iterable[Statement] = ()) -> Found:
    found: Found = {}
    for subject in subjects:
        for metric in subject.table.metrics:
            values = [row_of(reading).get(metric.column) for reading in subject.readings.values()]
            value = next((value for value in values if value is not None), None)
            if value is not None:
                labels = frozenset((("node", "n01"), *subject.labels, *metric.labels))
                found[metric.name, labels] = float(value)
    for statement in statements:
        said = [(name, value) for name, value in statement.labels if value]
        found["aif_" + statement.family, frozenset([("node", "n01"), *said])] = 1.0
    return found


def parsed(page: bytes, *, openmetrics: bool = False) -> Found:
    text = page.decode()
    found: Found = {}
    if openmetrics:
        families = openmetrics_1.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    else:
        families = parser.text_string_to_metric_families(text)
    for family in families:
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found, f"{key} is there twice"
            found[key] = float(sample.value)
    return found


@pytest.mark.parametrize("openmetrics", [False, True])
def test_every_column_of_every_table_reads_back_as_it_was(openmetrics: bool) -> None:
    page = Page("n01", everything(), STATEMENTS, openmetrics=openmetrics)
    found = parsed(page.render(), openmetrics=openmetrics)
    assert found == expected(everything(), STATEMENTS)
    assert len(found) > 150


def test_openmetrics_says_kinds_and_units_as_the_catalogue_does() -> None:
    text = Page("n01", everything(), (), openmetrics=True).render().decode()
    all_families = openmetrics_1.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    families = {family.name: family for family in all_families}
    for table in TABLES.values():
        for metric in table.metrics:
            is_counter = metric.kind is Kind.COUNTER
            family = families[metric.name.removesuffix("_total") if is_counter else metric.name]
            assert family.type == metric.kind.value
            assert metric.help in family.documentation
    assert families["aif_gpu_power_watts"].unit == "watts"
    assert families["aif_gpu_energy_joules"].unit == "joules"
    assert families["aif_gpu_sm_active_ratio"].unit == "ratio"
    assert families["aif_gpu_up"].unit == ""
    assert text.endswith("# EOF\n")


@pytest.mark.prometheus
def test_promtool_has_nothing_to_say_of_the_page() -> None:
    page = Page("n01", everything(), STATEMENTS).render()
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=page, capture_output=True, timeout=60, check=False
    )
    assert (done.stderr.decode(), done.stdout.decode(), done.returncode) == ("", "", 0)


def test_what_is_null_or_no_finite_number_is_absent() -> None:
    values: dict[str, Any] = {
        "up": 1, "power_watts": None, "busy_ratio": math.nan, "memory_busy_ratio": math.inf,
        "power_stale": "no",
    }  # fmt: skip
    subjects = [subject_of("device", (("device", "GPU-1"),), values)]
    found = parsed(Page("n01", subjects, ()).render())
    assert [name for name, _ in found] == ["aif_gpu_up"]


def test_a_page_with_nothing_on_it_is_a_page() -> None:
    assert Page("n01", (), ()).render() == b""
    assert Page("n01", (), (), openmetrics=True).render() == b"# EOF\n"


def test_statements_that_read_the_same_are_there_once() -> None:
    page = Page("n01", (), (STATEMENTS[0], STATEMENTS[0])).render()
    assert parsed(page) == expected((), STATEMENTS[:1])


def test_text_that_is_no_text_costs_no_page() -> None:
    statement = Statement("job_info", "What a job is.", (("name", "a\ud800b"),))
    assert b'name="a?b"' in Page("n01", (), (statement,)).render()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"up": 1, "power_watts": 1.5}, {"up": 1, "power_watts": 2.5}),
        ({"up": 1, "power_watts": 1.5}, {"up": 1, "power_watts": None}),
        ({"up": 1, "power_watts": None}, {"up": 1, "power_watts": 2.5}),
        ({"up": 1, "power_watts": 1.5}, {"up": 1, "power_watts": math.nan}),
        ({"up": 1, "power_watts": math.nan}, {"up": 1, "power_watts": 2.5}),
        ({"up": 1, "power_watts": 1.5}, {"up": None, "power_watts": None}),
        ({"up": 1}, {"up": 0, "power_watts": 2.5}),
        ({"power_watts": 1.5}, {"power_watts": 2.5}),
        ({"power_watts": 1.5}, {"power_watts": None}),
        ({}, {"power_watts": 2.5}),
        ({"up": 1, "power_watts": 1.5}, {"up": 1, "busy_ratio": 0.5, "power_watts": 2.5}),
    ],
)
@pytest.mark.parametrize("openmetrics", [False, True])
def test_a_page_filled_again_is_as_one_made_anew(
    before: dict[str, Value], after: dict[str, Value], openmetrics: bool
) -> None:
    key: dict[str, Value] = {"time_unix_ms": 1, "device": "GPU-1"}
    other: dict[str, Value] = {**key, "up": 1, "power_watts": 7.5}
    readings = reading_of({**key, **before}, 1)
    subjects = [
        Subject(TABLES["device"], (("device", "GPU-0"),), reading_of(other, 1)),
        Subject(TABLES["device"], (("device", "GPU-1"),), readings),
    ]
    page = Page("n01", subjects, STATEMENTS, openmetrics=openmetrics)
    page.render(turn=1)
    for turn, news in ((2, after), (3, after), (4, before), (5, after)):
        (kept,) = readings.values()
        row = {**row_of(kept), **news}
        if len(row) > len(kept.cells):
            readings.clear()
            readings.update(reading_of(row, turn))
            readings.turn = turn
        else:
            kept.cells = [*row.values()]
            kept.turn = readings.turn = turn
        anew = Page("n01", subjects, STATEMENTS, openmetrics=openmetrics).render(turn=turn)
        assert page.render(turn=turn) == anew


BASE = ("time_unix_ms", "device", "up", "power_watts", "busy_ratio", "sm_active_ratio")
SHAPES = (
    BASE,
    BASE,
    (*BASE, "temperature_celsius", "memory_used_bytes", "throttle_thermal_active"),
    (*BASE[::-1], "sm_clock_hertz"),
    ("time_unix_ms", "device", "up", "sample_age_seconds"),
)
"""Rows between slow readings, two with slow ones, and one of a device that is down."""


def some_value(chance: random.Random, column: str) -> Value:
    if column in ("up", "throttle_thermal_active", "memory_used_bytes"):
        return chance.choice((0, 1, 1, 1, 2**40, None))
    usual = round(chance.uniform(0, 1000), 3)
    return chance.choice((usual, usual, usual, usual, 0.0, None, math.nan, *AWKWARD))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("is_awkward", [False, True])
def test_a_page_renewed_row_by_row_is_as_one_made_anew(seed: int, is_awkward: bool) -> None:
    chance = random.Random(seed)
    readings = [Readings[Reading]() for _ in range(4)]
    subjects = [
        Subject(TABLES["device"], (("device", f"GPU-{place}"),), known)
        for place, known in enumerate(readings)
    ]
    page = Page("n01", subjects, STATEMENTS)
    for turn in range(1, 16):
        for place, known in enumerate(readings):
            if is_awkward and chance.random() < 0.1:
                continue  # nothing came of it this time
            shape = chance.choice(SHAPES if is_awkward else SHAPES[:3])
            columns = columns_of(shape)
            cells = [
                turn if column == "time_unix_ms"
                else f"GPU-{place}" if column == "device"
                else some_value(chance, column) if is_awkward
                else turn + place / 8
                for column in shape
            ]  # fmt: skip
            kept = known.setdefault(columns, Reading(columns, ()))
            kept.cells, kept.turn, known.turn = cells, turn, turn
        renewed = page.render(turn=turn)
        anew = Page("n01", subjects, STATEMENTS).render(turn=turn)
        assert in_fourteen_digits(renewed) == in_fourteen_digits(anew)


def in_fourteen_digits(page: bytes) -> bytes:
    """What has more may be written shorter until it is looked at again.

    Zeros of both signs are one number, so that one is not written anew for the other.
    """
    short = re.sub(rb"(?<= )[-+.e0-9]+(?=\n)", lambda found: b"%.14g" % float(found[0]), page)
    return short.replace(b" -0\n", b" 0\n")


def test_numbers_become_finer_than_what_is_read_and_are_exact_again_within_sixty_pages() -> None:
    columns = columns_of(("power_watts", "energy_joules_total"))
    reading = Reading(columns, (0.0, 0.0), 1)
    readings = Readings([reading])
    page = Page("n01", [Subject(TABLES["device"], (), readings)], ())
    exact = 0
    for turn in range(1, 140):
        power = turn / 8 if turn < 10 else turn / 3
        reading.cells = (power, 1e11 + turn / 1000)
        reading.turn = readings.turn = turn
        text = page.render(turn=turn).decode()
        shown = {name: float(number) for name, number in
                 re.findall(r"^aif_(\w+)\{[^}]*\} (\S+)$", text, re.MULTILINE)}  # fmt: skip
        assert shown["gpu_power_watts"] == pytest.approx(power, rel=1e-13, abs=0)
        assert shown["gpu_energy_joules_total"] == 1e11 + turn / 1000, "too long for that"
        exact = exact + 1 if shown["gpu_power_watts"] == power else 0
    assert 70 <= exact <= 139 - 10


def test_a_whole_number_shown_by_another_row_meanwhile_is_shown_anew() -> None:
    short, long = columns_of(("up",)), columns_of(("up", "power_watts"))
    readings = Readings([Reading(short, (1,), 1)])
    page = Page("n01", [Subject(TABLES["device"], (), readings)], ())
    assert b" 1\n" in page.render(turn=1)
    readings[long], readings.turn = Reading(long, (0, None), 2), 2
    assert b" 0\n" in page.render(turn=2)
    readings[short].turn = readings.turn = 3
    assert b" 1\n" in page.render(turn=3)


def test_what_was_not_read_again_is_not_looked_at() -> None:
    readings = reading_of({"up": 1}, 1)
    (kept,) = readings.values()
    page = Page("n01", [Subject(TABLES["device"], (), readings)], ())
    page.render(turn=1)
    kept.cells = [0]
    assert b" 1\n" in page.render(turn=2)
    kept.turn = readings.turn = 3
    assert b" 0\n" in page.render(turn=3)


def test_families_are_in_one_piece() -> None:
    page = Page("n01", everything(), STATEMENTS).render().decode()
    heads = [line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads))
    series = [line.partition("{")[0] for line in page.splitlines() if not line.startswith("#")]
    order = list(dict.fromkeys(series))
    assert order == heads
    assert series == sorted(series, key=order.index)


def test_of_a_subject_read_twice_since_the_last_page_both_readings_are_shown() -> None:
    fast, slow = columns_of(("up", "power_watts")), columns_of(("up", "memory_busy_ratio"))
    first, second = Reading(fast, (1, 300.5)), Reading(slow, (1, 0.25))
    known = Readings([first, second])
    page = Page("n01", [Subject(TABLES["device"], (("device", "GPU-1"),), known)], ())
    page.render(turn=0)
    for turn, reading, value in ((1, first, 310.5), (2, second, 0.5), (3, first, 320.5)):
        reading.cells = (1, value)
        known.renew(reading, turn)
    found = {name: value for (name, _), value in parsed(page.render(turn=3)).items()}
    assert (found["aif_gpu_power_watts"], found["aif_gpu_memory_busy_ratio"]) == (320.5, 0.5)


def test_devices_read_alike_and_devices_between_them_read_otherwise_keep_their_own() -> None:
    alike, other = columns_of(("up", "power_watts")), columns_of(("power_watts", "up"))
    readings = [
        Readings([Reading(other, (place / 2, 1), 1)] if place == 2 else
                 [Reading(alike, (1, place / 2), 1)] if place != 3 else [])
        for place in range(6)
    ]  # fmt: skip
    subjects = [
        Subject(TABLES["device"], (("device", f"GPU-{place}"),), known)
        for place, known in enumerate(readings)
    ]
    page = Page("n01", subjects, ())
    for turn in (1, 2):
        found = {
            dict(labels)["device"]: value
            for (name, labels), value in parsed(page.render(turn=turn)).items()
            if name == "aif_gpu_power_watts"
        }
        assert found == {f"GPU-{place}": turn * place / 2 for place in (0, 1, 2, 4, 5)}
        for place, known in enumerate(readings):
            for reading in known.values():
                reading.cells = (place, 1) if place == 2 else (1, place)
                known.renew(reading, 2)
