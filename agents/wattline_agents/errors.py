"""Every error Wattline raises on purpose, as one tree.

WattlineError                what went wrong, where, and what to do, in one line for a person
├── UsageError               the command was asked for something it cannot do (exit code 2)
├── InputError               a file, a line or a field is not what it should be (exit code 2)
├── WireError                a batch that is not a batch of its table (HTTP 400)
├── SourceUnavailable        nothing of this kind on this node: expected, quiet
└── ReadFailed               the thing is there and reading it failed: counted, shown
    └── RestartNeeded        and only a new process can read it again
"""

from __future__ import annotations


class WattlineError(Exception):
    """What went wrong, where, and what to do, in one line for a person."""


class UsageError(WattlineError):
    """The command was asked for something it cannot do."""


class InputError(WattlineError):
    """Input that is not what it should be, named by file, line and field."""

    def __init__(
        self, reason: str, *, path: object = None, line: int | None = None, field: str | None = None
    ) -> None:
        """Join the parts that are known into one line: `PATH:LINE: FIELD: REASON`."""
        self.reason, self.path, self.line, self.field = reason, path, line, field
        place = "" if path is None else str(path) + ("" if line is None else f":{line}")
        parts = [part for part in (place, field) if part]
        super().__init__(": ".join([*parts, reason]))


class WireError(WattlineError):
    """A batch that is not a batch of the table it was sent to."""


class SourceUnavailable(WattlineError):
    """Nothing of this kind is on this node; a normal state, said once and not as a failure."""


class ReadFailed(WattlineError):
    """Something that is there could not be read; counted and shown, never turned into a zero."""


class RestartNeeded(ReadFailed):
    """A library cannot be used again in this process: its driver was changed under it."""
