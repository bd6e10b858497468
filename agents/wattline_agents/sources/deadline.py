"""Reads a source that may never answer in a thread of its own, and gives up waiting for it.

A sick GPU can hold a call of its driver for minutes or for ever, and such a call cannot be ended
from outside. So it is left behind: the tick goes on without it, and the source is asked again only
once it has come back.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping

from wattline_agents.errors import ReadFailed, SourceUnavailable
from wattline_agents.sources.source import Readings, SaysWhyNot, Source


class WithDeadline:
    """A source around another one, that answers in time or says that it did not."""

    def __init__(self, source: Source, seconds: float) -> None:
        """Start the thread.

        Args:
            source: The one that may block.
            seconds: How long a reading may take.
        """
        self.inner = source
        self._seconds = seconds
        self._questions: queue.SimpleQueue[Callable[[], Readings] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Readings | BaseException] = queue.SimpleQueue()
        self._is_stuck = False
        # A daemon: a call that never returns must not keep the process from ending.
        threading.Thread(target=self._work, name=f"read {source.name}", daemon=True).start()

    @property
    def name(self) -> str:
        """The name of the source inside."""
        return self.inner.name

    def read(self, now_ms: int) -> Readings:
        """Read the source inside.

        Raises:
            ReadFailed: It did not answer in time, or has not come back since it did not.
        """
        return self._ask(lambda: self.inner.read(now_ms))

    def describe(self, now_ms: int) -> Readings:
        """Describe the source inside; nothing while it is stuck."""
        try:
            return self._ask(lambda: self.inner.describe(now_ms))
        except ReadFailed:
            return {}

    def why_not(self) -> Mapping[str, Mapping[str, str]]:
        """What the source inside says; nothing while it is stuck."""
        if self._is_stuck or not isinstance(self.inner, SaysWhyNot):
            return {}
        return self.inner.why_not()

    def close(self) -> None:
        """Close the source inside, unless it is stuck."""

        def end() -> Readings:
            self.inner.close()
            return {}

        if not self._is_stuck:
            try:
                self._ask(end)
            except (ReadFailed, SourceUnavailable):
                pass  # the agent is ending; what does not close now is closed by the system
        self._questions.put(None)

    def _ask(self, question: Callable[[], Readings]) -> Readings:
        if self._is_stuck:
            try:
                self._answers.get_nowait()  # the late answer is of a time long gone
            except queue.Empty:
                raise ReadFailed(f"{self.name}: still no answer from the driver") from None
            self._is_stuck = False
        self._questions.put(question)
        try:
            answer = self._answers.get(timeout=self._seconds)
        except queue.Empty:
            self._is_stuck = True
            raise ReadFailed(
                f"{self.name}: no answer from the driver within {self._seconds:g} s"
            ) from None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _work(self) -> None:
        while (question := self._questions.get()) is not None:
            try:
                self._answers.put(question())
            except BaseException as error:  # it is raised again where the answer is awaited
                self._answers.put(error)
