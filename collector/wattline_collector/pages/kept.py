"""What is computed once for all who ask about the same time, whoever they are.

A job's owner is answered what is theirs, so answers cannot be shared; but the table they are cut
from can, and it is what costs.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from wattline_collector.store.store import Store

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Values by store and question, each made by one thread while others wait for it."""

    def __init__(
        self, seconds: float, most: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Hold nothing yet.

        Args:
            seconds: A value older than this is made anew.
            most: Values held of one store; each may be of some 50 MB.
            monotonic: Tells time that never runs backwards, in seconds.
        """
        self._seconds, self._most, self._monotonic = seconds, most, monotonic
        self._lock = threading.Lock()
        # With a store goes what was made of it.
        self._of: WeakKeyDictionary[Store, OrderedDict[Hashable, tuple[float, Future[Value]]]] = (
            WeakKeyDictionary()
        )

    def get(self, store: Store, question: Hashable, make: Callable[[], Value]) -> Value:
        """The value, made now if there is none that is young enough.

        Raises:
            Exception: Whatever `make` raises, for everybody who waited for it.
        """
        with self._lock:
            held = self._of.setdefault(store, OrderedDict())
            made_at, value = held.get(question, (0.0, None))
            now = self._monotonic()
            mine: Future[Value] | None = None
            if value is None or (value.done() and now - made_at >= self._seconds):
                value = mine = Future()
                held[question] = (now, mine)
            held.move_to_end(question)
            while len(held) > self._most:
                held.popitem(last=False)
        if mine is not None:
            try:
                mine.set_result(make())
            except BaseException as error:
                with self._lock:
                    held.pop(question, None)
                mine.set_exception(error)
        return value.result()
