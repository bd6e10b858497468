from __future__ import annotations

from dataclasses import replace
from typing import Any

from wattline_reports.challenge.page import page


def test_a_challenge_is_told_in_words_at_every_step(played: Any) -> None:
    game = played()
    told = page(game.verdict(game.before))
    assert "entries are open" in told and "nobody entered yet" in told
    game.entered()
    told = page(game.verdict(game.running))
    assert "items drawn" in told and told.count(" entered") == 3
    game = played().submitted()
    assert page(game.verdict(game.running)).count("not revealed yet") == 3
    game.shown()
    game.rerun("it4lia", "it4lia")
    assert "left out    challenge: reruns/it4lia.it4lia.json" in page(game.verdict())


def test_the_first_stands_first_and_the_refused_last_with_their_reason(played: Any) -> None:
    game = played().submitted({"it4lia": lambda runs: runs.pop(0)}).shown()
    rows = page(game.verdict()).splitlines()
    entrants = [row.split()[1] for row in rows if row.split()[1:2] and row.split()[1] in game.sites]
    assert entrants == ["jaif", "lumi-aif", "it4lia"]
    assert "(too-few-runs)" in rows[-1]


def test_what_is_not_known_is_a_dash_and_says_why_there_is_no_rank(played: Any) -> None:
    def keep_the_price_secret(runs: list[dict[str, Any]]) -> None:
        for run in runs:
            run["euros"] = None

    game = played().submitted({"jaif": keep_the_price_secret}).shown()
    rows = page(game.verdict()).splitlines()
    place = next(number for number, row in enumerate(rows) if " jaif " in row)
    assert rows[place].split()[0] == "–" and rows[place].split()[4] == "–"  # noqa: RUF001
    assert "not ranked" in rows[place + 1]


def test_a_title_moves_nobodys_terminal(played: Any) -> None:
    game = played()
    verdict = game.verdict(game.before)
    told = page(replace(verdict, rules=replace(verdict.rules, title="fast\x1b[2J\nlane")))
    assert told.startswith("fast?[2J?lane (")
