"""Which job a process is of: by its control group, by what records say of that, then by its word.

The control group is the kernel's, and sure. A process's environment is its user's: only a few named
variables of it are looked at, it is believed where nothing contradicts it, and it is never told.
"""

from __future__ import annotations

from collections import OrderedDict

from wattline_agents.assignment.cgroups import (
    CONTAINER,
    KUBERNETES,
    SLUID,
    SLURM,
    SYSTEMD,
    JobRef,
    job_in_cgroup,
)
from wattline_agents.assignment.proc import Proc, Seen
from wattline_agents.assignment.records.record import Record, job_key
from wattline_agents.light import NamedTuple, Protocol
from wattline_agents.pattern import pattern
from wattline_agents.wire import MAX_TEXT_BYTES

BY_CGROUP, BY_PROCESS = "cgroup", "process"

_SLURM_ID, _SLURM_RESTARTS = "SLURM_JOB_ID", "SLURM_RESTART_COUNT"
_TOLD = ("WATTLINE_JOB", "AIF_JOB_ID")
ASKED = frozenset((_SLURM_ID, _SLURM_RESTARTS, *_TOLD))
"""The only variables of a process that are ever looked at."""
_MOST_KNOWN = 4096
_JOB_ID = pattern(r"[1-9][0-9]{0,11}")
_COUNT = pattern(r"[0-9]{1,5}")
_LIKE_SLURM = pattern(r"[0-9]+(?:\.[0-9]+)?")
_LIKE_POD = pattern(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NOT_IN_KEYS = pattern(r"[^A-Za-z0-9._:@+-]+")
_MOST_KEY = 128
_MOST_UNIT = 128


class Records(Protocol):
    """What prologs wrote down of the jobs on this node; see `records.own.OwnRecords`."""

    @property
    def are_kept(self) -> bool:
        """Whether records are kept here at all."""
        ...

    def of_id(self, job_id: str) -> Record | None:
        """The running record of a job, by the scheduler's number."""
        ...

    def of_sluid(self, sluid: str) -> Record | None:
        """The running record of a job, by Slurm's own id."""
        ...


class Owner(NamedTuple):
    """Whose a process is.

    Attributes:
        job: The job's key.
        method: `cgroup` or `process`, as in `catalogue.METHODS`.
        uid: The user it runs as.
        name: What to call the job where nobody else says: its unit, container or command.
        started_ms: When the process was started; None where that cannot be seen.
    """

    job: str
    method: str
    uid: int | None
    name: str | None
    started_ms: int | None = None


class Owners:
    """The processes of this node, and whose they are.

    Attributes:
        hidden: Processes whose environment would have told the job, and may not be looked at.
    """

    def __init__(self, proc: Proc | None = None, records: Records | None = None) -> None:
        """Know none yet.

        Args:
            proc: Tells of processes; `/proc` itself if not given.
            records: What prologs wrote down.
        """
        self._proc = Proc() if proc is None else proc
        self._records = records
        self._known: OrderedDict[int, tuple[int, Owner, bool]] = OrderedDict()
        self.hidden = 0

    def job_of(self, pid: int) -> str | None:
        """The key of the job a process is of; None if there is no such process."""
        owner = self.owner(pid)
        return None if owner is None else owner.job

    def owner(self, pid: int) -> Owner | None:
        """Whose a process is; None if there is no such process, as from within a container."""
        seen = self._proc.look(pid)
        if seen is None:
            self._known.pop(pid, None)
            return None
        known = self._known.get(pid)
        # The same number and start is the same process. One that could not be told for sure is
        # asked again: its record may have come meanwhile.
        if known is not None and known[0] == seen.started and known[2]:
            return known[1]
        owner, is_sure = self._look(pid, seen)
        self._known[pid] = seen.started, owner, is_sure
        self._known.move_to_end(pid)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return owner

    def key_of(self, said: str, pid: int, uid: int | None) -> str | None:
        """The key of the job that a process counts for, which says so itself.

        Numbers and uids are a scheduler's to give. Where the control group names a job, that is
        it, whatever the process says: so nobody counts for another's job, and a part of a
        heterogeneous job, whose steps know only its leader's number, counts for itself.

        Args:
            said: The key it says.
            pid: The process; 0 where it cannot be seen.
            uid: Its user, by the word of the kernel or the file system; None if nobody says.

        Returns:
            None if it is the job of another user.
        """
        if not (_LIKE_SLURM.fullmatch(said) or _LIKE_POD.fullmatch(said)):
            return said
        job_id = said.partition(".")[0]
        owner = self.owner(pid) if pid > 0 else None
        if owner is not None and owner.method == BY_CGROUP:
            is_it = owner.job.partition(".")[0] == job_id or SLUID.fullmatch(owner.job)
            return said if is_it else owner.job
        record = None if self._records is None else self._records.of_id(job_id)
        if record is None or record.uid is None or uid is None:
            return said
        # Where a job runs in a container of its own its processes may be the superuser's.
        return said if uid in (0, record.uid) else None

    def is_alive(self, pid: int, started_ms: int | None) -> bool:
        """Whether that process still runs, known again by its start."""
        seen = self._proc.look(pid)
        return seen is not None and self._proc.started_ms(seen) == started_ms

    def _look(self, pid: int, seen: Seen) -> tuple[Owner, bool]:
        text = self._proc.cgroup(pid)
        ref = None if text is None else job_in_cgroup(text)
        started_ms = self._proc.started_ms(seen)
        if ref is not None and ref.scheduler == SLURM:
            uid = self._proc.uid(pid) if ref.uid is None else ref.uid
            job, is_sure = self._slurm(pid, ref)
            return Owner(job, BY_CGROUP, uid, None, started_ms), is_sure
        uid = self._proc.uid(pid)
        if ref is not None and ref.scheduler == KUBERNETES and ref.id is not None:
            return Owner(ref.id, BY_CGROUP, uid, None, started_ms), True
        unit = _unit(ref, seen)
        environment, is_visible = self._environment(pid)
        told = self._told(environment, uid)
        name = None if told is not None else unit
        user = "x" if uid is None else str(uid)
        key = told or _plain(f"local-{user}-{unit}")
        # Where nothing can be looked at, nothing better comes; otherwise a record may.
        is_sure = told is not None or not is_visible or _SLURM_ID not in environment
        return Owner(key, BY_PROCESS, uid, name, started_ms), is_sure

    def _slurm(self, pid: int, ref: JobRef) -> tuple[str, bool]:
        """The job's key, or Slurm's own id of it, and whether it is sure to stay so."""
        record = self._record(ref)
        if record is not None:
            return record.job, True
        environment, _ = self._environment(pid)
        job_id = ref.id or environment.get(_SLURM_ID, "")
        if not _JOB_ID.fullmatch(job_id):
            return str(ref.sluid), False
        # Its prolog may still be writing: the record, once there, is asked again.
        is_sure = self._records is None or not self._records.are_kept
        return _key(job_id, environment), is_sure

    def _record(self, ref: JobRef) -> Record | None:
        if self._records is None:
            return None
        if ref.id is not None:
            return self._records.of_id(ref.id)
        return None if ref.sluid is None else self._records.of_sluid(ref.sluid)

    def _told(self, environment: dict[str, str], uid: int | None) -> str | None:
        """The job that a process outside any scheduler's groups says it is of, if believed."""
        job_id = environment.get(_SLURM_ID, "")
        if _JOB_ID.fullmatch(job_id):
            record = None if self._records is None else self._records.of_id(job_id)
            if record is not None:
                return record.job if uid is not None and record.uid == uid else None
            if self._records is None or not self._records.are_kept:
                return _key(job_id, environment)
            return None
        for name in _TOLD:
            if key := _plain(environment.get(name, "")):
                # Numbers are the scheduler's to give: nobody charges another's job with this.
                return None if _LIKE_SLURM.fullmatch(key) else key
        return None

    def _environment(self, pid: int) -> tuple[dict[str, str], bool]:
        try:
            return self._proc.environment(pid, ASKED), True
        except PermissionError:
            self.hidden += 1
            return {}, False


def _key(job_id: str, environment: dict[str, str]) -> str:
    restarts = environment.get(_SLURM_RESTARTS, "")
    return job_key(job_id, int(restarts) if _COUNT.fullmatch(restarts) else 0)


def _unit(ref: JobRef | None, seen: Seen) -> str:
    """What to call a process's work. Users name units and commands, with whatever they like."""
    if ref is not None and ref.scheduler in (CONTAINER, SYSTEMD) and ref.id is not None:
        name = ref.id[:_MOST_UNIT]
    else:
        name = seen.command[:32].decode(errors="replace")
    shown = "".join(c if c.isprintable() else "?" for c in name).strip() or "process"
    return shown.encode()[:MAX_TEXT_BYTES].decode(errors="ignore")


def _plain(text: str) -> str:
    """The text as a key may be: `wire.checked_name` lets it pass, or it is empty."""
    return _NOT_IN_KEYS.sub("-", text).lstrip("._:@+-")[:_MOST_KEY]
