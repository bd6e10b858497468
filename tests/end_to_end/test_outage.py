"""The collector goes, the spool overflows, the agent is killed, both come back.

Ten minutes at one reading a second are 600 ticks; here they pass in one minute. What was read is
known from the agent's own recording, and what arrived from the collector's log, which holds batches
as they came. So each reading is accounted for: it arrived, once and in order, or its batch counts
as dropped, or it was read in the last moment before the kill, which counts as one batch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wattline_agents.arrow import decode
from wattline_collector.store import log

PERIOD_SECONDS = 0.1
OUTAGE_TICKS = 600
SPOOL_BYTES = 150_000
"""A few seconds of it, so that most of the outage does not fit."""
WRITTEN_DOWN = 3
MOST_LOST_TICKS = 25
"""Rows that fill a batch are written down once a second; a busy machine may take longer. The kill
comes when this many seconds of them were, so that without it more would be lost."""
PATIENCE_SECONDS = 120.0

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Arrived:
    """One batch in the collector's log."""

    table: str
    boot: str
    sequence: int
    rows: Rows


def arrivals(store: Path) -> list[Arrived]:
    """Every batch the collector took in, in the order it did."""
    found = []
    for path in sorted((store / "log").glob("*.log")):
        for record in log.scan(path.read_bytes()):
            if isinstance(record, log.Record):
                header = record.header
                rows = decoded(record.body)
                found.append(Arrived(record.table, header.boot, header.sequence, rows))
    return found


def decoded(body: bytes) -> Rows:
    return [{column: v for column, v in row.items() if v is not None} for row in decode(body)]


def recorded(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Table and row of everything an agent read; a kill may cut the last line short."""
    for line in path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            return
        for row in entry["rows"]:
            yield entry["table"], {c: v for c, v in row.items() if v is not None}


def lines(path: Path, table: str) -> int:
    """Lines of a table in a journal, which comes and goes."""
    try:
        return path.read_text().count(f'{{"table":"{table}"')
    except FileNotFoundError:
        return 0


def ticks(path: Path) -> list[int]:
    """Times at which a device was read."""
    times = (row["time_unix_ms"] for table, row in recorded(path) if table == "device")
    return sorted(set(times))


def until(what: str, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, f"not in {PATIENCE_SECONDS:g} s: {what}"
        time.sleep(0.2)


def test_every_reading_not_counted_as_dropped_arrives_once_and_in_order(
    start: Callable[..., Any], free_port: Callable[[], int], tmp_path: Path
) -> None:
    store, port = tmp_path / "store", free_port()
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"

    def collector() -> Any:
        process = start(
            "collector", "--store", str(store), "--listen", f"127.0.0.1:{port}",
            "--seal-every", "86400", "--book-every", "86400",
        )  # fmt: skip
        process.wait_for(r"http://[\d.:]+")
        return process

    def agent(recording: Path) -> Any:
        process = start(
            "agent", "--node", "box", "--source", "simulated", "--no-jobs",
            "--period", str(PERIOD_SECONDS), "--push", f"http://127.0.0.1:{port}",
            "--push-every", "5", "--token-file", str(store / "tokens" / "write"),
            "--spool", str(tmp_path / "spool"), "--spool-bytes", str(SPOOL_BYTES),
            "--record", str(recording),
        )  # fmt: skip
        process.wait_for("reading")
        return process

    def newest_ms(table: str) -> int:
        rows = (row for a in arrivals(store) if a.table == table for row in a.rows)
        return max((row["time_unix_ms"] for row in rows), default=0)

    first_collector = collector()
    first = agent(before)
    until("the first readings arrive", lambda: newest_ms("device") > 0)

    first_collector.child.kill()
    read_before = len(ticks(before))
    until("ten minutes pass", lambda: len(ticks(before)) >= read_before + OUTAGE_TICKS)
    journal = tmp_path / "spool" / "journal"
    until("rows wait for their batch", lambda: lines(journal, "device") >= WRITTEN_DOWN)
    first.child.kill()
    first.child.wait()

    second = agent(after)
    until("the next agent reads", lambda: after.exists() and len(ticks(after)) >= 10)
    collector()
    second.wait_for("takes batches again")
    until("the spool is empty", lambda: not list((tmp_path / "spool").glob("*.batch")))
    emptied_ms = ticks(after)[-1]
    until("the agent tells of its health", lambda: newest_ms("agent") > emptied_ms)
    assert second.end() == 0

    found = arrivals(store)
    read = {"before": list(recorded(before)), "after": list(recorded(after))}
    assert_once_and_as_read(found, [*read["before"], *read["after"]])
    assert_in_order(found)
    assert_what_is_missing_is_counted(found)
    assert_missing_ticks_are_two_gaps(found, ticks(before), ticks(after))


def assert_once_and_as_read(found: list[Arrived], read: list[tuple[str, dict[str, Any]]]) -> None:
    came = [(a.table, json.dumps(row, sort_keys=True)) for a in found for row in a.rows]
    given = [(table, json.dumps(row, sort_keys=True)) for table, row in read]
    assert len(came) == len(set(came)), "nothing arrived twice"
    assert set(came) <= set(given), "what arrived is what was read, to the last digit"


def assert_in_order(found: list[Arrived]) -> None:
    newest: dict[tuple[str, str | None], int] = {}
    for batch in found:
        for row in batch.rows:
            subject = (batch.table, row.get("device"))
            assert row["time_unix_ms"] >= newest.get(subject, 0)
            if batch.table == "device":
                assert row["time_unix_ms"] > newest.get(subject, 0)
            newest[subject] = row["time_unix_ms"]
    boots = list(dict.fromkeys(batch.boot for batch in found))
    assert len(boots) == 2
    names = [(boots.index(batch.boot), batch.sequence) for batch in found]
    assert names == sorted(names), "batches of the killed agent first, each in its place"


def assert_what_is_missing_is_counted(found: list[Arrived]) -> None:
    arrived: dict[str, set[int]] = {}
    for batch in found:
        arrived.setdefault(batch.boot, set()).add(batch.sequence)
    missing = [max(numbers) - len(numbers) for numbers in arrived.values()]
    assert missing[0] > 10, "the spool did overflow"
    assert missing[1] == 0
    health = [row for batch in found if batch.table == "agent" for row in batch.rows]
    one_for_the_kill = 1
    assert health[-1]["batches_dropped_total"] == missing[0] + one_for_the_kill


def assert_missing_ticks_are_two_gaps(
    found: list[Arrived], before: list[int], after: list[int]
) -> None:
    rows = [row for batch in found if batch.table == "device" for row in batch.rows]
    for device in {row["device"] for row in rows}:
        came = {row["time_unix_ms"] for row in rows if row["device"] == device}
        # A letter a tick: + arrived, - did not.
        story = "".join("+" if at in came else "-" for at in before)
        delivered = len(story) - len(story.lstrip("+"))
        lost_last = len(story) - len(story.rstrip("-"))
        overflowed = story[delivered:].lstrip("-").rstrip("-")
        assert delivered > 0
        assert lost_last <= MOST_LOST_TICKS, story
        assert overflowed == "+" * len(overflowed) != "", story
        assert came >= set(after)
