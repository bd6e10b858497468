from __future__ import annotations

import pytest

from wattline_reports import words


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u00a0", " ")


def test_printed_numbers_add_up_to_the_printed_total() -> None:
    values = [10.04, 20.04, 30.04, 40.04]
    texts, total = words.summing_column(values, 1)
    assert total == "100.2"
    assert sum(float(text) for text in texts) == pytest.approx(100.2)


def test_what_rounds_to_nothing_is_not_printed_as_nothing() -> None:
    texts, total = words.summing_column([0.004, 0.0, 99.996], 1)
    assert [plain(text) for text in texts] == ["< 0.1".replace("< ", "< "), "0", "100.0"]
    assert total == "100.0"
    assert plain(words.column([0.0004, 0.0, None, 5.0], 2)[0]) == "< 0.01"
    assert words.column([0.0, None], 2) == ["0", "–"]  # noqa: RUF001 (unknown is an en dash)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (1234567, 0, "1 234 567"),
        (1234.5, 1, "1 234.5"),
        (-3.0, 1, "\u22123.0"),
        (-0.04, 1, "0.0"),
        (0, 0, "0"),
    ],
)
def test_numbers_are_grouped_by_thin_spaces(value: float, decimals: int, text: str) -> None:
    assert plain(words.grouped(value, decimals)) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("<script>", "<script>"),
        ("a\nb\tc", "a b c"),
        ("safe\u202efdp.exe", "safe[U+202E]fdp.exe"),
        ("nul\x00", "nul[U+0000]"),
        ("zero\u200bwidth", "zero[U+200B]width"),
        ("\ud800", "[U+D800]"),
        ("", "[empty]"),
        ("   ", "[empty]"),
        ("e\u0301", "é"),
    ],
)
def test_a_name_shows_what_it_is_made_of(name: str, text: str) -> None:
    assert words.shown(name) == text


def test_a_long_name_keeps_both_its_ends() -> None:
    short = words.shown("start-" + "x" * 5000 + "-end")
    assert len(short) <= words.LONGEST_NAME
    assert short.startswith("start-")
    assert short.endswith("-end")
    assert "…" in short


def test_a_sentence_starts_large_and_ends_with_one_stop() -> None:
    assert words.sentence("no meter. not one") == "No meter. Not one."
    assert words.sentence("done.") == "Done."
    assert words.sentence("") == ""


def test_lists_read_as_lists() -> None:
    assert words.listed([]) == ""
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b", "c"]) == "a, b and c"
