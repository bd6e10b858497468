"""Who may do what: the one check that every request passes.

A store has two tokens: one that may send batches, and one that may read. Neither may do what the
other may. What names no right is closed; the routes that are open say so by name.

A job is seen by its owner, by whoever leads its project, and by staff. The read token is staff's;
on the store's own machine the system says who asks.

People who sign in have roles, and `RIGHTS` says what each role sees. Pages ask the collector in the
name of whoever looks (see `travel`), so what somebody may not see never leaves the collector.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import pwd
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from wattline_agents.errors import UsageError
from wattline_collector.store import filenames

_LEAST_CHARACTERS = 16
"""Shorter than this can be guessed; ours have 43."""
_MOST_CHARACTERS = 512


class Right(StrEnum):
    """What a token allows."""

    READ = "read"
    WRITE = "write"


class Role(StrEnum):
    """What people are to a factory."""

    OPERATOR = "operator"
    SUPPORT = "support"
    MANAGER = "manager"
    PROJECT_LEAD = "project lead"
    JOB_OWNER = "job owner"


class Sight(StrEnum):
    """What can be seen; every route and every page asks for one or several of these."""

    FLEET = "fleet"  # every device and node, as it is now
    FIGURES = "figures"  # figures of the whole, over a period; no person's, no job's
    PROJECTS = "projects"  # figures that tell projects apart
    JOBS = "jobs"  # everybody's jobs, with name and owner; figures that tell them apart
    ALERTS = "alerts"  # what fires, with its evidence
    SERVICE = "service"  # the collector's own health
    DEFINITIONS = "definitions"  # what a figure means
    OWN = "own"  # one's own jobs, and those of the projects one leads


RIGHTS: Mapping[Role, frozenset[Sight]] = MappingProxyType(
    {
        Role.OPERATOR: frozenset(Sight),
        Role.SUPPORT: frozenset(Sight) - {Sight.SERVICE, Sight.PROJECTS},
        Role.MANAGER: frozenset({Sight.FLEET, Sight.FIGURES, Sight.PROJECTS, Sight.DEFINITIONS}),
        Role.PROJECT_LEAD: frozenset({Sight.OWN, Sight.DEFINITIONS}),
        Role.JOB_OWNER: frozenset({Sight.OWN, Sight.DEFINITIONS}),
    }
)
"""Who may see what. What stands here for no role of somebody's is closed to them."""


class Verdict(StrEnum):
    """What the check found."""

    GRANTED = "granted"
    UNKNOWN = "unknown"  # no token, or none of ours: HTTP 401
    FORBIDDEN = "forbidden"  # one of ours, and without this right: HTTP 403


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks.

    Attributes:
        name: The account they are logged in with; null: nobody known.
        staff: Whether they may see everybody's jobs.
        projects: Projects they lead, whose jobs they may see.
        roles: What they are to the factory; nobody is anything by default.
    """

    name: str | None = None
    staff: bool = False
    projects: frozenset[str] = frozenset()
    roles: frozenset[Role] = frozenset()


STAFF = Viewer(staff=True)
"""Whoever holds a store's read token itself: the factory's programs, and pages without sign-in."""

NOBODY = Viewer()
"""Whoever has not said who they are."""


def sees(viewer: Viewer, *sights: Sight) -> bool:
    """Whether someone sees all of these; what asks for nothing is shown to staff alone."""
    if viewer.staff:
        return True
    held = frozenset[Sight]().union(*(RIGHTS[role] for role in viewer.roles))
    return bool(sights) and held.issuperset(sights)


def sees_any(viewer: Viewer, sights: Iterable[Sight]) -> bool:
    """Whether someone sees at least one of these."""
    return viewer.staff or any(sees(viewer, sight) for sight in sights)


def may_see_job(viewer: Viewer, job_user: str | None, project: str | None = None) -> bool:
    """Whether someone may see a job: the one check on every path to a single job.

    Args:
        viewer: Who looks.
        job_user: The job's owner; null: not known, and then it is nobody's.
        project: What it runs under.
    """
    if sees(viewer, Sight.JOBS):
        return True
    if viewer.name and job_user and viewer.name == job_user:
        return True
    return project is not None and project in viewer.projects


def viewer_of_store(store: Path) -> Viewer:
    """Who runs this process, as far as the store is concerned: root and its owner are staff."""
    user = os.geteuid()
    try:
        owner = store.stat().st_uid
    except OSError:
        owner = None  # whatever is read of it next says what is wrong
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = None  # a number without a name, as in a container, owns no job by name
    return Viewer(name=name, staff=user in (0, owner))


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """The tokens of a store, kept as hashes, so that no traceback or dump shows one."""

    digests: Mapping[Right, bytes]

    @classmethod
    def of(cls, tokens: Mapping[Right, str]) -> Access:
        """Access by these tokens."""
        return cls({right: digest(token) for right, token in tokens.items()})

    @classmethod
    def of_store(cls, store: Path) -> Access:
        """Access by the tokens of a store, made if it has none yet."""
        return cls.of(store_tokens(store))

    def check(self, authorization: str | None, right: Right) -> Verdict:
        """Whether a request's `Authorization` field grants a right.

        Every token is compared, in constant time, whichever matches first.
        """
        scheme, _, token = (authorization or "").partition(" ")
        given = digest(token.strip())
        found = [held for held, kept in self.digests.items() if hmac.compare_digest(kept, given)]
        if scheme.lower() != "bearer" or not found:
            return Verdict.UNKNOWN
        return Verdict.GRANTED if right in found else Verdict.FORBIDDEN

    def admit(self, authorization: str | None, right: Right, now_ms: int) -> tuple[Verdict, Viewer]:
        """Whether a request is granted a right, and who looks.

        With the read token itself that is staff. Pages send a statement of who looks in its place,
        which reads in that person's name, and writes never.
        """
        from wattline_collector import travel  # it needs what stands here

        verdict = self.check(authorization, right)
        if verdict is Verdict.GRANTED:
            return verdict, STAFF
        kept = self.digests.get(Right.READ)
        scheme, _, said = (authorization or "").partition(" ")
        viewer = None
        if kept is not None and scheme.lower() == "bearer":
            viewer = travel.arrived(said.strip(), kept, now_ms)
        if viewer is None:
            return verdict, NOBODY
        return (Verdict.GRANTED if right is Right.READ else Verdict.FORBIDDEN), viewer


def store_tokens(store: Path) -> dict[Right, str]:
    """The tokens of a store by right; made, readable by their owner alone, where there is none.

    Raises:
        UsageError: A token file cannot be read or made, is readable by everybody, or holds what
            can be guessed.
    """
    directory = store / filenames.TOKENS_DIR
    names = {Right.READ: filenames.TOKEN_READ, Right.WRITE: filenames.TOKEN_WRITE}
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in names.values():
            _make(directory / name)
    except OSError as error:
        raise UsageError(f"{directory}: tokens cannot be made: {error.strerror}") from error
    return {right: read_token(directory / name) for right, name in names.items()}


def read_token(path: Path) -> str:
    """The token in a file: one line.

    Raises:
        UsageError: It cannot be read, is readable by everybody, or is no token.
    """
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            if os.fstat(file.fileno()).st_mode & 0o004:
                raise UsageError(f"{path}: readable by everybody; run `chmod o= {path}`")
            token = file.read(_MOST_CHARACTERS + 2).strip()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if not _LEAST_CHARACTERS <= len(token) <= _MOST_CHARACTERS or not token.isprintable():
        raise UsageError(
            f"{path}: not a token: one line of at least {_LEAST_CHARACTERS} characters"
        )
    return token


def _make(path: Path) -> None:
    """Make a token file unless there is one; whole or not at all, whoever else tries."""
    if path.exists():
        return
    unfinished = path.with_name(f"{path.name}.{os.getpid()}{filenames.UNFINISHED_SUFFIX}")
    file = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, f"{secrets.token_urlsafe(32)}\n".encode())
        os.fsync(file)
    finally:
        os.close(file)
    try:
        os.link(unfinished, path)
    except FileExistsError:
        pass  # another process was quicker; its token counts
    finally:
        unfinished.unlink()


def digest(token: str) -> bytes:
    """What is kept of a token."""
    # Equal lengths for compare_digest; the tokens are random, so no salt and no slow hash.
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
