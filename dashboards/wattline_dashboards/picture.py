"""The fleet as the newest readings show it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from wattline_collector.ledger.accounts import Account
from wattline_dashboards.answers import Answer, Answers, Json
from wattline_dashboards.columns import Columns, number

STALE_PERIODS = 3
"""The gap limit of the ledger: a reading older than this says nothing about now."""

PUSH_MS = 10_000
"""Agents send every five seconds by default; a reading that waits its turn is not a gap."""

ACCOUNTS = tuple(Account)
"""An account's place here is its code."""

CODES: Mapping[str | None, int] = {account.value: code for code, account in enumerate(ACCOUNTS)}
_UNOBSERVED = CODES[Account.UNOBSERVED.value]

_SAID_OF_SILENT = (
    "system", "node", "rack", "devices", "age_ms", "period_ms", "memory_size_bytes",
)  # fmt: skip

_PICTURES_KEPT = 128
"""Of people who see different things, or look at different columns, at once."""


@dataclass(frozen=True)
class Picture:
    """Everything the live page draws.

    Attributes:
        time_unix_ms: When the collector answered.
        devices: One row per device.
        nodes: One row per node.
        jobs: One row per job heard of lately.
        totals: Sums over the devices.
        codes: Each device's momentary account, a byte each: its place in `ACCOUNTS`; `unobserved`
            where its reading is too old.
        silent_nodes: Whether each node's reading is too old.
    """

    time_unix_ms: int
    devices: Columns
    nodes: Columns
    jobs: Columns
    totals: Mapping[str, Any]
    codes: bytes
    silent_nodes: Sequence[bool]
    _known: dict[str, list[float | None]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def accounts(self) -> list[Account]:
        """Each device's momentary account."""
        return [ACCOUNTS[code] for code in self.codes]

    @property
    def systems(self) -> list[str]:
        """Names of the systems, sorted."""
        names = (self.devices.words("system"), self.nodes.words("system"))
        return sorted({name for one in names for name in one.dictionary.to_pylist() if name})

    @property
    def simulated(self) -> list[str]:
        """The systems whose devices no hardware stands behind."""
        named = {name for name in self.systems if name == "sim" or name.startswith("sim-")}
        if "simulated" not in self.devices.words("source").dictionary.to_pylist():
            return sorted(named)
        sources = zip(self.devices.texts("system"), self.devices.texts("source"), strict=True)
        return sorted(named | {name for name, source in sources if name and source == "simulated"})

    def known(self, column: str) -> list[float | None]:
        """A device column, unknown where the reading is too old to speak of now."""
        found = self._known.get(column)
        if found is None:  # a map, its scale and its legend ask for the same
            found = self._known[column] = [
                None if code == _UNOBSERVED else value
                for value, code in zip(self.devices.numbers(column), self.codes, strict=True)
            ]
        return found

    @property
    def counts(self) -> Mapping[Account, int]:
        """How many devices each account has."""
        return {account: self.codes.count(code) for code, account in enumerate(ACCOUNTS)}

    def host(self, place: int) -> dict[str, object]:
        """A node's row, its metrics left out where the reading is too old."""
        return self.hosts([place])[0]

    def hosts(self, places: Sequence[int]) -> list[dict[str, object]]:
        """The rows of some nodes, metrics left out where the reading is too old."""
        names = tuple(self.nodes.data)
        columns = self.nodes.some(places, names)
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return [
            {name: row[name] for name in _SAID_OF_SILENT if name in row}
            if self.silent_nodes[place]
            else row
            for place, row in zip(places, rows, strict=True)
        ]


def picture(latest: Json) -> Picture:
    """What the collector's newest answer shows."""
    devices = Columns.of(latest.get("devices"), "device")
    nodes = Columns.of(latest.get("nodes"), "node")
    totals = latest.get("totals")
    return Picture(
        time_unix_ms=int(number(latest.get("time_unix_ms")) or 0),
        devices=devices,
        nodes=nodes,
        jobs=Columns.of(latest.get("jobs"), "job"),
        totals=totals if isinstance(totals, Mapping) else {},
        codes=_codes(devices),
        silent_nodes=_stale(nodes).to_pylist(),
    )


class Live:
    """The newest picture, made once per answer however many pages ask."""

    def __init__(self, answers: Answers) -> None:
        """Take pictures from `answers`."""
        self._answers = answers
        self._lock = threading.Lock()
        # By whoever sees it: nobody is shown the picture of somebody who may see more.
        self._pictures: OrderedDict[object, tuple[Json, Picture]] = OrderedDict()

    def now(self, columns: Sequence[str] = ()) -> tuple[Picture | None, Answer]:
        """The newest picture there is, and how the collector answered.

        Args:
            columns: Those the picture needs, beside what says which row it is; none: all.
        """
        names = tuple(columns)
        answer, scope = self._answers.latest(names), (self._answers.scope(), names)
        with self._lock:
            if answer.value is None:  # none was ever given, or what was is taken back
                self._pictures.pop(scope, None)
                return None, answer
            latest, drawn = self._pictures.get(scope, (None, None))
            if answer.value is not latest:
                drawn = picture(answer.value)
                self._pictures[scope] = answer.value, drawn
                self._pictures.move_to_end(scope)
                while len(self._pictures) > _PICTURES_KEPT:
                    self._pictures.popitem(last=False)
            return drawn, answer


def _codes(devices: Columns) -> bytes:
    """The code of each device's account, all at once: there are thousands, every second."""
    told = devices.words("account")
    known = [CODES.get(name, _UNOBSERVED) for name in told.dictionary.to_pylist()]
    codes = pc.fill_null(pa.array(known, pa.uint8()).take(told.indices), _UNOBSERVED)
    codes = pc.if_else(_stale(devices), pa.scalar(_UNOBSERVED, pa.uint8()), codes)
    held = codes.buffers()[1]
    return b"" if held is None else held.to_pybytes()[codes.offset : codes.offset + len(codes)]


def _stale(table: Columns) -> pa.BooleanArray:
    limit = pc.multiply(pc.fill_null(table.vector("period_ms"), 0.0), STALE_PERIODS)
    return pc.fill_null(pc.greater(table.vector("age_ms"), pc.add(limit, PUSH_MS)), True)
