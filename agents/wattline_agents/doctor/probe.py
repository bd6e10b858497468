"""Reads one source and tells what came of it; run as a process, because a driver may hang.

    python -m wattline_agents.doctor.probe < QUESTION

The question is one line of JSON (`name`, `config`, `skip`). The answer is lines of JSON, each an
object with one key: `part` (what is about to be read), `rows`, `why_not`, `unread`, `failed`,
`unavailable`, `mistake`, and `end` as the last.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wattline_agents.clock import Clock, SystemClock
from wattline_agents.errors import RestartNeeded, SourceUnavailable, UsageError, WattlineError
from wattline_agents.sources.registry import open_source
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.source import (
    CountsUnread,
    Part,
    ReadsAtOwnPace,
    ReadsInParts,
    SaysWhyNot,
    Source,
)

Tell = Callable[[str, object], None]
_BETWEEN_SECONDS = 1.0
"""Shares of time need two readings, and profiling a pause of 0.1 s between them."""


def probe(question: Mapping[str, Any], tell: Tell, clock: Clock) -> None:
    """Open the source, read it twice, and tell."""
    name, skip = str(question["name"]), set(question.get("skip", ()))
    tell("part", "open")
    try:
        source = open_source(name, SourceConfig(**question["config"]))
    except SourceUnavailable as error:
        tell("unavailable", str(error))
        return
    except UsageError as error:
        tell("mistake", str(error))
        return
    except Exception as error:  # a fault in the source's code is told like any other
        tell("failed", f"{type(error).__name__}: {error}")
        return
    # A management controller is slow, and its first reading tells all it has.
    turns = 1 if isinstance(source, ReadsAtOwnPace) and source.every_seconds >= 10 else 2
    for turn in range(turns):
        if turn:
            clock.sleep(_BETWEEN_SECONDS)
        for part, read in _parts(source, clock.unix_ms()):
            if part in skip:
                continue
            tell("part", part)
            try:
                tell("rows", read())
            # A process that has only just begun needs no other one: the driver is to be reloaded.
            except (SourceUnavailable, RestartNeeded) as error:
                tell("unavailable", str(error))
                _tell_unread(source, tell)
                return
            except WattlineError as error:
                tell("failed", str(error))
            except Exception as error:  # a fault in the source's code is told like any other
                tell("failed", f"{type(error).__name__}: {error}")
    if isinstance(source, SaysWhyNot):
        tell("why_not", source.why_not())
    _tell_unread(source, tell)


def _tell_unread(source: Source, tell: Tell) -> None:
    if isinstance(source, CountsUnread):
        tell("unread", list(source.unread()))


def _parts(source: Source, now_ms: int) -> Iterator[Part]:
    if isinstance(source, ReadsInParts):
        yield from source.parts(now_ms)
    else:
        yield "read", lambda: source.read(now_ms)
    yield "describe", lambda: source.describe(now_ms)


def main() -> int:
    """Answer the question on standard input."""
    question = json.loads(sys.stdin.readline())
    # What vendor libraries print must not end up among the answers.
    answers = os.dup(1)
    os.dup2(2, 1)

    def tell(kind: str, value: object) -> None:
        os.write(answers, json.dumps({kind: value}).encode() + b"\n")

    probe(question, tell, SystemClock())
    tell("end", None)
    # Closing a library whose device hangs may hang, and this process has said all it had to say.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
