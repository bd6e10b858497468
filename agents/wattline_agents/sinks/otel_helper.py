"""Starts the process that encodes points, and waits for it as long as is reasonable."""

from __future__ import annotations

import marshal
import os
import select
import signal
import sys
import time
from contextlib import suppress

from wattline_agents.descriptors import close_above
from wattline_agents.errors import WattlineError
from wattline_agents.spawning import (
    NOT_FOR_IT,
    forked,
    has_one_thread,
    module_places,
    out_of_the_way,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wattline_agents.sinks.otel_encode import Description, Encoded

    Pipes = tuple[int, int]
    """Of two pipes the ends of one side: where it reads, and where it writes."""

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
    process = _Process(lambda theirs: _spawn(python or sys.executable, theirs))
    return process.encoded(description, timeout)


class Standby:
    """Has points encoded, the first time by a process that was forked when this was made.

    That one need not start an interpreter, which is two fifths of the work. A fork takes along no
    thread but its own, so it is for a start that has no others yet; later there are, and each next
    time takes a fresh interpreter. It ends with who forked it, asked or not.
    """

    def __init__(self) -> None:
        """Fork, if this process has one thread; what cannot be forked is started when needed."""
        self._first: _Process | None = None
        if has_one_thread():
            with suppress(NotEncoded):
                self._first = _Process(_fork)

    def encoded(self, description: Description) -> Encoded:
        """As the function of this name."""
        first, self._first = self._first, None
        if first is not None:
            with suppress(NotEncoded):  # a fresh one says why
                return first.encoded(description, TIMEOUT_SECONDS)
        return encoded(description)


class _Process:
    """One process that encodes once, and the pipes to it."""

    def __init__(self, start: Callable[[Pipes], int]) -> None:
        """Start it.

        Raises:
            NotEncoded: That is not possible.
        """
        try:
            theirs_in, self._out = _pipe()
            try:
                self._back, theirs_out = _pipe()
            except BaseException:
                os.close(theirs_in)
                os.close(self._out)
                raise
            self._ours = {self._out, self._back}
            try:
                self._pid = start((theirs_in, theirs_out))
            except BaseException:
                self._close()
                raise
            finally:
                os.close(theirs_in)
                os.close(theirs_out)
        except OSError as error:
            raise NotEncoded(f"no process for it: {error.strerror or error}") from error

    def encoded(self, description: Description, timeout: float) -> Encoded:
        """What it answers; it ends, whatever that is.

        Raises:
            NotEncoded: It does not answer in time, or says why it cannot.
        """
        try:
            question = marshal.dumps(description)  # type: ignore[arg-type]
            for descriptor in self._ours:
                os.set_blocking(descriptor, False)
            until = time.monotonic() + timeout
            answer = _exchanged(question, self._out, self._back, until, self._ours)
        except OSError as error:
            raise NotEncoded(f"no process for it: {error.strerror or error}") from error
        finally:
            self.end()
        try:
            outcome = marshal.loads(answer)
        except (EOFError, ValueError, TypeError) as error:
            raise NotEncoded("its process was ended; it needs 30 MiB for a moment") from error
        if isinstance(outcome, str):
            raise NotEncoded(f"{outcome}; try {INSTALL}")
        frames, metrics = outcome
        return frames, metrics

    def end(self) -> None:
        """It has answered and is ending, or is not wanted any more."""
        self._close()
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def _close(self) -> None:
        while self._ours:
            os.close(self._ours.pop())


def _pipe() -> Pipes:
    reads, writes = (out_of_the_way(one, _ERRORS) for one in os.pipe())
    return reads, writes


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


def _spawn(python: str, theirs: Pipes) -> int:
    question, answer = theirs
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


def _fork(theirs: Pipes) -> int:
    def work() -> None:
        question, answer = theirs
        os.dup2(question, 0)
        os.dup2(answer, 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), _ERRORS)
        close_above(_ERRORS)
        select.select([0], [], [])  # what encodes is loaded when it is needed
        from wattline_agents.sinks.otel_encode import main

        main()

    return forked(work)
