import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import ReadFailed, UsageError
from wattline_agents.sources.scraped import fetch
from wattline_agents.sources.scraped.fetch import Page


def test_a_page_is_got_as_it_is(exporter: Any) -> None:
    exporter.body = "node_x 1 # é\n".encode()
    assert Page(exporter.url).get() == "node_x 1 # é\n"
    ((path, headers),) = exporter.asked
    assert path == "/metrics"
    assert headers["Accept"].startswith("text/plain;version=0.0.4")
    assert "Authorization" not in headers


@pytest.mark.parametrize(
    ("given", "asked"),
    [("", "/metrics"), ("/", "/metrics"), ("/x?collect[]=cpu", "/x?collect[]=cpu")],
)
def test_the_path_is_the_usual_one_unless_told(exporter: Any, given: str, asked: str) -> None:
    Page(exporter.url.removesuffix("/metrics") + given).get()
    assert exporter.asked[0][0] == asked


def test_bytes_that_are_no_text_do_no_harm(exporter: Any) -> None:
    exporter.body = b'a{x="\xff"} 1\n'
    assert Page(exporter.url).get() == 'a{x="\ufffd"} 1\n'


def test_a_token_is_read_anew_for_every_page(exporter: Any, tmp_path: Path) -> None:
    token = tmp_path / "token"
    page = Page(exporter.url, token)
    for secret in ("first", "second"):
        token.write_text(f"{secret}\n")
        page.get()
    assert [headers["Authorization"] for _, headers in exporter.asked] == [
        "Bearer first", "Bearer second",
    ]  # fmt: skip


@pytest.mark.parametrize("content", [None, b"", b"a\nb", b"\xff"])
def test_a_token_that_is_none_is_named_and_nothing_is_sent(
    exporter: Any, tmp_path: Path, content: bytes | None
) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_bytes(content)
    with pytest.raises(ReadFailed, match=f"token file {token}: "):
        Page(exporter.url, token).get()
    assert exporter.asked == []


@pytest.mark.parametrize(
    ("status", "complaint"),
    [
        (302, "HTTP 302 leads elsewhere; give that address itself"),
        (401, "HTTP 401; is token_file right"),
        (500, "HTTP 500"),
        (204, "HTTP 204"),
    ],
)
def test_only_an_answer_of_its_own_is_a_page(exporter: Any, status: int, complaint: str) -> None:
    exporter.status, exporter.fields = status, {"Location": "http://169.254.169.254/"}
    with pytest.raises(ReadFailed, match=complaint):
        Page(exporter.url).get()
    assert len(exporter.asked) == 1


def test_a_compressed_answer_is_refused(exporter: Any) -> None:
    exporter.fields = {"Content-Encoding": "gzip"}
    with pytest.raises(ReadFailed, match="answers in 'gzip' though asked not to"):
        Page(exporter.url).get()


def test_a_page_without_end_is_given_up(exporter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MOST_BYTES", 1_000)
    exporter.body = b"x" * 1_001
    with pytest.raises(ReadFailed, match="a page of more than 1000 bytes"):
        Page(exporter.url).get()


class Slow:
    """Time that passes by a second whenever someone asks for it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def unix_ms(self) -> int:
        return 0

    def monotonic(self) -> float:
        self.seconds += 1.0
        return self.seconds

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here sleeps")


def test_a_server_that_sends_byte_by_byte_cannot_hold_its_reader(exporter: Any) -> None:
    def drip(write: Callable[[bytes], object]) -> None:
        write(b"HTTP/1.0 200 OK\r\n\r\n")
        try:
            for _ in range(100_000):
                write(b"x" * 10_000)
        except OSError:
            pass  # the reader has gone

    exporter.instead = drip
    with pytest.raises(ReadFailed, match="no whole page in time"):
        Page(exporter.url, seconds=5.0, clock=Slow()).get()


@pytest.mark.parametrize(
    "answer", [b"", b"rubbish\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200]
)
def test_what_is_no_http_is_a_failed_reading(exporter: Any, answer: bytes) -> None:
    exporter.instead = lambda write: write(answer) and None
    with pytest.raises(ReadFailed, match=exporter.url):
        Page(exporter.url).get()


def test_nobody_there_is_a_failed_reading() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(ReadFailed, match="Connection refused"):
        Page(f"http://127.0.0.1:{port}/metrics").get()


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("127.0.0.1:9400", "not an address such as"),
        ("ftp://x/", "not an address such as"),
        ("http://", "not an address such as"),
        ("file:///etc/passwd", "not an address such as"),
        ("http://x:99999/", "Port out of range"),
        ("http://me:secret@x/", "put a token in token_file"),
        ("http://x/\r\nHost: y", "not an address such as"),
    ],
)
def test_what_is_no_address_is_refused(url: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        Page(url)
