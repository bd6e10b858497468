import os
from pathlib import Path

import pytest

from wattline_agents.errors import UsageError
from wattline_agents.job.inbox import Inbox
from wattline_agents.job.message import MOST_BYTES

MEMBER = "0123456789abcdef"
NOW = 1_790_000_000_000


def put(directory: Path, text: bytes, member: str = MEMBER, age: float = 0.0) -> Path:
    path = directory / f"{member}.job.json"
    path.write_bytes(text)
    os.utime(path, (NOW / 1000 - age, NOW / 1000 - age))
    return path


def test_a_file_is_taken_with_its_owner(tmp_path: Path) -> None:
    put(tmp_path, b"{}")
    ((member, text, sender),) = Inbox(tmp_path).take(NOW)
    assert (member, text) == (MEMBER, b"{}")
    assert (sender.pid, sender.uid) == (0, os.getuid())


def test_a_file_is_taken_again_when_it_was_replaced_and_only_then(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    put(tmp_path, b"1", age=20)
    assert len(inbox.take(NOW)) == 1
    assert inbox.take(NOW + 5_000) == []
    put(tmp_path, b"2", age=10)
    assert [text for _, text, _ in inbox.take(NOW + 10_000)] == [b"2"]


def test_the_directory_is_looked_through_every_five_seconds(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    assert inbox.take(NOW) == []
    put(tmp_path, b"{}")
    assert inbox.take(NOW + 4_999) == []
    assert len(inbox.take(NOW + 5_000)) == 1


def test_what_is_no_message_is_passed_over(tmp_path: Path) -> None:
    real = tmp_path / "elsewhere"
    real.write_bytes(b"secret")
    inbox_path = tmp_path / "jobs"
    inbox_path.mkdir()
    (inbox_path / f"{'a' * 16}.job.json").symlink_to(real)
    os.link(real, inbox_path / f"{'b' * 16}.job.json")
    os.mkfifo(inbox_path / f"{'c' * 16}.job.json")
    (inbox_path / f"{'d' * 16}.job.json").mkdir()
    put(inbox_path, b"x", member="UPPERCASE0123456")
    (inbox_path / f".{MEMBER}.tmp").write_bytes(b"half")
    inbox = Inbox(inbox_path)
    assert inbox.take(NOW) == []
    put(inbox_path, b"x" * (MOST_BYTES + 1))
    assert inbox.take(NOW + 5_000) == []
    assert inbox.lost == 1


def test_a_flood_of_one_user_is_bounded(tmp_path: Path) -> None:
    for number in range(1_100):
        put(tmp_path, b"{}", member=f"{number:016x}")
    inbox = Inbox(tmp_path)
    assert len(inbox.take(NOW)) == 1_024
    assert inbox.lost == 76


def test_a_file_nobody_replaced_for_long_is_removed(tmp_path: Path) -> None:
    path = put(tmp_path, b"{}", age=3_700)
    assert Inbox(tmp_path).take(NOW) == []
    assert not path.exists()


def test_a_last_word_is_removed_once_it_is_known(tmp_path: Path) -> None:
    path = put(tmp_path, b"{}")
    inbox = Inbox(tmp_path)
    inbox.remove(MEMBER)
    inbox.remove(MEMBER)
    assert not path.exists()


def test_the_directory_is_made_so_that_everyone_may_leave_only_their_own(tmp_path: Path) -> None:
    Inbox(tmp_path / "a" / "jobs")
    mode = (tmp_path / "a" / "jobs").stat().st_mode & 0o7777
    assert mode == (0o1777 if os.getuid() == 0 else 0o700)


def test_a_directory_where_anyone_may_remove_anything_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(UsageError, match=r"anyone may remove .*chmod \+t"):
        Inbox(tmp_path)
    tmp_path.chmod(0o700)


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"job directory .*: Not a directory"):
        Inbox(tmp_path / "file" / "jobs")


def test_a_directory_that_is_gone_for_a_while_is_no_error(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "jobs")
    (tmp_path / "jobs").rmdir()
    assert inbox.take(NOW) == []
