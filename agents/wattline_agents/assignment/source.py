"""The source `assignment`: which job holds which device of this node, and how that is known.

It asks everybody who knows: records of prologs, a kubelet, the processes on the devices. A tick at
which nothing is new costs a question of one directory's time and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from wattline_agents.assignment import joining
from wattline_agents.assignment.claim import Claim, Claims
from wattline_agents.assignment.devices import AUTO, INDEX, Devices
from wattline_agents.assignment.joining import IsRunning
from wattline_agents.assignment.numbers import Votes, meanings
from wattline_agents.assignment.owners import Owners
from wattline_agents.assignment.processes import ProcessClaims
from wattline_agents.assignment.told import ToldAssignments, ToldJobs
from wattline_agents.errors import ReadFailed
from wattline_agents.sources.source import Readings
from wattline_agents.wire import Row, Value

_MOST_NAMED = 5
_MOST_USERS = 4_096
_MOST_OWN = 4_096
_KEPT_MS = 600_000
"""How long what was said is believed of one who cannot say anything new."""
_ALONE = frozenset(("name", "kind", "project", "run"))
"""What a job that speaks for itself says better than its scheduler."""

Reasons = Callable[[], Mapping[str, str]]


def no_reasons() -> Mapping[str, str]:
    """Nothing is missing."""
    return {}


class AssignmentSource:
    """Joins what is known of the jobs and devices of one node.

    Attributes:
        owners: Says of any process whose it is.
        devices: The node's devices by all their names.
    """

    name = "assignment"
    follows = frozenset(("process", "mig", "device_info", "job_info"))

    def __init__(
        self,
        claimants: Mapping[str, Claims],
        devices: Devices,
        owners: Owners,
        processes: ProcessClaims,
        *,
        is_running: IsRunning = lambda job: None,
        say: Callable[[str], None] = lambda message: None,
        reasons: Reasons = no_reasons,
        user_name: Callable[[int], str | None] | None = None,
    ) -> None:
        """Ask nobody yet.

        Args:
            claimants: Who knows of jobs and devices, by what to call them.
            devices: Finds devices by name.
            owners: Finds jobs by process.
            processes: What processes say; asked after all the others.
            is_running: Whether a job has processes on this node.
            say: Takes the few lines meant for a person.
            reasons: More of what cannot be known here, and why.
            user_name: The name of a user by number.
        """
        self.owners, self.devices = owners, devices
        self._claimants = dict(claimants)
        self._processes = processes
        self._is_running, self._say, self._more_reasons = is_running, say, reasons
        self._user_name = _name_of_user if user_name is None else user_name
        self._users: dict[int, str | None] = {}
        self._said: dict[str, tuple[Sequence[Claim], Sequence[Row], int]] = {}
        self._troubles: dict[str, str] = {}
        self._by_processes: Sequence[Claim] = ()
        self._version = -1
        self._held: dict[tuple[str, str], Claim] = {}
        self._infos: list[Row] = []
        self._next_ms: int | None = None
        self._join_ms: int | None = None
        self._read_ms = self._quiet_ms = 0
        self._own: dict[str, frozenset[str]] = {}
        self._own_changed = False
        self._unknown: list[str] = []
        self._told, self._told_jobs = ToldAssignments(), ToldJobs()
        self._told_numbers = False
        self._votes, self._is_renamed = Votes(), False

    def on_readings(self, table: str, rows: Sequence[Row]) -> None:
        """Rows that other sources of this agent read."""
        if table == "process":
            self._processes.on_rows(rows)
        elif table == "mig":
            self.devices.on_instances(rows)
        elif table == "device_info":
            self.devices.on_infos(rows)
            self._check_numbers()
        elif table == "job_info":
            self._note_own(rows)

    def read(self, now_ms: int) -> Readings:
        """Rows of `assignment` and `job_info`, as far as there is news."""
        if self._has_no_news(now_ms):
            self._read_ms = now_ms
            return {}
        is_new = [self._ask(name, one, now_ms) for name, one in self._claimants.items()]
        claims = self._processes.claims(now_ms)
        is_due = self._next_ms is None or now_ms >= self._next_ms or now_ms < self._read_ms
        self._read_ms = now_ms
        ended: Sequence[Claim] = ()
        if (
            any(is_new)
            or claims is not self._by_processes
            or self.devices.version != self._version
            or self._own_changed
            or (self._join_ms is not None and now_ms >= self._join_ms)
        ):
            self._by_processes, self._version = claims, self.devices.version
            self._own_changed = False
            ended = self._join(now_ms)
        elif not is_due:
            self._quiet_ms = self._quiet_until_ms()
            return {}
        rows = self._rows(ended, now_ms)
        self._quiet_ms = self._quiet_until_ms()
        return rows

    def _has_no_news(self, now_ms: int) -> bool:
        """Whether nobody has anything new to say, and nothing is due: so it is at most ticks."""
        return (
            self._read_ms <= now_ms < self._quiet_ms
            and not self._own_changed
            and self.devices.version == self._version
            and self._processes.quiet_until_ms > now_ms
        )

    def _quiet_until_ms(self) -> int:
        """Before this nobody says anything new unasked."""
        times = [getattr(one, "quiet_until_ms", 0) for one in self._claimants.values()]
        times += [at for at in (self._next_ms, self._join_ms) if at is not None]
        return min(times, default=0)

    def describe(self, now_ms: int) -> Readings:
        """Nothing: jobs and devices are told in tables of their own."""
        return {}

    def why_not(self) -> Mapping[str, Mapping[str, str]]:
        """What of jobs and devices cannot be known here, and why."""
        reasons = {f"assignment.{name}": why for name, why in self._troubles.items()}
        reasons |= {f"assignment.{name}": why for name, why in self._more_reasons().items()}
        if (numbers := self.numbers_doubt()) is not None:
            reasons["assignment.numbers"] = numbers
        if self._unknown:
            named = ", ".join(repr(name[:40]) for name in self._unknown[:_MOST_NAMED])
            reasons["assignment.device"] = f"no device here is called {named}"
        if self.owners.hidden:
            reasons["assignment.environ"] = (
                "the environment of other users' processes may not be looked at: "
                "give CAP_SYS_PTRACE"
            )
        return {"": reasons} if reasons else {}

    def close(self) -> None:
        """Hang up. What is open stays so: jobs run on while an agent does not."""
        for one in self._claimants.values():
            if (close := getattr(one, "close", None)) is not None:
                close()

    def _learn(self, recorded: Sequence[Claim]) -> None:
        """Find out what a number means, by the devices that jobs with records are seen on."""
        found = meanings(recorded, self._by_processes, self.devices)
        numbers = self._votes.take(found, [names for _claims, names, _at_ms in self._said.values()])
        if numbers is None or numbers == self.devices.learned:
            return
        if self.devices.learn(numbers):
            self._is_renamed = True
            self._version = self.devices.version
        what = "indices" if numbers == INDEX else "minor numbers"
        self._say(f"assignment: by the devices that jobs run on, numbers of devices are {what}")

    def numbers_doubt(self) -> str | None:
        """Why a device's number may mean another device; None where it cannot."""
        if self.devices.numbers == AUTO and self.devices.learned is not None:
            return None
        taken = "indices" if self.devices.taken == INDEX else "minor numbers"
        if self.devices.renumbered:
            return (
                "the agent runs inside a job's control group, where indices begin again at 0: "
                f"numbers are taken for {taken}"
            )
        if not self.devices.numbers_differ:
            return None
        return (
            "indices and minor numbers of devices differ here: numbers are taken for "
            f"{taken} ([assignment] numbers)"
        )

    def _check_numbers(self) -> None:
        doubt = self.numbers_doubt()
        if doubt is not None and not self._told_numbers:
            self._say(f"assignment: {doubt}")
        self._told_numbers = doubt is not None

    def _ask(self, name: str, one: Claims, now_ms: int) -> bool:
        """Whether he says something new."""
        before = self._said.get(name)
        try:
            claims = one.claims(now_ms)
        except ReadFailed as error:
            self._troubles[name] = str(error)
            if before is None or 0 <= now_ms - before[2] < _KEPT_MS:
                return False
            del self._said[name]
            return True
        self._troubles.pop(name, None)
        if before is not None and claims is before[0]:
            # A new tuple for the time alone is not worth it at every tick.
            if now_ms - before[2] > _KEPT_MS // 10:
                self._said[name] = claims, before[1], now_ms
            return False
        self._said[name] = claims, one.names(), now_ms
        return True

    def _join(self, now_ms: int) -> list[Claim]:
        """Put together what all say; returns what has ended."""
        claims = [claim for said, _names, _at_ms in self._said.values() for claim in said]
        if self.devices.numbers == AUTO and self.devices.numbers_differ:
            self._learn(claims)
        claims += self._by_processes
        found, self._unknown = joining.resolved(claims, self.devices)
        found = joining.without_ghosts(joining.agreed(found), self._is_running)
        found, is_waiting = joining.without_echoes(found, now_ms)
        self._join_ms = now_ms + joining.ECHO_MS if is_waiting else None
        self._held = joining.most_trusted(found)
        self._infos = self._told_of({claim.job for claim in found}, found)
        return joining.ended(found)

    def _rows(self, ended: Sequence[Claim], now_ms: int) -> Readings:
        rows = self._told.rows(self._held, ended, now_ms, is_renamed=self._is_renamed)
        self._is_renamed = False
        jobs = self._told_jobs.rows(self._infos, now_ms)
        times = [at for at in (self._told.due_ms(), self._told_jobs.due_ms()) if at is not None]
        self._next_ms = min(times, default=2**62)
        return {table: some for table, some in (("assignment", rows), ("job_info", jobs)) if some}

    def _told_of(self, here: set[str], claims: Iterable[Claim]) -> list[Row]:
        """What is known of the jobs that hold a device here: of each the most trusted word."""
        infos: dict[str, dict[str, Value]] = {}
        names: list[Sequence[Row]] = [names for _claims, names, _at_ms in self._said.values()]
        for row in (row for some in [*names, self._processes.names()] for row in some):
            job = str(row["job"])
            if job in here:
                told = infos.setdefault(job, {})
                for column, value in row.items():
                    if told.get(column) is None:
                        told[column] = value
        ends: dict[str, int | None] = {}
        for claim in claims:  # the end of one that was missed is known by its claims alone
            if claim.end_ms is None or ends.get(claim.job, 0) is None:
                ends[claim.job] = None
            else:
                ends[claim.job] = max(ends.get(claim.job) or 0, claim.end_ms)
        return [self._info(job, told, ends.get(job)) for job, told in infos.items()]

    def _info(self, job: str, told: dict[str, Value], end_ms: int | None) -> Row:
        uid = told.pop("uid", None)
        if told.get("user") is None and isinstance(uid, int):
            told["user"] = self._user(uid)
        if end_ms is not None and told.get("end_unix_ms") is None:
            told["end_unix_ms"] = end_ms
            told["state"] = None
        for column in self._own.get(job, ()):
            told.pop(column, None)
        return told

    def _note_own(self, rows: Iterable[Row]) -> None:
        for row in rows:
            job = str(row["job"])
            own = frozenset(c for c in _ALONE if row.get(c) is not None)
            if row.get("state") in ("failed", "cancelled"):
                # Its own word on how it went; its script may end without an error all the same.
                own |= {"state"}
            if self._own.get(job) != own:
                if len(self._own) >= _MOST_OWN:
                    self._own.clear()
                self._own[job], self._own_changed = own, True

    def _user(self, uid: int) -> str | None:
        if uid not in self._users:
            if len(self._users) >= _MOST_USERS:
                self._users.clear()
            self._users[uid] = self._user_name(uid)
        return self._users[uid]


def _name_of_user(uid: int) -> str | None:
    import pwd  # a node whose records name their users need not load it

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
