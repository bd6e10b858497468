import select
import threading
from collections.abc import Callable, Iterator

import pytest

from wattline_agents.sources.source import Waits


class Loop:
    """Waits for a sink's descriptors as the agent's loop does, in a thread of the test's."""

    def __init__(self, waits: Waits) -> None:
        self._waits = waits
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ends.is_set():
            poll = select.poll()
            for descriptor, events in self._waits.descriptors().items():
                poll.register(descriptor, events)
            for descriptor, events in poll.poll(10):
                self._waits.handle(descriptor, events)


@pytest.fixture
def serve() -> Iterator[Callable[[Waits], None]]:
    """Serves a sink until the test ends."""
    loops: list[Loop] = []
    yield lambda waits: loops.append(Loop(waits))
    for loop in loops:
        loop.close()
