"""An overview as the collector gives it, made up but consistent: every sum adds up.

A factory of 32 nodes with 8 GPUs each, one month. On two days nothing was observed, on one day a
third was not, two nodes were silent for a part of the month, and one job counts no tokens.
"""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.cli import main
from wattline_collector.kpi.registry import explain
from wattline_collector.ledger.accounts import Account
from wattline_reports.document import Report
from wattline_reports.kinds import FORMATS, kinds
from wattline_reports.review import whole as review

Overview = dict[str, Any]

ASKED = {
    "operations": ("--period", "2025-11"),
    "review": ("--period", "2025-11-01"),
    "hosting-audit": ("--period", "2025"),
    "eed": ("--period", "2025"),
    "project": ("P1", "--period", "2025-11-01"),
    "job": ("7",),
    "network": ("--period", "2026-Q1"),
    "certificate": ("P1", "--period", "2025-11-01"),
}
"""How each kind is asked for about `factory_store`; one that needs no word more may be left out."""
DARK_DAYS = (17, 18)
THIN_DAY = 9


def build(
    *,
    start: datetime = datetime(2026, 11, 1, tzinfo=UTC),
    days: int = 30,
    nodes: int = 32,
    per_node: int = 8,
    jobs: int = 41,
    node_meters: bool = True,
    seed: int = 7,
) -> Overview:
    dice = random.Random(seed)
    period = {"from": _iso(start), "to": _iso(start + timedelta(days=days))}
    devices = nodes * per_node
    rows = [_day(start + timedelta(days=d), d + 1, devices, dice) for d in range(days)]
    rows = [row for row in rows if row is not None]
    hours = {a.value: sum(row["device_hours"].get(a.value, 0.0) for row in rows) for a in Account}
    # A day without any row is unobserved time in the accounts all the same.
    hours["unobserved"] += (days - len(rows)) * devices * 24.0
    gpu = {name: _joules(name, amount) for name, amount in hours.items()}
    node = {k: None if v is None else v * 1.31 for k, v in gpu.items()}
    of_jobs = _jobs(start, days, jobs, hours, dice)
    made = {
        kind: sum(row[f"tokens_{kind}"] or 0 for row in rows)
        for kind in ("trained", "prompt", "generated")
    }
    energy = [{"boundary": "gpu", "account": k, "energy_joules": v} for k, v in gpu.items()]
    if node_meters:
        energy += [{"boundary": "node", "account": k, "energy_joules": v} for k, v in node.items()]
        energy.append(
            {
                "boundary": "node",
                "account": "node_overhead",
                "energy_joules": sum(v or 0.0 for v in node.values())
                - sum(v or 0.0 for v in gpu.values()),
            }
        )
    used = node if node_meters else gpu
    return {
        "period": period,
        "systems": ["sim"],
        "devices": devices,
        "nodes": nodes,
        "figures": _figures(period, hours, made, used, devices, nodes, jobs, days, node_meters),
        "accounts": [
            {"account": a.value, "device_hours": hours[a.value], "energy_joules": gpu[a.value]}
            for a in Account
        ],
        "waterfall": _waterfall(hours),
        "energy": energy,
        "days": rows,
        "jobs": of_jobs,
        "coverage": _coverage(nodes, days, per_node, dice),
        "audit": {"balanced": True, "findings": 0, "checked_hours": days * 24},
        "notes": ["no facility meter is read; the node meters stand for IT"],
    }


def _iso(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(start: datetime, number: int, devices: int, dice: random.Random) -> Any:
    if number in DARK_DAYS:
        return None
    whole = devices * 24.0
    parts = {
        "busy": 0.62 + dice.uniform(-0.12, 0.14) - (0.2 if start.weekday() >= 5 else 0),
        "slowed": dice.uniform(0.01, 0.05) if number < 21 else dice.uniform(0.05, 0.13),
        "held": dice.uniform(0.02, 0.06),
        "unmeasured": dice.uniform(0.0, 0.012),
        "maintenance": 0.33 if number == 24 else 0.0,
        "down": dice.uniform(0.0, 0.03),
        "unobserved": 0.34 if number == THIN_DAY else dice.uniform(0.0, 0.004),
    }
    scale = min(1.0, 0.98 / sum(parts.values()))
    hours = {name: round(whole * part * scale, 3) for name, part in parts.items()}
    hours["free"] = round(whole - sum(hours.values()), 6)
    hours["lost"] = 0.0
    work = hours["busy"] + 0.7 * hours["slowed"]
    return {
        "day": f"{start:%Y-%m-%d}",
        "tokens_trained": int(work * dice.uniform(1.35e7, 1.6e7)),
        "tokens_prompt": int(work * dice.uniform(1.6e6, 2.2e6)),
        "tokens_generated": int(work * dice.uniform(4e5, 6e5)),
        "energy_joules": work * 620 * 3600,
        "device_hours": hours,
        "coverage": 1 - hours["unobserved"] / whole,
    }


def _joules(name: str, hours: float) -> float | None:
    watts = {
        "busy": 612.0, "slowed": 655.0, "held": 121.0, "lost": 600.0, "unmeasured": 480.0,
        "free": 78.0, "maintenance": 70.0, "down": None, "unobserved": None,
    }[name]  # fmt: skip
    return None if watts is None else hours * watts * 3600


def _waterfall(hours: dict[str, float]) -> list[dict[str, Any]]:
    level = sum(hours.values())
    steps = [{"step": "installed", "device_hours": level}]
    for name, gone in (
        ("planned", ("maintenance",)),
        ("offered", ("down", "unobserved")),
        ("assigned", ("free",)),
        ("working", ("held", "unmeasured")),
        ("unthrottled", ("slowed",)),
        ("kept", ("lost",)),
    ):
        level -= sum(hours[account] for account in gone)
        steps.append({"step": name, "device_hours": level})
    return steps


def _jobs(
    start: datetime, days: int, count: int, hours: dict[str, float], dice: random.Random
) -> list[dict[str, Any]]:
    names = ["pretrain-eurollm-9b", "sft-medical-de", "serve-translate", "eval-harness",
             "climate-downscale", "rl-tool-use", None]  # fmt: skip
    assigned = sum(hours[a] for a in ("busy", "slowed", "held", "unmeasured"))
    weights = [dice.paretovariate(0.9) for _ in range(count)]
    made = []
    for number, weight in enumerate(weights):
        mine = assigned * weight / sum(weights)
        gpus = dice.choice([1, 4, 8, 8, 16, 32, 64, 128])
        counts = number % 9 != 4
        joules = mine * 700 * 3600
        tokens = int(mine * dice.uniform(0.5e7, 2.1e7)) if counts else None
        began = start + timedelta(hours=dice.uniform(0, days * 20))
        made.append(
            {
                "system": "sim",
                "job": str(48_120 + 7 * number),
                "name": names[number % len(names)],
                "kind": ("training", "training", "inference", "other")[number % 4],
                "state": "completed" if number % 6 else "failed",
                "start": _iso(began),
                "end": None if number < 3 else _iso(began + timedelta(hours=mine / gpus)),
                "devices": gpus,
                "device_hours": mine,
                "tokens": tokens,
                "energy_joules": joules,
                "boundary": "node",
                "tokens_per_joule": tokens / joules if tokens is not None else None,
                "sm_active_ratio": dice.uniform(0.35, 0.93),
                "held_hours": mine * dice.uniform(0, 0.09),
                "coverage": 1.0 if number % 5 else 0.913,
            }
        )
    return made


def _coverage(nodes: int, days: int, per_node: int, dice: random.Random) -> list[dict[str, Any]]:
    rows = []
    for number in range(nodes):
        share = {5: 0.71, 19: 0.0}.get(number, 1 - dice.uniform(0, 0.008))
        expected = days * 24.0 * per_node
        rows.append(
            {
                "system": "sim",
                "node": f"gpu{number + 1:03d}",
                "expected_hours": expected,
                "observed_hours": expected * share,
                "samples": int(expected * 3600 * share),
                "samples_expected": int(expected * 3600),
            }
        )
    return rows


def _figures(
    period: dict[str, str],
    hours: dict[str, float],
    made: dict[str, int],
    joules: dict[str, float | None],
    devices: int,
    nodes: int,
    jobs: int,
    days: int,
    node_meters: bool,
) -> list[dict[str, Any]]:
    whole = sum(hours.values())
    seen = 1 - hours["unobserved"] / whole
    offered = sum(hours[a] for a in ("busy", "slowed", "held", "lost", "unmeasured", "free"))
    assigned = offered - hours["free"]
    measured = assigned - hours["unmeasured"]
    working = hours["busy"] + hours["slowed"]
    active = 0.83 * working
    trained, served = made["trained"], made["prompt"] + made["generated"]
    in_jobs = sum(joules[a] or 0.0 for a in ("busy", "slowed", "held", "lost", "unmeasured"))
    booked = sum(value or 0.0 for value in joules.values())
    boundary = "node" if node_meters else "gpu"

    def figure(
        id: str,
        name: str,
        unit: str,
        numerator: float | int | None,
        denominator: float | None = None,
        *,
        units: tuple[str, str] = ("GPU-h", "GPU-h"),
        scale: float = 1.0,
        n: int = devices,
        coverage: float | None = seen,
        method: str = "ledger",
        note: str = "",
    ) -> dict[str, Any]:
        value: float | int | None = numerator
        if numerator is not None and denominator is not None:
            value = numerator / denominator * scale
        elif numerator is not None and scale != 1:
            value = numerator * scale
        thin = coverage is not None and coverage < 0.95
        return {
            "id": id, "name": name, "unit": unit, "value": value, "numerator": numerator,
            "denominator": denominator, "n": n, "coverage": coverage, "method": method,
            "status": "unknown" if value is None else "partial" if thin else "ok", "dims": {},
            "period": period, "note": note,
            "numerator_unit": units[0], "denominator_unit": units[1] if denominator else "",
            "low": None, "high": None, "level": "measured",
        }  # fmt: skip

    availability = offered / (offered + hours["down"])
    performance, quality = active / measured, 0.941
    tok_j = ("tok", "J")
    counters = "job counters"
    return [
        figure("OEE", "overall equipment effectiveness", "1",
               availability * performance * quality, units=("1", "")),
        figure("OEE_A", "availability", "1", offered, offered + hours["down"]),
        figure("OEE_P", "performance", "1", active, measured, coverage=measured / assigned,
               method="SM activity counters"),
        figure("OEE_Q", "quality", "1", working * quality, working, n=jobs, coverage=1.0,
               method="ledger, job states"),
        figure("LOADING", "loading", "1", assigned, offered),
        figure("P01", "training tokens", "tok", trained, units=("tok", ""), n=21, coverage=0.972,
               method=counters, note="2 training jobs count no tokens"),
        figure("P02", "AI token throughput", "tok/s", trained + served, days * 86_400.0 * 0.93,
               units=("tok", "s"), n=36, coverage=None, method=counters),
        figure("P03", "inference tokens served", "tok", served, units=("tok", ""), n=10,
               coverage=1.0, method=counters),
        figure("E04", "GPU activity", "%", active, measured, scale=100,
               coverage=measured / assigned, method="SM activity counters"),
        figure("E06", "wasted GPU-hours", "GPU-h", hours["held"] + working * (1 - quality), n=131,
               coverage=measured / assigned,
               note="9.1 % of assigned time: 5 960.2 GPU-h held, 6 410.8 GPU-h of failed jobs"),
        figure("U01", "allocated utilisation", "%", assigned, offered, scale=100),
        figure("U02", "effective utilisation", "%", active, offered, scale=100,
               method="ledger, SM activity counters"),
        figure("S10", "tokens per joule", "tok/J", trained + served, in_jobs * 0.97, units=tok_j,
               n=36, coverage=0.991, method=f"counter, {boundary} boundary",
               note="5 jobs that count no tokens are left out, with 1812 kWh"),
        figure("S12", "job energy", "kWh", in_jobs, scale=1 / 3.6e6, units=("J", ""), n=jobs,
               coverage=0.991, method=f"counter, {boundary} boundary"),
        figure("S14", "attribution closure", "%", booked if node_meters else None,
               booked * 1.0004 if node_meters else None, scale=100, units=("J", "J"),
               n=nodes if node_meters else 0, coverage=0.991 if node_meters else None,
               method="counter" if node_meters else "",
               note="" if node_meters else "no node has a meter"),
        figure("Q03", "telemetry completeness", "%", 77_113_201.0, 82_944_000.0, scale=100,
               units=("samples", "samples"), n=nodes, coverage=None, method="sample counts"),
    ]  # fmt: skip


@pytest.fixture(scope="session")
def factory_kit() -> Any:
    """The parts that `factory_store` is put together from."""
    return _module("made_factory")


@pytest.fixture(scope="session")
def network_kit() -> Any:
    """Bundles of several factories, and what they are put together from."""
    return _module("made_network")


def _module(name: str) -> Any:
    path = Path(__file__).parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def factory_store(tmp_path_factory: pytest.TempPathFactory, factory_kit: Any) -> Path:
    """A store with books, registers and a profile, not to be changed."""
    made: Path = factory_kit.make(tmp_path_factory.mktemp("factory") / "store")
    return made


@pytest.fixture(scope="session")
def words_of(
    factory_store: Path, network_kit: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], list[str]]:
    """How `wattline report` is asked for a kind about `factory_store`, from the kind's name on."""
    sent = tmp_path_factory.mktemp("bundles")
    bundles = [*map(str, network_kit.write(sent, network_kit.three()))]
    ring = str(network_kit.ring_of(sent))

    def words(name: str) -> list[str]:
        found = [name, *(bundles if name == "network" else ()), *ASKED.get(name, ())]
        if kinds()[name].needs_store:
            found += ["--store", str(factory_store)]
        return found + (["--ring", ring] if name == "network" else [])

    return words


@pytest.fixture(scope="session")
def kind_forms(
    words_of: Callable[[str], list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Mapping[str, Path]]:
    """Each kind about `factory_store` as its files by form, made once however often it is asked."""

    @cache
    def forms(name: str) -> Mapping[str, Path]:
        out = tmp_path_factory.mktemp("kind")
        words = ["report", *words_of(name), "--format", ",".join(FORMATS), "--out", str(out)]
        assert main(words) == 0
        return {path.suffix[1:]: path for path in out.iterdir()}

    return forms


@pytest.fixture(scope="session")
def recorded_store(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recordings 01, 02 and 03 in one store; only for tests marked `recordings`."""
    store = tmp_path_factory.mktemp("recorded") / "store"
    inference, training, jobs = (
        shared / "data" / name
        for name in ("01-mlperf-inference-h200-power", "02-mlperf-training-power", "03-slurm-xdmod")
    )
    run = training / "llama2lora_1x8H100_AC_run4951_1"
    for words in (
        ["mlperf-inference", inference / "llama2-70b-99.9_Offline"],
        ["mlperf-training", f"{run}.power.tar.gz", "--log", f"{run}.mllog.txt.gz"],
        ["slurm-sacct", jobs / "phillips.log", "--zone", "UTC"],
    ):
        assert main(["import", *map(str, words), "--store", str(store)]) == 0
    return store


@pytest.fixture
def make_overview() -> Callable[..., Overview]:
    return build


@pytest.fixture
def overview() -> Overview:
    return build()


@pytest.fixture
def make_review() -> Callable[[Overview], Report]:
    return lambda figures: review.build(figures, explain)


@pytest.fixture
def text_of() -> Callable[[bytes], str]:
    """What a reader of a page sees, pictures included, as one line of words."""
    return _text_of


def _text_of(page: bytes) -> str:
    reader = _Reader()
    reader.feed(page.decode("utf-8"))
    return " ".join(" ".join(reader.words).split())


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.hidden = 0
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.hidden += tag in ("style", "script", "title")
        self.words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("style", "script", "title")
        self.words.append(" ")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.words.append(data)


@pytest.fixture
def tags_of() -> Callable[[bytes], list[tuple[str, dict[str, str | None]]]]:
    """Every element of a page with its attributes, as a browser would meet them."""

    def tags(page: bytes) -> list[tuple[str, dict[str, str | None]]]:
        reader = _Reader()
        reader.feed(page.decode("utf-8"))
        return reader.tags

    return tags
