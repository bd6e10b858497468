"""One GPU: what it can be asked, and its rows at one time.

Calls to the driver are what sampling costs, so a tick makes five: one for all fields, one for the
ring of power samples, one for utilisation, two for GPM where there is. What moves slowly is read
every five, ten or sixty seconds, as the catalogue declares. Four devices share their seconds for
that: what is done rarely has left the processor's caches, and to fetch it takes longer than to use
it once more; but no tick is to be much heavier than the others. A row has the columns that were
read at its time: null where there is no value, and without those that were not read.
"""

from __future__ import annotations

import ctypes
import time
from struct import Struct

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.fields import Fields
from wattline_agents.sources.nvml.gpm import RATES, RATIOS, Gpm, Requests, is_supported
from wattline_agents.sources.nvml.health import Health
from wattline_agents.sources.nvml.identity import Identity
from wattline_agents.sources.nvml.instances import Instances
from wattline_agents.sources.nvml.library import Library
from wattline_agents.sources.nvml.off import Capability, Ledger, NvmlFailed, Off
from wattline_agents.sources.nvml.power import PowerMeter
from wattline_agents.sources.nvml.processes import Processes, Shares, process_rows
from wattline_agents.sources.nvml.procfs import ProcFs
from wattline_agents.sources.nvml.slow import Reasons, Slow
from wattline_agents.sources.nvml.throttle import Throttling

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from wattline_agents.sources.source import Readings
    from wattline_agents.wire import Row, Value

UTILISATION = Struct("=II")
"""c_nvmlUtilization_t: GPU and memory, in percent."""

_SLOW, _PROCESSES, _HEALTH = "slow", "processes", "health"
_TIERS_MS = {_SLOW: 5_000, _PROCESSES: 10_000, _HEALTH: 60_000}
_BEFORE_MS = {_SLOW: 0, _PROCESSES: 1_000, _HEALTH: 4_000}
"""How long before a multiple of its period each is read: no two of a device fall on one tick."""
_TOGETHER = 4
_STEP_MS = 7_000
"""How far apart devices are read that are not read together: prime to all the periods."""


class Device:
    """One GPU, known by its UUID for as long as the agent runs.

    Attributes:
        uuid: Its UUID.
        index: Its place on the node, for people.
        handle: What the library knows it by.
        is_lost: Whether it no longer answers.
        is_unplugged: Whether it is not even counted any more.
        ledger: What it is asked for.
        identity: Who it is.
        xids: How many XIDs it had.
    """

    def __init__(
        self, library: Library, requests: Requests, procfs: ProcFs, handle: object, uuid: str,
        index: int, place: int, period_seconds: float,
    ) -> None:  # fmt: skip
        """Take a handle of an open library.

        Args:
            library: The open library.
            requests: Its requests for GPM.
            procfs: Knows the node's processes.
            handle: The device.
            uuid: Its UUID.
            index: Its index.
            place: How many devices were known before it, which shifts its slow readings.
            period_seconds: How far apart readings are to be.

        Raises:
            NvmlFailed: It does not answer.
        """
        self.uuid = uuid
        self.xids = 0
        self.is_unplugged = False
        self._procfs, self._shift_ms = procfs, place // _TOGETHER * _STEP_MS
        self._meter = PowerMeter(period_seconds)
        self._throttling = Throttling()
        self._gpm_bytes: dict[str, float] = {}
        self._answered_ms: int | None = None
        self.ledger = Ledger()
        self._gpm: Gpm | None = None
        self._instances: Instances | None = None
        self.attach(library, requests, handle, index)

    def attach(self, library: Library, requests: Requests, handle: object, index: int) -> None:
        """Begin (again) with this handle: what was found out about the old one is forgotten.

        Raises:
            NvmlFailed: It does not answer.
        """
        self.is_lost = True
        self.identity = identity = Identity(library, handle)
        self.handle, self.index = handle, index
        self.ledger = ledger = Ledger(self.ledger.errors)
        self._library, self._requests = library, requests
        self._reasons = Reasons(library, handle, ledger)
        wanted = self._meter.attach(library, handle, ledger, identity.model)
        self._fields = Fields(library, handle, ledger, wanted)
        counters = self._throttling.attach(self._reasons, ledger)
        self._slow = Slow(library, handle, ledger, counters)
        self._health = Health(library, handle, ledger, identity)
        self._utilisation = library.function("nvmlDeviceGetUtilizationRates")
        self._rates = ctypes.create_string_buffer(UTILISATION.size)
        self._busy = ledger.ask_for("utilisation", "busy_ratio", "memory_busy_ratio")
        self._gpm_asked = ledger.ask_for("gpm", *RATIOS.values(), *RATES.values())
        self._processes = Processes(library, handle, ledger.ask_for("processes", "processes"))
        self._shares = Shares(library, handle, ledger)
        self._instances = Instances(library, handle, requests, identity.model or "")
        self._due_ms = dict.fromkeys(_TIERS_MS, 0)
        self._next_due_ms = self._read_ms = 0
        self._resets = self._meter.resets
        # The newest of every column, but of those that are in the last row.
        self._before: dict[str, Value] = {}
        self._row: dict[str, Value] = {}
        self._metrics = (*RATIOS, *RATES)
        self.is_lost = self.is_unplugged = False

    def detach(self) -> None:
        """Give back what it holds, while the library is still open."""
        if self._gpm is not None:
            self._gpm_bytes = self._gpm.bytes
            self._gpm.close()
            self._gpm = None
        if self._instances is not None:
            self._instances.close()

    @property
    def energy_scope(self) -> str | None:
        """`gpu` or `module`; None until energy was read."""
        return self._meter.energy_scope

    @property
    def power_scope(self) -> str | None:
        """`gpu` or `module`; None until power was read."""
        return self._meter.scope

    @property
    def power_mode(self) -> str | None:
        """`instant` or `average_1s`; None until power was read."""
        return self._meter.mode

    def capabilities(self) -> list[Capability]:
        """What can be read and what cannot, and why."""
        return [Capability(self.uuid, one.name, one.off) for one in self.ledger.all()
                if one.answered or one.off is not None]  # fmt: skip

    def why_not(self) -> dict[str, str]:
        """Columns that are null, and why."""
        if self.is_lost:
            return {}
        known = self._before | self._row
        reasons: dict[str, str] = {}
        for one in self.ledger.all():
            if one.off is not None:
                for column in one.columns:
                    if known.get(column) is None:
                        reasons.setdefault(column, self._reason(one.name, one.off))
        if self._gpm is not None:
            for column in self._gpm.unsupported:
                if known.get(column) is None:
                    reasons.setdefault(column, Off.NOT_SUPPORTED)
        reasons.update(
            (column, off)
            for column, off in self._meter.off_columns().items()
            if known.get(column) is None
        )
        return reasons

    def _reason(self, name: str, off: str) -> str:
        is_whole = name in ("utilisation", "process utilisation", "gpm")
        if off is Off.NOT_SUPPORTED and is_whole and self.identity.mig == "enabled":
            return Off.MIG
        return off

    def read(self, now_ms: int) -> Readings:
        """Its rows of `device`, `mig` and `process`: in base units, with what was read this time.

        Raises:
            NvmlFailed: The driver is gone, and every device with it.
        """
        if self.is_lost:
            return {"device": [self.lost_row(now_ms)]}
        started_ns = time.perf_counter_ns()
        answers, errors = self.ledger.answers, self.ledger.errors
        more: Readings = {}
        row: dict[str, Value] = {
            "time_unix_ms": now_ms,
            "device": self.uuid,
            "up": 1,
            "sample_age_seconds": 0.0,
        }
        try:
            self._read(row, now_ms, more)
        except NvmlFailed as error:
            if error.driver_gone:
                raise
            self.is_lost = True
            self.ledger.errors += 1
            return {"device": [self.lost_row(now_ms)]}
        if self.ledger.answers == answers and self.ledger.errors > errors:
            # Everything that was asked failed: a device that answers nothing is not up.
            return {"device": [self.lost_row(now_ms)]}
        self._answered_ms = now_ms
        row["xid_events_total"] = self.xids
        # In whole microseconds: digits beyond only cost to be written out.
        row["read_seconds"] = (time.perf_counter_ns() - started_ns) // 1000 / 1e6
        row["read_errors_total"] = self.ledger.errors
        if self._row.keys() != row.keys():
            self._before.update(self._row)
        self._row = row
        more["device"] = [row]
        return more

    def lost_row(self, now_ms: int) -> Row:
        """Its row while it does not answer: that it is down, since when, and what was counted."""
        answered_ms = self._answered_ms
        return {
            "time_unix_ms": now_ms,
            "device": self.uuid,
            "up": 0,
            "energy_resets_total": self._meter.resets,
            "xid_events_total": self.xids,
            "sample_age_seconds": None if answered_ms is None else (now_ms - answered_ms) / 1e3,
            "read_errors_total": self.ledger.errors,
        }

    def _read(self, row: dict[str, Value], now_ms: int, more: Readings) -> None:
        if now_ms < self._read_ms:
            # A clock set back must not stop the slow readings until it has caught up.
            self._due_ms = dict.fromkeys(_TIERS_MS, 0)
            self._next_due_ms = 0
        self._read_ms = now_ms
        # At most ticks none of the tiers is due, which one look tells.
        any_due = now_ms >= self._next_due_ms
        if any_due and self._is_due(_HEALTH, now_ms):
            self._look_at_mig(now_ms)
            self._health.read(row, now_ms)
        values = self._fields.read(now_ms)
        surplus = self._meter.surplus(values)
        if surplus:
            self._fields.forget(*surplus)
        busy = self._read_utilisation(row, now_ms)
        celsius = self._row.get("temperature_celsius", self._before.get("temperature_celsius"))
        self._meter.read(row, values, now_ms, busy, celsius if type(celsius) is int else None)
        slow: dict[str, float] | None = None
        if any_due and self._is_due(_SLOW, now_ms):
            self._meter.compare(row)
            reset, self._resets = self._resets != self._meter.resets, self._meter.resets
            slow = self._slow.read(row, now_ms, reset=reset)
            # What the device counts itself is not made of rates as well.
            self._metrics = *RATIOS, *(m for m, c in RATES.items() if c not in self._slow.counted)
            if self._gpm is not None:
                self._gpm.ask_for(self._metrics)
        self._throttling.read(row, slow, now_ms)
        self._read_gpm(row, now_ms)
        if self.identity.mig == "enabled" and self._instances is not None:
            self._add(more, "mig", self._instances.read(self.uuid, now_ms))
            if self._instances.have_changed:
                self.look_at_health_soon()
        if any_due and self._is_due(_PROCESSES, now_ms):
            self._add(more, "process", self._read_processes(row, now_ms))

    @staticmethod
    def _add(readings: Readings, table: str, rows: list[Row]) -> None:
        if rows:
            readings[table] = rows

    def look_at_health_soon(self) -> None:
        """Do not wait for the minute: something happened."""
        self._due_ms[_HEALTH] = self._next_due_ms = 0

    def _is_due(self, tier: str, now_ms: int) -> bool:
        if now_ms < self._due_ms[tier]:
            return False
        every_ms = _TIERS_MS[tier]
        # The first reading is at once; those after it at the same seconds on all nodes.
        shift_ms = self._shift_ms + _BEFORE_MS[tier]
        self._due_ms[tier] = now_ms + every_ms - (now_ms + shift_ms) % every_ms
        self._next_due_ms = min(self._due_ms.values())
        return True

    def _read_utilisation(self, row: dict[str, Value], now_ms: int) -> float | None:
        busy = self._busy
        row["busy_ratio"] = row["memory_busy_ratio"] = None
        if not busy.wanted(now_ms) or not busy.took(
            self._utilisation(self.handle, self._rates), now_ms
        ):
            return None
        gpu, memory = UTILISATION.unpack(self._rates)
        ratio: float | None = gpu / 100 if gpu <= 100 else None
        row["busy_ratio"] = ratio
        row["memory_busy_ratio"] = memory / 100 if memory <= 100 else None
        return ratio

    def _read_gpm(self, row: dict[str, Value], now_ms: int) -> None:
        gpm = self._gpm
        if gpm is None:
            gpm = self._open_gpm(now_ms)
            if gpm is None:
                return
        ratios = gpm.read(now_ms)
        if ratios is not None:
            row.update(ratios)
        elif gpm.asked.off is not None:
            row.update(dict.fromkeys(RATIOS.values()))
        if gpm.bytes:
            for column, moved in gpm.bytes.items():
                if column not in self._slow.counted:
                    row[column] = int(moved)

    def _open_gpm(self, now_ms: int) -> Gpm | None:
        asked = self._gpm_asked
        if not asked.wanted(now_ms):
            return None
        try:
            if not is_supported(self._library, self.handle):
                asked.refuse(ids.NOT_SUPPORTED, now_ms)
                return None
            self._gpm = Gpm(self._library, self._requests, self.handle, asked, self._metrics)
        except NvmlFailed as error:
            asked.refuse(error.code, now_ms)
            return None
        self._gpm.bytes = self._gpm_bytes
        return self._gpm

    # MIG and processes.

    def _look_at_mig(self, now_ms: int) -> None:
        """Find the instances there are, and begin anew with what MIG takes away or gives back."""
        if self.identity.look_at_mig():
            for asked in (self._busy, self._gpm_asked):
                asked.off, asked.again_ms = None, 0
            if self._gpm is not None:
                self.detach()
        if self._instances is not None:
            if self.identity.mig == "enabled":
                self._instances.find(self.ledger, now_ms)
            else:
                self._instances.close()

    def _read_processes(self, row: dict[str, Value], now_ms: int) -> list[Row]:
        instances = self._instances
        found: list[tuple[int, ...]] | None = None
        names: dict[int, str] = {}
        if self.identity.mig == "enabled" and instances is not None:
            found, names = instances.new_processes(), instances.uuids()
        if found is None:
            found = self._processes.read(now_ms)
        row["processes"] = None if found is None else len({one[0] for one in found})
        if not found:
            return []
        shares = self._shares.read(now_ms)
        return process_rows(self.uuid, found, shares, names, self._procfs, now_ms)
