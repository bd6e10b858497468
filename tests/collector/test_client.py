from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from wattline_agents.errors import UsageError, WattlineError
from wattline_collector.client import Collector, Refused, Unreachable

Answers = dict[str, tuple[int, bytes]]


class _Recorder(ThreadingHTTPServer):
    answers: Answers
    asked: list[tuple[str, str | None]]


class _Handler(BaseHTTPRequestHandler):
    server: _Recorder

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Authorization"]))
        status, body = self.server.answers.get(self.path.split("?")[0], (404, b"<html>"))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", body.decode())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Recorder]:
    with _Recorder(("127.0.0.1", 0), _Handler) as server:
        server.answers, server.asked = {}, []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def collector(server: _Recorder) -> Collector:
    return Collector(f"http://127.0.0.1:{server.server_address[1]}/", "secret-token")


def test_answers_come_back_as_json_and_questions_carry_the_token(
    server: _Recorder, collector: Collector
) -> None:
    server.answers["/v1/latest"] = (200, json.dumps({"devices": {}}).encode())
    assert collector.latest() == {"devices": {}}
    assert server.asked == [("/v1/latest", "Bearer secret-token")]


def test_periods_are_sent_in_utc(server: _Recorder, collector: Collector) -> None:
    server.answers["/v1/overview"] = (200, b"{}")
    server.answers["/v1/kpis"] = (200, b"[]")
    start = datetime(2026, 11, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    collector.overview(start, datetime(2026, 11, 2, tzinfo=UTC))
    assert collector.kpis(["P01", "S10"], start, by="job") == []
    assert [path for path, _ in server.asked] == [
        "/v1/overview?from=2026-11-01T00%3A00%3A00Z&to=2026-11-02T00%3A00%3A00Z",
        "/v1/kpis?id=P01&id=S10&from=2026-11-01T00%3A00%3A00Z&by=job",
    ]


def test_an_id_cannot_become_another_path(server: _Recorder, collector: Collector) -> None:
    server.answers["/v1/explain/..%2F..%2Fmetrics"] = (200, b"{}")
    assert collector.explain("../../metrics") == {}


def test_a_refusal_names_url_status_and_reason(server: _Recorder, collector: Collector) -> None:
    server.answers["/v1/kpis"] = (400, b'{"error": "no KPI \'X\'"}')
    with pytest.raises(
        Refused, match=r"http://127\.0\.0\.1:\d+/v1/kpis: 400: no KPI 'X'$"
    ) as caught:
        collector.kpis(["X"])
    assert caught.value.status == 400


def test_a_refusal_without_json_is_named_by_its_status(collector: Collector) -> None:
    with pytest.raises(Refused, match="/v1/latest: 404: Not Found"):
        collector.latest()


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_token_is_answered_with_where_the_right_one_is(
    server: _Recorder, collector: Collector, status: int
) -> None:
    server.answers["/v1/latest"] = (status, b'{"error": "no"}')
    with pytest.raises(Refused, match="STORE/tokens/read"):
        collector.latest()


def test_a_redirect_is_not_followed_and_the_token_stays(
    server: _Recorder, collector: Collector
) -> None:
    server.answers["/v1/latest"] = (302, b"http://127.0.0.1:1/elsewhere")
    with pytest.raises(Refused, match="302"):
        collector.latest()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{"])
def test_an_answer_that_is_none_is_said(
    server: _Recorder, collector: Collector, body: bytes
) -> None:
    server.answers["/v1/latest"] = (200, body)
    with pytest.raises(Refused, match=r"answered no JSON|something else than an object"):
        collector.latest()


def test_where_nobody_listens_the_error_says_what_to_start(server: _Recorder) -> None:
    with pytest.raises(Unreachable, match=r"Connection refused.*is `wattline collector` running"):
        Collector("http://127.0.0.1:1", "t").health()


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8600", "ftp://x", "http://", "http://u:p@x", "http://x:port"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        Collector(url)


def test_its_errors_are_wattlines_own() -> None:
    assert issubclass(Refused, WattlineError) and issubclass(Unreachable, WattlineError)
