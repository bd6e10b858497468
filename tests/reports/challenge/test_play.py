from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from wattline_reports.challenge import documents, play, spec
from wattline_reports.exchange.refused import Reason


@pytest.fixture
def by(played: Any) -> Any:
    return played.signer


def _submit(game: Any, by: Any, now: Any = None, **told: Any) -> Any:
    given = told.pop("given", None) or game.given("jaif")
    runs = told.pop("runs", None)
    verdict = game.verdict(now or game.running)
    if runs is None:
        runs = game.runs("jaif", verdict.entrants["jaif"].given)
    return play.submit(verdict, given, runs, by("jaif"), now or game.running, game.random, **told)


def test_what_is_submitted_by_the_rules_is_taken(played: Any, by: Any) -> None:
    game = played().entered()
    made, kept = _submit(game, by)
    game.put(made)
    assert kept["submission"] == made.digest and kept["nonce"] not in made.to_bytes().decode()
    game.receive(game.running + timedelta(days=1))
    assert game.verdict(game.running).entrants["jaif"].submitted is not None
    again, _ = _submit(game, by, game.running + timedelta(days=1), why="a node failed")
    assert again.body["attempt"] == 2


def test_items_that_are_not_those_committed_to_are_seen_before_anything_is_run(
    played: Any, by: Any, refused: Any
) -> None:
    game = played().entered()
    given = game.given("jaif")
    first = given.body["items"][0]

    def changed(**told: Any) -> Any:
        body = {**given.body, "items": [{**first, **told}, *given.body["items"][1:]]}
        made = documents.write(given.kind, given.place, by("eurohpc"), given.at, body)
        return lambda: _submit(game, by, given=made)

    refused(Reason.ALTERED_ITEM, changed(item={**first["item"], "title": "easier"}))
    refused(Reason.WRONG_PROOF, changed(proof=first["proof"][:-1]))
    refused(Reason.NOT_GIVEN, lambda: _submit(game, by, given=game.given("it4lia")))
    fewer = {**given.body, "items": given.body["items"][1:]}
    made = documents.write(given.kind, given.place, by("eurohpc"), given.at, fewer)
    refused(Reason.NOT_GIVEN, lambda: _submit(game, by, given=made))


def test_a_result_that_the_verifier_would_refuse_is_refused_while_there_is_time(
    played: Any, by: Any, refused: Any
) -> None:
    game = played().entered()
    given = game.verdict(game.running).entrants["jaif"].given
    runs = game.runs("jaif", given)
    refused(Reason.TOO_FEW_RUNS, lambda: _submit(game, by, runs=runs[1:]))
    missed = [{**run, "quality": 0.0} for run in runs]
    refused(Reason.NOT_CONVERGED, lambda: _submit(game, by, runs=missed))
    other = next(item for item in range(9) if item not in given)
    strange = [{**runs[0], "item": other}, *runs[1:]]
    refused(Reason.NOT_GIVEN, lambda: _submit(game, by, runs=strange))


def test_moves_at_the_wrong_time_are_refused(played: Any, by: Any, refused: Any) -> None:
    game = played().submitted()
    entry = game.entry("slaif")
    refused(Reason.LATE, lambda: play.enter(game.commit, entry, by("slaif"), game.running))
    refused(Reason.LATE, lambda: _submit(game, by, game.showing))
    mine = game.mine["jaif"]
    refused(Reason.TIMES, lambda: play.reveal(game.commit, mine, by("jaif"), game.running))
    refused(Reason.LATE, lambda: play.reveal(game.commit, mine, by("jaif"), game.again))
    verdict = game.verdict(game.running)
    refused(Reason.TIMES, lambda: play.open(verdict, game.sealed, by("eurohpc"), game.running))
    refused(Reason.NOT_REVEALED, lambda: play.publish(verdict, by("eurohpc"), game.over))


def test_a_third_submission_is_refused(played: Any, by: Any, refused: Any) -> None:
    game = played().submitted()
    refused(Reason.RETRY, lambda: _submit(game, by))
    game.put(_submit(game, by, why="a node failed")[0])
    game.receive(game.running + timedelta(days=3))
    refused(Reason.RETRY, lambda: _submit(game, by, why="and again"))


def test_who_did_not_enter_gets_no_items_and_submits_nothing(
    played: Any, by: Any, refused: Any
) -> None:
    game = played().entered()
    refused(Reason.MISSING_FILE, lambda: game.given("slaif"))
    verdict, given = game.verdict(game.running), game.given("jaif")
    refused(
        Reason.MISSING_FILE,
        lambda: play.submit(verdict, given, [], by("slaif"), game.running, game.random),
    )


def test_a_commitment_that_could_not_be_played_is_refused(
    played: Any, by: Any, refused: Any
) -> None:
    game = played()
    told = spec.parse(spec.text("time-to-train"), "x")

    def commit(items: list[dict[str, Any]], now: Any = game.before, **secret: Any) -> Any:
        whole = {**told, "secret": {**told["secret"], **secret}}
        return lambda: play.commit("s", whole, items, by("eurohpc"), now, game.random)

    refused(Reason.TIMES, commit(game.items, game.running))
    refused(Reason.RULES, commit([{**item, "reference": None} for item in game.items]))
    canary = {"item": 9, "answer": "sha256:" + "0" * 64}
    refused(Reason.RULES, commit(game.items, canaries=[canary]))


def test_a_canary_that_sings_is_flagged_when_all_is_opened(played: Any) -> None:
    songs = [{"item": item, "answer": "sha256:" + "5" * 64} for item in range(9)]

    def sing(runs: list[dict[str, Any]]) -> None:
        runs[0]["output"] = "sha256:" + "5" * 64

    game = played(secret={"canaries": songs}).submitted({"jaif": sing}).shown()
    flags = {
        id: [str(one.flag) for one in each.judged.flags]
        for id, each in game.verdict().entrants.items()
    }
    assert "canary" in flags["jaif"] and "canary" not in flags["it4lia"]
    assert "5" * 64 not in game.told["commit.json"].decode()


def test_a_receipt_names_what_is_new_and_leaves_out_what_is_wrong(
    played: Any, by: Any, refused: Any
) -> None:
    from wattline_reports.challenge.verify import contest_of

    game = played().entered()

    def receive(name: str = "eurohpc", at: Any = None) -> Any:
        at = at or game.before + timedelta(days=2)
        return play.receive(contest_of(game.told, game.ring, at, "x"), by(name), at)

    assert receive() == (None, [])
    game.enter("slaif")
    game.told["entries/other.json"] = game.told["entries/jaif.json"]
    made, left_out = receive()
    assert [item["file"] for item in made.body["received"]] == ["entries/slaif.json"]
    assert [one.code for one in left_out] == [Reason.WRONG_KEY]
    refused(Reason.WRONG_KEY, lambda: receive("jaif"))
    refused(Reason.TIMES, lambda: receive(at=game.before))
