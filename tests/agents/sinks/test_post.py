"""The client against real servers, well behaved and not."""

import http.server
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wattline_agents.errors import UsageError
from wattline_agents.sinks.post import MOST_BODY_BYTES, NoAnswer, Poster

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Script:
    """A server that says what it is told to: one answer after another, on each connection.

    None ends the connection; bytes are sent when a whole request has come.
    """

    def __init__(self, *connections: list[bytes | None], context: ssl.SSLContext | None = None):
        self.requests: list[bytes] = []
        self.opened = 0
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self._socket.getsockname()[1]}"
        self._connections = connections
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # ends waiting for a connection
        self._thread.join(30)
        self._socket.close()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        for answers in self._connections:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.opened += 1
            connection.settimeout(30)
            try:
                if self._context is not None:
                    connection = self._context.wrap_socket(connection, server_side=True)
                for answer in answers:
                    self.requests.append(_request(connection))
                    if answer is None:
                        break
                    connection.sendall(answer)
                else:
                    connection.recv(1)  # until the other end is done with it
            except (OSError, EOFError):
                pass  # the other end has gone
            connection.close()


def _request(connection: socket.socket) -> bytes:
    came = b""
    while b"\r\n\r\n" not in came:
        data = connection.recv(65536)
        if not data:
            raise EOFError
        came += data
    head, _, body = came.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def script() -> Iterator[Callable[..., Script]]:
    made: list[Script] = []

    def make(*connections: list[bytes | None], **more: ssl.SSLContext) -> Script:
        made.append(Script(*connections, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def poster() -> Iterator[Callable[..., Poster]]:
    made: list[Poster] = []

    def make(url: str, timeout: float = 20.0) -> Poster:
        made.append(Poster(url, timeout))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_what_is_sent_is_what_was_given(
    script: Callable[..., Script], poster: Callable[..., Poster]
) -> None:
    server = script([OK])
    reply = poster(server.url).post("/a/b", {"X-One": "1", "X-Two": "2"}, bytearray(b"body"))
    assert (reply.status, reply.body, reply.retry_after) == (200, b"ok", None)
    host = server.url.removeprefix("http://")
    assert server.requests == [
        f"POST /a/b HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\n"
        f"X-One: 1\r\nX-Two: 2\r\n\r\nbody".encode()
    ]


def test_one_connection_serves_many_posts(
    script: Callable[..., Script], poster: Callable[..., Poster]
) -> None:
    empty = b"HTTP/1.1 204 No Content\r\n\r\n"
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n"
    )
    client = poster(script([OK, empty, chunked, OK]).url)
    bodies = [client.post("/", {}, b"x").body for _ in range(4)]
    assert bodies == [b"ok", b"", b"abc", b"ok"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 20_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5000\r\n" + b"x" * 0x5000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: soon\r\n\r\n",
    ],
    ids=["close", "1.0", "long", "long chunk", "no chunk", "no length"],
)
def test_a_connection_that_cannot_be_used_again_is_not(
    script: Callable[..., Script], poster: Callable[..., Poster], answer: bytes
) -> None:
    server = script([answer], [OK])
    client = poster(server.url)
    reply = client.post("/", {}, b"x")
    assert reply.status == 200
    assert len(reply.body) <= MOST_BODY_BYTES
    assert client.post("/", {}, b"x").body == b"ok"
    assert server.opened == 2


def test_an_answer_of_http_1_0_ends_with_its_connection(
    script: Callable[..., Script], poster: Callable[..., Poster]
) -> None:
    server = script([b"HTTP/1.0 503 Busy\r\nRetry-After: 7\r\n\r\nlater", None])
    client = poster(server.url, timeout=0.5)
    reply = client.post("/", {}, b"x")
    assert (reply.status, reply.retry_after, reply.text()) == (503, "7", "later")


def test_answers_before_the_one_that_counts_are_passed_over(
    script: Callable[..., Script], poster: Callable[..., Poster]
) -> None:
    server = script([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n" + OK])
    assert poster(server.url).post("/", {}, b"x").body == b"ok"


@pytest.mark.parametrize("answers", [[OK, None], [OK]], ids=["unanswered", "closed"])
def test_a_kept_connection_that_was_closed_meanwhile_is_no_failure(
    script: Callable[..., Script], poster: Callable[..., Poster], answers: list[bytes | None]
) -> None:
    server = script(answers, [OK])
    client = poster(server.url)
    client.post("/", {}, b"1")
    if answers == [OK]:
        client._socket.shutdown(socket.SHUT_WR)  # the server sees its end, and closes
    assert client.post("/", {}, b"2").body == b"ok"
    assert server.requests[-1].endswith(b"\r\n\r\n2")
    assert server.opened == 2


def test_a_new_connection_that_is_closed_is_a_failure(
    script: Callable[..., Script], poster: Callable[..., Poster]
) -> None:
    server = script([None], [OK])
    with pytest.raises(NoAnswer, match=r"closed without an answer|reset"):
        poster(server.url).post("/", {}, b"x")
    assert server.opened == 1


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"nonsense\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 20\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/2 200 OK\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 200_000, "headers without an end"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 100, "no end of interim answers"),
        (b"HTTP/1.1 200 OK\r\nContent-", "no answer in time"),
    ],
    ids=["nonsense", "half a status", "2", "huge", "interim", "half a head"],
)
def test_what_is_no_answer_is_said(
    script: Callable[..., Script], poster: Callable[..., Poster], answer: bytes, complaint: str
) -> None:
    client = poster(script([answer]).url, timeout=0.5 if "time" in complaint else 20)
    with pytest.raises(NoAnswer, match=complaint):
        client.post("/", {}, b"x")


def test_a_status_that_came_counts_even_if_the_rest_does_not_come(
    script: Callable[..., Script], poster: Callable[..., Poster]
) -> None:
    server = script([b"HTTP/1.1 400 Bad\r\nContent-Length: 100\r\n\r\nbecause"])
    reply = poster(server.url, timeout=0.3).post("/", {}, b"x")
    assert (reply.status, reply.text()) == (400, "because")


def test_an_answer_that_trickles_does_not_take_longer_than_told(
    poster: Callable[..., Poster],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = poster(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.3)
        over = threading.Event()

        def trickle() -> None:
            connection, _ = server.accept()
            with connection:
                while not over.wait(0.02):
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        return

        thread = threading.Thread(target=trickle)
        thread.start()
        with pytest.raises(NoAnswer, match="no answer in time"):
            client.post("/", {}, b"x")
        over.set()
        thread.join()


def test_who_refuses_a_body_without_reading_it_is_heard(poster: Callable[..., Poster]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            connection, _ = server.accept()
            connection.recv(10)
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 20):
                pass  # so that the answer is not lost
            connection.close()

        thread = threading.Thread(target=refuse)
        thread.start()
        client = poster(f"http://127.0.0.1:{server.getsockname()[1]}")
        assert client.post("/", {}, bytes(10_000_000)).status == 413
        client.close()
        thread.join()


def test_a_post_that_waits_can_be_ended_from_elsewhere(
    script: Callable[..., Script], poster: Callable[..., Poster]
) -> None:
    server = script([OK, b""])
    client = poster(server.url, timeout=60)
    client.post("/", {}, b"1")
    reasons: list[str] = []

    def post() -> None:
        with pytest.raises(NoAnswer) as caught:
            client.post("/", {}, b"2")
        reasons.append(str(caught.value))

    thread = threading.Thread(target=post)
    thread.start()
    until = time.monotonic() + 30
    while len(server.requests) < 2 and time.monotonic() < until:
        time.sleep(0.005)
    client.interrupt()
    thread.join(30)
    assert len(reasons) == 1
    assert server.opened == 1, "and it does not begin anew"


def test_the_standard_server_and_ipv6(poster: Callable[..., Poster]) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6

    try:
        server = Server(("::1", 0), Handler)
    except OSError:
        pytest.skip("no IPv6 on this machine")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        client = poster(f"http://[::1]:{server.server_port}")
        assert [client.post("/", {}, bytes([65 + n])).body for n in range(3)] == [b"A", b"B", b"C"]
        client.close()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.openssl
def test_a_certificate_is_checked(
    script: Callable[..., Script],
    poster: Callable[..., Poster],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key, signed = tmp_path / "key.pem", tmp_path / "signed.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
    )
    subprocess.run(
        [*command.split(), "-keyout", str(key), "-out", str(signed)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed, key)
    server = script([OK], [OK, OK, None], [OK], context=context)
    with pytest.raises(NoAnswer, match=r"certificate not trusted: self.signed"):
        poster(server.url).post("/", {}, b"x")
    monkeypatch.setenv("SSL_CERT_FILE", str(signed))
    client = poster(server.url)
    for _ in range(3):  # the third on a connection that was closed without an answer
        assert client.post("/", {}, b"x").body == b"ok"
    assert server.opened == 3


@pytest.mark.parametrize(
    "url",
    ["collector:8600", "ftp://x", "http://", "http://x:0", "http://x:99999", "http://x/?a=1",
     "http://user:secret@x", "http://x y", "http://x/a b", "http://x/\r\nA: b", "http://[::1",
     "http://exämple", "http://x#y"],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="not an address such as"):
        Poster(url, 1.0)


def test_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys; from wattline_agents.sinks.transport import HttpTransport\n"
        "from wattline_agents.sinks.post import Poster, NoAnswer\n"
        "try: Poster('http://127.0.0.1:9', 5).post('/', {}, b'')\n"
        "except NoAnswer: print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    heavy = {"http.client", "email", "urllib.request", "ssl", "encodings.idna", "hashlib"}
    assert set(done.stdout.split()) & (heavy | {"socket"}) == {"socket"}
