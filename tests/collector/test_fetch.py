import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import UsageError
from wattline_collector import fetch
from wattline_collector.fetch import FetchFailed, Place


def test_the_answer_is_returned_as_it_is(portal: Any) -> None:
    portal.body = b'[{"project": "a"}]'
    assert fetch.get(Place(portal.url)) == portal.body
    ((path, headers),) = portal.asked
    assert path == "/projects"
    assert headers["Accept"] == "application/json"
    assert "Authorization" not in headers


def test_what_is_asked_for_follows_the_address(portal: Any) -> None:
    fetch.get(Place(portal.url + "/"), "/x?limit=5")
    assert portal.asked[0][0] == "/projects/x?limit=5"


def test_a_token_is_read_anew_for_every_question(portal: Any, tmp_path: Path) -> None:
    token = tmp_path / "token"
    for secret in ("first", "second"):
        token.write_text(f"{secret}\n")
        fetch.get(Place(portal.url, token))
    assert [headers["Authorization"] for _, headers in portal.asked] == [
        "Bearer first", "Bearer second",
    ]  # fmt: skip


@pytest.mark.parametrize("content", [None, b"", b"a\nb", b"\xff", b"a b"])
def test_a_token_that_is_none_is_named_and_nothing_is_sent(
    portal: Any, tmp_path: Path, content: bytes | None
) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_bytes(content)
    with pytest.raises(UsageError, match=str(token)):
        fetch.get(Place(portal.url, token))
    assert portal.asked == []


def test_an_answer_without_end_is_cut_off(portal: Any) -> None:
    portal.body = b"x" * 1000
    with pytest.raises(FetchFailed, match="more than 999 bytes"):
        fetch.get(Place(portal.url), most_bytes=999)


def test_a_peer_that_says_nothing_is_given_up(portal: Any) -> None:
    goes = threading.Event()
    portal.instead = lambda write: goes.wait(10) and None
    try:
        with pytest.raises(FetchFailed, match="timed out"):
            fetch.get(Place(portal.url), seconds=0.05)
    finally:
        goes.set()


def test_a_peer_that_trickles_meets_the_deadline(portal: Any) -> None:
    times = iter(range(0, 10_000, 10))

    def trickle(write: Callable[[bytes], object]) -> None:
        write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50)

    portal.instead = trickle
    with pytest.raises(FetchFailed, match="did not end within 5 seconds"):
        fetch.get(Place(portal.url), seconds=5, now=lambda: next(times))


def test_an_answer_that_breaks_off_is_none(portal: Any) -> None:
    portal.instead = lambda write: (write(b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n[]"), None)[
        1
    ]
    with pytest.raises(FetchFailed, match="broke off"):
        fetch.get(Place(portal.url))


def test_what_is_no_http_is_no_answer(portal: Any) -> None:
    portal.instead = lambda write: (write(b"SSH-2.0-OpenSSH\r\n"), None)[1]
    with pytest.raises(FetchFailed, match="no answer"):
        fetch.get(Place(portal.url))


def test_nobody_there_is_said() -> None:
    with pytest.raises(FetchFailed, match="Connection refused"):
        fetch.get(Place("http://127.0.0.1:1/projects"))


@pytest.mark.openssl
def test_a_certificate_is_verified(tls_portal: Any, certificate: tuple[Path, Path]) -> None:
    with pytest.raises(FetchFailed, match="certificate not trusted"):
        fetch.get(Place(tls_portal.url))
    assert tls_portal.asked == []
    assert fetch.get(Place(tls_portal.url, ca_file=certificate[0])) == b"[]"


@pytest.mark.openssl
def test_a_certificate_of_another_name_is_not_trusted(
    tls_portal: Any, certificate: tuple[Path, Path]
) -> None:
    url = tls_portal.url.replace("localhost", "127.0.0.1")
    with pytest.raises(FetchFailed, match="certificate not trusted"):
        fetch.get(Place(url, ca_file=certificate[0]))


def test_certificates_that_are_none_are_named(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("none")
    with pytest.raises(UsageError, match=r"ca\.pem: holds no certificates"):
        fetch.get(Place("https://localhost:1/", ca_file=file))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://x/", "not an address"),
        ("portal.example", "not an address"),
        ("https://me:secret@x/", "use --token"),
        ("http://portal.example/", "https only"),
    ],
)
def test_an_address_that_will_not_do_is_refused(url: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        Place(url, tmp_path / "token").check("--url", "--token")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://portal.example/", "http://127.0.0.1:80/", "http://localhost/"]
)
def test_a_token_may_travel_encrypted_or_at_home(url: str, tmp_path: Path) -> None:
    Place(url, tmp_path / "token").check("--url", "--token")


def test_a_peer_whose_head_never_ends_meets_the_deadline(portal: Any) -> None:
    ended = threading.Event()

    def drip(write: Callable[[bytes], object]) -> None:
        write(b"HTTP/1.1 200 OK\r\n")
        with suppress(OSError):
            while not ended.wait(0.02):
                write(b"X")

    portal.instead = drip
    try:
        with pytest.raises(FetchFailed, match="timed out"):
            fetch.get(Place(portal.url), seconds=0.2)
    finally:
        ended.set()


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://host/x", "//host/x", "http://", "http://u:p@host/"]
)
def test_only_http_is_asked(url: str) -> None:
    with pytest.raises(UsageError, match="--url"):
        Place(url).check("--url", "--token-file")


def test_a_redirect_is_not_followed(portal: Any) -> None:
    """It could lead to what only this machine may ask, and would take the token along."""
    portal.status, portal.fields = 302, {"Location": portal.url + "/elsewhere"}
    with pytest.raises(FetchFailed, match="302"):
        fetch.get(Place(portal.url))
    assert len(portal.asked) == 1


def test_an_address_cannot_smuggle_a_second_request(portal: Any) -> None:
    with pytest.raises(FetchFailed, match="no answer"):
        fetch.get(Place(portal.url), "/x HTTP/1.1\r\nHost: other\r\n\r\nGET /secret")
    assert portal.asked == []
