"""One node of a simulated factory, read as any other node is."""

from __future__ import annotations

from wattline_agents.catalogue import DEVICE, JOB, NODE
from wattline_agents.sources.simulated import physics
from wattline_agents.sources.simulated.physics import FLOATS, NodeSums
from wattline_agents.sources.simulated.profile import as_metered
from wattline_agents.sources.simulated.typed import typed
from wattline_agents.sources.source import Readings
from wattline_agents.wire import Row, Value
from wattline_collector.simulated import statements
from wattline_collector.simulated.faults import Fault
from wattline_collector.simulated.jobs import Job
from wattline_collector.simulated.schedule import Schedule
from wattline_collector.simulated.segments import Segment, State
from wattline_collector.simulated.shape import MINUTE_MS

REPEAT_ASSIGNMENT_MS = 30_000
"""As the ledger expects: an open assignment is believed for three of these."""
REPEAT_JOB_INFO_MS = 10 * MINUTE_MS
JOB_ROWS_MS = 5_000
"""How often a job's counters are read, as the catalogue asks."""
LOOK_BACK_MS = 10 * MINUTE_MS
"""Jobs that ended this long before the first reading are still said to have ended: the agent may
have been started while they did."""


class FactoryNode:
    """Reads one node of a factory."""

    name = "simulated"

    def __init__(self, schedule: Schedule, node: int, period_seconds: float) -> None:
        """Prepare to read.

        Args:
            schedule: Of the factory.
            node: Which of its nodes, counted over the factory.
            period_seconds: How far apart readings will be; the first describes that much.
        """
        self._schedule = schedule
        self._node = node
        self._period_ms = max(1, round(period_seconds * 1000))
        self._devices = schedule.devices_of(node)
        self._mishaps = {device: schedule.faults.mishaps_of(device) for device in self._devices}
        self._last_ms: int | None = None
        self._jobs_read_ms = 0
        self._told_assignments_ms = 0
        self._told: dict[tuple[int, str], bool] = {}
        self._told_jobs: dict[str, tuple[str, int]] = {}

    def read(self, now_ms: int) -> Readings:
        """Its devices, itself, the jobs it reports on, and who holds its devices."""
        before_ms = now_ms - self._period_ms if self._last_ms is None else self._last_ms
        profile = self._schedule.shape.profile
        devices: list[dict[str, Value]] = []
        shared: list[dict[str, float]] = []
        joules = watts = active = activity = 0.0
        for device in self._devices:
            segment = self._schedule.life(device).at(now_ms)
            seconds = (now_ms - segment.start_ms) / 1000
            at = physics.waves(segment.terms, seconds, FLOATS)
            mean = self._mean_activity(device, segment, before_ms, now_ms)
            joules += physics.joules(segment.terms, seconds, at)
            watts += physics.watts(segment.terms, at)
            active += physics.active_seconds(segment.terms, seconds, at.swept)
            activity += mean
            row: dict[str, Value] = {
                "time_unix_ms": now_ms,
                "device": self._schedule.device_names[device],
                "up": int(segment.state is not State.LOST),
            }
            values = physics.device_values(segment.terms, seconds, at, mean) | profile.constants
            shared.append(values)
            if segment.state is not State.LOST:
                row |= typed(DEVICE, values)
                self._befall(device, row, segment, now_ms)
            devices.append(row)
        origin_ms = self._schedule.shape.origin_ms
        sums = NodeSums((now_ms - origin_ms) / 1000, joules, watts, active, activity)
        values = physics.node_values(profile, sums, self._schedule.shape.devices)
        node = {"time_unix_ms": now_ms, "memory_size_bytes": profile.host_memory_bytes}
        self._last_ms = now_ms
        readings: Readings = {
            "device": list(as_metered(profile, devices, shared)),
            "xid": self._xids(before_ms, now_ms),
            "node": [node | typed(NODE, values)],
            "job": self._job_rows(now_ms),
            "assignment": self._assignments(now_ms),
            "job_info": self._job_info(now_ms),
        }
        return {table: rows for table, rows in readings.items() if rows}

    def describe(self, now_ms: int) -> Readings:
        """Who it is, and who its devices are."""
        return {
            "node_info": [statements.node_info(self._schedule, self._node, now_ms)],
            "device_info": statements.device_info(self._schedule, self._node, now_ms),
        }

    def close(self) -> None:
        """Nothing is held."""

    def _befall(self, device: int, row: dict[str, Value], segment: Segment, now_ms: int) -> None:
        """Let what goes wrong with a device's readings show in its row."""
        for mishap in self._mishaps[device]:
            if mishap.start_ms >= now_ms:
                continue
            if mishap.fault is Fault.FROZEN:
                stale = now_ms <= mishap.end_ms
                row["power_stale"] = int(stale)
                if stale:
                    row["power_watts"] = None
            elif mishap.fault is Fault.RESET:
                # A later loss brings counters of its own, which this reset has no part in.
                then = self._schedule.life(device).at(mishap.start_ms)
                lost_since = any(
                    loss.start_ms >= mishap.start_ms and loss.end_ms <= now_ms
                    for loss in self._schedule.faults.losses(device)
                )
                if not lost_since:
                    origin = then.joules(mishap.start_ms)
                    row["energy_joules_total"] = segment.joules(now_ms) - origin
                row["energy_resets_total"] = int(str(row.get("energy_resets_total", 0))) + 1

    def _xids(self, before_ms: int, now_ms: int) -> list[Row]:
        rows: list[Row] = []
        for device in self._devices:
            happened = [m for m in self._mishaps[device] if m.fault is Fault.XID]
            for mishap in happened:
                if before_ms < mishap.start_ms <= now_ms:
                    same = [m for m in happened if m.code == mishap.code and m.start_ms <= now_ms]
                    rows.append(
                        {
                            "time_unix_ms": now_ms,
                            "device": self._schedule.device_names[device],
                            "xid": mishap.code,
                            "count_total": len(same),
                            "last_unix_seconds": same[-1].start_ms / 1000,
                        }
                    )
        return rows

    def _mean_activity(self, device: int, segment: Segment, before_ms: int, now_ms: int) -> float:
        elapsed = (now_ms - before_ms) / 1000
        if elapsed <= 0:
            return segment.terms.activity
        if before_ms >= segment.start_ms:
            before, now = (
                physics.swept(segment.terms, (at_ms - segment.start_ms) / 1000, FLOATS)
                for at_ms in (before_ms, now_ms)
            )
            return physics.mean_activity(segment.terms, before, now, elapsed)
        earlier = self._schedule.life(device).at(before_ms)
        grown = segment.active_seconds(now_ms) - earlier.active_seconds(before_ms)
        # The difference of large sums may come out a hair below nought.
        return max(0.0, grown / elapsed)

    def _job_rows(self, now_ms: int) -> list[Row]:
        if now_ms - self._jobs_read_ms < JOB_ROWS_MS:
            return []
        since_ms = max(self._jobs_read_ms, now_ms - LOOK_BACK_MS)
        self._jobs_read_ms = now_ms
        rows: list[Row] = []
        for job in self._reported(since_ms, now_ms):
            if job.columns:
                made = dict.fromkeys(job.columns, 0.0) | job.made(now_ms)
                row: dict[str, Value] = {"time_unix_ms": min(now_ms, job.end_ms), "job": job.key}
                rows.append(row | typed(JOB, made))
        return rows

    def _job_info(self, now_ms: int) -> list[Row]:
        rows: list[Row] = []
        for job in self._reported(now_ms - LOOK_BACK_MS, now_ms):
            row = statements.job_info(job, now_ms)
            state = str(row["state"])
            said, at_ms = self._told_jobs.get(job.key, ("", 0))
            if said != state or (state == "running" and now_ms - at_ms >= REPEAT_JOB_INFO_MS):
                self._told_jobs[job.key] = (state, now_ms)
                rows.append(row)
        return rows

    def _reported(self, since_ms: int, now_ms: int) -> list[Job]:
        """The jobs this node reports on that ran at any time since then."""
        jobs = self._schedule.jobs_by_reporter.get(self._node, [])
        return [job for job in jobs if job.start_ms < now_ms and job.end_ms > since_ms]

    def _assignments(self, now_ms: int) -> list[Row]:
        repeat = now_ms - self._told_assignments_ms >= REPEAT_ASSIGNMENT_MS
        if repeat:
            self._told_assignments_ms = now_ms
        rows: list[Row] = []
        for device in self._devices:
            for job in self._schedule.jobs_of(device):
                if job.start_ms >= now_ms or job.end_ms <= now_ms - LOOK_BACK_MS:
                    continue
                ended = job.end_ms <= now_ms
                told = self._told.get((device, job.key))
                if told != ended or (repeat and not ended):
                    self._told[device, job.key] = ended
                    name = self._schedule.device_names[device]
                    rows.append(statements.assignment(name, job, now_ms))
        return rows
