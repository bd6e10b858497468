"""Asking Slurm by its commands: `sacct`, `scontrol`, `sacctmgr`, `sinfo`.

Times are asked for and told in UTC. Names are what people typed, so `sacct` is told to put a
delimiter between fields that nobody could know before: no name can pose as a record.
"""

from __future__ import annotations

import os
import secrets
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl

from wattline_agents.errors import UsageError
from wattline_collector.jobs import events, sacct
from wattline_collector.jobs.accounts import RAW
from wattline_collector.jobs.asking import AskFailed, Events
from wattline_collector.jobs.claims import Held, read_scontrol

MOST_SECONDS = 60.0
"""Of one command; slurmdbd answers for a day of 25,000 jobs in a few."""
MOST_BYTES = 64 * 1024 * 1024
"""Of one answer: some 200,000 jobs of sacct's, 40,000 of scontrol's."""

_WANTED = (
    "JobIDRaw", "JobID", "User", "Account", "Partition", "QOS", "State", "ExitCode", "Submit",
    "Eligible", "Start", "End", "ElapsedRaw", "Suspended", "TimelimitRaw", "NNodes", "NCPUS",
    "NodeList", "AllocTRES", "ReqTRES", "ConsumedEnergyRaw", "MaxRSS", "TRESUsageInTot",
    "Restarts", "Reason", "JobName",
)  # fmt: skip
_NEEDED = frozenset(("JobIDRaw", "State", "Submit", "Start", "End"))
_NEVER = "2099-01-01T00:00:00"

Run = Callable[[Sequence[str], Mapping[str, str], float, int], bytes]
"""Runs a command: its words, its environment, seconds and bytes it may take; gives its output."""


def run(
    words: Sequence[str], environment: Mapping[str, str], seconds: float, most_bytes: int
) -> bytes:
    """The standard output of a command, which is killed where it takes too long or says too much.

    Raises:
        AskFailed: It cannot be started, fails, takes too long or says too much.
    """
    name = words[0]
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=dict(environment), start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise AskFailed(f"{name}: cannot be run: {error.strerror}") from error
    ends = time.monotonic() + seconds
    said, complaint = bytearray(), bytearray()
    assert process.stdout is not None and process.stderr is not None
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ, said)
            selector.register(process.stderr, selectors.EVENT_READ, complaint)
            while selector.get_map():
                left = ends - time.monotonic()
                ready = selector.select(left) if left > 0 else []
                if not ready:
                    raise AskFailed(f"{name}: no answer within {seconds:g} seconds")
                for key, _ in ready:
                    chunk = os.read(key.fd, 1 << 20)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    elif key.data is said:
                        said += chunk
                    elif len(complaint) < 4096:
                        complaint += chunk
                if len(said) > most_bytes:
                    raise AskFailed(f"{name}: answers more than {most_bytes >> 20} MiB")
        code = process.wait(max(0.1, ends - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise AskFailed(f"{name}: no answer within {seconds:g} seconds") from None
    finally:
        if process.poll() is None:
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
        process.stderr.close()
    if code != 0:
        why = _shown(complaint) or f"ends with code {code}"
        raise AskFailed(f"{name}: {why}")
    return bytes(said)


@dataclass(slots=True)
class Commands:
    """Slurm's commands on this machine.

    Attributes:
        environment: What they are run in; `SLURM_CONF` in it names the cluster.
        run: Runs them.
        set_aside: Records that were none.
    """

    environment: Mapping[str, str]
    run: Run = run
    set_aside: int = 0
    _fields: tuple[str, ...] = field(default=())

    def _ask(self, *words: str) -> bytes:
        kept = {
            name: value
            for name, value in self.environment.items()
            if not name.startswith(("SACCT_", "SCONTROL_", "SLURM_TIME_FORMAT", "SLURM_BITSTR"))
        }
        # Whatever zone the machine thinks in, these answers are in UTC.
        spoken = {"TZ": "UTC", "LC_ALL": "C", "SLURM_TIME_FORMAT": "standard"}
        return self.run(words, {**kept, **spoken}, MOST_SECONDS, MOST_BYTES)

    def jobs(self, since_ms: int, until_ms: int | None, ids: Sequence[str]) -> pl.DataFrame:
        """One call of `sacct`; see `Scheduler`."""
        # The id once more at the end: a name with a line break in it then ends before it does.
        fields = (*self._known_fields(), "JobIDRaw")
        delimiter = f"|{secrets.token_hex(6)}|"
        # sacct takes jobs to be between the times at which they could begin and end. One that was
        # cancelled before it could begin is only found where the end lies beyond its begin time.
        when = (
            [f"--jobs={','.join(ids)}"]
            if ids
            else [f"--starttime={_time(since_ms)}",
                  f"--endtime={_NEVER if until_ms is None else _time(until_ms)}"]
        )  # fmt: skip
        answer = self._ask(
            "sacct", "--allusers", "--duplicates", "--parsable2", "--noheader", "--noconvert",
            f"--delimiter={delimiter}", f"--format={','.join(fields)}", *when,
        )  # fmt: skip
        reader = sacct.Reader(sacct.Layout(delimiter, fields), lambda *_: self._count())
        frames = list(reader.frames(enumerate(answer.splitlines(keepends=True), start=1)))
        return pl.concat(frames, how="diagonal") if frames else _no_records()

    def _count(self) -> None:
        self.set_aside += 1

    def _known_fields(self) -> tuple[str, ...]:
        """Those fields that this version of sacct knows; it refuses to answer for others."""
        if not self._fields:
            known = {word.lower() for word in self._ask("sacct", "--helpformat").decode().split()}
            fields = tuple(name for name in _WANTED if name.lower() in known)
            if missing := _NEEDED - set(fields):
                raise AskFailed(f"sacct: knows no field {', '.join(sorted(missing))}")
            self._fields = fields
        return self._fields

    def held(self) -> list[Held]:
        """One call of `scontrol`; see `Scheduler`."""
        answer = self._ask("scontrol", "--details", "show", "job")
        return read_scontrol(answer.decode("utf-8", "replace"))

    def events(self, since_ms: int, now_ms: int) -> Events:
        """One call each of `sacctmgr` and `sinfo`; see `Scheduler`.

        slurmdbd keeps one event per node and second and loses a second one, and it hears late; what
        a node is now, the controller knows.
        """
        answer = self._ask(
            "sacctmgr", "--noheader", "--parsable2", "show", "event", "event=node",
            f"start={_time(since_ms)}", f"format={','.join(events.FIELDS)}",
        )  # fmt: skip
        rows, bad = events.events(read_events(answer), "UTC", now_ms)
        self.set_aside += len(bad)
        listed = self._ask("sinfo", "--noheader", "--Node", "--format=%N|%H|%T|%E")
        now, odd = events.events(read_nodes(listed), "UTC", now_ms)
        self.set_aside += len(odd)
        told = rows.filter(pl.col("end_unix_ms").is_null()).select("host", "state")
        return Events(rows, now.join(told, on=["host", "state"], how="anti"))


def read_events(answer: bytes) -> pl.DataFrame:
    """What `sacctmgr --parsable2 show event` says, as text; lines with too few fields are left out.

    The reason is the last field, so a bar in it does no harm.
    """
    records = [
        (number, *parts)
        for number, line in enumerate(answer.decode("utf-8", "replace").split("\n"), start=1)
        if len(parts := line.split("|", len(events.FIELDS) - 1)) == len(events.FIELDS)
    ]
    schema = {"line": pl.Int64} | dict.fromkeys(events.FIELDS, pl.String)
    return pl.DataFrame(records, schema, orient="row")


def read_nodes(answer: bytes) -> pl.DataFrame:
    """What `sinfo --Node --format=%N|%H|%T|%E` says, as `read_events` gives it: no state has ended.

    A node stands there once for each of its partitions. Without a time of its reason it is left
    out: nobody has taken it out of use, or there is no saying since when.
    """
    records = {
        (0, parts[0], parts[1], None, parts[2], parts[3])
        for line in answer.decode("utf-8", "replace").split("\n")
        if len(parts := line.split("|", 3)) == 4 and parts[1][:1].isdigit()
    }
    schema = {"line": pl.Int64} | dict.fromkeys(events.FIELDS, pl.String)
    return pl.DataFrame(sorted(records, key=str), schema, orient="row")


def check(environment: Mapping[str, str]) -> None:
    """Make sure that the commands are there.

    Raises:
        UsageError: One is not.
    """
    import shutil

    for name in ("sacct", "scontrol", "sacctmgr", "sinfo"):
        if shutil.which(name, path=environment.get("PATH")) is None:
            raise UsageError(
                f"--slurm: there is no {name} here; install Slurm's client commands on this "
                "machine, or use --slurm-rest"
            )


def _no_records() -> pl.DataFrame:
    return pl.DataFrame(schema={"line": pl.Int64} | dict.fromkeys(RAW, pl.String))


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _shown(complaint: bytes | bytearray) -> str:
    """The last line a command said about its failure, fit to be shown."""
    lines = [line for line in complaint.decode("utf-8", "replace").splitlines() if line.strip()]
    text = lines[-1] if lines else ""
    return "".join(c if c.isprintable() else "?" for c in text)[:200]
