"""Answers that are computed once for all who ask at about the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

Value = TypeVar("Value")

_KEPT = 64
"""Answers kept; periods are typed by people."""
_LONGEST = 600.0
"""However dear it was, an answer is not kept for longer, seconds."""


class Remembered(Generic[Value]):
    """Answers by question, each computed by one thread while others wait for it."""

    def __init__(
        self,
        seconds: float,
        most: int = _KEPT,
        times: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember nothing yet.

        Args:
            seconds: An answer older than this is computed anew.
            most: Answers kept; the oldest go.
            times: But for one that took long: it is kept so many times as long as that took, so
                that what many look at for hours takes no more than a part of a processor.
            monotonic: Tells time that never runs backwards, in seconds.
        """
        self._seconds, self._most, self._times = seconds, most, times
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._answers: dict[Hashable, tuple[float, Future[Value]]] = {}

    def get(self, question: Hashable, compute: Callable[[], Value]) -> Value:
        """The answer; who asks while it is computed waits for it.

        Raises:
            Exception: Whatever `compute` raises, for everybody who waited for it.
        """
        with self._lock:
            until, answer = self._answers.get(question, (0.0, None))
            began = self._monotonic()
            if answer is not None and (not answer.done() or began < until):
                mine = None
            else:
                mine = answer = Future()
                self._keep(question, began, mine)
        if mine is not None:
            try:
                value = compute()
            except BaseException as error:  # it is raised again for everyone who waits
                with self._lock:
                    self._answers.pop(question, None)
                mine.set_exception(error)
            else:
                took = self._monotonic() - began
                with self._lock:
                    keep = max(self._seconds, min(_LONGEST, self._times * took))
                    self._keep(question, began + keep, mine)
                mine.set_result(value)
        return answer.result()

    def _keep(self, question: Hashable, until: float, answer: Future[Value]) -> None:
        """Put an answer last, and let the first go where there are too many."""
        self._answers.pop(question, None)
        self._answers[question] = (until, answer)
        if len(self._answers) > self._most:
            del self._answers[next(iter(self._answers))]
