import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import UsageError
from wattline_agents.sinks.answer import Verdict
from wattline_agents.sinks.batch import Batch
from wattline_agents.sinks.transport import HttpTransport, NotReached

MakeBatch = Callable[..., Batch]


@pytest.mark.parametrize(
    "url", ["collector:8600", "ftp://x", "http://", "http://x:99999", "http://x/?a=1"]
)
def test_what_is_no_address_is_refused_before_anything_starts(url: str) -> None:
    with pytest.raises(UsageError, match="--push"):
        HttpTransport(url)


def test_a_path_in_front_is_kept(collector: Any, make_batch: MakeBatch) -> None:
    transport = HttpTransport(collector.url + "/wattline/")
    answer, _ = transport.send(make_batch(1))
    assert answer.verdict is Verdict.DELIVERED
    transport.close()


def test_an_answer_is_told_in_one_line(collector: Any, make_batch: MakeBatch) -> None:
    collector.answers = [(403, {})]
    transport = HttpTransport(collector.url)
    answer, text = transport.send(make_batch(1))
    assert answer.verdict is Verdict.DENIED
    assert text == "HTTP 403: told so", "its reason, not its JSON"
    transport.close()


def test_nobody_there_is_said_with_the_address(make_batch: MakeBatch) -> None:
    with pytest.raises(NotReached, match=r"http://127\.0\.0\.1:9: Connection refused"):
        HttpTransport("http://127.0.0.1:9").send(make_batch(1))


def test_a_name_that_does_not_exist_is_no_crash(make_batch: MakeBatch) -> None:
    with pytest.raises(NotReached, match=r"http://nowhere\.invalid: "):
        HttpTransport("http://nowhere.invalid").send(make_batch(1))


def test_a_kept_connection_that_was_closed_is_opened_again(
    collector: Any, make_batch: MakeBatch
) -> None:
    collector.answers = [(204, {"Connection": "close"}), (204, {})]
    transport = HttpTransport(collector.url)
    for sequence in (1, 2):
        answer, _ = transport.send(make_batch(sequence))
        assert answer.verdict is Verdict.DELIVERED
    assert collector.connections == 2
    transport.close()


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 2"])
def test_an_answer_that_is_none_is_not_reached(make_batch: MakeBatch, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            connection.recv(65536)
            connection.sendall(answer)
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        transport = HttpTransport(f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(NotReached):
            transport.send(make_batch(1))
        thread.join()


def test_no_answer_in_time_is_not_reached(make_batch: MakeBatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        transport = HttpTransport(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.05)
        with pytest.raises(NotReached, match="no answer in time"):
            transport.send(make_batch(1))


def test_a_token_that_was_replaced_is_read_again_after_a_denial(
    collector: Any, make_batch: MakeBatch, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    transport = HttpTransport(collector.url, token)
    collector.answers = [(401, {})]
    transport.send(make_batch(1))
    token.write_text("new\n")
    transport.send(make_batch(1))
    assert collector.received[0].fields["Authorization"] == "Bearer new"
    transport.close()


@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "No such file"), ("", "not a line"), ("a\nb", "not a line")]
)
def test_a_token_that_cannot_be_read_is_named_and_waited_for(
    collector: Any, make_batch: MakeBatch, tmp_path: Path, content: str | None, complaint: str
) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_text(content)
    with pytest.raises(NotReached, match=f"token file {token}: {complaint}"):
        HttpTransport(collector.url, token).send(make_batch(1))
    assert collector.received == []
