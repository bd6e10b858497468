from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import InputError, UsageError
from wattline_reports.challenge import files
from wattline_reports.challenge.documents import Kind
from wattline_reports.challenge.season import distinct
from wattline_reports.exchange.refused import Reason


def _written(game: Any, directory: Path) -> Path:
    for name in game.told:
        files.add(directory, game.document(name))
    return directory


def test_a_challenge_is_written_and_read_back(played: Any, tmp_path: Path) -> None:
    game = played().whole()
    game.publish()
    assert files.read(_written(game, tmp_path / "c")) == game.told


def test_a_document_is_not_written_twice(played: Any, tmp_path: Path) -> None:
    game = played()
    files.add(tmp_path, game.commit)
    with pytest.raises(InputError, match="not written twice"):
        files.add(tmp_path, game.commit)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["commit.json"]


def test_a_secret_is_its_owners_alone_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "sealed.json"
    files.write_secret(path, b"{}")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(InputError, match="no secret is overwritten"):
        files.write_secret(path, b"[]")
    assert path.read_bytes() == b"{}"


def test_links_pipes_and_strangers_are_refused(played: Any, tmp_path: Path, refused: Any) -> None:
    directory = _written(played().entered(), tmp_path / "c")
    outside = tmp_path / "outside.json"
    outside.write_text("{}")
    place = directory / "entries" / "slaif.json"

    place.symlink_to(outside)
    refused(Reason.UNREADABLE, lambda: files.read(directory))
    place.unlink()
    os.mkfifo(place)
    refused(Reason.UNREADABLE, lambda: files.read(directory))
    place.unlink()
    place.mkdir()
    refused(Reason.UNREADABLE, lambda: files.read(directory))
    place.rmdir()
    (directory / "notes.txt").write_text("hello")
    assert "notes.txt" in refused(Reason.NAME, lambda: files.read(directory))
    (directory / "notes.txt").unlink()
    (directory / "reveals").symlink_to(directory / "entries")
    refused(Reason.NAME, lambda: files.read(directory))


def test_a_directory_without_a_commitment_is_no_challenge(tmp_path: Path, refused: Any) -> None:
    refused(Reason.MISSING_FILE, lambda: files.read(tmp_path))
    refused(Reason.UNREADABLE, lambda: files.read(tmp_path / "none"))
    with pytest.raises(UsageError, match="no challenge"):
        files.challenges(tmp_path)


def test_more_files_than_reason_has_are_not_read(
    played: Any, tmp_path: Path, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = _written(played().entered(), tmp_path / "c")
    monkeypatch.setattr(files, "MOST_FILES", 3)
    refused(Reason.UNREADABLE, lambda: files.read(directory))


def test_names_tell_the_kind_and_whose_it_is(refused: Any) -> None:
    assert files.kind_of("reruns/a-1.b.json", "x") == (Kind.RERUN, ("a-1", "b"))
    assert files.kind_of("submissions/a.2.json", "x") == (Kind.SUBMISSION, ("a", "2"))
    for name in ("entries/A.json", "entries/a/b.json", "receipts/1.json", "/commit.json", "",
                 "submissions/a.0.json", "entries/a.json\n"):  # fmt: skip
        refused(Reason.NAME, lambda name=name: files.kind_of(name, "x"))


def test_a_season_has_no_two_challenges_with_one_commitment(
    played: Any, tmp_path: Path, refused: Any
) -> None:
    one, other = played(seed=1), played("energy-to-train", seed=2)
    season = [
        (tmp_path / "a", one.verdict(one.before)),
        (tmp_path / "b", other.verdict(one.before)),
    ]
    distinct(season)
    distinct([season[0], season[0]])
    again = played("energy-to-train", seed=1)
    season[1] = (tmp_path / "b", again.verdict(one.before))
    words = refused(Reason.DUPLICATE_COMMIT, lambda: distinct(season))
    assert str(tmp_path / "a") in words
