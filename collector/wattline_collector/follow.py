"""What the collector asks again and again: schedulers, a list of projects.

A follower only asks and answers; when it is asked, on which thread, and how its rows get into the
store is the service's business. So a follower tests without a service, and cannot hold it up.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from wattline_collector.receive.intake import Batch

if TYPE_CHECKING:
    from wattline_collector.store.store import Store

T = TypeVar("T")


class Follower(Protocol):
    """Something that is asked again and again."""

    @property
    def name(self) -> str:
        """What it follows, a word: `slurm`, `kubernetes`, `projects`."""
        ...

    @property
    def every_seconds(self) -> float:
        """How long to wait after one question before the next."""
        ...

    def ask(self) -> Sequence[Batch]:
        """Ask once; may block, for no longer than a bound of its own. Never called twice at once.

        Returns:
            What is new for the store; none if it is kept elsewhere. Each batch is brought in until
            it is durable; the next question comes after that.

        Raises:
            WattlineError: It could not be asked now; counted, said once, and tried again.
        """
        ...


@runtime_checkable
class ReadsStore(Protocol):
    """A follower that needs to know what is in the store."""

    def reads(self, store: Store) -> None:
        """Be told of it, once, before the first question."""
        ...


@runtime_checkable
class TellsMore(Protocol):
    """A follower that tells more of itself than how often it was asked."""

    def metrics(self) -> Iterable[tuple[str, str, float]]:
        """Name, help and value of each; a name that ends in `_total` is a counter."""
        ...


@dataclass(slots=True)
class Followed:
    """A follower and how it went, for `/metrics`.

    Attributes:
        follower: Who is asked.
        asked: How often it answered.
        errors: How often it did not.
        refused: Batches of its that the store did not take.
        answered_ms: When it last answered; 0: never.
    """

    follower: Follower
    asked: int = 0
    errors: int = 0
    refused: int = 0
    answered_ms: int = 0


async def on_thread(work: Callable[[], T], name: str) -> T:
    """Run what blocks on a thread of its own; a thread that nobody waits for ends with the process.

    An executor's thread would hold the process up until a peer that hangs has been given up.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # a T where there is no error

    def run() -> None:
        result: T | None = None
        failure: Exception | None = None
        try:
            result = work()
        except Exception as error:  # whatever it is, whoever waits must hear of it
            failure = error
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done
