"""Engines' pages through the real source, the real store and the real books."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
import pytest

from wattline_agents.catalogue import TABLES
from wattline_agents.sources.serving.source import ServingSource
from wattline_agents.sources.serving.told import Place, told
from wattline_agents.wire import Header, Row, encode
from wattline_collector.kpi import latency
from wattline_collector.kpi.query import figures
from wattline_collector.ledger.booking import book
from wattline_collector.ledger.books import Books
from wattline_collector.receive.intake import Intake
from wattline_collector.store.store import Store

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
START = 1_793_491_200_000  # 2026-11-01T00:00Z, on the hour


@dataclass
class FixedClock:
    now_ms: int = START

    def unix_ms(self) -> int:
        return self.now_ms

    def monotonic(self) -> float:
        return self.now_ms / 1000

    def sleep(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


class Engine:
    """A page that says what it is told to."""

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text

    def get(self) -> str:
        return self._text()


@dataclass
class Site:
    """A store, what is sent to it, and its books."""

    store: Store
    clock: FixedClock
    rows: dict[tuple[str, str, int], list[Row]] = field(default_factory=dict)
    sequence: int = 0

    def take(self, table: str, rows: Sequence[Row], node: str = "n1", period_ms: int = 0) -> None:
        self.rows.setdefault((table, node, period_ms), []).extend(rows)

    def source(self, text: Callable[[], str], job: str | None = "j", **more: Any) -> ServingSource:
        return ServingSource(
            node="n1",
            pages=[Place(("http://127.0.0.1:8000/metrics",), job=job, is_told=True)],
            open_page=lambda url, place: Engine(text),
            clock=self.clock,
            **more,
        )

    def read(self, source: ServingSource, node: str = "n1") -> None:
        for table, rows in source.read(self.clock.now_ms).items():
            self.take(table, rows, node)

    def device(
        self, job: str, watts: float, seconds: int, *, node: str = "n1", since: int = START
    ) -> None:
        """A device that draws that much, held by a job."""
        name, end = f"GPU-{node}-{job}", since + seconds * 1000
        self.take("device_info", [{"time_unix_ms": since, "device": name}], node)
        hold: Row = {
            "time_unix_ms": end, "device": name, "job": job, "start_unix_ms": since,
            "end_unix_ms": end, "method": "recording",
        }  # fmt: skip
        self.take("assignment", [hold], node)
        samples: list[Row] = [
            {"time_unix_ms": time, "device": name, "up": 1, "power_watts": watts}
            for time in range(since, end + 1, 10_000)
        ]
        self.take("device", samples, node, 10_000)

    def book(self, until_ms: int) -> Books:
        intake = Intake(self.store)
        for (table, node, period_ms), rows in self.rows.items():
            for place in range(0, len(rows), 4096):
                self.sequence += 1
                header = Header("sys", node, "boot", self.sequence, period_ms)
                intake.accept(table, header, encode(TABLES[table], rows[place : place + 4096]))
        self.rows.clear()
        self.store.commit()
        book(self.store, until_ms=until_ms)
        return Books(self.store.path)

    def minutes(self, books: Books, since: int, until: int, job: str = "j") -> pl.DataFrame:
        """What is booked of a job, by the minute: half hours are never read as hours."""
        half = HOUR_MS // 2
        first = since // half * half
        parts = [books.read("job", low, low + half) for low in range(first, until, half)]
        return pl.concat(parts).filter(pl.col("job") == job).sort("minute")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    clock = FixedClock()
    store = Store.open(tmp_path / "store", write=True, clock=clock)
    yield Site(store, clock)
    store.close()


# Pages that others recorded


def stored(site: Site, text: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What the store holds of one page: tables `serving` and `latency`."""
    source = site.source(lambda: text)
    site.read(source)
    site.device("j", 100.0, 60)
    site.book(START + HOUR_MS)
    until = START + HOUR_MS
    return site.store.read("serving", START, until), site.store.read("latency", START, until)


@pytest.mark.recordings
def test_a_page_of_a_loaded_sglang_gives_its_counts_means_and_quantiles(
    site: Site, shared: Path
) -> None:
    page = shared / "data/09-llm-serving-metrics/sglang_llama31_8b_loaded.prom"
    serving, rows = stored(site, page.read_text())
    (row,) = serving.to_dicts()
    assert (row["framework"], row["model"]) == ("sglang", "meta-llama/Llama-3.1-8B-Instruct")
    assert (row["tokens_prompt_total"], row["tokens_generated_total"]) == (8_128_902, 7_557_572)
    assert (row["requests_running"], row["requests_waiting"]) == (162, 2826)
    histograms = latency.newest(rows)
    for kind, mean, median, p95 in (
        ("first_token", 213.65, "> 30 s", "> 30 s"),
        ("request", 277.53, "> 60 s", "> 60 s"),
        ("inter_token", 0.11715, "0.075-0.1 s", "0.1-0.15 s"),
    ):
        seconds, count = latency.total(histograms, "j", kind)
        assert latency.mean_seconds(seconds, count) == pytest.approx(mean, rel=5e-5)
        found = latency.buckets(histograms, "j", kind)
        assert str(latency.quantile(found, 0.5)) == median
        assert str(latency.quantile(found, 0.95)) == p95
    first = dict(latency.buckets(histograms, "j", "first_token"))
    assert 1 - first[30.0] / first[None] == pytest.approx(0.77, abs=0.005)


@pytest.mark.recordings
def test_a_page_of_an_idle_vllm_gives_noughts_and_no_mean(site: Site, shared: Path) -> None:
    page = shared / "data/09-llm-serving-metrics/vllm_v1_kops_idle.prom"
    serving, rows = stored(site, page.read_text())
    (row,) = serving.to_dicts()
    assert (row["framework"], row["model"]) == ("vllm", "Qwen/Qwen2.5-0.5B-Instruct")
    counted = [name for name in row if name.endswith("_total")]
    assert {row[name] for name in counted} == {0}
    histograms = latency.newest(rows)
    assert set(histograms["kind"]) == {
        "first_token",
        "per_token",
        "inter_token",
        "request",
        "queue",
    }
    for kind in histograms["kind"].unique():
        assert latency.mean_seconds(*latency.total(histograms, "j", kind)) is None
        assert latency.quantile(latency.buckets(histograms, "j", kind), 0.5) is None


# Joules per token


def _leaderboard(shared: Path) -> list[dict[str, Any]]:
    """The configurations of its README's table: the smallest three on B200, the largest on H100."""
    found = []
    for file in sorted((shared / "data/10-ml-energy").glob("*__*.json")):
        every = json.loads(file.read_text())["configurations"]
        small = [one for one in every if one["gpu_model"] == "B200"]
        found += sorted(small, key=lambda one: one["max_num_seqs"])[:3]
        large = [one for one in every if one["gpu_model"] == "H100"]
        found.append(max(large, key=lambda one: one["max_num_seqs"]))
    return found


@pytest.mark.recordings
def test_published_joules_per_token_come_out_of_power_and_a_page_of_tokens(
    site: Site, shared: Path
) -> None:
    table = _leaderboard(shared)
    sources = {}
    for number, one in enumerate(table):
        job, node = f"config-{number}", f"n{number}"

        def text(speed: float = one["output_throughput_tokens_per_sec"]) -> str:
            made = round(speed * (site.clock.now_ms - START) / 1000)
            return f"vllm:generation_tokens_total {made}\nvllm:num_requests_running 8\n"

        sources[node] = site.source(text, job)
        site.device(job, one["avg_power_watts"], 3600, node=node)
    for _ in range(61):
        for node, source in sources.items():
            site.read(source, node)
        site.clock.sleep(60)
    site.book(START + HOUR_MS)
    found = {figure.dims["job"]: figure for figure in figures(site.store.path, ["S10"], by="job")}
    assert len(found) == len(table) == 16
    for number, one in enumerate(table):
        figure = found[f"config-{number}"]
        assert figure.value is not None and figure.coverage == 1
        joules = 1 / figure.value
        assert joules == pytest.approx(one["energy_per_token_joules"], rel=1e-6)
        per_request = joules * one["avg_output_len"]
        assert per_request == pytest.approx(one["energy_per_request_joules"], rel=1e-6)


# A day of requests


@dataclass
class Trace:
    """Requests by the time they came, summed up."""

    times_ms: list[int]
    prompt: list[int]
    generated: list[int]

    @classmethod
    def of(cls, file: Path) -> Trace:
        with file.open() as lines:
            rows = list(csv.DictReader(lines))
        times = [datetime.fromisoformat(row["TIMESTAMP"][:26]).replace(tzinfo=UTC) for row in rows]
        return cls(
            [round(time.timestamp() * 1000) for time in times],
            list(accumulate(int(row["ContextTokens"]) for row in rows)),
            list(accumulate(int(row["GeneratedTokens"]) for row in rows)),
        )

    def page(self, now_ms: int) -> str:
        """The page of an engine that answers each request when it comes."""
        done = sum(time < now_ms for time in self.times_ms)
        prompt, generated = (self.prompt[done - 1], self.generated[done - 1]) if done else (0, 0)
        labels = 'engine="0",model_name="code"'
        return (
            f"process_start_time_seconds {(self.times_ms[0] - 1000) / 1000}\n"
            f"vllm:prompt_tokens_total{{{labels}}} {prompt}\n"
            f"vllm:generation_tokens_total{{{labels}}} {generated:.8e}\n"
            f'vllm:request_success_total{{{labels},finished_reason="stop"}} {done}\n'
            f"vllm:num_requests_running{{{labels}}} 0\n"
        )


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[], str]], str]]:
    """Answers a page at a real port."""
    servers: list[tuple[ThreadingHTTPServer, Thread]] = []

    def serve(text: Callable[[], str]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path == "/metrics" else 404)
                self.end_headers()
                self.wfile.write(text().encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/metrics"

    yield serve
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.recordings
def test_a_recorded_hour_of_a_real_service_gives_its_totals_and_its_peak_minute(
    site: Site, shared: Path, serve: Callable[[Callable[[], str]], str]
) -> None:
    csv_file = shared / "data/11-azure-llm-inference-2023/AzureLLMInferenceTrace_code.csv"
    trace = Trace.of(csv_file)
    start = trace.times_ms[0] // MINUTE_MS * MINUTE_MS
    end = trace.times_ms[-1] // MINUTE_MS * MINUTE_MS + MINUTE_MS
    site.clock.now_ms = start
    url = serve(lambda: trace.page(site.clock.now_ms))
    source = ServingSource(node="n1", pages=[told({"url": url, "job": "j"})], clock=site.clock)
    while site.clock.now_ms <= end:
        site.read(source)
        site.clock.sleep(10)
    site.device("j", 400.0, (end - start) // 1000, since=start)
    books = site.book(end + HOUR_MS)
    booked = site.minutes(books, start - HOUR_MS, end + HOUR_MS)
    sums = booked.select("requests", "tokens_prompt", "tokens_generated").sum().row(0)
    assert sums == (8819, 18_059_974, 245_896)
    peak = booked.sort("requests").row(-1, named=True)
    assert peak["minute"] == datetime(2023, 11, 16, 18, 31, tzinfo=UTC)
    assert (peak["requests"], peak["tokens_generated"]) == (585, 15_154)
    assert booked["tokens_generated"].max() == 15_716, "of the minute that generated most"
    assert booked.filter(pl.col("requests") > 0).height == 45


# Engines that count when a request ends


@dataclass(frozen=True)
class Request:
    """One request: when it began and ended, in seconds, and how many tokens it made evenly."""

    begin: float
    end: float
    tokens: int

    def made(self, second: float) -> float:
        return self.tokens * min(1.0, max(0.0, (second - self.begin) / (self.end - self.begin)))


LOADS: Mapping[str, list[Request]] = {
    "one at a time, back to back": [Request(n * 240, (n + 1) * 240, 24_000) for n in range(15)],
    "two that overlap": [
        Request(0, 420, 42_000),
        Request(20, 430, 41_000),
        Request(600, 1070, 47_000),
        Request(605, 1080, 47_500),
    ],
    "many at a time": [
        Request(n * 7.0, n * 7.0 + 120 + (n * 37) % 90, 1_200 + ((n * 37) % 90) * 10)
        for n in range(480)
    ],
}


def _sglang(requests: Sequence[Request], second: float) -> str:
    ended = [one for one in requests if one.end <= second]
    running = sum(one.begin <= second < one.end for one in requests)
    return (
        f"sglang:generation_tokens_total {sum(one.tokens for one in ended)}\n"
        f"sglang:num_requests_total {len(ended)}\n"
        f"sglang:num_running_reqs {running}\nsglang:num_queue_reqs 0\n"
    )


@pytest.mark.parametrize("load", LOADS)
def test_joules_per_token_of_each_minute_are_sane_though_tokens_are_counted_at_the_end(
    site: Site, load: str
) -> None:
    requests = LOADS[load]
    seconds = 3600
    source = site.source(lambda: _sglang(requests, (site.clock.now_ms - START) / 1000))
    naive: list[Row] = []
    while site.clock.now_ms <= START + seconds * 1000:
        site.read(source)
        made = sum(one.tokens for one in requests if one.end * 1000 <= site.clock.now_ms - START)
        naive.append(
            {"time_unix_ms": site.clock.now_ms, "job": "naive", "tokens_generated_total": made}
        )
        site.clock.sleep(5)
    site.take("job", naive)
    site.device("j", 500.0, seconds)
    books = site.book(START + 2 * HOUR_MS)

    def wrong(job: str) -> list[int]:
        """Full minutes of work whose tokens are off by more than a factor of two."""
        booked = site.minutes(books, START, START + HOUR_MS, job)
        found = {row["minute"]: row["tokens_generated"] for row in booked.iter_rows(named=True)}
        bad = []
        for minute in range(1, 59):
            busy = all(
                any(one.begin <= second < one.end for one in requests)
                for second in range(minute * 60, minute * 60 + 60)
            )
            late = minute * 60 > requests[-1].begin  # it thins out towards the end
            if not busy or (late and load == "many at a time"):
                continue
            truth = sum(one.made(minute * 60 + 60) - one.made(minute * 60) for one in requests)
            at = datetime.fromtimestamp(START / 1000 + minute * 60, UTC)
            if not truth / 2 <= (found.get(at) or 0) <= truth * 2:
                bad.append(minute)
        return bad

    total = site.minutes(books, START, START + HOUR_MS)["tokens_generated"].sum()
    assert total == sum(one.tokens for one in requests if one.end <= seconds)
    assert wrong("j") == []
    if load != "many at a time":
        assert len(wrong("naive")) > 5, "which is what rows at every reading give"


# An agent that comes late, or again


def test_an_agent_that_starts_long_after_the_engine_counts_nothing_twice(site: Site) -> None:
    speed = 100  # tokens per second, since two hours before

    def text() -> str:
        made = (site.clock.now_ms - START) // 1000 * speed + 720_000
        return f"vllm:generation_tokens_total {made}\nvllm:num_requests_running 3\n"

    info: Row = {"time_unix_ms": START, "job": "j", "start_unix_ms": START - 2 * HOUR_MS}
    site.take("job_info", [info])
    site.device("j", 500.0, 3600)
    site.clock.sleep(600)
    for stays in (1200, 900):
        source = site.source(text)
        until = site.clock.now_ms + stays * 1000
        while site.clock.now_ms <= until:
            site.read(source)
            site.clock.sleep(5)
        site.clock.sleep(55)  # the agent is restarted
    booked = site.minutes(site.book(START + HOUR_MS), START - 3 * HOUR_MS, START + HOUR_MS)
    known = booked.filter(pl.col("tokens_generated") > 0)
    assert known["tokens_generated"].sum() == (1200 + 900) * speed
    assert known["tokens_generated"].max() == 60 * speed
    since = datetime.fromtimestamp(START / 1000 + 600, UTC)
    assert known.filter(pl.col("minute") < since).is_empty()
