from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from wattline_agents.config.document import MOST_BYTES
from wattline_agents.errors import InputError
from wattline_collector.profile.parse import (
    MOST_COMPLAINTS,
    Read,
    Severity,
    load_profile,
    parse_profile,
)
from wattline_collector.profile.schema import FactoryProfile

Reader = Callable[[str], Read]

SYSTEM = """
[system.a]
name = "A"
rated_power = "2.3 MW"
in_service = 2026-01-15
[system.a.device.h200]
model = "NVIDIA H200"
count = 8
peak_source = "data sheet, dense"
peaks = { bf16 = "989 TFLOP/s", fp8 = "1979 TFLOP/s" }
[system.a.entitlement]
union_share = "35 %"
national = { FI = 0.65 }
"""


def test_a_profile_holds_base_units(profile: Callable[[str], FactoryProfile]) -> None:
    system = profile(SYSTEM).systems["a"]
    assert system.rated_power_watts == 2.3e6
    assert system.in_service == date(2026, 1, 15)
    assert system.devices["h200"].peaks == {"bf16": 989e12, "fp8": 1979e12}
    assert system.entitlement is not None
    assert system.entitlement.union_share == 0.35
    assert system.entitlement.national == {"FI": 0.65}


def test_what_is_not_told_is_unknown(profile: Callable[[str], FactoryProfile]) -> None:
    found = profile("")
    assert found.track is None
    assert found.carbon is None
    assert found.systems == {}


@pytest.mark.parametrize(
    ("more", "line", "key", "reason"),
    [
        ("hots = 'x'", 5, "hots", "no such key; did you mean 'host'?"),
        ("track = 4", 5, "track", "4 is not from 1 to 3"),
        ("track = true", 5, "track", "not a number: True"),
        ("track = '3'", 5, "track", "not a number: '3'; take the quotes away"),
        ("host = 3", 5, "host", "not text: 3; write it in quotes"),
        ("host = ''", 5, "host", "empty"),
        ('host = "a\\u202eb"', 5, "host", "holds characters that cannot be printed"),
        ("wave = '10.12.2024'", 5, "wave", "'10.12.2024' is no date such as 2026-03-31"),
        ("wave = 2026-02-30", 5, "", "not TOML: Invalid date or datetime"),
        ("wave = 2026-02-03T10:00:00", 5, "wave", "is no date such as 2026-03-31"),
        ("is_gigafactory = 1", 5, "is_gigafactory", "neither true nor false: 1"),
        ("system = 3", 5, "system", "not a table: write [system] or [system.NAME]"),
        ("\n[system.a]\nnam = 'A'", 7, "system.a.nam", "no such key in [system.a]; did you mean"),
        ("\n[system.a]", 6, "system.a.name", "missing"),
        ("\n[system.'a b']\nname = 'A'", 6, "system.a b", "is not a name"),
        ("[system.a]\nname='A'\nrated_power = 2300", 7, "system.a.rated_power",
         '2300 has no unit: write such as "2.3 MW"'),
        ("[system.a]\nname='A'\nrated_power = '2300 kVA'", 7, "system.a.rated_power",
         "'kVA' is no unit of power; there are W, kW"),
        ("[system.a]\nname='A'\nrated_power = '-1 W'", 7, "system.a.rated_power",
         "'-1 W' is not from 1 to 1e+09 W"),
        ("[system.a]\nname='A'\nkind = 'mid-range'", 7, "system.a.kind",
         "'mid-range' is not among its words; did you mean 'mid_range'?"),
        ("[system.a.device.x]\nmodel='X'\ncount=1\n[system.a.device.x.peaks]\nbf61 = '1 TFLOP/s'",
         9, "system.a.device.x.peaks.bf61", "not among the names of"),
        ("[system.a.entitlement]\nunion_share = 35", 6, "system.a.entitlement.union_share",
         '35 is no share: write 0.35 or "35 %"'),
        ("[system.a.entitlement]\nunion_share = nan", 6, "system.a.entitlement.union_share",
         "nan is not from 0 to 1"),
        ("[system.a.entitlement.national]\nFIN = 0.1", 6, "system.a.entitlement.national.FIN",
         "not among the names of [system.a.entitlement.national]"),
        ("[sla.A99]\ndirection='up'\nthreshold=1", 5, "sla.A99", "not among the names of [sla]"),
        ("[finance.26]\noperating_euro=1", 5, "finance.26", "'26' is no year from 1990 to 2100"),
        ("[calendar.x]\nholidays = [2026-01-01, 2026-01-01]", 6, "calendar.x.holidays",
         "2026-01-01 stands there twice"),
        ("[calendar.x]\nholidays = 2026-01-01", 6, "calendar.x.holidays", "not a list: write ["),
        ("[tariff.t.window.n]\neuro_per_kwh=1\nbegins='25:00'\nends='06:00'", 7,
         "tariff.t.window.n.begins", "'25:00' is no time of day such as 22:00"),
        ("[tariff.t.window.n]\neuro_per_kwh=1\nbegins='22:00:30'\nends='06:00'", 7,
         "tariff.t.window.n.begins", "whole minutes only"),
        ("[data_centre]\nin_operation = '2021-13'", 6, "data_centre.in_operation",
         "'2021-13' is no year and month such as 2021-09"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_line_and_key(
    read: Reader, more: str, line: int, key: str, reason: str
) -> None:
    if not key:
        with pytest.raises(InputError) as caught:
            read(more)
        assert caught.value.line == line
        assert reason in str(caught.value)
        return
    found = read(more)
    assert found.profile is None
    told = [(one.line, one.key) for one in found.of(Severity.ERROR) if reason in one.reason]
    assert told == [(line, key)], [str(one) for one in found.complaints]


def test_all_mistakes_are_found_at_once(read: Reader) -> None:
    found = read("track = 9\nhots = 1\n[system.a]\n")
    assert [(one.line, one.key) for one in found.complaints] == [
        (5, "track"),
        (6, "hots"),
        (7, "system.a.name"),
    ]


def test_a_file_that_must_be_right_names_the_first_and_counts_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_text('id = "x"\ntrack = 9\n')
    with pytest.raises(InputError) as caught:
        load_profile(path)
    assert str(caught.value).endswith("missing (and 3 more; wattline profile check lists them)")


def test_an_unknown_time_zone_is_refused() -> None:
    for zone in ("Europe/Helsinky", "../etc/passwd", "", "Europe"):
        text = f'id="x"\nname="X"\ncountry="FI"\ntime_zone="{zone}"\n'
        found = parse_profile(text.encode())
        assert [one.key for one in found.complaints] == ["time_zone"], zone


def test_a_table_twice_is_refused_with_its_line(read: Reader) -> None:
    with pytest.raises(InputError, match=r"f\.toml:\d+: not TOML: Cannot declare"):
        read("[meter.a]\nquantity='heat'\n[meter.a]\nquantity='heat'\n")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff", "not UTF-8"),
        (b"x = " + b"[" * 100_000, "nested too deep"),
        (b"x = " + b"1" * 10_000, "too many digits"),
        (b" " * (MOST_BYTES + 1), "over 1 MiB"),
    ],
)
def test_what_is_no_profile_at_all_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_profile(data)


def test_a_hostile_key_is_shown_harmlessly(read: Reader) -> None:
    (one,) = read('"a\\u001b[31m' + "b" * 10_000 + '" = 1').complaints
    assert str(one).isprintable()
    assert len(str(one)) < 2000


def test_mistakes_without_end_are_not_listed_without_end(read: Reader) -> None:
    found = read("".join(f"k{number} = 1\n" for number in range(20_000)))
    assert found.profile is None
    assert len(found.complaints) == MOST_COMPLAINTS + 1
    assert "the others are not listed" in found.complaints[0].reason


def test_a_huge_number_is_out_of_range(read: Reader) -> None:
    (one,) = read("[finance.2026]\noperating_euro = " + "9" * 400).complaints
    assert "is not from 0" in one.reason
    assert len(one.reason) < 200


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        load_profile(tmp_path / "none.toml")


def test_crlf_and_a_byte_order_mark_do_no_harm() -> None:
    text = '\ufeffid="x"\r\nname="X"\r\ncountry="FI"\r\ntime_zone="UTC"\r\n'
    assert parse_profile(text.encode()).profile is not None
