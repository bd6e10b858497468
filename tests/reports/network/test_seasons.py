from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from wattline_reports.challenge.documents import Kind, Place, Signer, write
from wattline_reports.exchange import keys
from wattline_reports.exchange.bundle import Bundle
from wattline_reports.network import seasons

_MEASURES = {"per_kwh": 1.0, "per_euro": None, "per_peak_flop": None, "baseline": 1.2}


@pytest.fixture(scope="module")
def organiser(network_kit: Any) -> tuple[Signer, keys.Ring]:
    private = network_kit.factory("eurohpc").private
    days = date(2026, 1, 1), date(2028, 12, 31)
    return Signer("eurohpc", private), keys.ring_of(
        None, keys.public_key(private, "eurohpc", keys.ORGANISER, *days)
    )


def carried(kit: Any, by: Signer, factory: str, points: float) -> Bundle:
    """A bundle with the scores of a challenge in it."""
    entrants = [
        {"entrant": "it4lia", "rank": 1, "points": points, "spread": None, "gap": None,
         "measures": {"score": 3.0, **_MEASURES}, "delta": None, "flags": [], "refused": None},
        {"entrant": "jaif", "rank": None, "points": None, "spread": None, "gap": None,
         "measures": dict.fromkeys(("score", *_MEASURES)), "delta": None, "flags": [],
         "refused": "late"},
    ]  # fmt: skip
    body = {"commit": "0" * 64, "entrants": entrants}
    at = kit.kit.quarter_of(2).end
    signed = write(Kind.SCORES, Place("spring-2026", "time-to-train"), by, at, body)
    made: Bundle = kit.sent(
        factory, kit.figures(1, 0.5), files={"challenge/time-to-train.json": signed.to_bytes()}
    )
    return made


def test_scores_that_bundles_carry_are_shown_once(
    organiser: tuple[Signer, keys.Ring], network_kit: Any
) -> None:
    by, ring = organiser
    sent = [carried(network_kit, by, name, 2.5) for name in ("it4lia", "jaif")]
    found, wrong = seasons.of_bundles(sent, ring)
    assert wrong == []
    assert [one.id for one in found] == ["spring-2026/time-to-train"]
    numbers = seasons.figures(found, sent[0].manifest.period)
    assert {one.id.split("/")[-1] for one in numbers} == {"it4lia"}
    shown = seasons.section(found, numbers, ("it4lia", "jaif"))
    assert "First in time-to-train is it4lia." in shown.answer
    assert "refused: late" in str(shown.blocks).lower()


def test_scores_that_contradict_or_are_not_the_organisers_are_named(
    organiser: tuple[Signer, keys.Ring], network_kit: Any
) -> None:
    by, ring = organiser
    sent = [
        carried(network_kit, by, name, points) for name, points in (("it4lia", 2.5), ("jaif", 9.0))
    ]
    _, wrong = seasons.of_bundles(sent, ring)
    assert len(wrong) == 1
    assert "carries other scores of spring-2026/time-to-train" in wrong[0]
    found, wrong = seasons.of_bundles(sent, {})
    assert found == []
    assert all("(unknown-key)" in one for one in wrong)
