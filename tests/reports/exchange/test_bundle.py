from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from wattline_reports.exchange import archive, bundle, canonical, keys, manifest
from wattline_reports.exchange.bundle import Bundle
from wattline_reports.exchange.refused import Reason, Refused
from wattline_reports.exchange.verify import verify


def test_a_bundle_is_written_and_read_back(made: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "b.aifb.zip"
    path.write_bytes(made.to_bytes())
    read = bundle.read(path)
    assert read.manifest == made.manifest
    assert read.to_bytes() == made.to_bytes()
    assert {figure["id"] for figure in read.figures} == {"P01", "S03", "U01"}
    assert len(read.cubes["access"]) == made.files["cubes/access.csv"].count(b"\n") - 1


def test_the_same_contents_make_the_same_bytes(factory: Any) -> None:
    assert factory.bundle().to_bytes() == factory.bundle().to_bytes()


def test_no_altered_byte_is_taken(made: Bundle, factory: Any, kit: Any) -> None:
    data = made.to_bytes()
    dice = random.Random(3)
    places = {*range(0, len(data), 37), *dice.sample(range(len(data)), 300)}
    for place in sorted(places):
        altered = bytearray(data)
        altered[place] ^= 1 << dice.randrange(8)
        with pytest.raises(Refused):
            one = bundle.of_files(archive.unpack(bytes(altered), "x"), "x")
            verify(one, factory.ring, [kit.DICTIONARY])


def test_a_swapped_file_is_refused(made: Bundle, factory: Any, refused: Any) -> None:
    other = factory.bundle(seed=2)
    files = archive.unpack(made.to_bytes(), "x")
    for name in ("kpis.json", "cubes/access.csv"):
        swapped = {**files, name: other.files[name]}
        refused(Reason.ALTERED_FILE, lambda swapped=swapped: bundle.of_files(swapped, "x"))


def test_a_manifest_that_somebody_else_signed_is_refused(
    made: Bundle, factory: Any, kit: Any, refused: Any
) -> None:
    thief = kit.Factory(id=factory.id)
    altered = thief.with_file(made, "kpis.json", kit.kpis([kit.figure("P01", 9e15)]))
    refused(Reason.UNKNOWN_KEY, lambda: verify(altered, factory.ring, [kit.DICTIONARY]))
    kept = bundle.of(altered.manifest, altered.files, made.signatures, "x")
    refused(Reason.BAD_SIGNATURE, lambda: verify(kept, factory.ring, [kit.DICTIONARY]))


def test_a_file_more_or_less_is_refused(made: Bundle, refused: Any) -> None:
    files = archive.unpack(made.to_bytes(), "x")
    more = {**files, "factors.csv": b""}
    refused(Reason.UNLISTED_FILE, lambda: bundle.of_files(more, "x"))
    for name, code in (
        ("kpis.json", Reason.MISSING_FILE),
        ("manifest.json", Reason.MISSING_FILE),
        ("signatures.json", Reason.MISSING_FILE),
    ):
        less = {one: data for one, data in files.items() if one != name}
        refused(code, lambda less=less: bundle.of_files(less, "x"))


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "wattline-bundle-v2"},
        {"more": 1},
        {"revision": 0},
        {"revision": 1.5},
        {"factory": {"id": "../x", "country": "IT", "tracks": []}},
        {"factory": {"id": "x", "country": "IT", "tracks": [], "contact": "a@b.eu"}},
        {"period": {"from": "2026-04-01T00:00:00Z", "to": "2026-01-01T00:00:00Z", "timezone": "x"}},
        {"period": {"from": "2026-13-01T00:00:00Z", "to": "2027-01-01T00:00:00Z", "timezone": "x"}},
        {"dictionary": "0"},
        {"files": {}},
    ],
)
def test_a_manifest_with_a_field_that_is_not_right_is_refused(
    change: dict[str, Any], made: Bundle, refused: Any
) -> None:
    data = canonical.dumps({**made.manifest.to_json(), **change})
    refused(Reason.SCHEMA, lambda: manifest.parse(data, "manifest.json"))


@pytest.mark.parametrize(
    "change",
    [
        {"user": "alice"},
        {"dims": {"user": "alice"}},
        {"dims": {"job": "1234"}},
        {"dims": {"node": "gpu01"}},
        {"dims": {"system": "<b>x</b>"}},
        {"status": "fine"},
        {"coverage": 1.5},
        {"value": "many"},
        {"n": -1},
        {"id": "../P01"},
    ],
)
def test_a_figure_with_a_field_that_no_figure_has_is_refused(
    change: dict[str, Any], made: Bundle, factory: Any, kit: Any, refused: Any
) -> None:
    data = kit.kpis([{**kit.figure("P01", 1.0), **change}])
    refused(Reason.SCHEMA, lambda: factory.with_file(made, "kpis.json", data))


def test_an_auditor_adds_a_signature_and_nothing_else_changes(
    made: Bundle, factory: Any, kit: Any
) -> None:
    private = keys.new_private()
    auditor = keys.public_key(private, "court", keys.AUDITOR, date(2026, 1, 1), date(2030, 1, 1))
    twice = made.signed(private, keys.AUDITOR, date(2027, 2, 1))
    ring = keys.ring_of(factory.ring, auditor)
    told = verify(twice, ring, [kit.DICTIONARY], needed=2, roles=("factory", "auditor"))
    assert [key.owner for key in told.keys] == ["it4lia", "court"]
    assert twice.manifest == made.manifest
    assert twice.files == made.files
    assert twice.signed(private, keys.AUDITOR, date(2027, 2, 1)).to_bytes() == twice.to_bytes()


def test_a_hidden_cell_with_a_value_and_a_word_no_cube_holds_are_refused(
    made: Bundle, factory: Any, refused: Callable[..., Any]
) -> None:
    text = made.files["cubes/access.csv"].decode()
    hidden = next(line for line in text.splitlines() if line.endswith(",A,C"))
    shown = next(line for line in text.splitlines()[1:] if line.endswith(",F"))
    for old, new, code in (
        (hidden, hidden.replace(",,,", ",1,1,5", 1), Reason.DISCLOSURE),
        (shown, "alice," + shown.split(",", 1)[1], Reason.SCHEMA),
        (shown, f"{shown}\n{shown}", Reason.DUPLICATE),
        (shown, shown.replace(",F", ",X"), Reason.SCHEMA),
        (shown, f"{shown},1", Reason.SCHEMA),
        ("PARTICIPATING_STATE", "STATE", Reason.SCHEMA),
    ):
        data = text.replace(old, new, 1).encode()
        refused(code, lambda data=data: factory.with_file(made, "cubes/access.csv", data))
    refused(Reason.NAME, lambda: factory.with_file(made, "cubes/users.csv", b"user\n"))


def test_every_field_of_a_manifest_is_under_the_signature(
    made: Bundle, factory: Any, kit: Any, refused: Any
) -> None:
    for change in (
        {"revision": 2},
        {"country": "DE"},
        {"timezone": "UTC"},
        {"books": replace(made.manifest.books, balanced=False)},
        {"previous": "0" * 64},
    ):
        told = replace(made.manifest, **change)
        altered = bundle.of(told, made.files, made.signatures, "x")
        refused(
            Reason.BAD_SIGNATURE,
            lambda altered=altered: verify(altered, factory.ring, [kit.DICTIONARY]),
        )
