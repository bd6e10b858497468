"""The fleet as the newest readings show it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wattline_collector.access import Viewer
from wattline_collector.ledger.accounts import Account
from wattline_dashboards.answers import Answer, Answers, Json
from wattline_dashboards.columns import Columns, number

STALE_PERIODS = 3
"""The gap limit of the ledger: a reading older than this says nothing about now."""

PUSH_MS = 10_000
"""Agents send every five seconds by default; a reading that waits its turn is not a gap."""

_ACCOUNTS: Mapping[str | None, Account] = {account.value: account for account in Account}

_SAID_OF_SILENT = (
    "system", "node", "rack", "devices", "age_ms", "period_ms", "memory_size_bytes",
)  # fmt: skip

_PICTURES_KEPT = 128
"""Of people who see different things, at once."""


@dataclass(frozen=True)
class Picture:
    """Everything the live page draws.

    Attributes:
        time_unix_ms: When the collector answered.
        devices: One row per device.
        nodes: One row per node.
        jobs: One row per job heard of lately.
        totals: Sums over the devices.
        accounts: Each device's momentary account; `unobserved` where its reading is too old.
        silent_nodes: Whether each node's reading is too old.
    """

    time_unix_ms: int
    devices: Columns
    nodes: Columns
    jobs: Columns
    totals: Mapping[str, Any]
    accounts: Sequence[Account]
    silent_nodes: Sequence[bool]
    _known: dict[str, list[float | None]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def systems(self) -> list[str]:
        """Names of the systems, sorted."""
        names = {*self.devices.texts("system"), *self.nodes.texts("system")}
        return sorted(name for name in names if name)

    @property
    def simulated(self) -> list[str]:
        """The systems whose devices no hardware stands behind."""
        named = {name for name in self.systems if name == "sim" or name.startswith("sim-")}
        sources = zip(self.devices.texts("system"), self.devices.texts("source"), strict=True)
        return sorted(named | {name for name, source in sources if name and source == "simulated"})

    def known(self, column: str) -> list[float | None]:
        """A device column, unknown where the reading is too old to speak of now."""
        found = self._known.get(column)
        if found is None:  # a map, its scale and its legend ask for the same
            found = self._known[column] = [
                None if account is Account.UNOBSERVED else value
                for value, account in zip(self.devices.numbers(column), self.accounts, strict=True)
            ]
        return found

    @property
    def counts(self) -> Mapping[Account, int]:
        """How many devices each account has."""
        # An account's hash is computed anew each time, and for each device that adds up.
        return {account: self.accounts.count(account) for account in Account}

    def host(self, place: int) -> dict[str, object]:
        """A node's row, its metrics left out where the reading is too old."""
        return self.nodes.row(
            place, _SAID_OF_SILENT if self.silent_nodes[place] else tuple(self.nodes.data)
        )


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
        accounts=[
            Account.UNOBSERVED if old else _ACCOUNTS.get(name, Account.UNOBSERVED)
            for name, old in zip(devices.texts("account"), _stale(devices), strict=True)
        ],
        silent_nodes=_stale(nodes),
    )


class Live:
    """The newest picture, made once per answer however many pages ask."""

    def __init__(self, answers: Answers) -> None:
        """Take pictures from `answers`."""
        self._answers = answers
        self._lock = threading.Lock()
        # By whoever sees it: nobody is shown the picture of somebody who may see more.
        self._pictures: OrderedDict[Viewer, tuple[Json, Picture]] = OrderedDict()

    def now(self) -> tuple[Picture | None, Answer]:
        """The newest picture there is, and how the collector answered."""
        answer, scope = self._answers.latest(), self._answers.scope()
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


def _stale(table: Columns) -> list[bool]:
    ages, periods = table.numbers("age_ms"), table.numbers("period_ms")
    return [
        age is None or age > STALE_PERIODS * (period or 0) + PUSH_MS
        for age, period in zip(ages, periods, strict=True)
    ]
