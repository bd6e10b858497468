import os
from pathlib import Path

import pytest

from wattline_agents.assignment.records.directory import MOST_BYTES, MOST_FILES, Directory, mistrust

NOW = 1_790_000_000_000


def settle(path: Path, at_ms: int = NOW - 10_000) -> None:
    """Let the directory's last change be a while ago."""
    os.utime(path, ns=(at_ms * 1_000_000, at_ms * 1_000_000))


def test_a_directory_that_is_not_there_is_looked_for_every_ten_seconds(tmp_path: Path) -> None:
    place = tmp_path / "records"
    directory = Directory(str(place), 0, files_change=False)
    assert directory.look(NOW) is None
    place.mkdir()
    (place / "a").write_text("x")
    assert directory.look(NOW + 9_000) is None, "it was not even looked for"
    marks = directory.look(NOW + 11_000)
    assert marks is not None and list(marks) == ["a"]
    assert directory.is_there and directory.trouble is None


def test_nothing_is_read_again_while_nothing_changes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    settle(tmp_path)
    directory = Directory(str(tmp_path), 0, files_change=False)
    assert directory.look(NOW) is not None
    assert directory.look(NOW + 1000) is None
    (tmp_path / "b").write_text("y")
    settle(tmp_path, NOW + 1500)
    marks = directory.look(NOW + 2000)
    assert marks is not None and sorted(marks) == ["a", "b"]
    assert directory.changed_ms == NOW + 1500


def test_a_change_in_the_same_tick_of_the_kernels_clock_is_not_missed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    settle(tmp_path, NOW - 1)
    directory = Directory(str(tmp_path), 0, files_change=False)
    assert directory.look(NOW) is not None
    (tmp_path / "b").write_text("y")
    settle(tmp_path, NOW - 1)
    marks = directory.look(NOW + 1000)
    assert marks is not None and sorted(marks) == ["a", "b"]
    assert directory.look(NOW + 2000) is None


def test_files_that_are_written_in_place_are_asked_for_their_time(tmp_path: Path) -> None:
    (tmp_path / "0").write_text("1 1000")
    settle(tmp_path)
    directory = Directory(str(tmp_path), 5_000, files_change=True)
    assert directory.look(NOW) is not None
    (tmp_path / "0").write_text("22 1000")
    assert directory.look(NOW + 4_000) is None, "not so often"
    assert directory.look(NOW + 6_000) is not None
    assert directory.look(NOW + 12_000) is None


def test_what_went_away_is_gone(tmp_path: Path) -> None:
    place = tmp_path / "records"
    place.mkdir()
    (place / "a").write_text("x")
    directory = Directory(str(place), 0, files_change=False)
    directory.look(NOW)
    (place / "a").unlink()
    place.rmdir()
    assert directory.look(NOW + 1000) == {}
    assert directory.look(NOW + 40_000) is None
    assert not directory.is_there


def test_a_directory_anybody_may_write_to_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "0").write_text("1 1000")
    directory = Directory(str(tmp_path), 0, files_change=False)
    assert directory.look(NOW) is not None
    tmp_path.chmod(0o1777)
    assert directory.look(NOW + 1000) == {}, "what was believed is believed no more"
    assert directory.trouble is not None
    assert "anybody may write there" in directory.trouble.reason
    assert directory.trouble.cure == f"chmod o-w {tmp_path}"
    tmp_path.chmod(0o755)
    assert directory.look(NOW + 2000) is not None
    assert directory.trouble is None


def test_a_file_in_the_place_of_a_directory_is_trouble(tmp_path: Path) -> None:
    place = tmp_path / "records"
    place.write_text("x")
    directory = Directory(str(place), 0, files_change=False)
    assert directory.look(NOW) is None
    assert directory.trouble is not None and "not a directory" in directory.trouble.reason


def test_what_cannot_be_read_now_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("x")
    directory = Directory(str(tmp_path), 0, files_change=True)
    assert directory.look(NOW) is not None

    def refuse(path: str) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as shut:
        shut.setattr("wattline_agents.assignment.records.directory.os.scandir", refuse)
        assert directory.look(NOW + 1000) is None, "no news, rather than that all is gone"
    assert directory.trouble is not None and "Permission denied" in directory.trouble.reason
    (tmp_path / "b").write_text("y")
    assert directory.look(NOW + 2000) is not None
    assert directory.trouble is None


def test_only_plain_files_of_bounded_size_are_read(tmp_path: Path) -> None:
    (tmp_path / "good").write_text("x")
    (tmp_path / "large").write_bytes(b"x" * (MOST_BYTES + 1))
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder").mkdir()
    (tmp_path / ".new.1").write_text("half")
    os.mkfifo(tmp_path / "pipe")
    directory = Directory(str(tmp_path), 0, files_change=False)
    marks = directory.look(NOW)
    assert marks is not None and sorted(marks) == ["good", "large"]
    assert directory.read("good") == b"x"
    assert [directory.read(name) for name in ("large", "link", "folder", "pipe", "none")] == [
        None, None, None, None, None,
    ]  # fmt: skip


def test_thousands_of_files_are_bounded(tmp_path: Path) -> None:
    for number in range(MOST_FILES + 100):
        (tmp_path / str(number)).touch()
    marks = Directory(str(tmp_path), 0, files_change=False).look(NOW)
    assert marks is not None and len(marks) == MOST_FILES


def test_a_directory_of_another_user_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("x")
    status = os.stat(tmp_path)
    theirs = os.stat_result((*status[:4], 12345, *status[5:]))
    trouble = mistrust("/x", theirs)
    assert (
        trouble is not None and trouble.reason == "/x: belongs to user 12345, so it is not believed"
    )
    assert mistrust("/x", os.stat_result((*status[:4], 0, *status[5:]))) is None
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert mistrust("/x", theirs) is None, "its own"


def test_hidden_files_are_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wattline_agents.assignment.records.directory._MOST_ENTRIES", 3)
    for number in range(9):
        (tmp_path / f".new.{number}").write_text("")
    (tmp_path / "a").write_text("")
    marks = Directory(str(tmp_path), 0, files_change=False).look(NOW)
    assert marks is not None and len(marks) <= 1
