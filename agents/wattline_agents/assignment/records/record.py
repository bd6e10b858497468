"""One record of our prolog, checked: what is not as it should be is null, or no record at all.

The scripts write safe characters only. What is read may still be anybody's: of another version, cut
off by a full disk, or put there by hand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from wattline_agents.assignment.cgroups import SLUID
from wattline_agents.assignment.devices import expanded
from wattline_agents.light import NamedTuple
from wattline_agents.pattern import pattern

EARLIEST_MS = 1_000_000_000_000
_AHEAD_MS = 86_400_000
_MOST_TEXT = 256

RUNNING = pattern(r"job\.([1-9][0-9]{0,11}(?:\.[1-9][0-9]{0,5})?)\.json")
ENDED = pattern(
    r"ended\.([0-9]{13})\.([0-9]{1,6}|x)\.([0-9]{1,6}|x)"
    r"\.([1-9][0-9]{0,11}(?:\.[1-9][0-9]{0,5})?)\.json"
)
"""Time of the end, wait status, the scheduler's count of restarts at the end, the job's key."""
_UUID = pattern(r"(?:GPU|MIG)-", re.IGNORECASE)


class Record(NamedTuple):
    """A job on this node, as its prolog wrote it down.

    Attributes:
        job: Its key: id, and `.N` after the Nth restart.
        job_id: The scheduler's number for it.
        restarts: How often it was started anew before.
        start_ms: When the prolog ran, Unix milliseconds.
        devices: Names of its devices, as the scheduler gave them.
        uid: Its user.
        user: Its user's name.
        account: The account it is charged to.
        partition: Where it was queued.
        name: The name its user gave it.
        sluid: Slurm's own id of it.
        node: The node's name, as Slurm has it.
        array_job_id: The array it is a task of.
        array_task_id: Which of its tasks it is.
        share: The part of each device that it may use, 0-1; None where that is all, or not said.
        shards: Of its devices, where those are divided into shards.
    """

    job: str
    job_id: str
    restarts: int
    start_ms: int
    devices: tuple[str, ...]
    uid: int | None = None
    user: str | None = None
    account: str | None = None
    partition: str | None = None
    name: str | None = None
    sluid: str | None = None
    node: str | None = None
    array_job_id: str | None = None
    array_task_id: str | None = None
    share: float | None = None
    shards: int | None = None


class Ending(NamedTuple):
    """How a record ended, as its file's name says.

    Attributes:
        job: The job's key.
        end_ms: When the epilog ran, Unix milliseconds.
        status: The job's wait status; None where the epilog was not told.
        restarts: How often the job was started anew by then; None where it was not told.
    """

    job: str
    end_ms: int
    status: int | None
    restarts: int | None


def parse(content: bytes, now_ms: int) -> Record | None:
    """The record, if it is one.

    Args:
        content: Of the file.
        now_ms: No job has started a day after this.
    """
    import json  # a node without records need not load it

    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    job_id, start_ms = _digits(fields.get("job_id"), 12), fields.get("start_ms")
    if job_id is None or isinstance(start_ms, bool) or not isinstance(start_ms, int):
        return None
    if not EARLIEST_MS <= start_ms <= now_ms + _AHEAD_MS:
        return None
    restarts = _number(fields.get("restart_count"), 999_999) or 0
    return Record(
        job=job_key(job_id, restarts),
        job_id=job_id,
        restarts=restarts,
        start_ms=start_ms,
        devices=devices_of(fields.get("gpus")),
        uid=_number(fields.get("uid"), 2**32 - 1),
        user=_text(fields.get("user")),
        account=_text(fields.get("account")),
        partition=_text(fields.get("partition")),
        name=_text(fields.get("name")),
        sluid=_sluid(fields.get("sluid")),
        node=_text(fields.get("node")),
        array_job_id=_digits(fields.get("array_job_id"), 12),
        array_task_id=_digits(fields.get("array_task_id"), 12),
        share=_percent(fields.get("mps_percent")),
        shards=_number(fields.get("shards"), 100_000) or None,
    )


def ending(name: str) -> Ending | None:
    """What the name of an ended record says; None if it is not one's."""
    match = ENDED.fullmatch(name)
    if match is None:
        return None
    status, restarts = (None if text == "x" else int(text) for text in (match[2], match[3]))
    return Ending(match[4], int(match[1]), status, restarts)


def job_key(job_id: str, restarts: int) -> str:
    """The key of a job of Slurm, as in all tables."""
    return job_id if restarts == 0 else f"{job_id}.{restarts}"


def devices_of(gpus: object) -> tuple[str, ...]:
    """The devices that a prolog's environment names, by the surest of its variables.

    UUIDs, which Slurm writes into CUDA_VISIBLE_DEVICES from 25.11 on, come first. Of numbers
    SLURM_JOB_GPUS is the node's own; CUDA_VISIBLE_DEVICES may begin again at 0 in each job, and is
    empty on nodes with AMD devices. What a step was given is not asked: it has been wrong.
    """
    if not isinstance(gpus, Mapping):
        return ()
    lists = {str(name): expanded(text) for name, text in gpus.items() if isinstance(text, str)}
    visible = lists.get("CUDA_VISIBLE_DEVICES", ())
    if visible and all(_UUID.match(name) for name in visible):
        return visible
    for name in ("SLURM_JOB_GPUS", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"):
        if names := lists.get(name):
            return names
    return lists.get("ROCR_VISIBLE_DEVICES", ())


def _digits(value: object, most: int) -> str | None:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]+", text) or len(text) > most:
        return None
    return text


def _number(value: object, most: int) -> int | None:
    text = _digits(value, 18)
    return None if text is None or int(text) > most else int(text)


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    printable = "".join(c if c.isprintable() else " " for c in value[:_MOST_TEXT]).strip()
    return printable.encode(errors="replace")[:_MOST_TEXT].decode(errors="ignore") or None


def _sluid(value: object) -> str | None:
    return value if isinstance(value, str) and SLUID.fullmatch(value) else None


def _percent(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        percent = float(value)
    except (ValueError, OverflowError):
        return None
    return percent / 100 if 0 < percent < 100 else None
