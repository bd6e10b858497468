"""Starts a process per source to read it, and ends those that do not answer."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from wattline_agents.catalogue import TABLES
from wattline_agents.doctor.machine import end
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.wire import Row

SILENCE_SECONDS = 6.0
"""A healthy driver answers in milliseconds; one that initialises its devices may take seconds."""
_OPENING = 5.0
"""Times that: without persistence mode opening wakes every device, which takes seconds each."""
_MOST_RESTARTS = 4
_MOST_BYTES = 32 * 1024 * 1024
_COMMAND = (sys.executable, "-m", "wattline_agents.doctor.probe")


@dataclass(slots=True)
class Probed:
    """What came of reading one source.

    Attributes:
        name: The source's name.
        unavailable: Why there is nothing of its kind here.
        mistake: What is wrong with its options.
        failed: What failed while it was read.
        hung: The parts that did not answer in time.
        readings: The newest row of every subject, by table.
        why_not: Device -> column -> why it is null.
        unread: Devices the driver has and of which no row could be read, by index and PCI address.
    """

    name: str
    unavailable: str | None = None
    mistake: str | None = None
    failed: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    readings: dict[str, list[Row]] = field(default_factory=dict)
    why_not: dict[str, Mapping[str, str]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    @property
    def works(self) -> bool:
        """Whether all of it was read."""
        return not (self.unavailable or self.mistake or self.failed or self.hung or self.unread)


@dataclass(slots=True)
class _Patience:
    """How long to wait for the next line."""

    seconds: float


def probe_all(
    configs: Mapping[str, SourceConfig],
    *,
    silence_seconds: float | None = None,
    environment: Mapping[str, str] | None = None,
    command: Sequence[str] = _COMMAND,
) -> dict[str, Probed]:
    """Read every source, all at once, each in a process of its own.

    Args:
        configs: What each source is told, by its name.
        silence_seconds: How long a part may take to answer; `SILENCE_SECONDS` if not given.
        environment: Of the processes; this one's if not given.
        command: What is started.

    Returns:
        By name, in the same order. A process that the kernel holds is left behind.
    """
    if not configs:
        return {}

    patience = SILENCE_SECONDS if silence_seconds is None else silence_seconds

    def one(name: str) -> Probed:
        return _probe(name, configs[name], patience, environment, command)

    with ThreadPoolExecutor(len(configs)) as pool:
        return dict(zip(configs, pool.map(one, configs), strict=True))


def _probe(
    name: str,
    config: SourceConfig,
    silence_seconds: float,
    environment: Mapping[str, str] | None,
    command: Sequence[str],
) -> Probed:
    probed = Probed(name)
    for _ in range(_MOST_RESTARTS):
        hung = _try(probed, config, silence_seconds, environment, command)
        if hung is None:
            break
        probed.hung.append(hung)
        if hung in ("open", "read", "find"):
            break  # without it there is nothing else to read
    return probed


def _try(
    probed: Probed,
    config: SourceConfig,
    silence_seconds: float,
    environment: Mapping[str, str] | None,
    command: Sequence[str],
) -> str | None:
    """Read it once more without what hung before; returns what hung now."""
    question = {"name": probed.name, "config": _told(config), "skip": probed.hung}
    process = subprocess.Popen(
        command,
        # What a process that ended first did not take would wait in a buffer, and fail once more
        # when that is closed.
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=None if environment is None else dict(environment),
        start_new_session=True,
    )
    part = "start"
    try:
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
        except BrokenPipeError:
            pass  # it has ended; what it said, and its status, tell why
        patience = _Patience(_OPENING * silence_seconds)
        for line in _lines(process.stdout.fileno(), patience):
            if line is None:
                return part
            answer = _answer(line)
            if "end" in answer:
                return None
            part = str(answer.get("part", part))
            patience.seconds = silence_seconds * (_OPENING if part == "open" else 1.0)
            _note(probed, answer)
        if probed.unavailable is None and probed.mistake is None:
            status = process.wait()
            why = f"signal {-status}" if status < 0 else f"exit status {status}"
            probed.failed.append(f"the process that read it ended at {part!r} ({why})")
        return None
    finally:
        end(process)


def _told(config: SourceConfig) -> dict[str, object]:
    return {
        "system": config.system,
        "node": config.node,
        "rack": config.rack,
        "period_seconds": config.period_seconds,
        "options": dict(config.options),
    }


def _lines(descriptor: int, patience: _Patience) -> Iterator[bytes | None]:
    """Lines as they come; None once nothing came for too long, or too much did."""
    rest, size = b"", 0
    heard = time.monotonic()
    while size < _MOST_BYTES:
        ready, _, _ = select.select(
            [descriptor], [], [], max(0.0, heard + patience.seconds - time.monotonic())
        )
        if not ready:
            yield None
            return
        data = os.read(descriptor, 256 * 1024)
        if not data:
            return
        heard = time.monotonic()
        size += len(data)
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
    yield None


def _answer(line: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(line)
    except ValueError:
        return {"failed": "its process said what is no answer"}
    return answer if isinstance(answer, dict) else {}


def _note(probed: Probed, answer: Mapping[str, Any]) -> None:
    if "unavailable" in answer:
        probed.unavailable = str(answer["unavailable"])
    elif "mistake" in answer:
        probed.mistake = str(answer["mistake"])
    elif "failed" in answer:
        if answer["failed"] not in probed.failed:
            probed.failed.append(str(answer["failed"]))
    elif "why_not" in answer:
        probed.why_not = dict(answer["why_not"])
    elif "unread" in answer:
        probed.unread = [str(name) for name in answer["unread"]]
    elif "rows" in answer:
        for table, rows in answer["rows"].items():
            keep_newest(probed.readings, table, rows)


def keep_newest(readings: dict[str, list[Row]], table: str, rows: Sequence[Row]) -> None:
    """Put rows in the place of older ones of the same subject.

    A source that reads some columns less often leaves them out of its rows in between; what it said
    of them before still holds, unless the device is lost.
    """
    if table not in TABLES:
        return
    key = TABLES[table].key
    kept = {tuple(row.get(column) for column in key): row for row in readings.get(table, ())}
    for row in rows:
        subject = tuple(row.get(column) for column in key)
        before = {} if row.get("up") == 0 else kept.get(subject, {})
        kept[subject] = {**before, **row}
    readings[table] = list(kept.values())


Prober = Callable[[Mapping[str, SourceConfig]], dict[str, Probed]]
"""What `probe_all` is, for tests to replace."""
