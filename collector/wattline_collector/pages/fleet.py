"""What the fleet can be put in order by beside racks and nodes: partitions, and projects."""

from __future__ import annotations

from typing import Any

import polars as pl

from wattline_agents.errors import InputError
from wattline_collector.access import Sight, Viewer, sees
from wattline_collector.kpi.inputs import Inputs
from wattline_collector.pages.read import House, Json, Question, Read
from wattline_collector.store import live


def answer(house: House, question: Question) -> Json:
    """`GET /v1/fleet`: the partition of every node, and the project that holds every device.

    A node's partition is what it says itself, else what the factory's profile says of its rack.
    Projects are for whoever sees projects; for all others there are none.
    """
    known, now_ms = house.latest.known()
    nodes = known.rows("node_info").select("system", "node", "rack", "partition")
    by_rack = _by_rack(house, now_ms)
    rows = [
        (system, node, partition or by_rack.get((system, rack)))
        for system, node, rack, partition in nodes.iter_rows()
    ]
    return {
        "partitions": {
            "system": [system for system, _, _ in rows],
            "node": [node for _, node, _ in rows],
            "partition": [partition for *_, partition in rows],
        },
        "projects": _projects(known, now_ms, question.viewer),
    }


def _projects(known: live.Known, now_ms: int, viewer: Viewer) -> dict[str, list[Any]]:
    if not sees(viewer, Sight.PROJECTS):
        return {"system": [], "device": [], "project": []}
    whose = known.rows("job_info").select("system", "job", "project")
    held = (
        live.open_assignments(known, now_ms)
        .select("system", "device", "job")
        .join(whose, on=["system", "job"], how="left")
        .filter(pl.col("project").is_not_null())
    )
    return {name: held[name].to_list() for name in ("system", "device", "project")}


def _by_rack(house: House, now_ms: int) -> dict[tuple[str, str | None], str | None]:
    try:
        profile = Inputs(house.store.path, now_ms, now_ms + 1).profile
    except InputError:  # the page says what is wrong with it by `/v1/site`
        return {}
    if profile is None:
        return {}
    return {
        (system.id, rack.id): rack.partition
        for system in profile.systems.values()
        for rack in system.racks.values()
    }


READS = (Read("/v1/fleet", (Sight.FLEET,), answer, keep_seconds=10.0, by_viewer=True, quick=True),)
