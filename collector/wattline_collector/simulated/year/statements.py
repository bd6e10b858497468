"""What was said in a planted year beside samples: who is there, and all the scheduler told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from wattline_agents import __version__
from wattline_agents.catalogue import (
    ACCOUNTING,
    ASSIGNMENT,
    DEVICE_INFO,
    JOB_INFO,
    JOB_MODEL,
    NODE_INFO,
    NODE_STATE,
    Table,
)
from wattline_agents.sources.simulated.identity import device_row
from wattline_agents.wire import Row, encode
from wattline_collector.jobs.encode import BATCH_ROWS, bodies
from wattline_collector.simulated.batches import Body
from wattline_collector.simulated.year.extent import Extent
from wattline_collector.simulated.year.plan import Charged, Plan
from wattline_collector.simulated.year.planted import What
from wattline_collector.simulated.year.work import SEQUENCE, Job

SCHEDULER = "slurm"
"""What batches of the scheduler's own answers come from."""
PARTITION = "gpu"


def statements(plan: Plan) -> Iterator[Body]:
    """Batches of who is there, at the year's start and end, and of all the scheduler ever said."""
    yield from _installed(plan.extent, plan.extent.start_ms)
    yield from _installed(plan.extent, plan.extent.end_ms)
    for table, rows in _scheduled(plan).items():
        for _, body in bodies(table, rows):
            yield table, SCHEDULER, body
    infos = [_job_info(charged) for charged in plan.charged]
    models = [row for job in plan.jobs if (row := _job_model(job)) is not None]
    for table, said in ((JOB_INFO, infos), (JOB_MODEL, models)):
        for low in range(0, len(said), BATCH_ROWS):
            yield table, SCHEDULER, encode(table, said[low : low + BATCH_ROWS])


def node_list(names: Iterable[str]) -> str:
    """Names of nodes as Slurm writes them: `sim-r1-n[01,04-06],sim-r2-n[02]`."""
    parts: dict[str, list[str]] = {}
    for name in sorted(names):
        stem = name.rstrip("0123456789")
        parts.setdefault(stem, []).append(name.removeprefix(stem))
    lists = []
    for stem, numbers in parts.items():
        ranges: list[list[str]] = []
        for number in numbers:
            if ranges and int(number) == int(ranges[-1][-1]) + 1:
                ranges[-1] = [ranges[-1][0], number]
            else:
                ranges.append([number])
        lists.append(f"{stem}[{','.join('-'.join(one) for one in ranges)}]")
    return ",".join(lists)


def nodes_of(extent: Extent, job: Job) -> list[int]:
    """The nodes that a job has devices of."""
    return list(dict.fromkeys(device // extent.devices for device in job.devices))


def _installed(extent: Extent, at_ms: int) -> Iterator[Body]:
    shape = extent.shape
    for node, name in enumerate(extent.node_names):
        info: Row = {
            "time_unix_ms": at_ms, "rack": shape.rack_name(shape.rack_of(node)),
            "partition": PARTITION, "os": "none (simulated)", "cores": extent.profile.cores,
            "agent_version": __version__, "installed_from_unix_ms": extent.start_ms,
        }  # fmt: skip
        yield NODE_INFO, name, encode(NODE_INFO, [info])
        rows = [
            device_row(extent.profile, extent.device_names[device], index, at_ms)
            | {"installed_from_unix_ms": extent.start_ms}
            for index, device in enumerate(extent.devices_of(node))
        ]
        yield DEVICE_INFO, name, encode(DEVICE_INFO, rows)


def _scheduled(plan: Plan) -> dict[Table, pl.DataFrame]:
    accounts = [_account(plan.extent, charged) for charged in plan.charged]
    jobs = pl.DataFrame(accounts, infer_schema_length=None)
    names = plan.extent.device_names
    held = jobs.select(
        "time_unix_ms", "job", "start_unix_ms", "end_unix_ms",
        pl.Series("device", [[names[device] for device in job.devices] for job in plan.jobs]),
        pl.lit(SCHEDULER).alias("method"),
    ).explode("device", empty_as_null=False)  # fmt: skip
    states = [
        {
            "time_unix_ms": event.end_ms, "host": event.name,
            "state": "down" if event.what is What.FAILURE else "drain",
            "reason": "planted", "start_unix_ms": event.start_ms, "end_unix_ms": event.end_ms,
        }
        for event in plan.planted.events
        if event.what in (What.FAILURE, What.DRAIN)
    ]  # fmt: skip
    return {ACCOUNTING: jobs, ASSIGNMENT: held, NODE_STATE: pl.DataFrame(states)}


def _account(extent: Extent, charged: Charged) -> Row:
    job = charged.job
    nodes = nodes_of(extent, job)
    return {
        "time_unix_ms": job.end_ms, "job": job.key, "scheduler": "slurm", "job_id": job.key,
        "name": job.name, "user": charged.user, "account": charged.grant.project.lower(),
        "partition": PARTITION, "state": job.outcome, "submit_unix_ms": charged.submit_ms,
        "eligible_unix_ms": charged.submit_ms, "start_unix_ms": job.start_ms,
        "end_unix_ms": job.end_ms, "nodes": len(nodes),
        "node_list": node_list(extent.node_names[node] for node in nodes),
        "gpus": len(job.devices),
    }  # fmt: skip


def _job_info(charged: Charged) -> Row:
    job = charged.job
    return {
        "time_unix_ms": job.end_ms, "job": job.key, "name": job.name, "kind": job.kind,
        "project": charged.grant.project, "run": job.run, "user": charged.user,
        "state": job.outcome, "start_unix_ms": job.start_ms, "end_unix_ms": job.end_ms,
    }  # fmt: skip


def _job_model(job: Job) -> Row | None:
    if job.model is None:
        return None
    trains = job.kind == "training"
    return {
        "time_unix_ms": job.end_ms, "job": job.key, "model": job.model.name,
        "architecture": "dense", "parameters": job.model.parameters,
        "parameters_active": job.model.parameters, "sequence_length": SEQUENCE, "dtype": "bf16",
        "flops_per_token": job.model.flops_trained if trains else job.model.flops_served,
        "formula": "6N" if trains else "2N",
    }  # fmt: skip
