from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.kpi.figure import Status

HOUR = 3600
DAY = "2026-11-01"
DIGEST = "sha256:" + "ab" * 16


@pytest.fixture
def booked(factory: Any) -> Any:
    """Two hours of 1 November."""
    factory.device("a", until_s=2 * HOUR)
    factory.book(2 * HOUR)
    return factory


def test_scores_commits_and_second_sites_are_read_from_what_challenges_write(booked: Any) -> None:
    score = {"kind": "score", "event": "e1", "benchmark": "secret", "when": f"{DAY}T01:00Z"}
    rows = [
        {**score, "id": f"a{n}", "entrant": "alfa", "value": value, "public": "0.9"}
        for n, value in enumerate(("0.70", "0.80", "0.90"))
    ]
    commit = {"kind": "commit", "event": "e1", "when": f"{DAY}T00:30Z", "evidence": DIGEST}
    booked.register(
        "results",
        *rows,
        {**score, "id": "b", "entrant": "beta", "value": "0.5"},
        {**score, "id": "again", "entrant": "alfa", "value": "0.76", "site": "second"},
        {**commit, "id": "c1", "entrant": "alfa", "valid": "yes"},
        {**commit, "id": "c2", "entrant": "beta", "valid": "no"},
        {**commit, "id": "c3", "entrant": "gamma"},
    )
    alfa = booked.one("C04", entrant="alfa", of="score")
    assert (alfa.value, alfa.n) == (pytest.approx(0.8), 3)
    assert booked.one("C04", entrant="alfa", of="public_over_hidden").value == pytest.approx(0.1)
    valid = booked.one("C05", of="valid_commits")
    assert (valid.numerator, valid.denominator) == (1, 3)
    assert valid.note == "1 of them are not revealed, and count as not valid"
    # 0.1 over 0.8; and 0.76 is 5 % from it.
    assert booked.one("C05", of="spread_of_runs").value == pytest.approx(12.5)
    assert booked.one("C05", of="second_site").value == pytest.approx(5)


@pytest.mark.parametrize("id", ["C04", "C05"])
def test_without_a_register_a_kpi_says_what_to_fill_in(booked: Any, id: str) -> None:
    (figure,) = booked.figures(id)
    assert (figure.value, figure.status, figure.n) == (None, Status.UNKNOWN, 0)
    assert "wattline import --template results" in figure.note


def test_two_runs_of_an_entrant_are_too_few_to_scatter(booked: Any) -> None:
    score = {"kind": "score", "event": "e", "benchmark": "b", "when": f"{DAY}T01:00Z",
             "entrant": "alfa"}  # fmt: skip
    booked.register(
        "results",
        {**score, "id": "1", "value": "1"},
        {**score, "id": "2", "value": "2"},
        {**score, "id": "3", "value": "9", "valid": "no"},
    )
    (figure,) = booked.figures("C05")
    assert (figure.value, figure.status) == (None, Status.UNKNOWN)
    assert "3 scores" in figure.note
    assert booked.one("C04", of="score").value == pytest.approx(1.5)
