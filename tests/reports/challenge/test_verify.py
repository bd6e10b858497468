from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from wattline_reports.challenge import files, play
from wattline_reports.challenge.documents import Kind
from wattline_reports.challenge.flags import Flag
from wattline_reports.challenge.verify import scores_of, verify
from wattline_reports.exchange import canonical
from wattline_reports.exchange.refused import Reason

DEFINITIONS = ("time-to-train", "energy-to-train", "hpl-mxp-like", "tokens-per-joule")


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_three_factories_play_each_challenge_of_a_season(played: Any, definition: str) -> None:
    game = played(definition).whole()
    game.publish()
    verdict = game.verdict()
    assert verdict.scores is not None and verdict.ignored == ()
    assert {one.refused for one in verdict.entrants.values()} == {None}
    # The largest is the fastest; the smallest gets most out of what it takes, and that is ranked.
    ranks = {id: one.rank for id, one in verdict.entrants.items()}
    assert ranks == {"jaif": 1, "it4lia": 2, "lumi-aif": 3}
    assert [one.judged.flags for one in verdict.entrants.values()] == [(), (), ()]
    if definition == "time-to-train":
        scores = {id: one.judged.measures.score for id, one in verdict.entrants.items()}
        assert min(scores, key=lambda id: scores[id]) == "it4lia"
        assert scores["it4lia"] == pytest.approx(1 / 8, rel=0.01)


def test_a_challenge_can_be_checked_at_every_step_of_it(played: Any) -> None:
    game = played()
    assert game.verdict(game.before).seed is None
    game.entered()
    assert {one.given for one in game.verdict(game.before).entrants.values()} == {()}
    drawn = game.verdict(game.running)
    assert drawn.seed is not None and not drawn.is_opened
    assert {len(one.given) for one in drawn.entrants.values()} == {2}
    for name in ("it4lia", "jaif", "lumi-aif"):
        game.submit(name)
    game.receive(game.running + timedelta(days=2))
    assert all(one.submitted for one in game.verdict(game.running).entrants.values())
    game.open()
    assert {one.judged for one in game.verdict(game.showing).entrants.values()} == {None}


def test_a_readers_clock_that_is_behind_changes_nothing(played: Any) -> None:
    game = played().whole()
    game.publish()
    long_ago = game.before - timedelta(days=900)
    assert scores_of(game.verdict(long_ago)) == scores_of(game.verdict())


# What the organiser may not do


def test_an_altered_specification_is_refused(played: Any, refused: Any) -> None:
    game = played().whole()
    spec = game.document(files.OPENING).body["spec"]
    other = {**spec, "secret": {**spec["secret"], "notes": "another"}}
    game.forge(files.OPENING, spec=other)
    refused(Reason.ALTERED_SPEC, game.verdict)


def test_sealed_rules_that_are_not_the_published_ones_are_refused(
    played: Any, refused: Any
) -> None:
    from wattline_reports.challenge import commitment

    game = played()
    sealed = {**game.sealed["spec"], "rules": {**game.sealed["spec"]["rules"], "tie": 0.5}}
    nonce = bytes.fromhex(game.sealed["nonce"])
    game.forge(files.COMMIT, spec=commitment.commit(commitment.What.SPEC, sealed, nonce).to_json())
    game.commit, game.sealed["spec"] = game.document(files.COMMIT), sealed
    assert "published" in refused(Reason.ALTERED_SPEC, game.submitted().shown().verdict)


def test_a_swapped_nonce_of_the_organiser_is_refused(played: Any, refused: Any) -> None:
    game = played().whole()
    game.forge(files.OPENING, nonce="ab" * 32)
    refused(Reason.SWAPPED_NONCE, game.verdict)


def test_an_altered_item_a_wrong_proof_and_a_missing_item_are_told_apart(
    played: Any, refused: Any
) -> None:
    game = played().whole()
    items = game.document(files.OPENING).body["items"]
    first = items[0]

    def opened(*changed: dict[str, Any]) -> Any:
        game.forge(files.OPENING, items=list(changed))
        return game.verdict

    other = {**first, "item": {**first["item"], "reference": 1.0}}
    refused(Reason.ALTERED_ITEM, opened(other, *items[1:]))
    refused(Reason.ALTERED_ITEM, opened({**first, "nonce": "cd" * 32}, *items[1:]))
    refused(Reason.WRONG_PROOF, opened({**first, "proof": first["proof"][::-1]}, *items[1:]))
    refused(Reason.WRONG_PROOF, opened({**first, "proof": first["proof"][1:]}, *items[1:]))
    refused(Reason.WRONG_PROOF, opened({**first, "index": 8}, *items[1:]))
    refused(Reason.NOT_REVEALED, opened(*items[1:]))
    refused(Reason.DUPLICATE, opened(first, *items))


def test_items_that_were_not_drawn_stay_secret(played: Any) -> None:
    game = played(items=40).whole()
    drawn = {item for one in game.verdict().entrants.values() for item in one.given}
    shown = game.told[files.OPENING].decode()
    assert all((f'"task {index}"' in shown) == (index in drawn) for index in range(40))


def test_an_opening_too_early_or_too_late_is_refused(played: Any, refused: Any) -> None:
    game = played().whole()
    game.forge(files.OPENING, at=game.running)
    refused(Reason.TIMES, game.verdict)
    game.forge(files.OPENING, at=game.again)
    refused(Reason.LATE, game.verdict)
    del game.told[files.OPENING]
    refused(Reason.NOT_REVEALED, game.verdict)


def test_receipts_that_were_rewritten_no_longer_follow_each_other(
    played: Any, refused: Any
) -> None:
    game = played().whole()
    game.forge("receipts/001.json", at=game.before + timedelta(hours=1))
    refused(Reason.CHAIN, game.verdict)
    game = played().whole()
    del game.told["receipts/002.json"]
    refused(Reason.CHAIN, game.verdict)
    game = played().whole()
    game.forge("receipts/002.json", at=game.before)
    refused(Reason.TIMES, game.verdict)


def test_scores_that_do_not_follow_are_refused(played: Any, refused: Any) -> None:
    game = played().whole()
    game.publish()
    told = game.document(files.SCORES).body["entrants"]

    def published(change: Callable[[list[Any]], object]) -> Any:
        rows = [{**one, "measures": dict(one["measures"])} for one in told]
        change(rows)
        game.forge(files.SCORES, entrants=rows)
        return game.verdict

    nudged = told[0]["measures"]["per_peak_flop"] * 1.001
    refused(Reason.SCORES, published(lambda rows: rows[0]["measures"].update(per_peak_flop=nudged)))
    refused(Reason.SCORES, published(lambda rows: rows[0].update(rank=3)))
    refused(Reason.SCORES, published(lambda rows: rows[0].update(flags=["canary"])))
    refused(Reason.SCORES, published(lambda rows: rows.pop()))
    refused(Reason.SCORES, published(lambda rows: rows.append({**rows[0], "entrant": "x"})))
    refused(Reason.SCORES, published(lambda rows: rows.append(rows[0])))


def test_scores_are_not_published_before_second_sites_had_their_time(
    played: Any, refused: Any
) -> None:
    game = played().whole()
    verdict = game.verdict(game.again)
    organiser = game.signer("eurohpc")
    refused(Reason.TIMES, lambda: play.publish(verdict, organiser, game.again))
    game.publish()
    game.forge(files.SCORES, at=game.again)
    refused(Reason.TIMES, game.verdict)


# What an entrant may not do


def test_a_late_reveal_puts_its_entrant_out(played: Any, entrant_refused: Any) -> None:
    game = played().submitted()
    for name in ("it4lia", "jaif"):
        game.reveal(name)
    game.open()
    game.receive(game.showing)
    game.reveal("lumi-aif")
    game.receive(game.again)
    entrant_refused(game, Reason.LATE, "lumi-aif")


def test_a_late_entry_and_a_late_submission_put_their_entrants_out(
    played: Any, entrant_refused: Any
) -> None:
    game = played()
    game.enter("it4lia", "jaif")
    game.receive(game.before)
    game.enter("lumi-aif")
    game.receive(game.running)
    entrant_refused(game, Reason.LATE, "lumi-aif", now=game.running)
    game = played().entered()
    game.submit("it4lia")
    game.receive(game.running)
    game.submit("jaif")
    game.receive(game.showing)
    verdict = game.verdict(game.showing)
    assert verdict.entrants["jaif"].refused.code == Reason.LATE
    assert verdict.entrants["lumi-aif"].refused.code == Reason.NOT_REVEALED
    assert verdict.entrants["it4lia"].refused is None


def test_a_swapped_nonce_and_an_altered_result_are_told_apart(
    played: Any, entrant_refused: Any
) -> None:
    game = played().submitted()
    game.mine["jaif"] = {**game.mine["jaif"], "nonce": game.mine["it4lia"]["nonce"]}
    game.shown()
    entrant_refused(game, Reason.SWAPPED_NONCE, "jaif")
    game = played().submitted()
    game.mine["jaif"]["result"]["runs"][0]["seconds"] *= 0.9
    game.shown()
    entrant_refused(game, Reason.ALTERED_RESULT, "jaif")


@pytest.mark.parametrize("first", ["jaif", "it4lia", None], ids=["copier", "owner", "at once"])
def test_a_copied_commitment_puts_the_copier_out_whoever_was_first(
    played: Any, entrant_refused: Any, first: str | None
) -> None:
    game = played().entered()
    for name in ("it4lia", "jaif", "lumi-aif"):
        game.submit(name)
    copied = game.document("submissions/it4lia.1.json").body["result"]
    game.forge("submissions/jaif.1.json", result=copied)
    if first is not None:
        second = "submissions/jaif.1.json" if first == "it4lia" else "submissions/it4lia.1.json"
        held = game.told.pop(second)
        game.receive(game.running + timedelta(hours=1))
        game.told[second] = held
    game.receive(game.running + timedelta(hours=2))
    game.mine["jaif"] = {
        **game.mine["it4lia"], "submission": game.document("submissions/jaif.1.json").digest
    }  # fmt: skip
    game.shown()
    assert "it4lia" in entrant_refused(game, Reason.DUPLICATE_COMMIT, "jaif")


def test_two_who_both_open_theirs_with_one_nonce_are_both_out(
    played: Any, entrant_refused: Any
) -> None:
    from wattline_reports.challenge import commitment

    game = played().entered()
    for name in ("it4lia", "jaif", "lumi-aif"):
        game.submit(name)
    nonce, mine = game.mine["it4lia"]["nonce"], game.mine["jaif"]
    told = commitment.commit(commitment.What.RESULT, mine["result"], bytes.fromhex(nonce))
    game.forge("submissions/jaif.1.json", result=told.to_json())
    submission = game.document("submissions/jaif.1.json").digest
    game.mine["jaif"] = {**mine, "nonce": nonce, "submission": submission}
    game.receive(game.running + timedelta(hours=2))
    game.shown()
    entrant_refused(game, Reason.DUPLICATE_COMMIT, "it4lia", "jaif")


def test_a_second_entry_puts_its_entrant_out_and_leaves_the_draw(
    played: Any, entrant_refused: Any
) -> None:
    game = played().entered()
    drawn = {id: one.given for id, one in game.verdict(game.running).entrants.items()}
    game.forge("entries/jaif.json", config="sha256:" + "ef" * 32)
    game.receive(game.before + timedelta(days=2))
    entrant_refused(game, Reason.DUPLICATE_COMMIT, "jaif", now=game.running)
    now = {id: one.given for id, one in game.verdict(game.running).entrants.items()}
    assert now == drawn


def _drop(runs: list[dict[str, Any]]) -> None:
    del runs[0]


def _miss(count: int) -> Callable[[list[dict[str, Any]]], object]:
    def change(runs: list[dict[str, Any]]) -> None:
        for run in runs[:count]:
            run["quality"] = 0.1

    return change


def test_too_few_runs_put_their_entrant_out(played: Any, entrant_refused: Any) -> None:
    game = played().submitted({"jaif": _drop}).shown()
    assert "4 runs" in entrant_refused(game, Reason.TOO_FEW_RUNS, "jaif")


def test_one_run_may_miss_the_target_and_two_may_not(played: Any, entrant_refused: Any) -> None:
    game = played().submitted({"it4lia": _miss(1), "jaif": _miss(2)}).shown()
    entrant_refused(game, Reason.NOT_CONVERGED, "jaif")
    flags = game.verdict().entrants["it4lia"].judged.flags
    assert Flag.UNCONVERGED in [one.flag for one in flags]


def test_a_run_of_an_item_that_was_not_given_puts_its_entrant_out(
    played: Any, entrant_refused: Any
) -> None:
    game = played().entered()
    given = game.verdict(game.running).entrants["jaif"].given
    other = next(item for item in range(9) if item not in given)

    def easier(runs: list[dict[str, Any]]) -> None:
        for run in runs:
            if run["item"] == given[0]:
                run["item"] = other

    for name in ("it4lia", "jaif", "lumi-aif"):
        game.submit(name, easier if name == "jaif" else None)
    game.receive(game.running + timedelta(days=2))
    game.shown()
    assert str(other) in entrant_refused(game, Reason.NOT_GIVEN, "jaif")


def _change(**told: Any) -> Callable[[list[dict[str, Any]]], object]:
    return lambda runs: runs[0].update(told)


@pytest.mark.parametrize(
    "change",
    [
        _change(start="2027-02-01T00:00:00Z"),
        _change(start="9999-12-31T00:00:00Z"),
        _change(seconds=9e8),
        lambda runs: runs.append({**runs[0], "id": "more", "log": "sha256:" + "1" * 64}),
        lambda runs: runs[1].update(log=runs[0]["log"]),
        lambda runs: runs[1].update(id=runs[0]["id"]),
    ],
    ids=["before the draw", "in another age", "too long", "one more", "one log", "one id"],
)
def test_a_run_outside_the_rules_puts_its_entrant_out(
    played: Any, entrant_refused: Any, change: Any
) -> None:
    game = played().submitted({"jaif": change}).shown()
    entrant_refused(game, Reason.RULES, "jaif")


@pytest.mark.parametrize(
    ("definition", "missing"),
    [("energy-to-train", "joules"), ("tokens-per-joule", "work"), ("hpl-mxp-like", "size"),
     ("hpl-mxp-like", "bits")],
)  # fmt: skip
def test_a_run_without_what_its_score_is_made_of_puts_its_entrant_out(
    played: Any, entrant_refused: Any, definition: str, missing: str
) -> None:
    game = played(definition).submitted({"jaif": _change(**{missing: None})}).shown()
    entrant_refused(game, Reason.RULES, "jaif")


def test_power_that_is_measured_too_coarsely_puts_its_entrant_out(
    played: Any, entrant_refused: Any
) -> None:
    game = played("energy-to-train")
    game.enter()
    game.forge("entries/jaif.json", power_level="L1")
    game.receive(game.before)
    entrant_refused(game, Reason.RULES, "jaif", now=game.before)


def test_there_is_one_retry_and_it_has_a_reason(played: Any, entrant_refused: Any) -> None:
    def again(attempt: int, why: str | None) -> Any:
        game = played().submitted()
        game.forge("submissions/jaif.1.json", attempt=attempt, why=why)
        game.receive(game.running + timedelta(days=3))
        game.mine["jaif"]["submission"] = game.document(f"submissions/jaif.{attempt}.json").digest
        return game.shown()

    game = again(2, "a node failed")
    flags = game.verdict().entrants["jaif"].judged.flags
    assert Flag.RETRIED in [one.flag for one in flags]
    entrant_refused(again(2, None), Reason.RETRY, "jaif")
    entrant_refused(again(3, "once more"), Reason.RETRY, "jaif")


def test_a_document_that_is_taken_away_is_missed(played: Any, entrant_refused: Any) -> None:
    for name in ("entries/jaif.json", "submissions/jaif.1.json", "reveals/jaif.json"):
        game = played().whole()
        before = {id: one.given for id, one in game.verdict().entrants.items()}
        del game.told[name]
        entrant_refused(game, Reason.MISSING_FILE, "jaif")
        after = {id: one.given for id, one in game.verdict().entrants.items()}
        assert after == before


def test_a_document_that_nobody_received_counts_for_nothing(
    played: Any, entrant_refused: Any
) -> None:
    game = played()
    game.enter()
    del game.told["entries/jaif.json"]
    game.receive(game.before)
    game.enter("jaif")
    entrant_refused(game, Reason.NO_RECEIPT, "jaif", now=game.before)


def test_a_document_that_was_changed_after_its_receipt_is_refused(
    played: Any, entrant_refused: Any
) -> None:
    game = played().whole()
    game.forge("entries/jaif.json", baseline=9.0)
    entrant_refused(game, Reason.ALTERED_FILE, "jaif")


def test_a_document_that_another_signed_is_refused(played: Any, entrant_refused: Any) -> None:
    game = played().whole()
    told = game.document("reveals/it4lia.json")
    game.told["reveals/jaif.json"] = told.to_bytes()
    entrant_refused(game, Reason.WRONG_KEY, "jaif")


def test_a_document_of_another_season_is_refused(played: Any, entrant_refused: Any) -> None:
    game, other = played().whole(), played(season="autumn-2026").whole()
    game.told["reveals/jaif.json"] = other.told["reveals/jaif.json"]
    entrant_refused(game, Reason.NAME, "jaif")


def test_a_file_that_no_challenge_has_is_refused(played: Any, refused: Any) -> None:
    game = played()
    game.told["entries/../x.json"] = b"{}"
    refused(Reason.NAME, game.verdict)


# Second sites, ranks


def test_a_second_site_that_comes_to_something_else_is_flagged(played: Any) -> None:
    game = played().submitted().shown()
    ratio = game.sites["it4lia"].peak_flops / game.sites["jaif"].peak_flops
    game.rerun("it4lia", "jaif", speed=0.7 / ratio)
    game.rerun("jaif", "slaif", speed=1.0)
    game.receive(game.again + timedelta(days=3))
    verdict = game.verdict()
    deltas = verdict.entrants["it4lia"].judged.deltas
    assert deltas == {"jaif": pytest.approx(-0.3, abs=0.02)}
    raised = {id: [f.flag for f in one.judged.flags] for id, one in verdict.entrants.items()}
    assert raised == {
        "it4lia": [Flag.SECOND_SITE], "jaif": [], "lumi-aif": [Flag.NOT_RERUN]
    }  # fmt: skip
    # While there is time, nobody is told that nobody ran it again.
    assert game.verdict(game.again).entrants["lumi-aif"].judged.flags == ()


def test_a_second_site_that_is_none_counts_for_nothing(played: Any) -> None:
    def with_rerun(site: str, **body: Any) -> Any:
        game = played().submitted().shown()
        game.rerun("it4lia", site)
        if body:
            game.forge(f"reruns/it4lia.{site}.json", **body)
        game.receive(game.again + timedelta(days=3))
        return game.verdict()

    for verdict, code in (
        (with_rerun("it4lia"), Reason.RULES),
        (with_rerun("jaif", container="sha256:" + "0" * 64), Reason.RULES),
        (with_rerun("jaif", commit="0" * 64), Reason.CHAIN),
    ):
        assert [one.code for one in verdict.ignored] == [code]
        assert verdict.entrants["it4lia"].judged.deltas == {}


def test_the_order_of_files_changes_no_byte_of_the_scores(played: Any) -> None:
    game = played().whole()
    wanted = canonical.dumps(scores_of(game.verdict()))
    for seed in range(3):
        names = list(game.told)
        random.Random(seed).shuffle(names)
        told = {name: game.told[name] for name in names}
        assert canonical.dumps(scores_of(verify(told, game.ring, game.over))) == wanted


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_ranks_are_stable_when_all_run_it_again(played: Any, definition: str) -> None:
    ranks = []
    for seed in range(2, 6):
        game = played(definition, seed=seed).whole(noise=0.01)
        ranks.append({id: one.rank for id, one in game.verdict().entrants.items()})
    # Other nonces, so other items and other noise; the same order.
    assert all(one == ranks[0] for one in ranks)


def test_the_same_clock_and_randomness_give_the_same_bytes(played: Any) -> None:
    one, other = played(seed=3).whole(), played(seed=3).whole()
    assert one.told == other.told
    assert played(seed=4).told[files.COMMIT] != one.told[files.COMMIT]


def test_a_draw_that_is_not_yet_made_is_not_given(played: Any, refused: Any) -> None:
    game = played().entered()
    verdict = game.verdict(game.before)
    organiser = game.signer("eurohpc")
    refused(Reason.TIMES, lambda: play.give(verdict, "jaif", game.sealed, organiser, game.before))
    assert game.given("jaif").kind is Kind.GIVEN


def test_a_document_older_than_its_challenge_is_refused(played: Any) -> None:
    """An old key could otherwise write into a new challenge, on a day on which it still held."""
    game = played()
    long_ago = game.before - timedelta(days=30)
    game.put(play.enter(game.commit, game.entry("jaif"), game.signer("jaif"), long_ago))
    refused = game.verdict(game.before).entrants["jaif"].refused
    assert refused is not None
    assert refused.code == Reason.TIMES
    assert "before the challenge was" in str(refused)
