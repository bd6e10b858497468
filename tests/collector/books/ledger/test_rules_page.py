"""The examples that stand beside the rules of docs/ledger.md, booked again."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents import cli
from wattline_collector.kpi.view import load
from wattline_collector.ledger.books import Books
from wattline_collector.registers.kept import update
from wattline_collector.registers.schema import OUTAGES
from wattline_collector.store.filenames import REGISTERS_DIR

MINUTE = 60
HOUR = 3600
PAGE = Path(__file__).parents[4] / "docs/ledger.md"


@pytest.fixture(scope="module")
def page() -> str:
    """The page in one line, without the marks of its quotes."""
    return re.sub(r"\s+", " ", PAGE.read_text().replace("\n> ", " "))


@pytest.fixture
def minutes(seconds: Callable[..., dict[str, float]]) -> Callable[[Books], dict[str, str]]:
    """Minutes per account, as the page writes them."""

    def of(books: Books) -> dict[str, str]:
        return {name: f"{name} {told / MINUTE:g} min" for name, told in seconds(books).items()}

    return of


def test_gaps(page: str, telemetry: Any, minutes: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=10 * MINUTE, sm_active_ratio=0.9)
    telemetry.samples(first_s=15 * MINUTE, last_s=HOUR, sm_active_ratio=0.0)
    telemetry.assign("j", 0, 12 * MINUTE)
    told = minutes(telemetry.book(HOUR))
    names = ("busy", "unmeasured", "unobserved", "free")
    assert set(told) == set(names)
    assert f"{', '.join(told[name] for name in names)}.".replace("busy", "Busy") in page


@pytest.mark.parametrize("idle_minutes", [12, 9])
def test_held(page: str, telemetry: Any, minutes: Any, idle_minutes: int) -> None:
    telemetry.device()
    telemetry.samples(
        last_s=HOUR, sm_active_ratio=lambda s: 0.0 if 600 < s <= 600 + 60 * idle_minutes else 0.9
    )
    telemetry.assign("j", 0, HOUR)
    told = minutes(telemetry.book(HOUR))
    if "held" in told:
        assert (
            f"does nothing for {idle_minutes} of its 60 minutes: {told['held']}, {told['busy']}"
            in (page)
        )
    else:
        assert f"For {idle_minutes} of them: {told['busy']}." in page


def test_slowed(page: str, telemetry: Any, minutes: Any) -> None:
    telemetry.device()
    telemetry.samples(
        last_s=HOUR, sm_active_ratio=0.9,
        throttle_power_cap_seconds_total=lambda s: 0.6 * s,
        throttle_thermal_seconds_total=lambda s: 0.4 * s,
    )  # fmt: skip
    telemetry.assign("j", 0, HOUR)
    told = minutes(telemetry.book(HOUR))
    assert f"Of an hour, {told['slowed']}, {told['busy']}." in page


def test_outages_that_overlap(
    page: str, telemetry: Any, minutes: Any, start_ms: int, clock: Any
) -> None:
    rows = [
        {"system": "test", "scope": "system", "scheduled": scheduled,
         "start_ms": start_ms + first * 60_000, "end_ms": start_ms + last * 60_000}
        for scheduled, first, last in ((False, 0, 30), (True, 20, 40))
    ]  # fmt: skip
    (telemetry.path / REGISTERS_DIR).mkdir()
    frame = pl.DataFrame(rows, schema=OUTAGES.schema)
    update(telemetry.path, OUTAGES, frame, origin="csv", source="x", now_ms=clock.now_ms)
    telemetry.device()
    telemetry.samples(last_s=HOUR)
    told = minutes(telemetry.book(HOUR))
    assert f"from 20 to 40: {told['down']}, {told['maintenance']}." in page


def test_states_without_an_end(page: str, telemetry: Any, minutes: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=2 * HOUR)
    telemetry.node_state("down", 0, None, said_s=10 * MINUTE)
    told = minutes(telemetry.book(2 * HOUR))
    assert f"and is not heard of again: {told['down']}." in page


def test_claims_without_an_end(page: str, telemetry: Any, seconds: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=0.9)
    for said in (10, 300, 600):
        telemetry.assign("j", 0, None, said_s=said, method="process")
    told = seconds(telemetry.book(HOUR))
    assert f"the job held it for {told['busy']:g} s." in page


def test_a_counter_across_a_silence(page: str, telemetry: Any, joules: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=0, counter=lambda _: 1000.0)
    telemetry.samples(first_s=HOUR, last_s=HOUR, counter=lambda _: 1_441_000.0)
    told = joules(telemetry.book(HOUR))
    assert f"later: {told['unobserved']:,.0f} J are booked to `unobserved`." in page


def test_a_counter_that_runs_backwards(page: str, telemetry: Any, joules: Any) -> None:
    found = []
    for watts in (400.0, None):
        telemetry.sent.clear()
        telemetry.device()
        telemetry.samples(last_s=10, watts=watts, counter=lambda s: 1000.0 if s else 8000.0)
        found.append(joules(telemetry.book(10))["free"])
    assert f"The interval has {found[0]:,.0f} J; without power, {found[1]:,.0f} J." in page


def test_devices_that_share_a_meter(page: str, telemetry: Any) -> None:
    for die, watts in (("die0", 500.0), ("die1", None)):
        telemetry.device(die, module="m")
        telemetry.samples(
            die, last_s=HOUR, watts=watts, counter=(lambda s: 500 * s) if watts else None
        )
    entries = telemetry.book(HOUR).minutes("device", telemetry.book(HOUR).hours()[0])
    told = entries.group_by("device").agg(pl.col("energy_joules").sum())["energy_joules"]
    assert {f"{value:,.0f}" for value in told} == {"900,000"}
    assert "The meter of two dies reads 500 W for an hour: 900,000 J are booked to each." in page


def test_power_at_the_edges_of_a_job(page: str, telemetry: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=MINUTE, sm_active_ratio=0.9)
    telemetry.assign("j", 25, 45)
    books = telemetry.book(MINUTE)
    entries = books.minutes("device", books.hours()[0])
    assert entries is not None
    joules, known, whole = (
        entries.filter(pl.col("job") == "j")
        .select(pl.col("energy_joules", "energy_ms", "duration_ms").sum())
        .row(0)
    )
    assert (
        f"booked {joules:,.0f} J, known for {known / 1000:g} s of its {whole / 1000:g} s." in page
    )


def test_a_nodes_overhead(page: str, telemetry: Any, start_ms: int) -> None:
    for device, watts in (("gpu0", 600), ("gpu1", 200)):
        telemetry.device(device)
        telemetry.samples(device, last_s=HOUR, sm_active_ratio=0.9, watts=None,
                          counter=lambda s, watts=watts: watts * s)  # fmt: skip
    telemetry.assign("j", 0, HOUR, "gpu0")
    telemetry.add("node_info", [{"time_unix_ms": start_ms}], period_ms=0)
    telemetry.add(
        "node",
        [
            {"time_unix_ms": start_ms + s * 1000, "energy_joules_total": 2000.0 * s}
            for s in range(0, HOUR + 1, 10)
        ],
    )
    books = telemetry.book(HOUR)
    entries = books.minutes("node", books.hours()[0])
    assert entries is not None
    told = dict(entries.group_by("job").agg(pl.col("energy_joules").sum()).iter_rows())
    assert f"{told['j']:,.0f} J are the job's, and {told[None]:,.0f} J nobody's." in page


def test_tokens_between_two_minutes(page: str, telemetry: Any, start_ms: int) -> None:
    telemetry.device()
    telemetry.counts(
        "j", {float(s): {"tokens_trained_total": t} for s, t in ((50, 100), (80, 130), (170, 15))}
    )
    telemetry.info("j", 50)
    entries = telemetry.book(HOUR).read("job", start_ms, start_ms + 240_000)
    told = dict(
        entries.select(pl.col("minute").dt.minute(), "tokens_trained").drop_nulls().iter_rows()
    )
    # The first reading says where it stood after second 50; it is booked to the moment before.
    assert f"{told[0] - 100} are booked to the first minute and 20 to the second." in page
    assert sum(told.values()) == 130 + 15
    assert "If it then stands at 15, it began anew, and 15 more are booked." in page


def test_held_after_a_crash(page: str, telemetry: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=lambda s: 0.9 if s <= 40 * MINUTE else 0.0)
    telemetry.assign("j", 0, HOUR)
    telemetry.counts(
        "j",
        {
            float(s): {"step": s // 60, "steps_total": s // 60, "step_resumed": 0,
                       "step_saved": 30 if s >= 30 * MINUTE else None}
            for s in range(0, 40 * MINUTE + 1, 60)
        },
    )  # fmt: skip
    telemetry.info("j", 0, HOUR, state="failed")
    telemetry.book(HOUR)
    told = dict(
        load(telemetry.path, None)
        .device.group_by("account")
        .agg(pl.col("duration_ms").sum() / 60_000)
        .iter_rows()
    )
    assert set(told) == {"busy", "lost", "held"}
    assert (
        f"back at minute 60: busy {told['busy']:g} min, lost {told['lost']:g} min, "
        f"held {told['held']:g} min." in page
    )


def test_buckets_of_two_engines(page: str, telemetry: Any, start_ms: int) -> None:
    telemetry.device()
    telemetry.info("j", 0)
    buckets: dict[str, dict[float | None, int]] = {
        "e1": {0.1: 5, 0.5: 8, 1.0: 10, None: 10}, "e2": {0.5: 4, 1.0: 6, None: 6},
    }  # fmt: skip
    for engine, counts in buckets.items():
        for second, part in ((0, 0), (60, 1)):
            telemetry.add(
                "latency",
                [
                    {
                        "time_unix_ms": start_ms + second * 1000, "job": "j", "engine": engine,
                        "kind": "first_token", "le_seconds": bound,
                        "latency_count_total": part * count,
                        "latency_seconds_total": 0.0 if bound is None else None,
                    }
                    for bound, count in counts.items()
                ],
            )  # fmt: skip
    found = telemetry.book(HOUR).latency(start_ms, start_ms + HOUR * 1000)
    told = dict(found.select("le_seconds", "count").iter_rows())
    assert set(told) == {0.5, 1.0, None}
    assert f"together {told[0.5]} up to 0.5 s, and {told[1.0]} up to 1 s." in page


def test_a_restatement(telemetry: Any, clock: Any, start_ms: int, capsys: Any) -> None:
    telemetry.device()
    for first, last in ((0, 1.25), (1.75, 5)):
        telemetry.samples(first_s=first * HOUR, last_s=last * HOUR, counter=lambda s: 400 * s)
    telemetry.book(5 * HOUR, clock)
    telemetry.samples(first_s=1.25 * HOUR + 10, last_s=1.75 * HOUR - 10, counter=lambda s: 400 * s)
    telemetry.take_dirty = lambda: {("test", start_ms + HOUR * 1000)}
    clock.sleep(60)
    telemetry.book(5 * HOUR, clock)
    assert cli.main(["audit", "--restatements", "--store", str(telemetry.path)]) == 0
    *lines, _ = capsys.readouterr().out.splitlines()
    assert "\n".join(f"    {line}" for line in lines) in PAGE.read_text()
