from __future__ import annotations

import pytest

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import (
    ACCOUNTS,
    RAMP,
    THIN_SPACE,
    TOKENS,
    Mode,
    contrast,
    format_age,
    format_celsius,
    format_energy,
    format_number,
    format_percent,
    format_si,
    format_value,
    text_on,
)


def spaced(text: str) -> str:
    return text.replace("_", THIN_SPACE)


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (None, "W", "\u2013"),
        (float("nan"), "W", "\u2013"),
        (0, "W", "0_W"),
        (12, "tok", "12_tok"),
        (12.0, "W", "12.0_W"),
        (1234.0, "W", "1.23_kW"),
        (999.6, "W", "1.00_kW"),
        (1_240_000.0, "tok/s", "1.24_Mtok/s"),
        (0.01234, "W", "0.0123_W"),
        (-2345.0, "W", "\u22122.34_kW"),
        (4.2e22, "J", "42000_EJ"),
    ],
)
def test_a_quantity_has_three_digits_a_prefix_and_a_thin_space(
    value: float | None, unit: str, written: str
) -> None:
    assert format_si(value, unit) == spaced(written)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (184_320.4, "184_320_GPU-h"),
        (0.8123, "0.812_GPU-h"),
        (99.95, "100_GPU-h"),
        (7, "7_GPU-h"),
        (None, "\u2013"),
        (0.0000123, "1.23_\u00d7_10⁻⁵_GPU-h"),
    ],
)
def test_a_number_without_prefix_keeps_its_whole_part(value: float | None, written: str) -> None:
    assert format_number(value, "GPU-h") == spaced(written)


@pytest.mark.parametrize(
    ("ratio", "written"),
    [
        (None, "\u2013"),
        (0, "0_%"),
        (1, "100_%"),
        (0.7123, "71.2_%"),
        (0.0531, "5.31_%"),
        (0.99999, ">99.9_%"),
        (0.00000001, "<0.01_%"),
        (1.05, "105_%"),
    ],
)
def test_what_is_not_quite_all_is_not_written_as_all(ratio: float | None, written: str) -> None:
    assert format_percent(ratio) == spaced(written)


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (0.71, "1", "71.0_%"),
        (71.2, "%", "71.2_%"),
        (12_345.0, "kWh", "12.3_MWh"),
        (0.812, "tok/J", "0.812_tok/J"),
        (184_320.0, "GPU-h", "184_320_GPU-h"),
        (None, "1", "\u2013"),
    ],
)
def test_a_kpi_is_written_in_its_unit(value: float | None, unit: str, written: str) -> None:
    assert format_value(value, unit) == spaced(written)


def test_energy_age_and_temperature_are_written_for_people() -> None:
    assert format_energy(3.6e9) == spaced("1.00_MWh")
    assert [format_age(ms) for ms in (None, 900, 252_000, 4e7)] == [
        "\u2013", "1\u2009s", "4\u2009min", "11\u2009h",
    ]  # fmt: skip
    assert format_celsius(61.4) == spaced("61_°C")
    assert format_celsius(None) == "\u2013"


def test_every_account_has_a_colour_on_both_grounds_that_text_can_stand_on() -> None:
    assert list(ACCOUNTS) == list(Account)
    for mode in Mode:
        for style in ACCOUNTS.values():
            assert contrast(text_on(style.colour(mode)), style.colour(mode)) >= 4.5


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("ink", ["text", "muted", "accent", "warning"])
def test_text_can_be_read_on_every_ground(mode: Mode, ink: str) -> None:
    tokens = TOKENS[mode]
    for ground in (tokens.background, tokens.surface):
        assert contrast(getattr(tokens, ink), ground) >= 4.5


def test_the_ramp_grows_lighter_from_end_to_end() -> None:
    lightness = [contrast(colour, "#000000") for colour in RAMP]
    assert lightness == sorted(lightness)
