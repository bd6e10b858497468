"""Starts the process that encodes points, and waits for it as long as is reasonable."""

from __future__ import annotations

import marshal
import os
import select
import signal
import sys
import time

from wattline_agents.errors import WattlineError
from wattline_agents.spawning import NOT_FOR_IT, module_places, out_of_the_way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattline_agents.sinks.otel_encode import Description, Encoded

TIMEOUT_SECONDS = 30.0
"""It takes a tenth of a second of a free processor."""
INSTALL = "pip install --upgrade 'wattline-agents[otlp]'"
_MOST_ANSWER_BYTES = 32 * 1024 * 1024
_AT_ONCE = 64 * 1024

_MAIN = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from wattline_agents.sinks.otel_encode import main; main()"
)
_ERRORS = 2
"""The highest of the descriptors that stand for something in it."""


class NotEncoded(WattlineError):
    """The message says why."""


def is_installed() -> bool:
    """Whether the libraries are there; nothing of them is loaded."""
    from importlib.machinery import PathFinder

    place: list[str] | None = None
    for name in ("opentelemetry", "proto", "collector", "metrics", "v1"):
        spec = PathFinder.find_spec(name, place)
        if spec is None or spec.submodule_search_locations is None:
            return False
        place = list(spec.submodule_search_locations)
    return True


def encoded(
    description: Description, timeout: float = TIMEOUT_SECONDS, python: str | None = None
) -> Encoded:
    """Have points encoded by a process of its own.

    Args:
        description: What to encode.
        timeout: Seconds it may take.
        python: The interpreter; this one's own if not given.

    Raises:
        NotEncoded: It cannot be started, does not answer in time, or says why it cannot.
    """
    try:
        question = marshal.dumps(description)  # type: ignore[arg-type]
        answer = _asked(question, timeout, python or sys.executable)
    except OSError as error:
        raise NotEncoded(f"no process for it: {error.strerror or error}") from error
    try:
        outcome = marshal.loads(answer)
    except (EOFError, ValueError, TypeError) as error:
        raise NotEncoded("its process was ended; it needs 30 MiB for a moment") from error
    if isinstance(outcome, str):
        raise NotEncoded(f"{outcome}; try {INSTALL}")
    frames, metrics = outcome
    return frames, metrics


def _asked(question: bytes, timeout: float, python: str) -> bytes:
    """What the process answers."""
    until = time.monotonic() + timeout
    theirs_in, ours_out = (out_of_the_way(one, _ERRORS) for one in os.pipe())
    ours_in, theirs_out = (out_of_the_way(one, _ERRORS) for one in os.pipe())
    ours = {ours_in, ours_out}
    pid = 0
    try:
        try:
            pid = _spawn(python, theirs_in, theirs_out)
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        for descriptor in ours:
            os.set_blocking(descriptor, False)
        return _exchanged(question, ours_out, ours_in, until, ours)
    finally:
        for descriptor in ours:
            os.close(descriptor)
        if pid:
            # It has answered and is ending, or is not wanted any more.
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _exchanged(question: bytes, out: int, back: int, until: float, ours: set[int]) -> bytes:
    waiting = select.poll()
    waiting.register(out, select.POLLOUT)
    waiting.register(back, select.POLLIN)
    unsent, answer = memoryview(question), bytearray()
    while len(answer) <= _MOST_ANSWER_BYTES:
        left = until - time.monotonic()
        if left <= 0:
            raise NotEncoded("its process took too long")
        for descriptor, event in waiting.poll(left * 1000):
            if descriptor == back:
                data = os.read(back, _AT_ONCE)
                if not data:
                    return bytes(answer)
                answer += data
                continue
            if event & select.POLLOUT and unsent:
                try:
                    unsent = unsent[os.write(out, unsent[:_AT_ONCE]) :]
                except BrokenPipeError:
                    unsent = unsent[:0]  # why shows in what it answers
            if not unsent or event & (select.POLLERR | select.POLLHUP):
                waiting.unregister(out)
                ours.discard(out)
                os.close(out)
    raise NotEncoded("its process answers without an end")


def _spawn(python: str, question: int, answer: int) -> int:
    return os.posix_spawn(
        python,
        # No site: this process has worked out already where modules are.
        [python, "-I", "-S", "-c", _MAIN, "wattline-encode-otlp", *module_places()],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, question, 0),
            (os.POSIX_SPAWN_DUP2, answer, 1),
            # What libraries print is for nobody.
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
        setsigmask=NOT_FOR_IT,
        setsigdef=[signal.SIGCHLD],
    )
