from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import InputError, UsageError
from wattline_collector.access import Viewer
from wattline_collector.efficiency.compute import report
from wattline_collector.efficiency.find import NotThere
from wattline_collector.efficiency.gather import gather
from wattline_collector.efficiency.report import JobReport
from wattline_collector.kpi.figure import Period
from wattline_collector.ledger.accounts import Account
from wattline_collector.ledger.books import Books
from wattline_collector.simulated.jobs import Job
from wattline_collector.simulated.schedule import Schedule

MINUTE = 60_000
HOUR = 60 * MINUTE
Ask = Callable[..., Any]


def finished(factory: Schedule, kind: str) -> Job:
    """A job that ran wholly within the history, on devices that nothing happened to."""
    shape = factory.shape
    low, high = shape.start_ms + HOUR, shape.present_ms - HOUR
    silent = [s for node in range(shape.nodes) for s in factory.faults.silences(node)]

    def undisturbed(job: Job) -> bool:
        nodes = {device // shape.devices for device in job.devices}
        return not any(
            s.node in nodes and s.start_ms < job.end_ms and job.start_ms < s.end_ms for s in silent
        ) and not any(
            loss.overlaps(job.start_ms, job.end_ms)
            for device in job.devices
            for loss in factory.faults.losses(device)
        )

    return next(
        job
        for job in factory.jobs
        if job.kind == kind and job.start_ms > low and job.end_ms < high and undisturbed(job)
        and job.outcome == "completed" and job.end_ms - job.start_ms > 30 * MINUTE
    )  # fmt: skip


def looked_at(store: Path, ask: Ask, id: str, **more: Any) -> JobReport:
    return report(gather(store, ask(id, **more)))


def test_a_job_of_the_factory_is_told_as_it_was(
    factory: Schedule, factory_store: Path, ask: Ask
) -> None:
    job = finished(factory, "training")
    found = looked_at(factory_store, ask, job.key)
    value = found.figures.value
    seconds = (job.end_ms - job.start_ms) / 1000
    identity = found.identity
    assert (identity.name, identity.user, identity.project) == (job.name, job.user, job.project)
    assert (identity.kind, identity.state) == (job.kind, job.outcome)
    assert {row.device for row in found.devices} == {factory.device_names[d] for d in job.devices}
    assert value("run_seconds") == seconds
    assert value("gpu_time") == pytest.approx(len(job.devices) * seconds / 3600)
    assert found.attribution == {"simulated": pytest.approx(len(job.devices) * seconds)}
    made = job.made(job.end_ms)
    assert value("tokens_trained") == int(made["tokens_trained_total"])
    assert value("steps") == int(made["steps_total"])
    assert found.figure("busy").coverage == pytest.approx(1)
    spent = {
        phase: made.get(f"phase_{phase}_seconds_total", 0.0) for phase in ("step", "data_wait")
    }
    for phase, told in spent.items():
        if told:
            assert value(f"phase_{phase}") == pytest.approx(told / seconds, abs=1e-6)
    assert value("goodput") == pytest.approx(spent["step"] / seconds, abs=1e-6)


def test_its_energy_and_activity_are_the_integrals_of_its_devices(
    factory: Schedule, factory_store: Path, ask: Ask
) -> None:
    job = finished(factory, "training")
    found = looked_at(factory_store, ask, job.key)
    joules = active = 0.0
    for device in job.devices:
        life = factory.life(device)
        for segment, low, high in life.within(job.start_ms, job.end_ms):
            joules += segment.joules(high) - segment.joules(low)
            active += segment.active_seconds(high) - segment.active_seconds(low)
    energy = found.figure("gpu_energy")
    assert energy.numerator == pytest.approx(joules, rel=1e-3)
    assert "counter" in energy.method
    activity = found.figure("sm_active").numerator
    assert activity is not None
    assert activity * 3600 == pytest.approx(active, rel=1e-3)
    assert found.figures.value("tensor_active") is not None
    memory = max(stage.memory for stage in job.stages) * factory.shape.profile.memory_bytes
    assert found.figures.value("gpu_memory_peak_bytes") == pytest.approx(memory, rel=0.01)


def test_a_session_that_idles_is_found_with_the_minutes_it_idled_in(
    factory: Schedule, factory_store: Path, ask: Ask
) -> None:
    job = next(
        job for job in factory.jobs
        if job.name in ("notebook", "interactive", "debug-session")
        and job.start_ms > factory.shape.start_ms and job.end_ms < factory.shape.present_ms
        and any(not stage.works for stage in job.stages)
    )  # fmt: skip
    found = looked_at(factory_store, ask, job.key)
    idle = [(stage.start_ms, stage.end_ms) for stage in job.stages if not stage.works]
    held = next(one for one in found.accounts if one.account is Account.HELD)
    assert held.device_ms == len(job.devices) * sum(end - start for start, end in idle)
    assert [(s.start_ms, s.end_ms) for s in held.stretches] == idle
    assert found.figures.value("interactive") == 1


def test_a_running_job_is_told_up_to_now_with_the_age_of_its_data(
    factory: Schedule, factory_store: Path, ask: Ask
) -> None:
    present = factory.shape.present_ms
    job = next(j for j in factory.jobs if j.start_ms < present - HOUR and j.end_ms > present)
    found = looked_at(factory_store, ask, job.key, now_ms=present + 40_000)
    assert found.identity.runs
    assert found.age_ms == 40_000
    assert found.figures.value("run_seconds") == (present - job.start_ms) / 1000


def test_a_part_of_its_time_can_be_looked_at(
    factory: Schedule, factory_store: Path, ask: Ask
) -> None:
    job = finished(factory, "training")
    start, end = job.start_ms + 5 * MINUTE, job.start_ms + 20 * MINUTE
    period = Period(*(datetime.fromtimestamp(ms / 1000, UTC) for ms in (start, end)))
    found = looked_at(factory_store, ask, job.key, period=period)
    assert found.figures.value("gpu_time") == pytest.approx(len(job.devices) * 0.25)
    low, high = (job.made(at).get("tokens_trained_total", 0.0) for at in (start, end))
    made = high - low
    assert found.figures.value("tokens_trained") == pytest.approx(made, abs=2)
    long_ago = Period(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC))
    with pytest.raises(UsageError, match="did not run then: it ran from 20"):
        gather(factory_store, ask(job.key, period=long_ago))


def test_only_the_owner_and_staff_see_it(factory: Schedule, factory_store: Path, ask: Ask) -> None:
    job = finished(factory, "training")
    assert gather(factory_store, ask(job.key, viewer=Viewer(job.user))).job == job.key
    with pytest.raises(NotThere):
        gather(factory_store, ask(job.key, viewer=Viewer("somebody")))


def test_a_place_without_a_store_is_said(tmp_path: Path, ask: Ask) -> None:
    with pytest.raises(UsageError, match="holds no store"):
        gather(tmp_path / "none", ask("1"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotThere):
        gather(tmp_path / "empty", ask("1"))


def test_a_damaged_file_of_the_books_is_named(
    tmp_path: Path, ask: Ask, send: Any, start_ms: int
) -> None:
    path = tmp_path / "store"
    send(path, *telemetry(start_ms), until_ms=start_ms + HOUR)
    books = Books(path)
    file = books.path("device", books.hours()[0])
    file.write_bytes(b"PAR1 no more")
    with pytest.raises(InputError, match="cannot be read") as damaged:
        gather(path, ask("7"))
    assert damaged.value.path == file


# Hand-written


def telemetry(start_ms: int, *, sm: float = 0.5, job: str = "7") -> list[tuple[str, list[Any]]]:
    """An hour of one device that works for half of it."""
    end = start_ms + HOUR
    samples = [
        {"time_unix_ms": start_ms + i * MINUTE, "device": "GPU-a", "up": 1,
         "power_watts": 400.0, "energy_joules_total": 24_000.0 * i, "memory_used_bytes": 10**10,
         "memory_size_bytes": 8 * 10**10, "sm_active_ratio": sm if i <= 30 else 0.0}
        for i in range(61)
    ]  # fmt: skip
    return [
        ("device_info", [{"time_unix_ms": start_ms, "device": "GPU-a", "index": 0,
                          "model": "NVIDIA H100 80GB HBM3"}]),
        ("node_info", [{"time_unix_ms": start_ms, "cores": 64}]),
        ("assignment", [{"time_unix_ms": end, "device": "GPU-a", "job": job, "method": "prolog",
                         "start_unix_ms": start_ms, "end_unix_ms": end}]),
        ("device", samples),
    ]  # fmt: skip


def accounting(start_ms: int, **more: Any) -> tuple[str, list[Any]]:
    row = {
        "time_unix_ms": start_ms + HOUR, "job": "7", "scheduler": "slurm", "job_id": "5_2",
        "array_job": "5", "name": "train", "user": "anna", "account": "proj", "state": "completed",
        "submit_unix_ms": start_ms - HOUR, "start_unix_ms": start_ms,
        "end_unix_ms": start_ms + HOUR, "time_limit_seconds": 36_000.0, "nodes": 1, "cpus": 16,
        "gpus": 1, "memory_bytes": 64 * 10**9,
    }  # fmt: skip
    return "accounting", [row | more]


def test_accounting_and_telemetry_meet_in_one_job(
    tmp_path: Path, ask: Ask, send: Any, start_ms: int
) -> None:
    path = tmp_path / "store"
    send(path, *telemetry(start_ms), accounting(start_ms), until_ms=start_ms + 2 * HOUR)
    found = looked_at(path, ask, "5_2")
    value = found.figures.value
    assert (found.identity.job, found.identity.user) == ("7", "anna")
    assert value("time_limit_used") == pytest.approx(0.1)
    assert value("wait_seconds") == 3600
    assert value("held") == pytest.approx(0.5)
    assert value("gpu_energy") == pytest.approx(0.4)
    assert found.attribution == {"prolog": 3600.0}
    assert value("gpu_memory_peak") == pytest.approx(0.125)
    assert found.devices[0].index == 0


def test_accounting_alone_is_enough(tmp_path: Path, ask: Ask, send: Any, start_ms: int) -> None:
    path = tmp_path / "store"
    send(path, accounting(start_ms, energy_joules=3.6e6), until_ms=start_ms + 2 * HOUR)
    found = looked_at(path, ask, "5_2")
    assert found.figures.value("scheduler_energy") == pytest.approx(1)
    assert found.figures.value("gpu_time") is None
    assert found.devices == ()


def test_a_job_that_waits_is_told_without_a_start(
    tmp_path: Path, ask: Ask, send: Any, start_ms: int
) -> None:
    path = tmp_path / "store"
    waits = accounting(start_ms, state="pending", start_unix_ms=None, end_unix_ms=None)
    send(path, waits, until_ms=start_ms + 2 * HOUR)
    found = looked_at(path, ask, "5_2", now_ms=start_ms + 2 * HOUR)
    assert found.identity.state == "pending"
    assert found.figures.value("run_seconds") is None


def test_telemetry_alone_is_enough(tmp_path: Path, ask: Ask, send: Any, start_ms: int) -> None:
    path = tmp_path / "store"
    send(path, *telemetry(start_ms), until_ms=start_ms + 2 * HOUR)
    found = looked_at(path, ask, "7")
    assert found.figures.value("held") == pytest.approx(0.5)
    assert found.figures.value("time_limit_used") is None
    assert found.identity.user is None


def test_a_register_that_cannot_be_read_leaves_the_title_out(
    tmp_path: Path, ask: Ask, send: Any, start_ms: int
) -> None:
    path = tmp_path / "store"
    send(path, accounting(start_ms), until_ms=start_ms + 2 * HOUR)
    register = path / "registers" / "projects.parquet"
    register.parent.mkdir()
    register.write_bytes(b"not a register")
    assert gather(path, ask("7")).project == {}


def test_what_is_not_sealed_yet_is_read_too(
    tmp_path: Path, ask: Ask, send: Any, start_ms: int, factory: Schedule
) -> None:
    from wattline_agents.catalogue import TABLES
    from wattline_agents.wire import Header, encode
    from wattline_collector.ledger.booking import book
    from wattline_collector.receive.intake import Intake
    from wattline_collector.store.store import Store

    path = tmp_path / "store"
    with Store.open(path, write=True) as store:
        intake = Intake(store)
        for number, (table, rows) in enumerate(telemetry(start_ms), start=1):
            intake.accept(
                table, Header("test", "n0", "b", number, 60_000), encode(TABLES[table], rows)
            )
        store.commit()
        book(store, until_ms=start_ms + 2 * HOUR)
        live = report(gather(path, ask("7"), live=store))
    later = looked_at(path, ask, "7")
    for found in (live, later):
        assert found.figures.value("gpu_memory_peak_bytes") == 10**10
