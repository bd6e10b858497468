"""Devices held by jobs, by the processes on them: what remains where nobody wrote a record.

A device without a process is not seen to be held, however dearly it was allocated: for that there
are records. A list of processes comes every few seconds and may be empty for a moment, so a hold
ends only after a grace, and then at the time its last process was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field

from wattline_agents.assignment.claim import Claim
from wattline_agents.assignment.owners import BY_CGROUP, Owner, Owners
from wattline_agents.record import record
from wattline_agents.wire import Row, Value

GRACE_MS = 45_000
"""Four lists: they come every ten seconds, and one may be missing where a driver is slow."""
_LOOK_MS = 5_000
_TOLD_MS = 600_000
"""How long an end stays among the claims."""
MOST_HOLDS = 4096
_MOST_ENDED = 256
_MANY = 3
"""So many in a row have not just ended before they were looked at."""


@record(frozen=False, slots=True)
class _Hold:
    """One device (or instance), and one job whose processes are on it."""

    owner: Owner
    start_ms: int
    seen_ms: int
    pids: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    """When the process was listed last, and its start."""


class ProcessClaims:
    """What processes on devices say of jobs."""

    def __init__(
        self,
        owners: Owners,
        period_seconds: float = 1.0,
        on_instance: Callable[[str, str], None] = lambda instance, device: None,
    ) -> None:
        """Have seen none yet.

        Args:
            owners: Says whose a process is.
            period_seconds: How far apart readings are: lists are no closer.
            on_instance: Told of MIG instances that a process is on, and of their devices.
        """
        self._owners, self._on_instance = owners, on_instance
        self._grace_ms = max(GRACE_MS, round(3_000 * period_seconds))
        self._holds: dict[tuple[str, str], _Hold] = {}
        self._ended: dict[tuple[str, str, int], tuple[Claim, int]] = {}
        self._looked_ms = 0
        self._is_new = False
        self._claims: Sequence[Claim] = ()
        self._unseen = 0
        self._any_seen = False

    @property
    def are_hidden(self) -> bool:
        """Whether there are processes on devices, and none of them was ever found here."""
        return self._unseen >= _MANY and not self._any_seen

    def on_rows(self, rows: Iterable[Row]) -> None:
        """Rows of `process`."""
        for row in rows:
            pid, now_ms = int(row["pid"] or 0), int(row["time_unix_ms"] or 0)
            owner = self._owners.owner(pid)
            if owner is None:
                self._unseen += 1  # it has ended, or is of another container
                continue
            self._any_seen = True
            device, instance = str(row["device"]), row.get("instance")
            if instance is not None:
                self._on_instance(str(instance), device)
                device = str(instance)
            key = device, owner.job
            hold = self._holds.get(key)
            if hold is None:
                if len(self._holds) >= MOST_HOLDS:
                    continue
                start_ms = self._start(key, owner, now_ms)
                hold = self._holds[key] = _Hold(owner, start_ms, now_ms)
                self._is_new = True
            hold.pids[pid] = now_ms, owner.started_ms
            hold.seen_ms = max(hold.seen_ms, now_ms)

    @property
    def quiet_until_ms(self) -> int:
        """Before this nothing new is said, unless rows come."""
        return 0 if self._is_new else self._looked_ms + _LOOK_MS

    def claims(self, now_ms: int) -> Sequence[Claim]:
        """What holds now, and what ended a short while ago."""
        is_due = not 0 <= now_ms - self._looked_ms < _LOOK_MS
        if is_due:
            if self._holds or self._ended:
                self._look(now_ms, self._looked_ms)
            self._looked_ms = now_ms
        if self._is_new:
            self._is_new = False
            self._claims = [
                Claim(key[0], key[1], hold.start_ms, None, None, hold.owner.method)
                for key, hold in self._holds.items()
            ] + [claim for claim, _at_ms in self._ended.values()]
        return self._claims

    def names(self) -> Sequence[Row]:
        """What is known of the jobs: little of a scheduler's, more of a plain process."""
        found: dict[str, dict[str, Value]] = {}
        for (_device, job), hold in self._holds.items():
            info = found.setdefault(
                job, {"job": job, "state": "running", "end_unix_ms": None, "uid": hold.owner.uid}
            )
            if hold.owner.method != BY_CGROUP:  # whose beginning and name none of its processes has
                before = info.get("start_unix_ms")
                known = before if isinstance(before, int) else hold.start_ms
                info["start_unix_ms"] = min(known, hold.start_ms)
                info["name"] = hold.owner.name
        for claim, _at_ms in self._ended.values():
            if claim.job not in found and claim.method != BY_CGROUP:
                # How it ended nobody says; that it failed is not said without a reason.
                found[claim.job] = {
                    "job": claim.job,
                    "state": "completed",
                    "end_unix_ms": claim.end_ms,
                }
        return list(found.values())

    def _start(self, key: tuple[str, str], owner: Owner, now_ms: int) -> int:
        """Since when it holds the device.

        A scheduler's job is given its devices when it begins, so it had them no later than its
        process began. A notebook's kernel may run for days before it takes one.
        """
        last_ms = max(
            (claim.end_ms or 0 for claim, _ in self._ended.values() if _key(claim) == key),
            default=0,
        )
        if owner.method == BY_CGROUP and owner.started_ms is not None:
            return max(last_ms, min(owner.started_ms, now_ms))
        return now_ms

    def _look(self, now_ms: int, before_ms: int) -> None:
        for key, hold in tuple(self._holds.items()):
            for pid, (listed_ms, started_ms) in tuple(hold.pids.items()):
                if before_ms < listed_ms <= now_ms:
                    continue  # it was there when it was listed, since the look before
                if not self._owners.is_alive(pid, started_ms):
                    del hold.pids[pid]
                    hold.seen_ms = max(hold.seen_ms, min(now_ms, listed_ms + _LOOK_MS))
                elif now_ms - listed_ms > self._grace_ms:
                    del hold.pids[pid]
            if not hold.pids and not 0 <= now_ms - hold.seen_ms <= self._grace_ms:
                del self._holds[key]
                end_ms = max(hold.start_ms, hold.seen_ms)
                claim = Claim(*key, hold.start_ms, end_ms, None, hold.owner.method)
                self._ended[(*key, hold.start_ms)] = claim, now_ms
                self._is_new = True
        for ended, (_claim, at_ms) in tuple(self._ended.items()):
            if not 0 <= now_ms - at_ms < _TOLD_MS or len(self._ended) > _MOST_ENDED:
                del self._ended[ended]
                self._is_new = True


def _key(claim: Claim) -> tuple[str, str]:
    return claim.device, claim.job
