from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wattline_agents import cli
from wattline_collector.ledger.books import Books
from wattline_collector.ledger.chain import Chain, chain_path, digest

HOUR = 3600


@pytest.fixture
def store(telemetry: Any, clock: Any, start_ms: int) -> str:
    """Five hours, of which the second was booked again a minute later."""
    telemetry.device()
    for first, last in ((0, 1.25), (1.75, 5)):
        telemetry.samples(first_s=first * HOUR, last_s=last * HOUR, counter=lambda s: 400 * s)
    telemetry.book(5 * HOUR, clock)
    telemetry.samples(first_s=1.25 * HOUR + 10, last_s=1.75 * HOUR - 10, counter=lambda s: 400 * s)
    telemetry.take_dirty = lambda: {("test", start_ms + HOUR * 1000)}
    clock.sleep(60)
    telemetry.book(5 * HOUR, clock)
    return str(telemetry.path)


def test_restatements_are_told_with_what_changed_and_why(store: str, capsys: Any) -> None:
    assert cli.main(["audit", "--restatements", "--store", store]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-02T00:01:00Z  2026-11-01T01Z (test)  late data",
        "    free (device) +1,800.000 s",
        "    free (device) +720,000.0 J",
        "    unobserved (device) -1,800.000 s",
        "    unobserved (device) -720,000.0 J",
        "1 restatement of 1 hour; 0 more changed no sum.",
    ]


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--from", "2026-11-01T02:00"], 0),
        (["--from", "2026-11-01T01:00", "--to", "2026-11-01T02:00"], 1),
        (["--to", "2026-11-01T01:00"], 0),
        (["--since", "2026-11-02T00:01"], 1),
        (["--since", "2026-11-02T00:02"], 0),
    ],
)
def test_restatements_can_be_bounded_and_are_json_where_asked(
    store: str, capsys: Any, words: list[str], count: int
) -> None:
    assert cli.main(["audit", "--restatements", "--store", store, "--format", "json", *words]) == 0
    assert len(json.loads(capsys.readouterr().out)) == count


def test_no_more_restatements_are_listed_than_asked_for(store: str, capsys: Any) -> None:
    assert cli.main(["audit", "--restatements", "--store", store, "--most", "0"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "... and 1 more; --most N lists N", "1 restatement of 1 hour; 0 more changed no sum.",
    ]  # fmt: skip


def test_a_figure_is_told_as_it_was_told_then(store: str, capsys: Any) -> None:
    words = ["kpi", "U01", "--store", store, "--format", "json",
             "--from", "2026-11-01T00:00", "--to", "2026-11-01T04:00"]  # fmt: skip
    hours = []
    for as_of in (["--as-of", "2026-11-02T00:00:30"], []):
        assert cli.main([*words, *as_of]) == 0
        hours.append(json.loads(capsys.readouterr().out)[0]["denominator"])
    assert hours == [3.5, 4.0]


def test_the_head_is_the_digest_of_the_last_record(store: str, capsys: Any) -> None:
    *_, last = Chain(chain_path(Books(Path(store)).root, "test")).lines()
    assert cli.main(["audit", "--head", "--store", store]) == 0
    assert capsys.readouterr().out == (
        f"test  record 5 of 2026-11-02T00:01:00Z  sha256:{digest(last)}\n"
    )


def test_a_head_that_was_published_is_held_against_the_trail(
    store: str, capsys: Any, tmp_path: Path
) -> None:
    assert cli.main(["audit", "--head", "--format", "json", "--store", store]) == 0
    heads = tmp_path / "heads.json"
    heads.write_text(capsys.readouterr().out)
    assert cli.main(["audit", "--published", str(heads), "--store", store]) == 0
    assert "The books balance: 5 hours" in capsys.readouterr().out
    heads.write_text(heads.read_text().replace('"record": 5', '"record": 4'))
    assert cli.main(["audit", "--published", str(heads), "--store", store]) == 1
    assert "no record 4 with the digest that was published" in capsys.readouterr().out


def test_what_must_be_known_of_the_trail_is_noted(store: str, capsys: Any) -> None:
    path = chain_path(Books(Path(store)).root, "test")
    path.write_bytes(path.read_bytes() + b'{"n":6')
    assert cli.main(["audit", "--store", store]) == 0
    note, _ = capsys.readouterr().out.splitlines()
    assert note == (
        "note: test: the audit trail ends in 6 bytes that a crash left unfinished; the next "
        "booking cuts them off"
    )
    assert cli.main(["audit", "--store", store, "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["notes"]) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from", "2026-11-01"], "--from goes with --restatements"),
        (["--restatements", "--since", "lately"], "--since: 'lately' is not a time"),
        (["--published", "/no/such/file"], "/no/such/file: cannot be read"),
        (["--head", "--store", "/no/such/place"], "/no/such/place has no audit trail"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(
    store: str, capsys: Any, words: list[str], message: str
) -> None:
    assert cli.main(["audit", "--store", store, *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("wattline: ") and message in captured.err
