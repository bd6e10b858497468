"""Slurm's JSON: `sacct --json`, `squeue --json`, `scontrol show job --json`, slurmrestd.

The layout moves with every release: what was a number becomes `{set, infinite, number}`, what was a
word a list of words. So values are asked for by what they are, in every shape seen between 21.08
and 24.11, and whatever has another shape is unknown. Records become the same frame of text that
`sacct`'s lines become.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from wattline_agents.errors import InputError
from wattline_collector.jobs.accounts import RAW
from wattline_collector.jobs.claims import Held, held_by
from wattline_collector.jobs.nodelist import expand

Json = object
Record = dict[str, str | None]

MOST_BYTES = 256 * 1024 * 1024
"""Some 30,000 jobs with their steps; a larger answer belongs into `sacct --parsable2`."""


@dataclass(frozen=True, slots=True)
class NodeSaid:
    """What Slurm says of one node now.

    Attributes:
        host: Its name.
        state: The words of its state, joined by `+`.
        reason: Why, if it says.
        since_ms: Since when the reason holds; None where it does not say.
    """

    host: str
    state: str
    reason: str | None
    since_ms: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a document holds.

    Attributes:
        records: `accounts.RAW` and `line`: a number that counts records and steps up.
        held: Devices that running jobs hold, by node and index.
        nodes: Nodes and their states.
        time_ms: When it was made, if it says.
    """

    records: pl.DataFrame
    held: list[Held]
    nodes: list[NodeSaid]
    time_ms: int | None


def read(body: bytes, path: object = None) -> Answer:
    """Read a document of any of these kinds.

    Args:
        body: The JSON.
        path: What to call it in an error.

    Raises:
        InputError: It is no JSON, too long, or holds neither jobs nor nodes.
    """
    if len(body) > MOST_BYTES:
        raise InputError(
            f"over {MOST_BYTES >> 20} MiB of JSON; use `sacct --parsable2` for archives", path=path
        )
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = str(error).split("\n", 1)[0][:80]
        raise InputError(f"is no whole JSON document: {reason}", path=path) from error
    top = _map(document)
    jobs, nodes = top.get("jobs"), top.get("nodes")
    if not isinstance(jobs, list) and not isinstance(nodes, list):
        raise InputError("holds neither `jobs` nor `nodes` as Slurm's JSON does", path=path)
    records: list[Record] = []
    held: list[Held] = []
    for entry in jobs if isinstance(jobs, list) else ():
        job = _map(entry)
        if "job_state" in job:
            records.append(_of_controller(job))
            held += _held(job)
        else:
            records += _of_database(job)
    columns = {name: pl.Series([r.get(name) for r in records], dtype=pl.String) for name in RAW}
    frame = pl.DataFrame({"line": pl.Series(range(1, len(records) + 1), dtype=pl.Int64), **columns})
    said = [_node(_map(entry)) for entry in nodes] if isinstance(nodes, list) else []
    stamp = number(top.get("last_update"))
    return Answer(
        frame, held, [node for node in said if node is not None], stamp * 1000 if stamp else None
    )


# Values in every shape


def number(value: Json) -> int | None:
    """A number, plain or as `{set, infinite, number}`; None if it is not set, infinite or none."""
    if isinstance(value, Mapping):
        if value.get("set") is False or value.get("infinite") is True:
            return None
        value = value.get("number")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = int(value)
    except (ValueError, OverflowError):
        return None
    # NO_VAL and INFINITE stand where a version forgot to say that nothing is set.
    return found if 0 <= found < 10**18 and found not in (0xFFFFFFFE, 0xFFFFFFFF) else None


def words(value: Json) -> str | None:
    """A word, or a list of words joined by commas."""
    if isinstance(value, list):
        return ",".join(word for word in value if isinstance(word, str)) or None
    return value if isinstance(value, str) and value else None


def _map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _at(value: Json, *path: str) -> Json:
    for name in path:
        value = _map(value).get(name)
    return value


def _text(value: Json) -> str | None:
    """A number as text."""
    found = number(value)
    return None if found is None else str(found)


def _tres(value: Json) -> str | None:
    """A list of `{type, name, count}` as Slurm writes it on one line."""
    if not isinstance(value, list):
        return None
    parts = []
    for entry in map(_map, value):
        kind, name, count = entry.get("type"), entry.get("name"), number(entry.get("count"))
        if isinstance(kind, str) and count is not None:
            label = f"{kind}/{name}" if isinstance(name, str) and name else kind
            parts.append(f"{label}={count}M" if kind == "mem" else f"{label}={count}")
    return ",".join(parts) or None


def _counted(value: Json, kind: str) -> str | None:
    """One resource's count in such a list."""
    if isinstance(value, list):
        for entry in map(_map, value):
            if entry.get("type") == kind:
                return _text(entry.get("count"))
    return None


def _exit(value: Json) -> str | None:
    """An exit code as `code:signal`, from a wait status or from its parts."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 65536:
        return f"{value >> 8}:{value & 0x7F}"
    code = number(_at(value, "return_code"))
    signal = number(_at(value, "signal", "id")) or number(_at(value, "signal", "signal_id"))
    return None if code is None and signal is None else f"{code or 0}:{signal or 0}"


def _id(job: Json, array: Json, task: Json, het: Json, offset: Json) -> str | None:
    """The id people know."""
    array_id, task_id, het_id = number(array), number(task), number(het)
    if array_id and task_id is not None:
        return f"{array_id}_{task_id}"
    if het_id:
        return f"{het_id}+{number(offset) or 0}"
    return _text(job)


# Records


def _of_database(job: Mapping[str, Json]) -> Iterator[Record]:
    """A job of slurmdbd's, and its steps."""
    time, allocated = _map(job.get("time")), _at(job, "tres", "allocated")
    raw, state = _text(job.get("job_id")), words(_at(job, "state", "current"))
    code = _exit(job.get("exit_code"))
    if code == "0:0" and state is not None and state.startswith("FAILED"):
        code = None  # 22.05 says SUCCESS here, whatever the script returned
    yield {
        "job_raw": raw,
        "job_id": _id(
            job.get("job_id"), _at(job, "array", "job_id"), _at(job, "array", "task_id"),
            _at(job, "het", "job_id"), _at(job, "het", "job_offset"),
        ),
        "cluster": words(job.get("cluster")),
        "partition": words(job.get("partition")),
        "qos": words(job.get("qos")),
        "account": words(job.get("account")),
        "user": words(job.get("user")) or words(_at(job, "association", "user")),
        "name": words(job.get("name")),
        "state": state,
        "reason": words(_at(job, "state", "reason")),
        "exit": code,
        "submit": _text(time.get("submission")),
        "eligible": _text(time.get("eligible")),
        "start": _text(time.get("start")),
        "end": _text(time.get("end")),
        "elapsed": _text(time.get("elapsed")),
        "suspended": _text(time.get("suspended")),
        "limit_minutes": _text(time.get("limit")),
        "nodes": _text(job.get("allocation_nodes")),
        "node_list": words(job.get("nodes")),
        "tres_allocated": _tres(allocated),
        "tres_requested": _tres(_at(job, "tres", "requested")),
        "energy_raw": _counted(allocated, "energy"),
        "restarts": _text(job.get("restart_cnt")),
    }  # fmt: skip
    steps = job.get("steps")
    for step in map(_map, steps if isinstance(steps, list) else ()):
        # 22.05 has `batch` or 0 here, 24.11 `1.batch`.
        name = str(_at(step, "step", "id")).rpartition(".")[2]
        yield {
            "job_raw": f"{raw}.{name}",
            "usage": _usage(_counted(_at(step, "tres", "requested", "total"), "mem")),
            "energy_raw": _text(_at(step, "statistics", "energy", "consumed")),
        }


def _usage(memory: str | None) -> str | None:
    return None if memory is None else f"mem={memory}"


def _of_controller(job: Mapping[str, Json]) -> Record:
    """A job of slurmctld's, which knows those that wait, run, or ended minutes ago."""
    return {
        "job_raw": _text(job.get("job_id")),
        "job_id": _id(
            job.get("job_id"), job.get("array_job_id"), job.get("array_task_id"),
            job.get("het_job_id"), job.get("het_job_offset"),
        ),
        "cluster": words(job.get("cluster")),
        "partition": words(job.get("partition")),
        "qos": words(job.get("qos")),
        "account": words(job.get("account")),
        "user": words(job.get("user_name")),
        "name": words(job.get("name")),
        "state": words(job.get("job_state")),
        "reason": words(job.get("state_reason")),
        "exit": _exit(job.get("exit_code")),
        "submit": _text(job.get("submit_time")),
        "eligible": _text(job.get("eligible_time")),
        "start": _text(job.get("start_time")),
        "end": _text(job.get("end_time")),
        "limit_minutes": _text(job.get("time_limit")),
        "nodes": _text(job.get("node_count")),
        "node_list": words(job.get("nodes")),
        "cpus": _text(job.get("cpus")),
        "tres_allocated": words(job.get("tres_alloc_str")),
        "tres_requested": words(job.get("tres_req_str")),
        "restarts": _text(job.get("restart_cnt")),
    }  # fmt: skip


def _held(job: Mapping[str, Json]) -> list[Held]:
    """The devices of a job that holds any, where this version says which: one entry per node."""
    state = words(job.get("job_state")) or ""
    details = job.get("gres_detail")
    raw = _text(job.get("job_id"))
    if raw is None or not state.startswith(("RUNNING", "SUSPENDED", "COMPLETING")):
        return []
    if not isinstance(details, list) or not details:
        return []
    nodes = _at(job, "job_resources", "nodes", "list") or job.get("nodes")
    try:
        names = expand(nodes if isinstance(nodes, str) else "")
    except InputError:
        return []
    if len(names) != len(details):
        return []
    texts = [detail if isinstance(detail, str) else "" for detail in details]
    return [
        held for name, text in zip(names, texts, strict=True) for held in held_by(raw, name, text)
    ]


def _node(node: Mapping[str, Json]) -> NodeSaid | None:
    name, state = words(node.get("name")), words(node.get("state"))
    if name is None or state is None:
        return None
    flags = words(node.get("state_flags"))
    since = number(node.get("reason_changed_at"))
    return NodeSaid(
        name,
        ",".join(filter(None, (state, flags))).replace(",", "+"),
        words(node.get("reason")),
        since * 1000 if since else None,
    )
