"""A factory as the collector would describe it, and a collector that answers with it over HTTP."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import plotly.graph_objects as go
import pytest
from plotly.io.json import to_json_plotly

from wattline_agents.catalogue import DEVICE, NODE
from wattline_collector.ledger.accounts import Account
from wattline_dashboards import plot

Json = dict[str, Any]

START = datetime(2026, 11, 1, tzinfo=UTC)
NOW_MS = 1_793_620_800_000
NODES_PER_RACK = 8

SHARES = {
    Account.BUSY: 0.668,
    Account.SLOWED: 0.031,
    Account.HELD: 0.082,
    Account.LOST: 0.014,
    Account.UNMEASURED: 0.006,
    Account.FREE: 0.147,
    Account.MAINTENANCE: 0.022,
    Account.DOWN: 0.021,
    Account.UNOBSERVED: 0.009,
}
WATTS = {
    Account.BUSY: 612.0,
    Account.SLOWED: 655.0,
    Account.HELD: 128.0,
    Account.LOST: 598.0,
    Account.UNMEASURED: 410.0,
    Account.FREE: 84.0,
    Account.MAINTENANCE: 71.0,
}


@pytest.fixture(autouse=True)
def charts_are_as_plotly_would_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every chart that a test draws: Plotly knows all its properties, and would say them so."""
    draw = plot.figure

    def written(chart: object) -> Json:
        said: Json = json.loads(to_json_plotly(chart))
        return said | {"layout": {name: of for name, of in said["layout"].items() if of != []}}

    def checked(*asked: Any) -> plot.Figure:
        drawn = draw(*asked)
        said = go.Figure(drawn)  # refuses what it does not know
        said.layout.template = None
        assert written(said) == written(drawn)
        return drawn

    monkeypatch.setattr(plot, "figure", checked)


def _job_of(node: int, nodes: int) -> int | None:
    """Whole nodes to jobs of 1 to 8 nodes; every sixth stretch is free."""
    at = 0
    for job, size in enumerate(_sizes(nodes)):
        if at <= node < at + size:
            return None if job % 6 == 5 else 4200 + job
        at += size
    return None


def _sizes(nodes: int) -> Iterator[int]:
    chance = random.Random(11)
    left = nodes
    while left > 0:
        size = min(left, chance.choice((1, 1, 2, 4, 4, 8)) if nodes < 100 else 8)
        yield size
        left -= size


def make_latest(
    nodes: int = 32, devices_per_node: int = 8, *, system: str = "sim", tick: int = 0
) -> Json:
    """`/v1/latest` of a factory with one lost device, one silent node and a hot rack."""
    chance = random.Random(5 + tick)
    device_columns = (
        "system", "node", "rack", "index", "device", "model", "age_ms", "period_ms", "job",
        "account", "source", *(metric.column for metric in DEVICE.metrics), "throttled_ratio",
    )  # fmt: skip
    node_columns = (
        "system", "node", "rack", "age_ms", "period_ms", "devices",
        *(metric.column for metric in NODE.metrics),
        "network_receive_bytes_per_second", "network_transmit_bytes_per_second",
    )  # fmt: skip
    devices: dict[str, list[Any]] = {name: [] for name in device_columns}
    hosts: dict[str, list[Any]] = {name: [] for name in node_columns}
    jobs: dict[int, dict[str, float]] = {}
    counts: dict[str, int] = {}
    silent_node = 13 if nodes > 13 else -1
    for node in range(nodes):
        rack = f"r{node // NODES_PER_RACK + 1}"
        name = f"{system}-{rack}-n{node % NODES_PER_RACK + 1:02d}" if nodes > 1 else "workshop"
        age = 252_000 if node == silent_node else chance.randrange(150, 1900)
        job = _job_of(node, nodes)
        node_watts = 620.0
        for index in range(devices_per_node):
            row = _device(chance, node, index, job, tick)
            account = Account.UNOBSERVED.value if node == silent_node else row["account"]
            counts[account] = counts.get(account, 0) + 1
            row |= {
                "system": system, "node": name, "rack": rack, "index": index,
                "device": f"GPU-{node:04d}{index:02d}-7f3e", "model": "H200 SXM 141GB",
                "age_ms": age, "period_ms": 2000, "account": account,
                "job": None if job is None else str(job), "source": "simulated",
            }  # fmt: skip
            for column in device_columns:
                devices[column].append(row.get(column))
            node_watts += row.get("power_watts") or 0.0
            if job is not None and row.get("power_watts") and node != silent_node:
                made = jobs.setdefault(job, {"devices": 0, "watts": 0.0, "tokens": 0.0})
                made["devices"] += 1
                made["watts"] += row["power_watts"]
                made["tokens"] += row["sm_active_ratio"] * (510 if job % 3 else 4100)
        host: Json = {
            "system": system, "node": name, "rack": rack, "age_ms": age, "period_ms": 2000,
            "devices": devices_per_node,
            "energy_joules_total": 9e9 + tick * 2 * node_watts if devices_per_node else None,
            "power_watts": node_watts if devices_per_node else None,
            "cpu_busy_ratio": chance.uniform(0.08, 0.42),
            "memory_used_bytes": int(chance.uniform(0.2, 0.5) * 2.16e12)
            if devices_per_node else 7_300_000_000,
            "memory_size_bytes": 2_160_000_000_000 if devices_per_node else 16_500_000_000,
            "network_receive_bytes_total": 10**12,
            "network_transmit_bytes_total": 10**12,
            "network_receive_bytes_per_second": chance.uniform(1e7, 1e9),
            "network_transmit_bytes_per_second": chance.uniform(1e7, 1e9),
            "temperature_celsius": chance.uniform(38, 61),
        }  # fmt: skip
        for column in node_columns:
            hosts[column].append(host.get(column))
    total = nodes * devices_per_node
    watts = sum(value for value in devices["power_watts"] if value)
    rate = sum(made["tokens"] for made in jobs.values())
    silent = counts.get("unobserved", 0)
    return {
        "time_unix_ms": NOW_MS + tick * 2000,
        "devices": devices,
        "nodes": hosts,
        "jobs": _jobs(jobs, system),
        "totals": {
            "devices": total,
            "fresh": total - silent,
            "power_watts": watts or None,
            "power_boundary": "gpu" if watts else None,
            "tokens_per_second": rate if jobs else None,
            "tokens_per_joule": rate / watts if watts else None,
            "working": counts.get("busy", 0) + counts.get("slowed", 0),
            "held": counts.get("held", 0),
            "free": counts.get("free", 0),
            "down": counts.get("down", 0),
            "silent": silent,
        },
    }


def _device(chance: random.Random, node: int, index: int, job: int | None, tick: int) -> Json:
    if (node, index) == (5, 6):
        return {"up": 0, "account": "down"}
    hot = node in (18, 19)
    idle_rank = job is not None and job % 7 == 2
    account = (
        "free" if job is None else "held" if idle_rank else
        "slowed" if hot and chance.random() < 0.7 else "busy"
    )  # fmt: skip
    active = {"free": 0.0, "held": 0.004, "slowed": 0.83, "busy": chance.gauss(0.9, 0.04)}[account]
    active = min(1.0, max(0.0, active))
    power = 76 + active * 590 + chance.gauss(0, 6)
    return {
        "up": 1,
        "account": account,
        "energy_joules_total": 3.1e9 + node * 1e6 + tick * 2 * power,
        "power_watts": power,
        "power_limit_watts": 700.0,
        "busy_ratio": min(1.0, active * 1.1) if active else 0.0,
        "memory_busy_ratio": active * 0.6,
        "sm_active_ratio": active,
        "tensor_active_ratio": active * 0.55,
        "dram_active_ratio": active * 0.48,
        "memory_used_bytes": int(151e9 * (0.03 if job is None else 0.78 + 0.02 * (index % 3))),
        "memory_size_bytes": 151_000_000_000,
        "temperature_celsius": 31 + active * 34 + (14 if hot else 0) + chance.gauss(0, 1.2),
        "memory_temperature_celsius": 36 + active * 38 + (10 if hot else 0),
        "sm_clock_hertz": 1.98e9 if not hot else 1.52e9,
        "memory_clock_hertz": 2.6e9,
        "throttle_power_cap_seconds_total": 100.0,
        "throttle_thermal_seconds_total": 40.0 + (tick * 1.4 if hot else 0.0),
        "throttle_power_brake_seconds_total": 0.0,
        "throttled_ratio": 0.71 if account == "slowed" else 0.02 * active,
        "read_errors_total": 0,
    }


_NAMES = (
    "llama-8b-fi",
    "mistral-serve",
    "esm-fold",
    "whisper-large-v4",
    "climate-emu",
    "viking-7b",
)


def _jobs(jobs: dict[int, dict[str, float]], system: str) -> Json:
    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            "system", "job", "name", "kind", "state", "tokens_per_second", "devices",
            "power_watts", "tokens_per_joule", "age_ms",
        )
    }  # fmt: skip
    for job, made in jobs.items():
        counts_tokens = job % 11 != 3
        row = {
            "system": system,
            "job": str(job),
            "name": _NAMES[job % len(_NAMES)],
            "kind": "training" if job % 3 else "inference",
            "state": "running",
            "tokens_per_second": made["tokens"] if counts_tokens else None,
            "devices": int(made["devices"]),
            "power_watts": made["watts"],
            "tokens_per_joule": made["tokens"] / made["watts"] if counts_tokens else None,
            "age_ms": 1200,
        }
        for name, column in columns.items():
            column.append(row[name])
    return columns


def _ratio(over: float, under: float) -> float | None:
    return over / under if under else None


def _figure(
    period: Json, id: str, name: str, unit: str, value: float | None, over: float | None,
    under: float | None, over_unit: str, under_unit: str, coverage: float | None = 0.991,
    n: int = 256, **more: Any,
) -> Json:  # fmt: skip
    return {
        "id": id, "name": name, "unit": unit, "value": value, "numerator": over,
        "denominator": under, "n": n, "coverage": coverage,
        "method": more.pop("method", "ledger"),
        "status": "unknown" if value is None else more.pop("status", "ok"),
        "dims": {}, "period": period, "note": more.pop("note", ""),
        "numerator_unit": over_unit, "denominator_unit": under_unit,
    }  # fmt: skip


def make_overview(
    nodes: int = 32, devices_per_node: int = 8, days: int = 30, *, system: str = "sim"
) -> Json:
    """`/v1/overview` of a period whose accounts add up to what was installed."""
    chance = random.Random(3)
    count = nodes * devices_per_node
    period = {
        "from": START.isoformat().replace("+00:00", "Z"),
        "to": (START + timedelta(days=days)).isoformat().replace("+00:00", "Z"),
    }
    installed = float(count * days * 24)
    hours = {account: installed * share for account, share in SHARES.items()}
    joules = {
        account: hours[account] * 3600 * WATTS[account] if account in WATTS else None
        for account in Account
    }
    total_joules = sum(value for value in joules.values() if value is not None)
    planned = installed - hours[Account.MAINTENANCE]
    offered = planned - hours[Account.DOWN] - hours[Account.UNOBSERVED]
    assigned = offered - hours[Account.FREE]
    working = assigned - hours[Account.HELD] - hours[Account.UNMEASURED]
    unthrottled = working - hours[Account.SLOWED]
    kept = unthrottled - hours[Account.LOST]
    waterfall = zip(
        ("installed", "planned", "offered", "assigned", "working", "unthrottled", "kept"),
        (installed, planned, offered, assigned, working, unthrottled, kept),
        strict=True,
    )
    day_rows = [_day(chance, START + timedelta(days=day), day, count) for day in range(days)]
    tokens = float(sum(sum(day[f"tokens_{k}"] or 0 for k in _KINDS) for day in day_rows))
    seconds = days * 86400.0
    kwh = total_joules / 3.6e6

    def of(id: str, name: str, unit: str, value: float | None, *rest: Any, **more: Any) -> Json:
        return _figure(period, id, name, unit, value, *rest, **more)

    performance = 0.703
    hours_each = ("GPU-h", "GPU-h")
    available, kept_share, loading = (
        _ratio(offered, planned), _ratio(kept, working), _ratio(assigned, offered),
    )  # fmt: skip
    oee = available * performance * kept_share if available and kept_share else None
    figures = [
        of("OEE", "overall equipment effectiveness", "1", oee, oee, None, "1", "", 0.972,
           method="ledger, SM activity counters, job states"),
        of("OEE_A", "availability", "1", available, offered, planned, *hours_each),
        of("OEE_P", "performance", "1", performance if working else None,
           working * performance, working, *hours_each, 0.972),
        of("OEE_Q", "quality", "1", kept_share, kept, working, *hours_each, n=58),
        of("LOADING", "loading", "1", loading, assigned, offered, *hours_each),
        of("P01", "training tokens", "tok", tokens * 0.6, tokens * 0.6, None, "tok", "", n=41,
           method="job counters"),
        of("P02", "AI token throughput", "tok/s", tokens / seconds, tokens, seconds, "tok", "s",
           n=58, method="job counters"),
        of("P03", "inference tokens served", "tok", tokens * 0.4, tokens * 0.4, None, "tok", "",
           n=17, method="job counters", note="2 inference jobs count no tokens"),
        of("E04", "GPU activity", "%", 68.4 if working else None, working * 0.684, working,
           *hours_each, 0.934, status="partial", method="SM activity counters"),
        of("E06", "wasted GPU-hours", "GPU-h", hours[Account.HELD] + hours[Account.LOST],
           hours[Account.HELD] + hours[Account.LOST], None, "GPU-h", ""),
        of("U01", "allocated utilisation", "%", loading and loading * 100, assigned,
           offered, *hours_each),
        of("U02", "effective utilisation", "%", loading and loading * 68.4, assigned * 0.684,
           offered, *hours_each, 0.934, status="partial", method="SM activity counters"),
        of("S10", "tokens per joule", "tok/J", _ratio(tokens, total_joules), tokens,
           total_joules, "tok", "J", 0.988, n=52, method="counter, node boundary",
           note="6 jobs that count no tokens are left out, with 913 kWh"),
        of("S12", "job energy", "kWh", kwh * 0.93, total_joules * 0.93, None, "J", "", 0.988,
           n=58, method="counter, node boundary"),
        of("S14", "attribution closure", "%", None, None, None, "J", "J", None, n=0,
           method="node meters", note="no node has a meter"),
        of("Q03", "telemetry completeness", "%", 99.1, installed * 1800 * 0.991,
           installed * 1800, "samples", "samples", None, method="sample counts"),
    ]  # fmt: skip
    return {
        "period": period,
        "systems": [system],
        "devices": count,
        "nodes": nodes,
        "figures": figures,
        "accounts": [
            {
                "account": account.value,
                "device_hours": hours[account],
                "energy_joules": joules[account],
            }
            for account in Account
        ],
        "waterfall": [{"step": step, "device_hours": value} for step, value in waterfall],
        "energy": [
            *(
                {"boundary": "gpu", "account": account.value, "energy_joules": value}
                for account, value in joules.items()
                if value is not None
            ),
            *(
                {"boundary": "node", "account": account.value, "energy_joules": value * 1.22}
                for account, value in joules.items()
                if value is not None
            ),
            {"boundary": "node", "account": "node_overhead", "energy_joules": total_joules * 0.22},
        ],
        "days": day_rows,
        "jobs": [_past_job(chance, number, system, days) for number in range(min(58, nodes * 2))],
        "coverage": [_coverage(node) for node in range(nodes)],
        "audit": {"balanced": True, "findings": 0, "checked_hours": days * 24},
        "notes": ["of 2,767 jobs, 200 are listed"] if nodes > 2 else [],
    }


_KINDS = ("trained", "prompt", "generated")


def _day(chance: random.Random, day: datetime, place: int, devices: int) -> Json:
    if place in (11, 12):  # the collector was away
        return {
            "day": day.date().isoformat(), "tokens_trained": None, "tokens_prompt": None,
            "tokens_generated": None, "energy_joules": None,
            "device_hours": {"unobserved": devices * 24.0}, "coverage": 0.0,
        }  # fmt: skip
    load = chance.uniform(0.55, 0.95) * (0.6 if place == 20 else 1.0)
    scale = devices * 86400 * load
    return {
        "day": day.date().isoformat(),
        "tokens_trained": int(scale * 310),
        "tokens_prompt": int(scale * 150 * chance.uniform(0.8, 1.2)),
        "tokens_generated": int(scale * 62 * chance.uniform(0.8, 1.2)),
        "energy_joules": scale * 520,
        "device_hours": {account.value: devices * 24 * share for account, share in SHARES.items()},
        "coverage": 0.88 if place == 20 else 0.993,
    }


def _past_job(chance: random.Random, number: int, system: str, days: int) -> Json:
    devices = chance.choice((1, 4, 8, 16, 32, 64))
    length = chance.uniform(0.4, 40)
    start = START + timedelta(hours=max(0.0, days * 24 - length - number * 9))
    hours = devices * length
    active = min(0.98, max(0.05, chance.gauss(0.72, 0.2)))
    joules = hours * 3600 * (80 + 560 * active)
    counted = number % 9 != 4
    metered = number % 13 != 6
    tokens = int(hours * 3600 * active * chance.choice((340, 510, 2900)))
    end = start + timedelta(hours=length)
    return {
        "system": system,
        "job": str(4242 - number),
        "name": None if number == 7 else _NAMES[number % len(_NAMES)],
        "kind": "training" if number % 3 else "inference",
        "state": "running" if number < 2 else ("completed", "failed", "completed")[number % 3],
        "start": start.isoformat().replace("+00:00", "Z"),
        "end": None if number < 2 else end.isoformat().replace("+00:00", "Z"),
        "devices": devices,
        "device_hours": hours,
        "tokens": tokens if counted else None,
        "energy_joules": joules if metered else None,
        "boundary": "gpu" if metered else None,
        "tokens_per_joule": tokens / joules if counted and metered else None,
        "sm_active_ratio": active,
        "held_hours": hours * max(0.0, 0.9 - active) * 0.3,
        "coverage": 0.83 if number == 5 else 0.997,
    }


def _coverage(node: int) -> Json:
    observed = {13: 0.612, 21: 0.938}.get(node, 0.9985)
    expected = 720.0
    return {
        "system": "sim",
        "node": f"sim-r{node // NODES_PER_RACK + 1}-n{node % NODES_PER_RACK + 1:02d}",
        "expected_hours": expected,
        "observed_hours": expected * observed,
        "samples": int(expected * 1800 * observed),
        "samples_expected": int(expected * 1800),
    }


def make_explain(kpi: str) -> Json:
    """`/v1/explain/{id}`."""
    return {
        "id": kpi,
        "name": "tokens per joule",
        "formula": "all tokens / energy of the jobs that count tokens, at the widest boundary",
        "unit": "tok/J",
        "numerator": "tokens trained on, prompt tokens and generated tokens",
        "numerator_unit": "tok",
        "denominator": "energy of the jobs that made them",
        "denominator_unit": "J",
        "direction": "up",
        "audience": "J, O, M",
        "authority": "dictionary S10",
        "floor": 0.5,
        "note": "",
        "by": ["system", "job", "day"],
        "comfort": 0.95,
    }


@dataclass
class FakeCollector:
    """An HTTP server that answers as a collector would."""

    latest: Callable[[], Json] = make_latest
    overview: Callable[[], Json] = make_overview
    token: str = "a-token-that-may-read"
    away: bool = False
    asked: list[str] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake.asked.append(self.path)
                status, body = fake.answer(self.path, self.headers.get("Authorization"))
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def answer(self, path: str, authorization: str | None) -> tuple[int, Json]:
        if self.away:
            return 503, {"error": "the collector is stopping"}
        if authorization != f"Bearer {self.token}":
            return 401, {"error": "this needs a token with the right to read"}
        parts = urlsplit(path)
        if parts.path == "/v1/latest":
            return 200, self.latest()
        if parts.path == "/v1/overview":
            parse_qs(parts.query, strict_parsing=bool(parts.query))
            return 200, self.overview()
        if parts.path.startswith("/v1/explain/"):
            return 200, make_explain(parts.path.rsplit("/", 1)[1])
        return 404, {"error": f"nothing at {parts.path}"}


@dataclass
class Pages:
    """`wattline dashboards`, running."""

    process: subprocess.Popen[str]
    ready: str

    @property
    def url(self) -> str:
        return self.ready.split()[1]


@pytest.fixture
def latest() -> Callable[..., Json]:
    return make_latest


@pytest.fixture
def overview() -> Callable[..., Json]:
    return make_overview


@pytest.fixture
def collector() -> Iterator[FakeCollector]:
    fake = FakeCollector()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "read"
    path.write_text(f"{FakeCollector.token}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def pages(collector: FakeCollector, token_file: Path) -> Iterator[Pages]:
    """The real process over the fake collector."""
    words = ["dashboards", "--collector", collector.url, "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "wattline_agents.cli", *words],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"WATTLINE_TOKEN_FILE": str(token_file)},
    )
    assert process.stderr is not None
    with process.stderr as said:
        try:
            yield Pages(process, said.readline())
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def browser(chromium: str) -> Iterator[Any]:
    """Headless Chromium; reaches nothing but this machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=chromium,
            headless=True,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking",
                  "--disable-component-update", "--disable-sync", "--no-first-run"],
        )  # fmt: skip
        yield opened
        opened.close()
