from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_collector.kpi import challenges
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.inputs import Inputs
from wattline_collector.kpi.view import View
from wattline_collector.ledger.scanned import Scanned
from wattline_collector.registers import kept
from wattline_collector.registers.schema import RESULTS
from wattline_reports.challenge import keeping
from wattline_reports.exchange.refused import Reason


def _kept(game: Any, store: Path) -> Any:
    kept.made(store)
    frame = keeping.frame(keeping.rows(game.verdict()))
    return kept.update(
        store, RESULTS, frame, origin=keeping.ORIGIN, source="test", now_ms=1_800_000_000_000
    )


@pytest.mark.parametrize("definition", ["time-to-train", "hpl-mxp-like", "tokens-per-joule"])
def test_the_mean_of_the_rows_is_the_score(played: Any, definition: str) -> None:
    game = played(definition).whole()
    verdict = game.verdict()
    frame = keeping.frame(keeping.rows(verdict))
    for id, one in verdict.entrants.items():
        own = frame.filter(
            (frame["entrant"] == id) & (frame["kind"] == "score") & (frame["site"] == "own")
            & (frame["benchmark"] == definition)
        )  # fmt: skip
        assert one.judged is not None
        assert own["value"].mean() == pytest.approx(one.judged.measures.score)
        assert own["public"].n_unique() == 1 and own["evidence"].null_count() == 0


def test_the_second_site_is_as_far_from_the_entrant_as_it_was_found(played: Any) -> None:
    game = played().whole()
    frame = keeping.frame(keeping.rows(game.verdict()))
    for id, one in game.verdict().entrants.items():
        told = frame.filter(
            (frame["entrant"] == id) & (frame["benchmark"] == "time-to-train:per_peak_flop")
        )
        own = told.filter(told["site"] == "own")["value"].item()
        second = told.filter(told["site"] == "second")["value"].item()
        assert one.judged is not None
        assert [second / own - 1] == pytest.approx(list(one.judged.deltas.values()))


def test_commitments_are_kept_with_whether_their_reveal_agrees(played: Any) -> None:
    game = played().submitted()
    game.mine["jaif"]["nonce"] = "ab" * 32
    frame = keeping.frame(keeping.rows(game.shown().verdict()))
    commits = frame.filter(frame["kind"] == "commit")
    assert dict(zip(commits["entrant"], commits["valid"], strict=True)) == {
        "it4lia": True, "jaif": False, "lumi-aif": True
    }  # fmt: skip
    assert "jaif" not in frame.filter(frame["kind"] == "score")["entrant"].to_list()


def test_keeping_the_same_outcome_again_changes_nothing(played: Any, tmp_path: Path) -> None:
    game = played().whole()
    first = _kept(game, tmp_path / "store")
    assert first.added == 3 * (1 + 2 * 3 + 2)
    again = _kept(game, tmp_path / "store")
    assert (again.added, again.replaced) == (0, 0)


def test_the_kpis_of_challenges_read_what_is_kept(played: Any, tmp_path: Path) -> None:
    game = played().whole()
    _kept(game, tmp_path)
    period = Period(datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC))
    start, end = (round(at.timestamp() * 1000) for at in (period.start, period.end))
    nothing = pl.DataFrame()
    view = View(period, Scanned.of(nothing), *(nothing,) * 5, inputs=Inputs(tmp_path, start, end))
    scores = challenges.scores(view, [])
    for id, one in game.verdict().entrants.items():
        (told,) = scores.filter(
            entrant=id, benchmark="time-to-train", of="score", event="spring-2027:time-to-train"
        ).iter_rows(named=True)
        assert one.judged is not None
        assert told["value"] == pytest.approx(one.judged.measures.score)
        assert told["n"] == 6
    found = {row["of"]: row for row in challenges.validity(view, []).iter_rows(named=True)}
    assert found["valid_commits"]["numerator"] == found["valid_commits"]["denominator"] == 3
    assert found["second_site"]["n"] == 3 and found["second_site"]["value"] < 3
    assert found["spread_of_runs"]["n"] == 3


def test_what_is_not_opened_is_not_kept(played: Any, refused: Any) -> None:
    game = played().submitted()
    verdict = game.verdict(game.showing)
    refused(Reason.NOT_REVEALED, lambda: keeping.rows(verdict))
