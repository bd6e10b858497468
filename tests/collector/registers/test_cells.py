from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from wattline_collector.registers import cells
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.declare import Column, Kind, Malformed

HERE = Setting()
BERLIN = Setting(ZoneInfo("Europe/Berlin"))


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def refusal(column: Column, text: str, setting: Setting = HERE) -> str:
    with pytest.raises(Malformed) as caught:
        cells.value(column, text, setting)
    assert caught.value.field == column.name
    return caught.value.reason


NUMBER = Column("hours", Kind.NUMBER, "", unit="GPU-hours")
WHOLE = Column("people", Kind.WHOLE, "")
START = Column("start", Kind.TIME, "")
END = Column("end", Kind.TIME, "", closes=True)
STATE = Column("state", Kind.WORD, "", "SI", words=("GR", "SI"), synonyms={"EL": "GR"})


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0.0), ("1234.5", 1234.5), ("+7", 7.0), ("1e3", 1000.0), ("2.5E-1", 0.25)],
)
def test_numbers_are_read(text: str, value: float) -> None:
    assert cells.value(NUMBER, text, HERE) == value


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("1234,5", "a point"),
        ("1.234,5", "a point"),
        ("1,000", "a point"),
        ("1 000", "nothing between thousands"),
        ("1'000.5", "nothing between thousands"),
        ("12 h", "without the unit"),
        ("NaN", "is not a number"),
        ("1e999", "is not a number"),
        ("\uff11\uff12", "is not a number"),
        ("-1", "not from 0"),
        ("9" * 18, "not from 0"),
    ],
)
def test_a_number_that_may_mean_another_is_refused_with_a_hint(text: str, hint: str) -> None:
    assert hint in refusal(NUMBER, text)


def test_a_count_is_a_whole_number() -> None:
    assert cells.value(WHOLE, "24", HERE) == 24
    assert "whole number" in refusal(WHOLE, "24.5")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-31", "2026-03-31T00:00Z"),
        ("2026-03-31T17:30", "2026-03-31T17:30Z"),
        ("2026-03-31 17:30:05.25", "2026-03-31T17:30:05.250Z"),
        ("2026-03-31T17:30Z", "2026-03-31T17:30Z"),
        ("2026-03-31T17:30+02:00", "2026-03-31T15:30Z"),
        ("2026-03-31T17:30+0200", "2026-03-31T15:30Z"),
    ],
)
def test_times_are_iso_and_in_utc_unless_told(text: str, utc: str) -> None:
    assert cells.value(START, text, HERE) == ms(utc)


def test_a_zone_is_that_of_times_that_name_none() -> None:
    assert cells.value(START, "2026-07-01", BERLIN) == ms("2026-06-30T22:00Z")
    assert cells.value(START, "2026-01-01T12:00", BERLIN) == ms("2026-01-01T11:00Z")
    assert cells.value(START, "2026-07-01T12:00Z", BERLIN) == ms("2026-07-01T12:00Z")


def test_a_day_that_ends_something_is_part_of_it() -> None:
    assert cells.value(END, "2026-03-31", HERE) == ms("2026-04-01T00:00Z")
    assert cells.value(END, "2026-03-31T17:30", HERE) == ms("2026-03-31T17:30Z")
    # A day on which clocks change has 23 or 25 hours.
    day = [cells.value(column, "2026-03-29", BERLIN) for column in (START, END)]
    assert day == [ms("2026-03-28T23:00Z"), ms("2026-03-29T22:00Z")]


@pytest.mark.parametrize("text", ["2026-10-25T02:30", "2026-03-29T02:30"])
def test_an_hour_that_comes_twice_or_never_needs_its_offset(text: str) -> None:
    assert "write its offset" in refusal(START, text, BERLIN)
    assert cells.value(START, text, HERE) == ms(f"{text}Z")


@pytest.mark.parametrize(
    "text", ["31.03.2026", "03/31/2026", "2026-13-01", "2026-W01-1", "2026-3-1", "1790000000"]
)
def test_what_is_no_iso_date_is_refused(text: str) -> None:
    assert text in refusal(START, text)


def test_a_time_without_end_is_an_empty_cell() -> None:
    assert "leave it empty" in refusal(END, "9999-12-31")


@pytest.mark.parametrize(
    ("text", "word"), [("SI", "SI"), ("si", "SI"), ("el", "GR"), (" gr ", "GR")]
)
def test_a_word_is_found_whatever_its_case(text: str, word: str) -> None:
    assert cells.value(STATE, text.strip(), HERE) == word


def test_hyphens_and_spaces_are_as_good_as_underscores() -> None:
    column = Column("mode", Kind.WORD, "", words=("fast_lane", "regular"))
    assert cells.value(column, "Fast-Lane", HERE) == "fast_lane"
    assert cells.value(column, "fast lane", HERE) == "fast_lane"
    assert (
        refusal(column, "fastlane")
        == "'fastlane' is not among its words; did you mean 'fast_lane'?"
    )
    assert "there are fast_lane, regular" in refusal(column, "zzz")


def test_of_a_long_list_an_example_is_named() -> None:
    column = Column("state", Kind.WORD, "", "SI", words=tuple(f"A{n:02}" for n in range(99)))
    assert refusal(column, "Germany").endswith("such as SI")


def test_several_words_are_kept_once_and_in_order() -> None:
    column = Column("states", Kind.WORDS, "", words=("AT", "GR", "IT"), synonyms={"EL": "GR"})
    assert cells.value(column, "IT  AT|EL it", HERE) == "AT GR IT"


@pytest.mark.parametrize(("text", "value"), [("Yes", True), ("0", False), ("TRUE", True)])
def test_flags_are_yes_or_no(text: str, value: bool) -> None:
    assert cells.value(Column("flag", Kind.FLAG, ""), text, HERE) is value


def test_a_flag_is_nothing_else() -> None:
    assert "neither yes nor no" in refusal(Column("flag", Kind.FLAG, ""), "perhaps")


@pytest.mark.parametrize(
    "text", ["../../etc/passwd", "a b", "<b>x</b>", "-x", "x" * 129, "a\x1b[31m", "naïve"]
)
def test_a_name_has_only_characters_that_names_have(text: str) -> None:
    assert "is not a name" in refusal(Column("project", Kind.NAME, ""), text)


@pytest.mark.parametrize("text", ["a\x1b[31m", "a\u202eb", "a\x00b", "a\u2028b"])
def test_text_holds_nothing_that_moves_a_cursor_or_turns_writing(text: str) -> None:
    reason = refusal(Column("title", Kind.TEXT, ""), text)
    assert "cannot be printed" in reason
    assert reason.isprintable()


def test_a_text_of_a_megabyte_is_refused_in_a_line() -> None:
    reason = refusal(Column("title", Kind.TEXT, ""), "é" * 500_000)
    assert reason.startswith("over 256 bytes")
    assert len(reason) < 120


def test_text_is_kept_as_it_is_otherwise() -> None:
    column = Column("title", Kind.TEXT, "")
    assert cells.value(column, "=cmd|' /C calc'!A0 <b>é</b>", HERE) == "=cmd|' /C calc'!A0 <b>é</b>"
    assert cells.value(column, "e\u0301", HERE) == "é"  # one letter, however it was written


def test_the_zone_of_a_setting_is_utc_if_nothing_is_told() -> None:
    assert HERE.zone is UTC
