import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wattline_agents.errors import SourceUnavailable, UsageError
from wattline_agents.job.listener import Listener, Sender
from wattline_agents.job.message import MOST_BYTES

Taken = list[tuple[bytes, Sender | None]]


@pytest.fixture
def listener(short_path: Path) -> Iterator[Listener]:
    found = Listener(short_path / "job.sock")
    yield found
    found.close()


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        yield found


def wait_for(listener: Listener, is_enough: Callable[[Taken], bool]) -> Taken:
    taken: Taken = []
    for _ in range(5_000):
        taken += listener.take()
        if is_enough(taken):
            return taken
        time.sleep(0.002)
    raise AssertionError(f"only {len(taken)} datagrams came")


def test_datagrams_come_in_order_with_who_sent_them(
    listener: Listener, client: socket.socket
) -> None:
    for number in range(50):
        client.sendto(b"%d" % number, str(listener.path))
    taken = wait_for(listener, lambda taken: len(taken) >= 50)
    assert [datagram for datagram, _ in taken] == [b"%d" % number for number in range(50)]
    if hasattr(socket, "SO_PASSCRED"):
        assert {sender for _, sender in taken} == {Sender(os.getpid(), os.getuid())}


def test_a_datagram_too_large_is_seen_to_be_so(listener: Listener, client: socket.socket) -> None:
    client.sendto(b"x" * 100_000, str(listener.path))
    ((datagram, _),) = wait_for(listener, bool)
    assert len(datagram) == MOST_BYTES + 1


def test_files_that_are_sent_along_are_closed(listener: Listener, client: socket.socket) -> None:
    before = len(os.listdir("/proc/self/fd"))
    client.connect(str(listener.path))
    with open(os.devnull) as file:
        for _ in range(20):
            socket.send_fds(client, [b"x"], [file.fileno()] * 8)
    wait_for(listener, lambda taken: len(taken) >= 20)
    assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_an_empty_datagram_does_not_end_the_listening(
    listener: Listener, client: socket.socket
) -> None:
    client.sendto(b"", str(listener.path))
    client.sendto(b"next", str(listener.path))
    assert wait_for(listener, lambda taken: len(taken) >= 2)[1][0] == b"next"


def test_a_socket_left_behind_is_replaced(short_path: Path) -> None:
    path = short_path / "job.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as old:
        old.bind(str(path))
    listener = Listener(path)
    listener.close()
    assert not path.exists()


def test_another_agents_socket_is_left_alone(listener: Listener) -> None:
    with pytest.raises(SourceUnavailable, match="another agent listens to jobs"):
        Listener(listener.path)
    assert listener.path.exists()


def test_a_file_that_is_no_socket_is_not_removed(short_path: Path) -> None:
    path = short_path / "file"
    path.write_text("precious")
    with pytest.raises(UsageError, match=f"job socket {path}"):
        Listener(path)
    assert path.read_text() == "precious"


def test_a_path_too_long_for_a_socket_is_named(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 120)
    with pytest.raises(UsageError, match="path too long"):
        Listener(path)


def test_a_new_directory_is_made_and_the_socket_open_to_whoever_gets_there(
    short_path: Path,
) -> None:
    listener = Listener(short_path / "new" / "job.sock")
    assert stat.S_IMODE(listener.path.stat().st_mode) == 0o666
    assert stat.S_IMODE(listener.path.parent.stat().st_mode) in (0o700, 0o755)
    listener.close()


def test_in_a_directory_that_anyone_writes_only_its_user_may_send(short_path: Path) -> None:
    short_path.chmod(0o777)
    listener = Listener(short_path / "job.sock")
    assert stat.S_IMODE(listener.path.stat().st_mode) == 0o600
    listener.close()


def test_closing_ends_the_thread_and_removes_the_socket(short_path: Path) -> None:
    listener = Listener(short_path / "job.sock")
    listener.close()
    assert not listener.path.exists()
    assert not listener._thread.is_alive()


def test_closing_leaves_a_socket_that_another_agent_has_put_there(short_path: Path) -> None:
    first = Listener(short_path / "job.sock")
    first.path.unlink()
    second = Listener(short_path / "job.sock")
    first.close()
    assert second.path.exists()
    second.close()


def test_what_waits_is_bounded_in_bytes(
    listener: Listener, client: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattline_agents.job.listener._MOST_WAITING_BYTES", 50_000)
    listener.take()
    for _ in range(8):
        client.sendto(b"x" * 10_000, str(listener.path))
    for _ in range(5_000):
        if listener.lost >= 3:
            break
        time.sleep(0.002)
    assert listener.lost == 3
    assert len(listener.take()) == 5
    client.sendto(b"y", str(listener.path))
    assert wait_for(listener, bool)[0][0] == b"y", "there is room again"
