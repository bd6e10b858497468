from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wattline_reports.exchange import keys
from wattline_reports.network import page
from wattline_reports.network.page import Verifier, answer
from wattline_reports.press import PRESS


@pytest.fixture
def received(tmp_path: Path, network_kit: Any) -> Path:
    """Bundles of three factories and the ring of their keys."""
    network_kit.write(tmp_path, network_kit.three())
    network_kit.ring_of(tmp_path)
    return tmp_path


def ask(folder: Path, period: str | None = None, verifier: Verifier | None = None) -> Any:
    told = answer(verifier or Verifier(), folder / "store", folder, folder / "keys.json", period)
    return json.loads(json.dumps(told, allow_nan=False))


def test_factories_stand_side_by_side_as_in_the_network_review(
    received: Path, network_kit: Any
) -> None:
    told = ask(received)
    assert told["factories"] == list(network_kit.NAMES)
    assert (told["received"], told["refused"], told["aside"], told["problem"]) == (3, [], [], None)
    measures = {one["key"]: one for theme in told["themes"] for one in theme["measures"]}
    assigned = measures["U01"]
    assert [round(row["value"]) for row in assigned["factories"]] == [62, 75, 70]
    # Of sizes 1, 4 and 2: sums over sums, and no mean of the three.
    assert assigned["network"]["value"] == pytest.approx(100 * (0.62 + 4 * 0.75 + 2 * 0.70) / 7)
    assert assigned["median"] == pytest.approx(70)
    assert assigned["low"] is None  # of three there are no quartiles
    assert measures["S03"]["least"] == 1.0


def test_records_of_one_exchange_are_held_against_each_other(received: Path) -> None:
    told = ask(received)["coordination"]
    (wrong,) = told["mismatches"]
    assert (wrong["first"], wrong["first_says"], wrong["second_says"]) == ("it4lia", 2.0, 1.0)
    days = [row for row in told["records"] if row["kind"] == "staff_exchange"]
    assert {row["amount"] for row in days} == {12.0}


def test_what_does_not_hold_is_named_with_its_reason_and_shown_nowhere(
    received: Path, network_kit: Any
) -> None:
    broken = received / "jaif_1.aifb.zip"
    data = bytearray(broken.read_bytes())
    data[len(data) // 2] ^= 1
    broken.write_bytes(bytes(data))
    thief = network_kit.kit.Factory(id="mimer").bundle()
    (received / "mimer_1.aifb.zip").write_bytes(thief.to_bytes())
    told = ask(received)
    assert told["factories"] == ["it4lia", "lumi-aif"]
    reasons = {one["file"]: one["why"] for one in told["refused"]}
    assert set(reasons) == {"jaif_1.aifb.zip", "mimer_1.aifb.zip"}
    assert "unknown-key" in reasons["mimer_1.aifb.zip"]
    assert "jaif" not in {one["factory"] for one in told["bundles"]}
    assert str(received) not in json.dumps(told)


def test_without_keys_nothing_is_shown(received: Path) -> None:
    (received / "keys.json").unlink()
    told = ask(received)
    assert told["problem"] == "there is no ring of public keys"
    assert (told["bundles"], told["factories"], told["themes"]) == ([], [], [])
    (received / "keys.json").write_text("{}")
    assert "is not right" in ask(received)["problem"]


def test_a_key_that_is_revoked_takes_its_bundles_away(received: Path, network_kit: Any) -> None:
    verifier = Verifier()
    assert len(ask(received, verifier=verifier)["factories"]) == 3
    jaif = network_kit.factory("jaif")
    ring = keys.read_ring(received / "keys.json")
    gone = keys.revoked(jaif.key, jaif.private, jaif.key.valid_from, "compromised")
    keys.write_ring(keys.ring_of(ring, gone), received / "keys.json")
    told = ask(received, verifier=verifier)
    assert "jaif" not in told["factories"]
    assert "revoked-key" in told["refused"][0]["why"]


def test_the_period_that_is_asked_for_is_compared(received: Path, network_kit: Any) -> None:
    second = network_kit.sent("it4lia", quarter=2, seed=5)
    (received / "it4lia_2026-Q2.aifb.zip").write_bytes(second.to_bytes())
    usual = ask(received)
    assert usual["period"]["from"] == "2026-01-01T00:00:00Z"
    assert [one["factories"] for one in usual["periods"]] == [1, 3]
    later = ask(received, usual["periods"][0]["id"])
    assert (later["period"]["from"], later["factories"]) == ("2026-04-01T00:00:00Z", ["it4lia"])
    assert ask(received, "nonsense")["period"] == usual["period"]
    shown = [one["shown"] for one in later["bundles"] if one["period"] == later["period"]]
    assert shown == [True]


def test_an_older_revision_is_left_aside(received: Path, network_kit: Any) -> None:
    first = network_kit.three()[0]
    again = network_kit.sent(
        "it4lia", exchanges=network_kit.EXCHANGES["it4lia"], seed=1, supersedes=first
    )
    (received / "it4lia_2.aifb.zip").write_bytes(again.to_bytes())
    told = ask(received)
    assert [one["file"] for one in told["aside"]] == ["it4lia_1.aifb.zip"]
    assert "revision 2" in told["aside"][0]["why"]


def test_many_bundles_are_verified_a_few_at_a_time(
    received: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MOST_AT_ONCE", 1)
    verifier = Verifier()
    assert [ask(received, verifier=verifier)["to_verify"] for _ in range(4)] == [2, 1, 0, 0]
    monkeypatch.setattr(page, "MOST_FILES", 2)
    told = ask(received, verifier=verifier)
    assert (told["not_looked_at"], told["received"]) == (1, 3)


def test_this_factory_is_known_by_its_profile(received: Path) -> None:
    assert ask(received)["own"] is None
    (received / "store").mkdir()
    (received / "store" / "profile.toml").write_text(
        'id = "jaif"\nname = "J"\ncountry = "DE"\ntime_zone = "UTC"\n'
    )
    assert ask(received)["own"] == "jaif"


def test_an_empty_folder_and_none_at_all_are_no_error(tmp_path: Path) -> None:
    told = PRESS.factories(tmp_path, tmp_path / "none", tmp_path / "none" / "keys.json", None)
    assert (told["received"], told["problem"], told["factories"]) == (0, None, [])
