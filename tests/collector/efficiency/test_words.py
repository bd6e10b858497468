from __future__ import annotations

import unicodedata

import pytest

from wattline_collector.efficiency.words import columns, fitted, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("train-8b", "train-8b"),
        ("\x1b[31mred\x1b[0m", "\ufffd[31mred\ufffd[0m"),
        ("two\nlines\tand\rmore", "two\ufffdlines\ufffdand\ufffdmore"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("a\u2028b", "a\ufffdb"),
        ("  wide   space ", "wide space"),
        ("<b>&amp;'\"", "<b>&amp;'\""),
        ("Ünïcødé", "Ünïcødé"),
        ("\udc80", "\ufffd"),
    ],
)
def test_nothing_of_a_name_moves_the_cursor(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_megabyte_of_name_is_cut_and_says_so() -> None:
    shown = printable("x" * 1_000_000, 20)
    assert len(shown) == 20
    assert shown.endswith("…")
    assert printable("x" * 20, 20) == "x" * 20


def test_no_control_character_is_left_of_any() -> None:
    every = "".join(chr(code) for code in range(0x3000))
    for start in range(0, len(every), 100):
        shown = printable(every[start : start + 100], 200)
        assert not any(unicodedata.category(char)[0] == "C" for char in shown)


def test_width_counts_columns_and_not_characters() -> None:
    assert columns("日本") == 4
    assert columns("e\u0301") == 1
    assert fitted("日本語", 5) == "日本…"
    assert fitted("abc", 3) == "abc"
    assert fitted("abcd", 3) == "ab…"
