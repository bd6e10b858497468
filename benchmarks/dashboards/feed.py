"""Plays the agents of a simulated factory at little cost, so that what is measured is ours.

    python benchmarks/dashboards/feed.py URL TOKEN_FILE --nodes 1000 --devices 8

Ten readings of each of 128 nodes are made and encoded before; a larger factory is made of copies,
whose devices and jobs have names of their own. They are then sent again and again as agents send
theirs: a batch of five seconds from each node every five seconds, one after another, over HTTP,
with a sequence of its own, the times moved on and the counters grown. To read a thousand simulated
nodes every second takes a processor of its own; this took a fifth to a half of one, and the
collector has as much to do.
"""

from __future__ import annotations

import argparse
import http.client
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from wattline_agents.sources.simulated.profile import profile_named
from wattline_agents.wire import PATH, Header, Row, encode, table_named
from wattline_collector.simulated.node import FactoryNode
from wattline_collector.simulated.schedule import Schedule, plan
from wattline_collector.simulated.shape import Hall, Shape

BATCHES = 2
"""Of each node, sent in turns: a fleet on which nothing moves would be drawn for nothing."""
DISTINCT = 128
"""Nodes that are simulated: to plan the life of each of thousands takes minutes."""
SENDERS = 48
"""They wait for the collector to have written down what they sent."""
TIME = "time_unix_ms"
_REPEATED_SECONDS = 30.0
"""How often agents say who holds what; readings are sent with every batch."""
_READINGS = frozenset({"device", "node", "job"})
_SUBJECT = {"device": ("device",), "node": (), "job": ("job",)}


@dataclass(frozen=True, slots=True)
class Message:
    """A batch of one table, encoded once.

    Attributes:
        table: Which.
        rows: As they were read.
        growth: By counter, what each row's has grown by when it comes round again.
    """

    table: str
    rows: pa.RecordBatch
    growth: dict[str, pa.Array]

    def body(self, shift_ms: int, rounds: int) -> bytes:
        """The rows, moved on in time and counted on, as agents send them."""
        columns = dict(zip(self.rows.schema.names, self.rows.columns, strict=True))
        columns[TIME] = pc.add(columns[TIME], shift_ms)
        if rounds:
            for name, growth in self.growth.items():
                columns[name] = pc.add(columns[name], pc.multiply(growth, rounds))
        batch = pa.RecordBatch.from_arrays(list(columns.values()), schema=self.rows.schema)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        return bytes(sink.getvalue().to_pybytes())


@dataclass(frozen=True, slots=True)
class Copied(Hall):
    """A hall of any number of nodes: no more are simulated than there are `DISTINCT` ones."""

    nodes: int
    system: str


@dataclass(slots=True)
class Node:
    """A node: what it is called, and its batches, each a message of every table."""

    name: str
    batches: list[list[Message]]
    last_ms: list[int]
    phase: float
    sequences: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    sent: int = 0


def read(schedule: Schedule, number: int, period_ms: int, readings: int, now_ms: int) -> Node:
    """A node's readings, made into batches."""
    source = FactoryNode(schedule, number, period_ms / 1000)
    shape = schedule.shape
    tables: list[dict[str, list[Row]]] = []
    last_ms: list[int] = []
    at_ms = now_ms - BATCHES * readings * period_ms
    for batch in range(BATCHES):
        rows: dict[str, list[Row]] = defaultdict(list)
        if not batch:
            for table, described in source.describe(at_ms).items():
                rows[table] += described
        for _ in range(readings):
            at_ms += period_ms
            for table, more in source.read(at_ms).items():
                rows[table] += more
        tables.append(rows)
        last_ms.append(at_ms)
    whole = {table: [row for one in tables for row in one.get(table, ())] for table in _READINGS}
    grown = {table: growth(table, rows) for table, rows in whole.items()}
    batches = [
        [message(table, rows, grown.get(table, {})) for table, rows in one.items() if rows]
        for one in tables
    ]
    return Node(shape.node_name(number), batches, last_ms, number / shape.nodes)


def copied(node: Node, number: int, copy: int, hall: Hall) -> Node:
    """The same readings from another node, with devices and jobs of its own."""
    suffix, rack = f"-{copy}", hall.rack_name(hall.rack_of(number))

    def renamed(message: Message) -> Message:
        rows = message.rows
        columns = dict(zip(rows.schema.names, rows.columns, strict=True))
        for name in ("device", "job"):
            if name in columns:
                columns[name] = pc.binary_join_element_wise(columns[name], suffix, "")
        if "rack" in columns:
            columns["rack"] = pa.array([rack] * len(rows), columns["rack"].type)
        batch = pa.RecordBatch.from_arrays(list(columns.values()), schema=rows.schema)
        return Message(message.table, batch, message.growth)

    batches = [[renamed(message) for message in one] for one in node.batches]
    return Node(hall.node_name(number), batches, node.last_ms, number / hall.nodes)


def growth(table: str, rows: Sequence[Row]) -> dict[tuple[object, ...], dict[str, float]]:
    """What each counter of each subject grows by from one round to the next."""
    subjects: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in rows:
        subjects[tuple(row.get(name) for name in _SUBJECT[table])].append(row)
    found: dict[tuple[object, ...], dict[str, float]] = {}
    for subject, its in subjects.items():
        first, last = its[0], its[-1]
        rounds = len(its) / max(1, len(its) - 1)
        found[subject] = {
            name: (after - before) * rounds
            for name in last
            if name.endswith("_total")
            and isinstance(before := first.get(name), int | float)
            and isinstance(after := last[name], int | float)
            and after > before
        }
    return found


def message(
    table: str, rows: Sequence[Row], grown: dict[tuple[object, ...], dict[str, float]]
) -> Message:
    """Rows, encoded as an agent does."""
    with pa.ipc.open_stream(encode(table_named(table), rows)) as stream:
        batch = stream.read_all().combine_chunks().to_batches()[0]
    of_rows = [grown.get(tuple(row.get(n) for n in _SUBJECT.get(table, ())), {}) for row in rows]
    growths = {}
    for name in sorted({name for one in of_rows for name in one}):
        kind = batch.schema.field(name).type
        values = [one.get(name, 0) for one in of_rows]
        if pa.types.is_integer(kind):
            values = [round(value) for value in values]
        growths[name] = pa.array(values, kind)
    return Message(table, batch, growths)


class Senders:
    """Sends what is due, until told to end."""

    def __init__(self, url: str, token: str, period_ms: int, every: float, system: str) -> None:
        """Send to the collector at `url`, from each node every so many seconds."""
        self._netloc, self._token = urlsplit(url).netloc, token
        self._period_ms, self._every, self._system = period_ms, every, system
        self._boot = f"feed{time.time_ns():x}"
        self.over = threading.Event()
        self.late = 0.0

    def send(self, nodes: Sequence[Node], began: float) -> None:
        """Send the batches of these nodes, in the order of their turns, to a collector's end."""
        try:
            self._send(nodes, began)
        except OSError as error:  # it was ended first, or turned away too many at once
            if not self.over.is_set():
                print(f"feed: the collector does not answer: {error}", file=sys.stderr)
            self.over.set()

    def _send(self, nodes: Sequence[Node], began: float) -> None:
        connection = http.client.HTTPConnection(self._netloc, timeout=60)
        turn = 0
        while not self.over.is_set():
            for node in nodes:
                due = began + (turn + node.phase) * self._every
                if self.over.wait(max(0.0, due - time.monotonic())):
                    break
                self.late = max(self.late, time.monotonic() - due)
                for table, header, body in self._batches(node):
                    fields = {**header.to_http(), "Authorization": f"Bearer {self._token}"}
                    connection.request("POST", PATH + table, body, fields)
                    answer = connection.getresponse()
                    said = answer.read()
                    if answer.status == 503:
                        continue  # the collector is busy: an agent would send it again
                    if answer.status != 204:
                        raise SystemExit(f"feed: {table}: {answer.status}: {said[:300]!r}")
            turn += 1
        connection.close()

    def _batches(self, node: Node) -> Iterator[tuple[str, Header, bytes]]:
        place, rounds = node.sent % BATCHES, node.sent // BATCHES
        shift_ms = int(time.time() * 1000) - node.last_ms[place]
        repeats = max(1, round(_REPEATED_SECONDS / self._every / BATCHES))
        for one in node.batches[place]:
            if one.table not in _READINGS and rounds % repeats:
                continue
            node.sequences[one.table] += 1
            header = Header(
                system=self._system, node=node.name, boot=f"{self._boot}-{one.table}",
                sequence=node.sequences[one.table], period_ms=self._period_ms,
            )  # fmt: skip
            yield one.table, header, one.body(shift_ms, rounds)
        node.sent += 1


def main() -> int:
    """Read, then send until the process is told to end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("url")
    parser.add_argument("token_file", type=Path)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--devices", type=int, default=8, help="of a node (8)")
    parser.add_argument("--period", type=float, default=1.0, help="of readings, seconds (1)")
    parser.add_argument("--every", type=float, default=5.0, help="seconds in a batch (5)")
    arguments = parser.parse_args()
    now_ms, period_ms = int(time.time() * 1000), round(arguments.period * 1000)

    def shaped(nodes: int) -> Shape:
        return Shape.living(
            nodes=nodes, devices=arguments.devices, seed=7, present_ms=now_ms, history_ms=0,
            system=hall.system, profile=profile_named("h200"),
        )  # fmt: skip

    hall, distinct = Copied(arguments.nodes, "sim"), min(DISTINCT, arguments.nodes)
    schedule, readings = (
        plan(shaped(distinct), []),
        max(2, round(arguments.every / arguments.period)),
    )
    read_ones = [read(schedule, number, period_ms, readings, now_ms) for number in range(distinct)]
    # A rack of the simulated ones is too warm; copied as well, a quarter of the factory would be.
    warm = {spell.rack for spell in schedule.faults.spells}
    cool = [one for one in range(distinct) if schedule.shape.rack_of(one) not in warm]
    nodes = [copied(one, number, 0, hall) for number, one in enumerate(read_ones)]
    for number in range(distinct, hall.nodes):
        copy, of = divmod(number - distinct, len(cool))
        nodes.append(copied(read_ones[cool[of]], number, copy + 1, hall))
    token = arguments.token_file.read_text().strip()
    senders = Senders(arguments.url, token, period_ms, arguments.every, hall.system)

    def end(_number: int, _frame: FrameType | None) -> None:
        senders.over.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    print(f"feed: {len(nodes)} nodes with {arguments.devices} devices", flush=True)
    began = time.monotonic()
    threads = [
        threading.Thread(target=senders.send, args=(nodes[first::SENDERS], began))
        for first in range(SENDERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(1.0)  # a signal is heard between two of them
    print(f"feed: a batch was sent {senders.late:.1f} s late at most", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
