from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from wattline_reports.challenge import documents, files
from wattline_reports.challenge.documents import Kind, Place
from wattline_reports.exchange import canonical, keys
from wattline_reports.exchange.refused import Reason


def test_a_document_is_written_and_read_back(played: Any) -> None:
    game = played().entered()
    made = game.document("entries/jaif.json")
    documents.verify(made, game.ring, "x", place=game.commit.place, author="jaif")
    assert made.to_bytes() == game.told["entries/jaif.json"]
    assert made.at == game.before


@pytest.mark.parametrize(
    ("field", "value"),
    [("season", "autumn-2027"), ("challenge", "hpl-mxp-like"), ("at", "2027-02-25T12:00:00Z"),
     ("author", "it4lia"), ("key", "0" * 16)],
)  # fmt: skip
def test_whatever_is_changed_in_a_document_its_signature_does_not_hold(
    played: Any, refused: Any, field: str, value: str
) -> None:
    game = played().entered()
    told = game.document("entries/jaif.json").to_json()
    data = canonical.dumps({**told, field: value})
    changed = documents.parse(data, Kind.ENTRY, "x")
    codes = {"author": Reason.WRONG_KEY, "key": Reason.UNKNOWN_KEY}
    refused(
        codes.get(field, Reason.BAD_SIGNATURE),
        lambda: documents.verify(changed, game.ring, "x"),
    )
    told["body"]["baseline"] = 9.5
    changed = documents.parse(canonical.dumps(told), Kind.ENTRY, "x")
    refused(Reason.BAD_SIGNATURE, lambda: documents.verify(changed, game.ring, "x"))


def test_a_document_of_one_kind_is_none_of_another(played: Any, refused: Any) -> None:
    game = played().entered()
    data = game.told["entries/jaif.json"]
    refused(Reason.NAME, lambda: documents.parse(data, Kind.REVEAL, "x"))
    refused(Reason.NOT_CANONICAL, lambda: documents.parse(data + b"\n", Kind.ENTRY, "x"))
    # A factory that commits in the organiser's place.
    told = {**game.commit.to_json(), "role": "factory"}
    refused(Reason.NAME, lambda: documents.parse(canonical.dumps(told), Kind.COMMIT, "x"))


def test_a_revoked_or_outdated_key_signs_nothing(played: Any, refused: Any) -> None:
    from datetime import date

    game = played().entered()
    made = game.document("entries/jaif.json")
    key = game.ring[made.key]
    own = game.signer("jaif")
    gone = keys.revoked(key, own.private, date(2028, 1, 1), keys.COMPROMISED)
    ring = keys.ring_of({**game.ring, key.id: gone})
    refused(Reason.REVOKED_KEY, lambda: documents.verify(made, ring, "x"))
    late = documents.write(Kind.ENTRY, made.place, own, made.at + timedelta(days=1500), made.body)
    refused(Reason.OLD_KEY, lambda: documents.verify(late, game.ring, "x"))


def test_a_season_without_a_proper_name_is_refused(played: Any, refused: Any) -> None:
    game = played()
    by = game.signer("eurohpc")
    body = game.commit.body
    for season in ("Spring 2027", "", "../x"):
        refused(
            Reason.SCHEMA,
            lambda season=season: documents.write(
                Kind.COMMIT, Place(season, "x"), by, game.before, body
            ),
        )


def test_a_document_that_is_too_large_is_not_read(refused: Any) -> None:
    data = b" " * (documents.MOST_BYTES + 1)
    refused(Reason.UNREADABLE, lambda: documents.parse(data, Kind.ENTRY, "x"))


def test_every_document_knows_where_it_lies(played: Any) -> None:
    game = played().whole()
    game.publish()
    for name in game.told:
        assert files.name_of(game.document(name)) == name
    with pytest.raises(ValueError, match="no challenge"):
        files.name_of(game.given("jaif"))
