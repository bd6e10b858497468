"""Jobs and their devices by the records of our own prolog and epilog.

A running job's file is `job.KEY.json`. Its epilog only renames it, so that the end is written down
even on a full disk: `ended.TIME.STATUS.RESTARTS.KEY.json`. The newest few hundred of those are kept
by the epilog, so that an agent that was away still learns of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from wattline_agents.assignment.claim import Claim
from wattline_agents.assignment.records.directory import Directory, Mark
from wattline_agents.assignment.records.record import RUNNING, Ending, Record, ending, parse
from wattline_agents.wire import Row

METHOD = "prolog"
PLACE = "/run/wattline-records"
"""Made by the prolog, and root's. Not below /run/wattline, which belongs to the agent's service and
goes with it: who may not write a record must not own the directory above it either."""

_EVERY_MS = 0
"""At every tick: one question of the directory's time."""
_KEPT_MS = 7 * 86_400_000
"""Ends older than this are not told: no ledger is that late."""
_BOOT_SLACK_MS = 1_000


class OwnRecords:
    """What our prolog and epilog wrote down on this node."""

    def __init__(
        self,
        path: str = PLACE,
        boot_ms: int | Callable[[], int | None] | None = None,
        shards_per_device: int | None = None,
    ) -> None:
        """Read nothing yet.

        Args:
            path: The directory.
            boot_ms: When the node was started, or what says so by the clock as it is: what ran
                before, and has no end, ended then.
            shards_per_device: Into how many shards Slurm divides a device.
        """
        self.directory = Directory(path, _EVERY_MS, files_change=False)
        self._boot_ms, self._shards = boot_ms, shards_per_device
        self._earliest_boot_ms: int | None = None
        self._read: dict[str, tuple[Mark, Record | None]] = {}
        self._running: dict[str, Record] = {}
        self._lost: dict[tuple[str, int], tuple[Record, int]] = {}
        self._claims: list[Claim] = []
        self._names: list[Row] = []
        self._by_id: dict[str, Record] = {}
        self._by_sluid: dict[str, Record] = {}

    @property
    def are_kept(self) -> bool:
        """Whether a prolog has written records here at all, so that jobs without one have none."""
        return bool(self._read)

    def of_id(self, job_id: str) -> Record | None:
        """The running record of a job, by the scheduler's number."""
        return self._by_id.get(job_id)

    def of_sluid(self, sluid: str) -> Record | None:
        """The running record of a job, by Slurm's own id."""
        return self._by_sluid.get(sluid)

    @property
    def quiet_until_ms(self) -> int:
        """Before this nothing new is said."""
        return self.directory.quiet_until_ms

    def claims(self, now_ms: int) -> Sequence[Claim]:
        """What running and ended records say."""
        marks = self.directory.look(now_ms)
        if marks is None:
            return self._claims
        self._read = {
            name: (mark, self._parsed(name, mark, now_ms)) for name, mark in marks.items()
        }
        running: dict[str, Record] = {}
        ended: list[tuple[Record, Ending]] = []
        for name, (_mark, record) in self._read.items():
            if record is None:
                continue
            end = ending(name)
            if end is None:
                running[record.job] = record
            elif now_ms - end.end_ms < _KEPT_MS:
                # A clock that was set back: it has ended by now all the same.
                ended.append((record, end._replace(end_ms=min(end.end_ms, now_ms))))
        self._note_lost(running, ended, now_ms)
        self._running = running
        # Of two runs of one number the later is the one that runs.
        in_order = sorted(running.values(), key=lambda record: record.start_ms)
        self._by_id = {record.job_id: record for record in in_order}
        self._by_sluid = {r.sluid: r for r in in_order if r.sluid is not None}
        self._claims = []
        infos: dict[str, Row] = {}
        boot_ms = self._booted()
        for record, end_ms in sorted(self._lost.values(), key=lambda lost: lost[1]):
            infos[record.job] = self._add(record, end_ms, None, infos)
        for record, end in sorted(ended, key=lambda one: one[1].end_ms):
            infos[record.job] = self._add(record, end.end_ms, _state(record, end), infos)
        for record in in_order:
            is_of_before = boot_ms is not None and record.start_ms < boot_ms - _BOOT_SLACK_MS
            state = "failed" if is_of_before else "running"
            infos[record.job] = self._add(record, boot_ms if is_of_before else None, state, infos)
        self._names = list(infos.values())
        return self._claims

    def names(self) -> Sequence[Row]:
        """What the records say of their jobs."""
        return self._names

    def _parsed(self, name: str, mark: Mark, now_ms: int) -> Record | None:
        known = self._read.get(name)
        if known is not None and known[0] == mark:
            return known[1]
        match, end = RUNNING.fullmatch(name), ending(name)
        if match is None and end is None:
            return None
        content = self.directory.read(name)
        record = None if content is None else parse(content, now_ms)
        # One that says another job than its name is not of our scripts.
        key = end.job if end is not None else match[1] if match is not None else ""
        return record if record is not None and record.job == key else None

    def _note_lost(
        self, running: dict[str, Record], ended: list[tuple[Record, Ending]], now_ms: int
    ) -> None:
        """Records that were taken away without an end: they ended when the directory changed."""
        told = {(record.job, record.start_ms) for record, _ in ended}
        told |= {(record.job, record.start_ms) for record in running.values()}
        end_ms = min(self.directory.changed_ms, now_ms) if self.directory.is_there else now_ms
        for record in self._running.values():
            key = record.job, record.start_ms
            if key not in told:
                self._lost[key] = record, max(end_ms, record.start_ms)
        for key, (_record, at_ms) in tuple(self._lost.items()):
            if now_ms - at_ms > _KEPT_MS or key in told:
                del self._lost[key]
        while len(self._lost) > 256:
            del self._lost[next(iter(self._lost))]

    def _booted(self) -> int | None:
        """When the node was started, as early as the clock ever said.

        A clock that is set moves it, and a job that runs must not be taken for one of before.
        """
        now = self._boot_ms() if callable(self._boot_ms) else self._boot_ms
        if now is not None and (self._earliest_boot_ms is None or now < self._earliest_boot_ms):
            self._earliest_boot_ms = now
        return self._earliest_boot_ms

    def _add(
        self, record: Record, end_ms: int | None, state: str | None, infos: Mapping[str, Row]
    ) -> Row:
        """Claim the record's devices; returns what is known of the job.

        A job whose prolog ran twice has two records, which are one job: it began with the first,
        and what the last one says of its end counts.
        """
        end_ms = None if end_ms is None else max(end_ms, record.start_ms)
        share = record.share
        if share is None and record.shards is not None and self._shards:
            share = min(1.0, record.shards / (self._shards * max(1, len(record.devices))))
        for device in record.devices:
            self._claims.append(Claim(device, record.job, record.start_ms, end_ms, share, METHOD))
        before = infos.get(record.job, {}).get("start_unix_ms")
        return {
            "job": record.job,
            "name": record.name,
            "project": record.account,
            "user": record.user,
            "state": state,
            "start_unix_ms": min(before, record.start_ms)
            if isinstance(before, int)
            else record.start_ms,
            "end_unix_ms": end_ms,
        }


def _state(record: Record, end: Ending) -> str | None:
    """How a job ended, as far as an epilog is told.

    Its status is 0 also where the job was cancelled, ran out of time or was queued again; only of
    the last there is a sign, a count of restarts that has gone up. Accounting knows the rest.
    """
    if end.status:
        return "failed"
    if end.restarts is not None and end.restarts > record.restarts:
        return "cancelled"
    return None if end.status is None else "completed"
