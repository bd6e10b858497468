from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from wattline_agents.errors import InputError
from wattline_reports.review.recommended import FILE, Recommendation, recommendations

HEAD = "recommendation,status,response,due\n"


def written(store: Path, text: str) -> Path:
    (store / FILE).write_text(text, encoding="utf-8")
    return store


def test_a_store_without_the_file_has_no_recommendations(tmp_path: Path) -> None:
    assert recommendations(tmp_path) is None


def test_each_line_is_one_recommendation(tmp_path: Path) -> None:
    written(tmp_path, f'{HEAD}"More, and sooner",done,Doubled it,\nTrain,planned,,2027-03-31\n')
    assert recommendations(tmp_path) == (
        Recommendation("More, and sooner", "done", "Doubled it"),
        Recommendation("Train", "planned", "", date(2027, 3, 31)),
    )


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (",open,,", "recommendation"),
        ("Train,maybe,,", "status"),
        ("Train,declined,,", "response"),
        ("Train,open,,soon", "due"),
        ("Train,open", "row"),
        (f"{'x' * 601},open,,", "recommendation"),
    ],
)
def test_a_mistake_names_its_line_and_field(tmp_path: Path, line: str, field: str) -> None:
    written(tmp_path, f"{HEAD}Train,open,,\n{line}\n")
    with pytest.raises(InputError) as refused:
        recommendations(tmp_path)
    assert (refused.value.line, refused.value.field) == (3, field)


@pytest.mark.parametrize("text", ["", "a,b\n", HEAD + "x,open,,\n" * 61, "\0" * 300_000])
def test_what_is_no_such_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError):
        recommendations(written(tmp_path, text))
