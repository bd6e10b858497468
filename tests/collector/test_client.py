from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import polars as pl
import pytest

from wattline_agents.errors import UsageError, WattlineError
from wattline_collector import tables
from wattline_collector.client import Collector, Refused, Unreachable

Answers = dict[str, tuple[int, bytes]]


class _Recorder(ThreadingHTTPServer):
    answers: Answers
    asked: list[tuple[str, str | None]]
    media_type = "application/json"
    jobs = ""
    sent: list[tuple[str, bytes]]


class _Handler(BaseHTTPRequestHandler):
    server: _Recorder

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Authorization"]))
        status, body = self.server.answers.get(self.path.split("?")[0], (404, b"<html>"))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", body.decode())
        self.send_header("Content-Type", self.server.media_type)
        self.send_header("Content-Length", str(len(body)))
        if self.server.jobs:
            self.send_header("Wattline-Jobs", self.server.jobs)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.sent.append((self.headers["Content-Type"], self.rfile.read(length)))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Recorder]:
    with _Recorder(("127.0.0.1", 0), _Handler) as server:
        server.answers, server.asked, server.sent = {}, [], []
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


def test_live_tables_come_back_as_tables(server: _Recorder, collector: Collector) -> None:
    columns = {"device": ["a"], "power_watts": [70.5]}
    told = {"devices": pl.DataFrame(columns), "time_unix_ms": 1}
    server.answers["/v1/latest"] = (200, tables.packed(told))
    server.media_type = tables.MEDIA_TYPE
    latest = collector.live()
    assert latest["time_unix_ms"] == 1
    assert latest["devices"].to_pydict() == columns
    collector.live(("device", "account"))
    assert server.asked[-1][0] == "/v1/latest?columns=device%2Caccount"
    server.answers["/v1/latest"] = (200, b"cut short")
    with pytest.raises(Refused, match="live tables"):
        collector.live()


def test_an_order_is_handed_over_as_json(server: _Recorder, collector: Collector) -> None:
    server.answers["/v1/reports/make"] = (202, b'{"work": "1"}')
    assert collector.send("/v1/reports/make", {"kind": "review"}) == {"work": "1"}
    assert server.sent == [("application/json", b'{"kind": "review"}')]
    assert server.asked == [("/v1/reports/make", "Bearer secret-token")]
    server.answers["/v1/reports/make"] = (400, b'{"error": "which kind?"}')
    with pytest.raises(Refused, match="400: which kind") as caught:
        collector.send("/v1/reports/make", {})
    assert caught.value.reason == "which kind?"


def test_a_file_comes_with_its_type_and_the_jobs_it_names(
    server: _Recorder, collector: Collector
) -> None:
    server.answers["/v1/reports/files/x/pdf"] = (200, b"%PDF\xff")
    server.media_type, server.jobs = "application/pdf", "47%2C11,x"
    file = collector.fetch("/v1/reports/files/x/pdf")
    assert (file.content, file.media_type) == (b"%PDF\xff", "application/pdf")
    assert file.jobs == ("47,11", "x")
    server.jobs = ""
    assert collector.fetch("/v1/reports/files/x/pdf").jobs == ()
    with pytest.raises(Refused, match="404: Not Found"):
        collector.fetch("/v1/reports/files/y/pdf")


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
