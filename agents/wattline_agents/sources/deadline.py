"""Asks a source that may be slow, or never answer, in a thread of its own.

A BMC takes seconds to answer and an exporter may hang; neither may hold up a tick. So a reading is
asked for at the tick and handed over when it is there. One that takes too long is given up: its
answer, should it ever come, is of a time long gone, and until then the source is not asked again.
"""

from __future__ import annotations

import os
import queue
import select
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wattline_agents.clock import Clock, SystemClock
from wattline_agents.errors import ReadFailed
from wattline_agents.sources.source import Given, Readings, SaysWhyNot, Source

_CLOSE_SECONDS = 2.0
_INFO = ("device_info", "node_info")


@dataclass(slots=True)
class _Question:
    """Something the thread is to do, and what came of it."""

    action: Callable[[], Given]
    is_about_itself: bool
    asked: float
    is_given_up: bool = False
    answer: Given | BaseException | None = None


class WithDeadline:
    """A source around another one that is asked now and answers later."""

    read_errors = 0
    """Those of the source inside are raised where they come out, and counted there."""

    def __init__(self, source: Source, seconds: float, clock: Clock | None = None) -> None:
        """Start the thread.

        Args:
            source: The one that may block.
            seconds: How long a reading may take.
            clock: Where time comes from.
        """
        self.inner = source
        self.read_timeouts = 0
        self._seconds = seconds
        self._clock = SystemClock() if clock is None else clock
        self._questions: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[_Question] = queue.SimpleQueue()
        self._asked: list[_Question] = []
        self._described: Given = {}
        self._reasons: Mapping[str, Mapping[str, str]] = {}
        self._bell, self._rope = os.pipe()
        for descriptor in (self._bell, self._rope):
            os.set_blocking(descriptor, False)
        # A daemon: a call that never returns must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=f"read {source.name}", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """The name of the source inside."""
        return self.inner.name

    @property
    def every_seconds(self) -> float:
        """The pace of the source inside."""
        return float(getattr(self.inner, "every_seconds", 0.0))

    def processes(self) -> tuple[int, ...]:
        """None: it reads in a thread."""
        return ()

    def read(self, now_ms: int) -> Given:
        """Ask for a reading, unless one is still to come; returns what has come meanwhile.

        Raises:
            ReadFailed: The one asked for before has not come in time; said at each reading until
                the source is back.
        """
        found = self._taken()
        self._check_deadline()
        if not any(not question.is_about_itself for question in self._asked):
            self._ask(lambda: self.inner.read(now_ms), False)
        return found

    def read_now(self, now_ms: int, seconds: float) -> Given:
        """Ask, and wait for the answer; not longer than its deadline.

        Raises:
            ReadFailed: It did not come within that time, or what the source inside raises.
        """
        found: Readings = {table: [*rows] for table, rows in self.read(now_ms).items()}
        self.describe(now_ms)
        seconds = min(seconds, self._seconds)
        until = self._clock.monotonic() + seconds
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        while self._asked:
            left = until - self._clock.monotonic()
            if left <= 0:
                raise ReadFailed(f"{self.name}: no answer within {seconds:g} s")
            poll.poll(left * 1000)
            for table, rows in self._taken().items():
                found.setdefault(table, []).extend(rows)
        return {table: rows for table, rows in found.items() if table not in _INFO}

    def describe(self, now_ms: int) -> Given:
        """What the source inside said last of itself; asks for it anew."""
        if not any(question.is_about_itself for question in self._asked):
            self._ask(lambda: self._describe_inner(now_ms), True)
        return {
            table: [{**row, "time_unix_ms": now_ms} for row in rows]
            for table, rows in self._described.items()
        }

    def why_not(self) -> Mapping[str, Mapping[str, str]]:
        """What the source inside said last."""
        return self._reasons

    def descriptors(self) -> Mapping[int, int]:
        """Rings when an answer is there."""
        return {self._bell: select.POLLIN}

    def handle(self, descriptor: int, events: int) -> Given:
        """Take the answers that are there.

        Raises:
            WattlineError: What the source inside raised.
        """
        return self._taken()

    def close(self) -> None:
        """Close the source inside, unless it is stuck: what does not close the system closes."""
        self._questions.put(None)
        self._thread.join(_CLOSE_SECONDS)

    def _describe_inner(self, now_ms: int) -> Given:
        described = self.inner.describe(now_ms)
        if isinstance(self.inner, SaysWhyNot):
            self._reasons = {device: dict(why) for device, why in self.inner.why_not().items()}
        return described

    def _ask(self, action: Callable[[], Given], is_about_itself: bool) -> None:
        question = _Question(action, is_about_itself, self._clock.monotonic())
        self._asked.append(question)
        self._questions.put(question)

    def _check_deadline(self) -> None:
        now = self._clock.monotonic()
        # Only the first is being worked on; the time of those behind it begins when it is done.
        for question in self._asked[:1]:
            if question.is_given_up:
                raise ReadFailed(f"{self.name}: still no answer")
            if now - question.asked > self._seconds:
                question.is_given_up = True
                self.read_timeouts += 1
                raise ReadFailed(f"{self.name}: no answer within {self._seconds:g} s")

    def _taken(self) -> Readings:
        try:
            os.read(self._bell, 1024)
        except BlockingIOError:
            pass
        found: Readings = {}
        while True:
            try:
                question = self._answers.get_nowait()
            except queue.Empty:
                return found
            now = self._clock.monotonic()
            self._asked.remove(question)
            for next_one in self._asked[:1]:
                next_one.asked = now
            if question.is_given_up:
                continue
            if now - question.asked > self._seconds:
                self.read_timeouts += 1  # nobody has looked since its time was over
                raise ReadFailed(f"{self.name}: no answer within {self._seconds:g} s")
            if isinstance(question.answer, BaseException):
                raise question.answer
            answer = question.answer or {}
            if question.is_about_itself:
                if _timeless(answer) == _timeless(self._described):
                    continue
                self._described = answer
            for table, rows in answer.items():
                found.setdefault(table, []).extend(rows)

    def _work(self) -> None:
        while (question := self._questions.get()) is not None:
            try:
                question.answer = question.action()
            except BaseException as error:  # it is raised again where the answer is taken
                question.answer = error
            self._answers.put(question)
            try:
                os.write(self._rope, b"\0")
            except BlockingIOError:
                pass  # rung often enough
        try:
            self.inner.close()
        finally:
            os.close(self._bell)
            os.close(self._rope)


def _timeless(readings: Given) -> dict[str, list[dict[str, object]]]:
    return {
        table: [{c: v for c, v in row.items() if c != "time_unix_ms"} for row in rows]
        for table, rows in readings.items()
    }
