import errno
import select
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from wattline_agents.sinks.prometheus.http import MAX_HEAD_BYTES, Answer, Request
from wattline_agents.sinks.prometheus.server import (
    ANSWER_SECONDS,
    IDLE_SECONDS,
    MAX_CONNECTIONS,
    REQUEST_SECONDS,
    Server,
)

GET = b"GET /x HTTP/1.1\r\n\r\n"
BIG = 30_000_000
"""More than the system takes from a sender whose peer reads nothing."""


class Answers:
    """Answers with what was asked for, and remembers it."""

    def __init__(self) -> None:
        self.asked: list[tuple[Request, bool]] = []

    def __call__(self, request: Request, is_local: bool) -> Answer:
        self.asked.append((request, is_local))
        return Answer(b"." * BIG if request.path == "/big" else request.path.encode())


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def server(answers: Answers, clock: Any) -> Iterator[Server]:
    opened = Server("127.0.0.1", 0, answers, clock)
    yield opened
    opened.close()


class Peers:
    """Opens connections, and closes those left open."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._open: list[socket.socket] = []

    def __call__(self, send: bytes = b"") -> socket.socket:
        peer = socket.create_connection(("127.0.0.1", self._server.port), timeout=10)
        self._open.append(peer)
        if send:
            peer.sendall(send)
        return peer

    def close(self) -> None:
        for peer in self._open:
            peer.close()


@pytest.fixture
def connect(server: Server) -> Iterator[Peers]:
    peers = Peers(server)
    yield peers
    peers.close()


def pump(server: Server, *, wait_ms: int = 1_000) -> int:
    """Do what there is to do until nothing more comes; returns how many rounds that took."""
    rounds = 0
    while True:
        poll = select.poll()
        for descriptor, events in server.descriptors().items():
            poll.register(descriptor, events)
        ready = poll.poll(wait_ms)
        if not ready:
            return rounds
        rounds += 1
        wait_ms = 20
        for descriptor, events in ready:
            server.handle(descriptor, events)


def received(peer: socket.socket) -> bytes:
    """What has come so far."""
    peer.setblocking(False)
    data = b""
    try:
        while part := peer.recv(1_000_000):
            data += part
    except BlockingIOError:
        pass
    finally:
        peer.settimeout(10)
    return data


def is_ended(peer: socket.socket) -> bool:
    peer.settimeout(10)
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_request_is_answered_and_the_connection_stays(
    server: Server, answers: Answers, connect: Peers
) -> None:
    peer = connect()
    for _ in range(3):
        peer.sendall(GET)
        pump(server)
        assert received(peer).endswith(b"\r\n\r\n/x")
    assert answers.asked == [(Request("GET", "/x"), True)] * 3


def test_a_scrape_on_an_open_connection_wakes_the_loop_once(server: Server, connect: Peers) -> None:
    peer = connect(GET)
    pump(server)
    received(peer)
    peer.sendall(GET)
    assert pump(server) == 1
    assert received(peer).endswith(b"/x")


def test_a_request_in_pieces_is_answered_when_it_is_whole(server: Server, connect: Peers) -> None:
    peer = connect()
    for at in range(0, len(GET), 5):
        assert received(peer) == b""
        peer.sendall(GET[at : at + 5])
        pump(server)
    assert received(peer).endswith(b"/x")


def test_requests_in_one_piece_are_answered_in_order(server: Server, connect: Peers) -> None:
    paths = [f"/{number}" for number in range(30)]
    peer = connect(b"".join(f"GET {path} HTTP/1.1\r\n\r\n".encode() for path in paths))
    pump(server)
    answered = [part.partition(b"\r\n")[0] for part in received(peer).split(b"\r\n\r\n")[1:]]
    assert [text.removesuffix(b"HTTP/1.1 200 OK").decode() for text in answered] == paths


def test_one_who_asks_without_end_lets_others_have_their_turn(
    server: Server, answers: Answers, connect: Peers
) -> None:
    connect(GET * 100)
    (descriptor,) = server.descriptors()
    select.select([descriptor], [], [], 10)
    server.handle(descriptor, select.POLLIN)
    assert 0 < len(answers.asked) < 10
    other = connect(b"GET /other HTTP/1.1\r\n\r\n")
    pump(server)
    assert received(other).endswith(b"/other")
    assert len(answers.asked) == 101


def test_only_the_head_is_sent_if_only_that_is_asked_for(server: Server, connect: Peers) -> None:
    peer = connect(b"HEAD /x HTTP/1.1\r\n\r\n")
    pump(server)
    answer = received(peer)
    assert b"Content-Length: 2\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_who_wants_to_end_is_let_go(server: Server, connect: Peers) -> None:
    peer = connect(b"GET /x HTTP/1.1\r\nConnection: close\r\n\r\n")
    pump(server)
    assert received(peer).endswith(b"/x")
    assert is_ended(peer)
    assert len(server.descriptors()) == 1


def test_who_closes_is_forgotten(server: Server, connect: Peers) -> None:
    peer = connect(GET)
    pump(server)
    assert len(server.descriptors()) == 2
    peer.close()
    pump(server)
    assert len(server.descriptors()) == 1


def test_who_stops_sending_after_the_request_still_gets_the_answer(
    server: Server, connect: Peers
) -> None:
    peer = connect(GET)
    peer.shutdown(socket.SHUT_WR)
    pump(server)
    assert received(peer).endswith(b"/x")
    assert is_ended(peer)


def test_who_resets_the_connection_disturbs_nobody(server: Server, connect: Peers) -> None:
    peer = connect(b"GET /big HTTP/1.1\r\n\r\n")
    pump(server)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    pump(server)
    assert len(server.descriptors()) == 1


def test_an_answer_too_big_for_one_send_arrives_whole(server: Server, connect: Peers) -> None:
    peer = connect(b"GET /big HTTP/1.1\r\n\r\n")
    pump(server)
    data = b""
    while len(data) < BIG:
        part = received(peer)
        data += part
        pump(server, wait_ms=20)
    head, _, body = data.partition(b"\r\n\r\n")
    assert f"Content-Length: {BIG}".encode() in head
    assert body == b"." * BIG


def test_who_does_not_read_holds_up_nobody_and_is_dropped(
    server: Server, connect: Peers, clock: Any
) -> None:
    lazy = connect(b"GET /big HTTP/1.1\r\n\r\n")
    pump(server)
    other = connect(GET)
    pump(server)
    assert received(other).endswith(b"/x")
    clock.sleep(ANSWER_SECONDS)
    assert len(server.descriptors()) == 2
    assert len(received(lazy)) < BIG


def test_who_never_ends_the_request_is_dropped_however_often_a_byte_comes(
    server: Server, connect: Peers, clock: Any
) -> None:
    peer = connect(b"GET /x HTTP/1.1\r\nX: ")
    for _ in range(int(REQUEST_SECONDS) - 1):
        pump(server)
        clock.sleep(1)
        peer.sendall(b"x")
    pump(server)
    assert len(server.descriptors()) == 2
    clock.sleep(1)
    assert len(server.descriptors()) == 1
    assert is_ended(peer)


def test_an_idle_connection_is_kept_from_one_scrape_to_the_next_and_then_dropped(
    server: Server, connect: Peers, clock: Any
) -> None:
    connect(GET)
    pump(server)
    clock.sleep(IDLE_SECONDS - 1)
    assert len(server.descriptors()) == 2
    clock.sleep(1)
    assert len(server.descriptors()) == 1


def test_a_head_without_end_is_refused(server: Server, connect: Peers) -> None:
    peer = connect(b"GET /x HTTP/1.1\r\nX: " + b"x" * MAX_HEAD_BYTES)
    pump(server)
    assert received(peer).startswith(b"HTTP/1.1 431 ")
    assert is_ended(peer)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\r\n\r\n", b"400"),
        (b"POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"400"),
        (b"GET /x HTTP/3\r\n\r\n", b"505"),
        (b"GET /x HTTP/1.1\r\nX: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n", b"431"),
    ],
)
def test_what_is_no_request_is_refused_and_ends_the_connection(
    server: Server, answers: Answers, connect: Peers, data: bytes, status: bytes
) -> None:
    peer = connect(data + GET)
    pump(server)
    assert received(peer).startswith(b"HTTP/1.1 " + status)
    assert answers.asked == []
    assert len(server.descriptors()) == 1


def test_idle_connections_make_room_for_new_ones(
    server: Server, connect: Peers, clock: Any
) -> None:
    peers = []
    for _ in range(MAX_CONNECTIONS):
        peers.append(connect(GET))
        pump(server)
        clock.sleep(1)
    last = connect(GET)
    pump(server)
    assert received(last).endswith(b"/x")
    assert len(server.descriptors()) == 1 + MAX_CONNECTIONS
    received(peers[0])
    assert is_ended(peers[0])
    peers[1].sendall(GET)
    pump(server)
    assert received(peers[1]).endswith(b"/x")


def test_with_all_connections_at_work_a_new_one_is_turned_away(
    server: Server, connect: Peers
) -> None:
    for _ in range(MAX_CONNECTIONS):
        connect(b"GET /big HTTP/1.1\r\n\r\n")
        pump(server)
    assert is_ended_after(server, connect(GET))
    assert len(server.descriptors()) == 1 + MAX_CONNECTIONS


def test_requests_that_do_not_come_to_their_end_keep_nobody_out(
    server: Server, connect: Peers, clock: Any
) -> None:
    scraper = connect(GET)
    pump(server)
    received(scraper)
    for _ in range(2 * MAX_CONNECTIONS):
        connect(b"GET /x HTTP/1.1\r\nX: ")
        pump(server)
        clock.sleep(0.1)
    for peer in (scraper, connect()):
        peer.sendall(GET)
        pump(server)
        assert received(peer).endswith(b"/x")


def test_peers_that_say_nothing_keep_nobody_out(server: Server, connect: Peers) -> None:
    for _ in range(2 * MAX_CONNECTIONS):
        connect()
    peer = connect(GET)
    pump(server)
    assert received(peer).endswith(b"/x")


def is_ended_after(server: Server, peer: socket.socket) -> bool:
    pump(server)
    return is_ended(peer)


def test_without_descriptors_left_it_waits_before_it_lets_in_again(
    server: Server, answers: Answers, connect: Peers, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = connect(GET)

    def accept(_: socket.socket) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "accept", accept)
        assert pump(server) == 1
    assert server.descriptors() == {}
    clock.sleep(1)
    pump(server)
    assert received(peer).endswith(b"/x")


def test_a_descriptor_that_is_gone_is_nobodys(server: Server) -> None:
    server.handle(9_999, select.POLLIN)
    assert len(server.descriptors()) == 1


@pytest.mark.parametrize("host", ["::1", "127.0.0.1", "localhost"])
def test_it_listens_at_addresses_of_both_kinds(host: str, answers: Answers, clock: Any) -> None:
    if host == "::1" and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    server = Server(host, 0, answers, clock)
    with socket.create_connection((host, server.port), timeout=10) as peer:
        peer.sendall(GET)
        pump(server)
        assert received(peer).endswith(b"/x")
    server.close()
    assert answers.asked == [(Request("GET", "/x"), True)]


def test_it_answers_ipv4_at_the_address_for_all(answers: Answers, clock: Any) -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")
    server = Server("::", 0, answers, clock)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as peer:
        peer.sendall(GET)
        pump(server)
        assert received(peer).endswith(b"/x")
    server.close()
    assert answers.asked == [(Request("GET", "/x"), True)]


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_after_closing_nothing_is_left(server: Server, connect: Peers) -> None:
    peer = connect(GET)
    pump(server)
    received(peer)
    server.close()
    assert server.descriptors() == {}
    assert is_ended(peer)
    with pytest.raises(ConnectionRefusedError):
        connect()
