from collections import Counter
from datetime import date
from importlib import resources
from pathlib import Path

import pytest

from wattline_agents.errors import InputError
from wattline_collector.profile.factories import load_factories
from wattline_collector.registers.words import STATES

SHIPPED = resources.files("wattline_collector.profile").joinpath("factories.csv").read_text("utf-8")


def test_there_are_nineteen_factories_and_thirteen_antennas() -> None:
    assert Counter(one.kind for one in load_factories()) == {"factory": 19, "antenna": 13}


def test_factories_stand_in_sixteen_states() -> None:
    assert len({one.country for one in load_factories() if one.kind == "factory"}) == 16


def test_waves_are_as_they_were_announced() -> None:
    assert Counter((one.kind, one.wave) for one in load_factories()) == {
        ("factory", date(2024, 12, 10)): 7,
        ("factory", date(2025, 3, 12)): 6,
        ("factory", date(2025, 10, 10)): 6,
        ("antenna", date(2025, 10, 13)): 13,
    }


def test_every_row_has_a_state_a_source_and_a_date() -> None:
    for one in load_factories():
        assert one.country in STATES
        assert one.source.strip()
        assert date.fromisoformat(f"{one.as_of}-01")


def test_tracks_are_verified_only_where_the_announcement_says_them() -> None:
    found = load_factories()
    assert all((one.track is None) == (one.kind == "antenna") for one in found)
    verified = {one.id for one in found if one.track_basis == "verified"}
    assert verified == {
        "lumi-aif", "hammerhai", "it4lia", "l-ai-factory", "bsc-aif", "mimer"
    }  # fmt: skip


def test_what_nobody_stated_is_none() -> None:
    by_id = {one.id: one for one in load_factories()}
    assert by_id["antenna-be"].host is None
    assert by_id["antenna-be"].linked_to == ("lumi-aif",)
    assert by_id["antenna-cy"].linked_to == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("id,kind", "id,sort", r"c\.csv:1: its first line is not id,kind"),
        ("lumi-aif,factory", "lumi-aif,fabric", "c.csv:2: kind: 'fabric' is neither factory nor"),
        (",FI,", ",Finland,", "c.csv:2: country: 'Finland' is no State"),
        (",GB,", ",UK,", "country: 'UK' is no State"),
        ("2024-12-10,,,experimental platform; LUMI", "10.12.2024,,,LUMI", "wave: '10.12.2024'"),
        ("LUMI-AI,3,verified", "LUMI-AI,4,verified", "track: '4' is not 1, 2 or 3"),
        ("LUMI-AI,3,verified", "LUMI-AI,3,rumour", "track_basis: a track is verified or press"),
        ("LUMI-AI,3,verified", "LUMI-AI,,verified", "no track is neither"),
        ("hammerhai,", "lumi-aif,", "c.csv:3: id: stands there twice"),
        ("hammerhai,", "a b,", "c.csv:3: id: 'a b' is not a name"),
        ("PT TR RO", "PT TR XX", "partners: 'XX' is no State"),
        (",ai-at,,", ",ai-xx,,", "no factory 'ai-xx'"),
        ("HammerHAI", "Hammer\x1bHAI", "name: not a line"),
        ("Stuttgart,", "Stuttgart", "14 cells instead of 15"),
        ("Kajaani", '"Kajaani', "c.csv"),
    ],
)
def test_a_copy_is_checked(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SHIPPED
    path = tmp_path / "c.csv"
    path.write_text(SHIPPED.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        load_factories(path)


def test_a_corrected_copy_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(SHIPPED.replace("2026-10", "2027-01"))
    assert {one.as_of for one in load_factories(path)} == {"2027-01"}
