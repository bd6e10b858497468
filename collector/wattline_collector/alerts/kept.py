"""What of alerts outlives the collector's process: those that are on, and those that were.

STORE/alerts/state.json      what is pending and firing, replaced whole at every change
STORE/alerts/history.jsonl   a line for each alert that fired and each that ended; the older half
                             goes when it has grown to its limit

Nothing here holds up receiving, and the books do not depend on it: a state that cannot be read is
set aside and alerts begin anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wattline_agents.errors import InputError
from wattline_collector.alerts.machine import Alert, Ended, Labels, State
from wattline_collector.store import filenames

MOST_BYTES = 16 * 1024 * 1024
"""Of the history: some hundred thousand lines."""
_MOST_STATE_BYTES = 64 * 1024 * 1024
_STATE = "state.json"
_HISTORY = "history.jsonl"


@dataclass(frozen=True, slots=True)
class Kept:
    """What was kept.

    Attributes:
        at_ms: When it was.
        alerts: What was on then.
    """

    at_ms: int
    alerts: tuple[Alert, ...]


def write_state(store: Path, at_ms: int, alerts: Iterable[Alert]) -> None:
    """Keep what is on; whole or not at all.

    Raises:
        OSError: The disk does not take it.
    """
    directory = store / filenames.ALERTS_DIR
    directory.mkdir(mode=0o750, exist_ok=True)
    content = {"version": 1, "at_ms": at_ms, "alerts": [as_json(alert) for alert in alerts]}
    unfinished = directory / (_STATE + filenames.UNFINISHED_SUFFIX)
    with unfinished.open("w", encoding="utf-8") as file:
        json.dump(content, file, separators=(",", ":"))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(directory / _STATE)


def read_state(store: Path) -> Kept | None:
    """What was kept last; None if nothing ever was.

    Raises:
        InputError: It cannot be read, or is no such file.
    """
    path = store / filenames.ALERTS_DIR / _STATE
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_STATE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path) from error
    try:
        content = json.loads(data)
        if content["version"] != 1:
            raise ValueError
        return Kept(int(content["at_ms"]), tuple(alert_of(one) for one in content["alerts"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError("holds no state of alerts; remove it to begin anew", path=path) from error


def as_json(alert: Alert) -> dict[str, object]:
    """An alert as it is kept and as it leaves the program."""
    return {
        "rule": alert.rule,
        "labels": dict(alert.labels),
        "state": alert.state.value,
        "since_ms": alert.since_ms,
        "fired_ms": alert.fired_ms,
        "value": alert.value,
        "absent_ms": alert.absent_ms,
    }


def alert_of(content: Mapping[str, Any]) -> Alert:
    """An alert of what `as_json` made of it; any other content raises an error of its kind."""
    labels: Labels = tuple((str(name), str(word)) for name, word in content["labels"].items())
    fired, absent = content["fired_ms"], content["absent_ms"]
    return Alert(
        str(content["rule"]),
        labels,
        State(content["state"]),
        int(content["since_ms"]),
        None if fired is None else int(fired),
        float(content["value"]),
        None if absent is None else int(absent),
    )


def add_history(
    store: Path,
    now_ms: int,
    fired: Sequence[Alert],
    ended: Sequence[Ended],
    most_bytes: int = MOST_BYTES,
) -> None:
    """Note what fired and what ended.

    Raises:
        OSError: The disk does not take it.
    """
    lines = [{"at_ms": now_ms, "event": "fired", **as_json(alert)} for alert in fired]
    lines += [
        {"at_ms": one.ended_ms, "event": "ended", "why": one.why.value, **as_json(one.alert)}
        for one in ended
    ]
    if not lines:
        return
    directory = store / filenames.ALERTS_DIR
    directory.mkdir(mode=0o750, exist_ok=True)
    path = directory / _HISTORY
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    # A line that a crash cut off is ended, so that it spoils no other.
    with path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                text = "\n" + text
        file.write(text.encode())
        size = file.tell()
    if size > most_bytes:
        _halve(path, size)


def _halve(path: Path, size: int) -> None:
    unfinished = path.with_name(path.name + filenames.UNFINISHED_SUFFIX)
    with path.open("rb") as old, unfinished.open("wb") as new:
        old.seek(size // 2)
        old.readline()
        while chunk := old.read(1024 * 1024):
            new.write(chunk)
    unfinished.replace(path)


def read_history(
    store: Path, since_ms: int = 0, rule: str | None = None, most: int = 1000
) -> list[dict[str, Any]]:
    """The newest lines of the history, the newest first; damaged ones are left out.

    Args:
        store: The store's directory.
        since_ms: Nothing before.
        rule: Of this rule alone.
        most: So many at most.
    """
    path = store / filenames.ALERTS_DIR / _HISTORY
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    found: list[dict[str, Any]] = []
    for line in reversed(lines):
        try:
            entry = json.loads(line)
            at_ms, name = int(entry["at_ms"]), entry["rule"]
        except (ValueError, KeyError, TypeError):
            continue
        if at_ms < since_ms or len(found) >= most:
            break
        if rule is None or name == rule:
            found.append(entry)
    return found
