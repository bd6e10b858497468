"""Who came, went, was refused, and looked at whose job: a file that is only added to.

One JSON object a line.

It holds names, accounts, roles and what was asked for; no token, cookie, code or secret. It is
bounded: a full file is set aside under a number, and the oldest is let go.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from wattline_agents.clock import Clock
from wattline_agents.errors import UsageError, WattlineError
from wattline_dashboards.access.people import Person, clean

MOST_BYTES = 16 * 1024 * 1024
MOST_A_MINUTE = 60
"""Lines of failed sign-ins, and as many of refusals: a flood of them drives out no other line."""
KEPT = 8
"""Full files kept beside the one that is written to."""


class NotWritten(WattlineError):
    """The log takes no line, so what it would have told of must not happen."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A job that somebody is about to be shown.

    Attributes:
        system: Where it ran.
        job: Its key.
        user: Whose it is; null: nobody said.
    """

    system: str
    job: str
    user: str | None


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class AuditLog:
    """The file; safe to use from many threads of one process."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        most_bytes: int = MOST_BYTES,
        say: Callable[[str], None] = _to_stderr,
    ) -> None:
        """Write to `path`, which is made if it is not there.

        Raises:
            UsageError: It cannot be written to.
        """
        self._path, self._clock, self._most, self._say = path, clock, most_bytes, say
        self._lock = threading.Lock()
        self._failed = False
        # By what happened: which minute it is, its lines so far, and how many are left out.
        self._paced: dict[str, tuple[int, int, int]] = {}
        try:
            self._append("")
        except OSError as error:
            raise UsageError(f"{path}: cannot be written to: {error.strerror}") from error

    def write(self, did: str, person: Person | None, **more: str) -> None:
        """Add a line.

        Of what anybody can make happen, `failed` and `refused`, there are `MOST_A_MINUTE` lines;
        the next one after those says how many were left out.

        Args:
            did: What happened: `sign-in`, `sign-out`, `failed`, `refused`; `looked` has a method of
                its own.
            person: Who; None: nobody known.
            more: What else there is to say.
        """
        if did in ("failed", "refused"):
            left_out = self._left_out(did)
            if left_out is None:
                return
            more |= {"left_out": str(left_out)} if left_out else {}
        line = self._line(did, person, more)
        try:
            with self._lock:
                self._append(line)
            self._failed = False
        except OSError as error:
            self._complain(error)

    def _left_out(self, did: str) -> int | None:
        """How many lines were left out before this one; None: it is left out, too."""
        now = self._clock.unix_ms() // 60_000
        with self._lock:
            minute, written, left_out = self._paced.get(did, (now, 0, 0))
            written = written if minute == now else 0
            if written >= MOST_A_MINUTE:
                self._paced[did] = (now, written, left_out + 1)
                return None
            self._paced[did] = (now, written + 1, 0)
            return left_out

    def looked(self, person: Person, page: str, seen: Iterable[Seen]) -> None:
        """Add a line for each job of somebody else's that a person is about to be shown.

        Args:
            person: Who looks.
            page: Where they are shown it.
            seen: The jobs.

        Raises:
            NotWritten: The lines could not be written; the jobs must not be shown.
        """
        lines = [
            self._line("looked", person, {
                "page": page, "system": one.system, "job": one.job,
                "whose": "" if one.user is None else one.user,
            })
            for one in seen
        ]  # fmt: skip
        try:
            with self._lock:
                for line in lines:
                    self._append(line)
            self._failed = False
        except OSError as error:
            self._complain(error)
            raise NotWritten(
                "somebody else's job is shown only once it is written down who looks, and the log "
                "cannot be written; tell the operators"
            ) from error

    def _line(self, did: str, person: Person | None, more: Mapping[str, str]) -> str:
        at = datetime.fromtimestamp(self._clock.unix_ms() / 1000, UTC)
        entry = {"time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), "did": did}
        if person is not None:
            entry |= {
                "who": clean(person.id),
                "account": person.viewer.name or "",
                "roles": ", ".join(sorted(role.value for role in person.viewer.roles)),
            }
        entry |= {name: clean(value) for name, value in more.items()}
        return json.dumps(entry, separators=(",", ":")) + "\n"

    def _complain(self, error: OSError) -> None:
        if not self._failed:  # pages that are looked at every two seconds say it once
            self._say(f"dashboards: {self._path}: cannot be written to: {error.strerror}")
        self._failed = True

    def _append(self, line: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(self._path, flags, 0o600)
        try:
            if line and os.fstat(file).st_size + len(line) > self._most:
                os.close(file)
                self._set_aside()
                file = os.open(self._path, flags, 0o600)
            data = line.encode()
            if os.write(file, data) != len(data):
                # A disk that is full takes a part of a line, which tells nobody anything.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(file)

    def _set_aside(self) -> None:
        for number in range(KEPT - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
