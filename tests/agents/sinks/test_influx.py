import gzip
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.config import AgentConfig, InfluxSettings
from wattline_agents.errors import UsageError
from wattline_agents.sinks.answer import Answer, Backoff, Verdict
from wattline_agents.sinks.influx import MOST_LINES, ClientWrites, InfluxSink, Writer
from wattline_agents.sinks.transport import NotReached

AGENT = AgentConfig(system="test", node="n01")


def row(time_ms: int = 1, device: str = "GPU-1") -> dict[str, Any]:
    return {"time_unix_ms": time_ms, "device": device, "power_watts": 1.5}


def line(time_ms: int = 1, device: str = "GPU-1") -> str:
    return f"aif_gpu,device={device},node=n01 power_watts=1.5 {time_ms}"


class FakeWrites:
    """Answers what it is told to, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: list[Answer | NotReached] = []
        self.sent: list[str] = []
        self.tries = 0
        self.is_closed = False

    def send(self, lines: bytes) -> tuple[Answer, str]:
        self.tries += 1
        answer = self.answers.pop(0) if self.answers else Answer(Verdict.DELIVERED)
        if isinstance(answer, NotReached):
            raise answer
        if answer.verdict is Verdict.DELIVERED:
            self.sent.append(gzip.decompress(lines).decode())
        return answer, "told so"

    def close(self) -> None:
        self.is_closed = True

    @property
    def lines(self) -> list[str]:
        return [line for text in self.sent for line in text.split("\n")]


@pytest.fixture
def writes() -> FakeWrites:
    return FakeWrites()


@pytest.fixture
def make_writer(clock: Any, writes: FakeWrites, said: list[str]) -> Callable[..., Writer]:
    def make(**more: Any) -> Writer:
        arguments: dict[str, Any] = {
            "every_seconds": 10.0,
            "clock": clock,
            "say": said.append,
            "backoff": Backoff(chance=lambda: 0.5),
            "chance": lambda: 0.0,
        }
        return Writer("n01", writes, **(arguments | more))

    return make


def pump_for(writer: Writer, clock: Any, seconds: float) -> None:
    end = clock.monotonic() + seconds
    while clock.monotonic() < end:
        clock.sleep(min(max(writer.pump(), 0.001), end - clock.monotonic() + 1e-6))


def test_every_row_is_written_with_its_own_time(
    clock: Any, writes: FakeWrites, make_writer: Any
) -> None:
    writer = make_writer()
    for second in range(30):
        writer.accept("device", [row(second * 1000)])
        pump_for(writer, clock, 1)
    pump_for(writer, clock, 10)
    assert writes.lines == [line(second * 1000) for second in range(30)]
    assert writes.tries == 4, "one write each ten seconds, and the first at once"


def test_very_many_lines_become_several_writes(writes: FakeWrites, make_writer: Any) -> None:
    writer = make_writer()
    writer.accept("device", [row(at) for at in range(MOST_LINES + 1)])
    writer.finish(60)
    assert [text.count("\n") + 1 for text in writes.sent] == [MOST_LINES, 1]


def test_who_a_device_is_is_written_each_minute(
    clock: Any, writes: FakeWrites, make_writer: Any
) -> None:
    writer = make_writer()
    writer.accept("device_info", [{"time_unix_ms": 1, "device": "GPU-1", "model": "H100"}])
    pump_for(writer, clock, 125)
    assert len(writes.lines) == 3
    assert {text.rpartition(" ")[0] for text in writes.lines} == {
        "aif_gpu,device=GPU-1,model=H100,node=n01 info=1i"
    }
    times = [int(text.rpartition(" ")[2]) for text in writes.lines]
    assert [b - a for a, b in pairwise(times)] == [60_000, 60_000]


def test_while_the_database_is_away_lines_wait_and_then_leave_in_order(
    clock: Any, writes: FakeWrites, make_writer: Any, said: list[str]
) -> None:
    writer = make_writer()
    writes.answers = [NotReached("Connection refused")] * 5
    for second in range(120):
        writer.accept("device", [row(second)])
        pump_for(writer, clock, 1)
    assert writes.lines == [line(second) for second in range(len(writes.lines))]
    assert len(writes.lines) >= 110
    assert writer.health().exports_failed == 0
    assert said == [
        "influx: Connection refused; readings wait in memory, the oldest go first",
        "influx: works again",
    ]


def test_what_waits_is_bounded_and_what_was_given_up_is_counted(
    clock: Any, writes: FakeWrites, make_writer: Any
) -> None:
    writer = make_writer(most_bytes=1_000)
    writes.answers = [NotReached("refused")] * 8
    for second in range(600):
        writer.accept("device", [row(second)])
        pump_for(writer, clock, 1)
    writer.finish(60)
    given_up = writer.health().exports_failed
    assert given_up > 0
    assert writes.lines == [line(second) for second in range(600 - len(writes.lines), 600)]


def test_rows_with_a_value_that_no_field_holds_are_given_up_and_the_others_go(
    writes: FakeWrites, make_writer: Any, said: list[str]
) -> None:
    writer = make_writer()
    writer.accept("device", [row() | {"power_watts": 10**400}])
    writer.accept("device", [row(2)])
    writer.flush()
    writer.pump()
    assert writes.lines == [line(2)]
    assert writer.health().exports_failed == 1
    assert "these rows are dropped" in said[0]


def test_rows_that_no_thread_fetches_are_bounded(make_writer: Any) -> None:
    writer = make_writer()
    many = [row()] * 50_000
    for _ in range(3):
        writer.accept("device", many)
    assert writer.health().exports_failed == 1


def test_a_write_that_is_refused_is_given_up_and_the_next_goes(
    clock: Any, writes: FakeWrites, make_writer: Any, said: list[str]
) -> None:
    writer = make_writer()
    writes.answers = [Answer(Verdict.REFUSED)]
    writer.accept("device", [row(1)])
    pump_for(writer, clock, 1)
    writer.accept("device", [row(2)])
    pump_for(writer, clock, 10)
    assert writes.lines == [line(2)]
    assert writer.health().exports_failed == 1
    assert said[0] == "influx: a write was refused and is dropped: told so"


def test_a_write_too_large_goes_in_parts_in_order(writes: FakeWrites, make_writer: Any) -> None:
    writer = make_writer()
    writes.answers = [Answer(Verdict.TOO_LARGE)] * 2
    writer.accept("device", [row(at) for at in range(8)])
    writer.finish(60)
    assert writes.lines == [line(at) for at in range(8)]
    assert len(writes.sent) == 3


def test_a_line_too_large_by_itself_is_given_up(writes: FakeWrites, make_writer: Any) -> None:
    writer = make_writer()
    writes.answers = [Answer(Verdict.TOO_LARGE)]
    writer.accept("device", [row()])
    writer.finish(60)
    assert (writes.lines, writer.health().exports_failed) == ([], 1)


def test_a_busy_database_is_left_alone_as_long_as_it_asks(
    clock: Any, writes: FakeWrites, make_writer: Any
) -> None:
    writer = make_writer()
    writes.answers = [Answer(Verdict.LATER, wait_seconds=100.0)]
    writer.accept("device", [row()])
    pump_for(writer, clock, 100)
    assert writes.tries == 1
    pump_for(writer, clock, 20)
    assert writes.lines == [line()]


def test_at_the_end_nobody_waits_for_a_database_that_is_away(
    clock: Any, writes: FakeWrites, make_writer: Any
) -> None:
    writer = make_writer()
    writes.answers = [NotReached("refused")] * 10
    writer.accept("device", [row()])
    pump_for(writer, clock, 1)
    writer.accept("device", [row()])
    writer.finish(5)
    assert (writes.tries, writes.is_closed) == (1, True)


# Through InfluxDB's own client, to a real server.


class Database:
    """Takes writes, or answers what it is told to."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        database = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                database.requests.append((self.path, dict(self.headers), body))
                status = database.statuses.pop(0) if database.statuses else 204
                text = b"" if status == 204 else b'{"message": "told so"}'
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                if status == 429:
                    self.send_header("Retry-After", "7")
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def database() -> Iterator[Database]:
    server = Database()
    yield server
    server.close()


def test_the_client_sends_lines_compressed_with_bucket_token_and_milliseconds(
    database: Database, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    writes = ClientWrites(InfluxSettings(database.url, "gpus", "site", token))
    assert writes.send(gzip.compress(b"aif_gpu,node=n01 up=1i 5")) == (
        Answer(Verdict.DELIVERED),
        "",
    )
    writes.close()
    ((path, fields, body),) = database.requests
    assert path == "/api/v2/write?org=site&bucket=gpus&precision=ms"
    assert fields["Authorization"] == "Token secret"
    assert gzip.decompress(body) == b"aif_gpu,node=n01 up=1i 5"


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (400, Answer(Verdict.REFUSED)),
        (401, Answer(Verdict.DENIED)),
        (404, Answer(Verdict.DENIED)),
        (413, Answer(Verdict.TOO_LARGE)),
        (429, Answer(Verdict.LATER, 7.0)),
        (503, Answer(Verdict.LATER)),
    ],
)
def test_what_the_database_answers_is_understood(
    database: Database, status: int, answer: Answer
) -> None:
    database.statuses = [status]
    writes = ClientWrites(InfluxSettings(database.url))
    assert writes.send(b"aif_gpu up=1i 5") == (answer, f'HTTP {status}: {{"message": "told so"}}')
    writes.close()


def test_a_token_that_was_replaced_is_used_after_a_refusal(
    database: Database, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    writes = ClientWrites(InfluxSettings(database.url, token_file=token))
    token.write_text("new")
    database.statuses = [401]
    assert writes.send(b"aif_gpu up=1i 5")[0] == Answer(Verdict.DENIED)
    assert writes.send(b"aif_gpu up=1i 5")[0] == Answer(Verdict.DELIVERED)
    writes.close()
    used = [fields["Authorization"] for _, fields, _ in database.requests]
    assert used == ["Token old", "Token new"]


def test_a_database_that_is_not_there_is_said_in_few_words() -> None:
    writes = ClientWrites(InfluxSettings("http://127.0.0.1:9"))
    with pytest.raises(NotReached, match=r"^http://127\.0\.0\.1:9: Connection refused$"):
        writes.send(b"aif_gpu up=1i 5")
    writes.close()


@pytest.mark.parametrize("content", ["", "two\nlines"])
def test_a_token_file_that_holds_no_token_is_named(tmp_path: Path, content: str) -> None:
    token = tmp_path / "token"
    token.write_text(content)
    with pytest.raises(UsageError, match=f"influx.token_file {token}: not a line of text"):
        ClientWrites(InfluxSettings("http://127.0.0.1:9", token_file=token))


def test_the_sink_writes_what_is_left_when_it_closes(database: Database, said: list[str]) -> None:
    sink = InfluxSink(AGENT, InfluxSettings(database.url, every_seconds=3600), said.append)
    sink.accept("device", [row(7)], 1000)
    sink.close()
    ((_, _, body),) = database.requests
    assert gzip.decompress(body).decode() == line(7)
    assert sink.health().exports_failed == 0
    assert said == []


def test_without_the_library_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "influxdb_client", None)
    with pytest.raises(UsageError, match=r"pip install wattline-agents\[influx\]"):
        InfluxSink(AGENT, InfluxSettings("http://127.0.0.1:9"), said.append)
