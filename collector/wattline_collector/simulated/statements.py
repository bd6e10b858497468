"""What simulated agents say besides readings: who is there, what runs, and who holds what."""

from __future__ import annotations

from wattline_agents import __version__
from wattline_agents.sources.simulated.identity import METHOD, device_row
from wattline_agents.wire import Row
from wattline_collector.simulated.jobs import Job
from wattline_collector.simulated.schedule import Schedule


def node_info(schedule: Schedule, node: int, at_ms: int) -> Row:
    """Who a node is."""
    shape = schedule.shape
    return {
        "time_unix_ms": at_ms,
        "rack": shape.rack_name(shape.rack_of(node)),
        "partition": "simulated",
        "os": "none (simulated)",
        "cores": shape.profile.cores,
        "power_source": METHOD,
        "agent_version": __version__,
        "installed_from_unix_ms": shape.installed_from_ms,
    }


def device_info(schedule: Schedule, node: int, at_ms: int) -> list[Row]:
    """Who its devices are."""
    shape = schedule.shape
    return [
        device_row(shape.profile, schedule.device_names[device], index, at_ms)
        | {
            "installed_from_unix_ms": shape.installed_from_ms,
            "module": shape.module_of(device),
        }
        for index, device in enumerate(schedule.devices_of(node))
    ]


def job_info(job: Job, at_ms: int) -> Row:
    """What a job is, as known at that time."""
    ended = at_ms >= job.end_ms
    return {
        "time_unix_ms": at_ms,
        "job": job.key,
        "name": job.name,
        "kind": job.kind,
        "project": job.project,
        "user": job.user,
        "state": job.outcome if ended else "running",
        "start_unix_ms": job.start_ms,
        "end_unix_ms": job.end_ms if ended else None,
    }


def assignment(device: str, job: Job, at_ms: int) -> Row:
    """That a job holds a device, as known at that time."""
    return {
        "time_unix_ms": at_ms,
        "device": device,
        "job": job.key,
        "start_unix_ms": job.start_ms,
        "end_unix_ms": job.end_ms if at_ms >= job.end_ms else None,
        "method": METHOD,
    }
