import sys
from math import inf

import pytest
from prometheus_client.parser import text_string_to_metric_families

from wattline_agents.catalogue import DEVICE, NODE
from wattline_agents.errors import UsageError
from wattline_agents.sources.scraped.page import Sample, parse
from wattline_agents.sources.scraped.values import value_of


def all_names(name: str) -> bool:
    return True


def test_samples_are_read_with_and_without_help_and_type() -> None:
    page = parse(
        '# HELP a_total What.\n# TYPE a_total counter\na_total{x="1"} 5\nb 2.5\n', all_names
    )
    assert page.of("a_total") == [Sample("a_total", {"x": "1"}, 5.0)]
    assert page.of("b") == [Sample("b", {}, 2.5)]
    assert (page.bad_lines, page.first_bad) == (0, None)


def test_a_counter_keeps_the_name_it_has_on_the_page() -> None:
    page = parse("# TYPE DCGM_FI_DEV_X counter\nDCGM_FI_DEV_X 5\n", all_names)
    assert list(page.samples) == ["DCGM_FI_DEV_X"]


def test_what_nobody_wants_is_not_even_parsed() -> None:
    page = parse('good{a="1"} 1\nother{a="broken 1\n', "good".__eq__)
    assert list(page.samples) == ["good"]
    assert page.bad_lines == 0


@pytest.mark.parametrize(
    "line",
    [
        'good{a="1 5',
        'good{a="1"}',
        'good{a="1"} five',
        'good{a="1",a="2"} 5',
        "good",
        "good{} 1_000",
        "good 0x",
        'good{a="1"} 1e',
        "good{a=1} 1",
        "}",
        "\x00\x01",
        "<html>",
        "good 1" + " " * 10_000 + "x",
        'good{a="' + "x" * 10_000 + '"} 1',
    ],
)
def test_a_broken_line_costs_itself_alone(line: str) -> None:
    page = parse(f"good 1\n{line}\ngood 2\n", all_names)
    assert [sample.value for sample in page.of("good")] == [1.0, 2.0]
    assert page.bad_lines == 1
    assert page.first_bad is not None
    assert page.first_bad.startswith("line 2: ")
    assert len(page.first_bad) < 200


def test_no_number_is_no_sample_and_no_mistake() -> None:
    page = parse(f"a NaN\na +Inf\na -Inf\na {'9' * 5_000}\na 1\n", all_names)
    assert [sample.value for sample in page.of("a")] == [1.0]
    assert page.bad_lines == 0


@pytest.mark.parametrize(
    ("line", "labels", "value"),
    [
        ('a{x="1"} 5', {"x": "1"}, 5.0),
        ('a{x="1",} -5.5e3 1790000000000', {"x": "1"}, -5500.0),
        ('a{x="}"} 7', {"x": "}"}, 7.0),
        ('a{x="} 5"} 7', {"x": "} 5"}, 7.0),
        ('a{x="\\"} 5"} 7', {"x": '"} 5'}, 7.0),
        ("a{} 1", {}, 1.0),
    ],
)
def test_labels_are_read_as_the_library_reads_them(
    line: str, labels: dict[str, str], value: float
) -> None:
    (family,) = text_string_to_metric_families(line)
    (sample,) = family.samples
    assert (sample.labels, sample.value) == (labels, value)
    # Twice: labels seen before are not parsed again.
    assert parse(f"{line}\n{line}\n", all_names).of("a") == [Sample("a", labels, value)] * 2


def test_a_page_cut_off_in_the_middle_gives_what_came() -> None:
    page = parse('good{a="1"} 1\ngood{a="2"} 2\ngood{a="3', all_names)
    assert len(page.of("good")) == 2
    assert page.bad_lines == 1


def test_names_in_quotes_are_read() -> None:
    page = parse('{"good", a="1"} 5\n', "good".__eq__)
    assert page.of("good") == [Sample("good", {"a": "1"}, 5.0)]


def test_windows_line_ends_timestamps_and_exemplars_do_no_harm() -> None:
    page = parse('a 1 1790000000000\r\nb{x="1"} 2 # {trace="z"} 0.5\r\n# EOF\r\n', all_names)
    assert page.of("a")[0].value == 1.0
    assert page.of("b")[0].value == 2.0


def test_without_the_parser_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client.parser", None)
    with pytest.raises(UsageError, match=r"pip install wattline-agents\[scrape\]"):
        parse("a 1\n", all_names)


@pytest.mark.parametrize(
    ("column", "number", "value"),
    [
        ("power_watts", 68.244, 68.244),
        ("power_watts", -1.0, None),
        ("power_watts", 1e9, None),
        ("busy_ratio", 0.91, 0.91),
        ("busy_ratio", 1.003, 1.0),
        ("busy_ratio", -0.001, 0.0),
        ("busy_ratio", 1.2, None),
        ("temperature_celsius", 0.0, 0.0),
        ("temperature_celsius", 65_535.0, None),
        ("memory_used_bytes", 5120 * 2.0**20, 5_368_709_120),
        ("memory_used_bytes", 1e19, None),
        ("energy_joules_total", 0.1 + 0.2, 0.3),
        ("energy_joules_total", 9.2e15, None),
        ("sm_clock_hertz", 2.1e15, None),
        ("performance_state", 8.0, 8),
        ("performance_state", 32.0, None),
        ("performance_state", 2147483632.0, None),
    ],
)
def test_a_number_that_cannot_be_is_not_taken(
    column: str, number: float, value: float | None
) -> None:
    taken = value_of(DEVICE, column, number)
    assert taken == value
    assert type(taken) is type(value)


def test_infinity_is_in_no_range() -> None:
    assert value_of(NODE, "disk_read_bytes_total", inf) is None
