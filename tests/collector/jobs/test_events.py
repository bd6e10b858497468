from __future__ import annotations

import polars as pl
import pytest

from wattline_collector.jobs.asking import Events
from wattline_collector.jobs.commands import read_events, read_nodes
from wattline_collector.jobs.events import events, nodes_now, state_of
from wattline_collector.jobs.node_watch import ROWS, NodeWatch
from wattline_collector.jobs.slurm_json import NodeSaid

NOW_MS = 1_793_534_400_000  # 2026-11-01T12:00Z


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("DOWN*", "down"), ("DOWN*+DRAIN", "down"), ("IDLE+DRAIN", "drain"),
        ("MIXED+DRAIN", "drain"),
        ("drained", "drain"), ("draining@", "drain"), ("DRNG", "drain"), ("FAIL", "fail"),
        ("ALLOCATED+MAINTENANCE", "maint"), ("maint", "maint"), ("IDLE$", "maint"),
        ("IDLE", None), ("MIXED", None), ("UNK", None), ("idle~", None), ("POWERED_DOWN", None),
        ("", None), ("\x1b[31m", None),
    ],
)  # fmt: skip
def test_composite_words_come_to_the_worst_of_them(word: str, state: str | None) -> None:
    assert state_of(word) == state


def test_events_with_reason_and_interval() -> None:
    answer = (
        b"|2026-11-01T08:00:00|Unknown||Cluster Registered TRES\n"
        b"gpu00|2026-11-01T08:00:00|2026-11-01T08:00:01|UNK|cold-start\n"
        b"gpu01|2026-11-01T09:00:00|2026-11-01T10:00:00|DRAIN|xid 79 | board 2\n"
        b"gpu02|2026-11-01T11:00:00|Unknown|DOWN*|Not responding\n"
    )
    rows, damaged = events(read_events(answer), "UTC", NOW_MS)
    assert damaged == []
    assert rows.rows() == [
        (NOW_MS - 7_200_000, "gpu01", "drain", "xid 79 | board 2", NOW_MS - 10_800_000,
         NOW_MS - 7_200_000),
        (NOW_MS, "gpu02", "down", "Not responding", NOW_MS - 3_600_000, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("../x|2026-11-01T09:00:00|Unknown|DOWN|", "NodeName"),
        ("n|soon|Unknown|DOWN|", "Start"),
        ("n|1990-01-01T00:00:00|Unknown|DOWN|", "Start"),
        ("n|2026-11-01T09:00:00|2026-11-01T08:00:00|DOWN|", "End"),
        ("n|2026-11-01T09:00:00|later|DOWN|", "End"),
    ],
)
def test_events_that_cannot_be_true_are_set_aside(line: str, field: str) -> None:
    rows, [damage] = events(read_events(line.encode()), "UTC", NOW_MS)
    assert rows.is_empty()
    assert (damage.line, damage.field) == (1, field)


def test_a_reason_is_made_printable_and_bounded() -> None:
    answer = b"n|2026-11-01T09:00:00|Unknown|DOWN|" + b"\x1b<b>" * 100_000
    rows, _ = events(read_events(answer), "UTC", NOW_MS)
    [reason] = rows["reason"]
    assert reason.startswith("?<b>")
    assert len(reason.encode()) <= 256


def test_what_sinfo_says_of_a_node_in_two_partitions_is_said_once() -> None:
    line = b"gpu01|2026-11-01T09:00:00|drained*|xid 79 | b\n"
    answer = line + line + b"gpu00|Unknown|idle|none\n"
    rows, _ = events(read_nodes(answer), "UTC", NOW_MS)
    assert rows.rows() == [
        (NOW_MS, "gpu01", "drain", "xid 79 | b", NOW_MS - 10_800_000, None)
    ]  # fmt: skip


def test_a_list_of_nodes_tells_what_is_so_now() -> None:
    nodes = [
        NodeSaid("a", "IDLE+DRAIN", "why", NOW_MS - 1000),
        NodeSaid("b", "IDLE", None, None),
        NodeSaid("c", "DOWN", "no saying since when", None),
    ]
    assert nodes_now(nodes, NOW_MS).rows() == [(NOW_MS, "a", "drain", "why", NOW_MS - 1000, None)]


def told(
    *rows: tuple[str, str, int, int | None], now: tuple[tuple[str, str, int], ...] = ()
) -> Events:
    def frame(some: list[tuple[str, str, int, int | None]]) -> pl.DataFrame:
        made = [(0, host, state, "why", start, end) for host, state, start, end in some]
        return pl.DataFrame(made, ROWS, orient="row")

    return Events(frame(list(rows)), frame([(*row, None) for row in now]))


def test_a_state_is_told_when_it_begins_now_and_then_and_when_it_ends() -> None:
    watch = NodeWatch()
    begun = told(("n", "drain", 5, None))
    assert watch.news(begun, 1_000).height == 1
    assert watch.news(begun, 31_000).height == 0
    assert watch.news(begun, 601_000).rows() == [(601_000, "n", "drain", "why", 5, None)]
    ended = told(("n", "drain", 5, 700_000))
    assert watch.news(ended, 710_000).rows() == [(710_000, "n", "drain", "why", 5, 700_000)]
    assert watch.news(ended, 720_000).height == 0


def test_what_is_only_known_as_of_now_ends_when_it_is_no_longer_told() -> None:
    watch = NodeWatch()
    assert watch.news(told(now=(("n", "down", 5),)), 1_000).height == 1
    assert watch.news(told(), 2_000).rows() == [(2_000, "n", "down", "why", 5, 2_000)]
    assert watch.news(told(), 3_000).height == 0


def test_what_was_told_before_a_restart_is_not_told_again() -> None:
    first = NodeWatch()
    rows = first.news(told(("n", "drain", 5, None), now=(("m", "down", 7),)), 1_000)
    again = NodeWatch()
    again.remember(rows)
    assert again.news(told(("n", "drain", 5, None), now=(("m", "down", 7),)), 2_000).is_empty()
    assert again.news(told(("n", "drain", 5, None)), 3_000)["host"].to_list() == ["m"]
