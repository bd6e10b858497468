"""What runs beside the requests: group commit, sealing, booking.

Threads. Requests are handled by the event loop. Batches queue there and are taken in by one worker
thread, a group at a time: checked, appended, committed; then every request of the group is
answered. While one group is being written the next one gathers, so that under load each fsync
serves all that came since the last. Sealing and booking each have a thread of their own; the store
says how they share it. Each follower is asked on a thread that nobody waits for at the end.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wattline_agents.errors import WattlineError, WireError
from wattline_collector.config import Settings
from wattline_collector.follow import Followed, Follower, ReadsStore, on_thread
from wattline_collector.receive.intake import Batch, Intake
from wattline_collector.store.latest import Latest
from wattline_collector.store.log import NotDurable
from wattline_collector.store.store import Store

if TYPE_CHECKING:
    import polars as pl

    from wattline_collector.alerts.from_books import FromBooks
    from wattline_collector.alerts.watch import Alerting, Watch

_GROUP = 256
"""Batches taken in at once: more would only make the first wait for the last."""
_GROUP_BYTES = 16 * 1024 * 1024
"""And so much of them; rows in memory are a few times their size on the wire."""
_PAUSE = 5
"""Between groups, in times the last one took: their fixed cost stays under a fifth of a core."""
_BOOKING_SHARE = 0.25
"""Booking takes at most this part of a core."""
_DIGEST_SECONDS = 5.0
"""How often new rows are folded into the newest ones when no page asks."""

Say = Callable[[str], None]


def say_to_stderr(line: str) -> None:
    """One line for the operator."""
    print(line, file=sys.stderr, flush=True)


class _Ending(Exception):
    """Breaks a booking off between two chunks: what is not booked yet is found again."""


class Busy(WattlineError):
    """Too much waits to be written; the sender should come back."""


@dataclass(slots=True)
class Counters:
    """What the collector tells of itself at `/metrics`."""

    commits: int = 0
    commit_errors: int = 0
    commit_seconds: float = 0.0
    turned_away: int = 0
    seals: int = 0
    seal_errors: int = 0
    seal_seconds: float = 0.0
    bookings: int = 0
    booking_errors: int = 0
    booking_seconds: float = 0.0
    booked_hours: int = 0
    booked_until_ms: int = 0


@dataclass(frozen=True, slots=True)
class _Waiting:
    batch: Batch
    answer: asyncio.Future[bool]


@dataclass(slots=True)
class _Queue:
    waiting: list[_Waiting] = field(default_factory=list)
    bytes: int = 0
    """Of batches that wait or are being written; an answer takes its batch's away."""

    def take(self) -> list[_Waiting]:
        """The next group."""
        size = count = 0
        for waiting in self.waiting[:_GROUP]:
            size += len(waiting.batch.body)
            if count and size > _GROUP_BYTES:
                break
            count += 1
        group = self.waiting[:count]
        del self.waiting[:count]
        return group


class Service:
    """A collector at work on one store."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        say: Say = say_to_stderr,
        followers: Sequence[Follower] = (),
        alerting: Alerting | None = None,
    ) -> None:
        """Serve a store that is open for writing; `start` begins."""
        self.store = store
        self.settings = settings
        self.latest = Latest(store.clock)
        self.intake = Intake(store, self.latest)
        self.counters = Counters()
        self.followed = [Followed(follower) for follower in followers]
        self.watch: Watch | None = None
        self._alerting = alerting
        self._from_books: FromBooks | None = None
        self._say = say
        self._complaints: dict[str, str] = {}
        self._queue = _Queue()
        self._arrived = asyncio.Event()
        self._ending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._writer = ThreadPoolExecutor(1, "commit")
        self._sealer = ThreadPoolExecutor(1, "seal")
        self._booker = ThreadPoolExecutor(1, "book")
        self._alerter = ThreadPoolExecutor(1, "alerts")

    def prepare(self) -> None:
        """Say what recovery found, and learn what is newest; before `start`, for it blocks."""
        for problem in self.store.problems:
            self._say(f"collector: {problem}")
        self.latest.fill(self.store)
        if self._alerting is not None:
            from wattline_collector.alerts.from_books import FromBooks
            from wattline_collector.alerts.watch import Watch

            self._from_books = FromBooks(self.store.path)
            self.watch = Watch(
                self.store.path,
                self._alerting.rules,
                self.latest.known,
                self._own_figures,
                self._alerting.notifiers,
                self._say,
                lambda: self.booked(self.store.clock.unix_ms()),
            )
            try:
                self.watch.fill(self.store, self.store.clock.unix_ms())
            except Exception as error:  # alerts begin without a past; receiving must begin anyway
                self._complain("looking back for alerts", error)
        for followed in self.followed:
            if isinstance(followed.follower, ReadsStore):
                followed.follower.reads(self.store)

    async def start(self) -> None:
        """Begin."""
        loops = (self._commit_loop, self._seal_loop, self._book_loop, self._digest_loop)
        self._tasks = [asyncio.create_task(loop()) for loop in loops]
        if self.watch is not None:
            self._tasks.append(asyncio.create_task(self._alert_loop(self.watch)))
        self._tasks += [asyncio.create_task(self._follow_loop(one)) for one in self.followed]

    async def stop(self) -> None:
        """End: what was answered is durable, and the log stays for the next start.

        A booking that runs is waited for, to the end of its chunk: its files would otherwise be
        written by a process whose lock is gone.
        """
        self._ending.set()
        self._arrived.set()
        await asyncio.gather(*self._tasks)
        for executor in (self._writer, self._sealer, self._booker, self._alerter):
            executor.shutdown()
        self.store.close()

    # Taking in

    @property
    def is_full(self) -> bool:
        """Whether senders should wait."""
        return (
            self._queue.bytes > self.settings.waiting_bytes
            or self.store.unsealed_bytes > self.settings.unsealed_bytes
        )

    async def submit(self, batch: Batch) -> bool:
        """Take a batch in; returns when it is durable.

        Returns:
            Whether it was new.

        Raises:
            WireError: It is not a batch of its table.
            NotDurable: The disk did not take it.
            Busy: Too much waits already.
        """
        if self.is_full or self._ending.is_set():
            self.counters.turned_away += 1
            raise Busy("too much waits to be written; send it again later")
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queue.waiting.append(_Waiting(batch, answer))
        self._queue.bytes += len(batch.body)
        self._arrived.set()
        try:
            return await answer
        finally:
            self._queue.bytes -= len(batch.body)

    async def _commit_loop(self) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.time()
        while True:
            await self._arrived.wait()
            early = ready - loop.time()
            if early > 0 and len(self._queue.waiting) < _GROUP:
                await self._sleep(early)
            group = self._queue.take()
            if not self._queue.waiting:
                self._arrived.clear()
            if group:
                began = loop.time()
                await self._take_in(group)
                # A batch that arrives after a quiet while is written at once. Under load writing
                # pauses a multiple of what it took, so that groups are large where fsync is slow.
                took = loop.time() - began
                ready = loop.time() + min(self.settings.group_seconds, _PAUSE * took)
            if self._ending.is_set():
                if not self._queue.waiting:
                    return
                self._arrived.set()

    async def _take_in(self, group: list[_Waiting]) -> None:
        batches = [waiting.batch for waiting in group]
        try:
            loop = asyncio.get_running_loop()
            results = await loop.run_in_executor(self._writer, self._write, batches)
        except Exception as error:  # whatever it is, the requests that wait must hear of it
            self.counters.commit_errors += 1
            self._complain("committing", error)
            for waiting in group:
                if not waiting.answer.done():
                    waiting.answer.set_exception(NotDurable(str(error)))
            return
        for waiting, result in zip(group, results, strict=True):
            if waiting.answer.done():
                continue  # its sender has gone
            if isinstance(result, WireError):
                waiting.answer.set_exception(result)
            else:
                waiting.answer.set_result(result)

    def _write(self, batches: list[Batch]) -> list[bool | WireError]:
        began = time.thread_time()
        try:
            results = self.intake.accept_many(batches)
        except Exception:  # a fault of ours that one of them found must not stop the others
            results = [self._alone(batch) for batch in batches]
        # Also when all were seen before: the one that was first may not be durable yet.
        self.store.commit()
        self.counters.commits += 1
        self.counters.commit_seconds += time.thread_time() - began
        return results

    def _alone(self, batch: Batch) -> bool | WireError:
        try:
            return self.intake.accept_many([batch])[0]
        except Exception as error:  # refused, so that its sender does not try for ever
            self._complain(f"taking in table {batch.table}", error)
            refusal = WireError(f"{batch.table}: the collector failed on it: {_one_line(error)}")
            self.store.quarantine(repr(batch.header), batch.body, str(refusal))
            return refusal

    # Sealing

    async def _seal_loop(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while not await self._sleep(min(1.0, self.settings.seal_every_seconds)):
            is_due = loop.time() - last >= self.settings.seal_every_seconds
            if is_due or self.store.unsealed_bytes > self.settings.seal_bytes:
                await loop.run_in_executor(self._sealer, self._seal)
                last = loop.time()

    def _seal(self) -> None:
        began = time.thread_time()
        try:
            self.store.seal()
            self.store.merge()
        except Exception as error:  # sealing is tried again; receiving goes on
            self.counters.seal_errors += 1
            self._complain("sealing", error)
            return
        self.counters.seals += 1
        self.counters.seal_seconds += time.thread_time() - began

    # Booking

    async def _book_loop(self) -> None:
        loop = asyncio.get_running_loop()
        # The first one soon: what an import left behind, or a crash, should not wait.
        pause = min(1.0, self.settings.book_every_seconds)
        while not await self._sleep(pause):
            spent = await loop.run_in_executor(self._booker, self._book)
            pause = max(self.settings.book_every_seconds, spent * (1 / _BOOKING_SHARE - 1))

    def _book(self) -> float:
        """Bring the books up to date; returns the CPU seconds it took.

        Those of the whole process: booking computes on threads of the frame library's own. What
        requests used meanwhile counts in, which only makes the next booking later.
        """
        from wattline_collector.ledger.booking import book

        began = time.process_time()
        until_ms = self.store.clock.unix_ms() - round(self.settings.settle_seconds * 1000)
        try:
            hours = book(self.store, until_ms=until_ms, progress=self._go_on)
            self.store.confirm_booked()
        except _Ending:
            self.store.give_back_dirty()
        except Exception as error:  # the books can be made again at any time; rows cannot
            self.counters.booking_errors += 1
            self.store.give_back_dirty()
            self._complain("booking", error)
        else:
            self.counters.booked_hours += hours
            self.counters.bookings += 1
            self.counters.booked_until_ms = until_ms
            self._look_at_books(until_ms)
        spent = time.process_time() - began
        self.counters.booking_seconds += spent
        return spent

    def _look_at_books(self, now_ms: int) -> None:
        """Make the figures of the books that alerts need anew, where it is time to."""
        if self._from_books is None or not self._from_books.is_due(now_ms):
            return
        try:
            self._from_books.refresh(now_ms)
        except Exception as error:  # alerts on them fall silent; booking goes on
            self._complain("figures of the books for alerts", error)

    def booked(self, now_ms: int) -> Mapping[str, pl.DataFrame]:
        """Figures of the books that rules of alerts look at, by table; none where not known."""
        return {} if self._from_books is None else self._from_books.known(now_ms)

    def _go_on(self, done: int, total: int) -> None:
        if self._ending.is_set():
            raise _Ending

    async def _digest_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while not await self._sleep(_DIGEST_SECONDS):
            await loop.run_in_executor(self._sealer, self.latest.digest)

    # Alerts

    async def _alert_loop(self, watch: Watch) -> None:
        loop = asyncio.get_running_loop()
        while not await self._sleep(self.settings.alert_every_seconds):
            await loop.run_in_executor(self._alerter, self._look, watch)
        # What waits to be told may take a moment, which must hold up no other ending.
        await loop.run_in_executor(self._alerter, watch.close)

    def _look(self, watch: Watch) -> None:
        try:
            watch.turn()
        except Exception as error:  # receiving and booking go on; the next turn tries again
            watch.counters.errors += 1
            self._complain("judging alerts", error)

    def _own_figures(self) -> dict[str, float]:
        from wattline_collector import health

        return health.figures(self)

    # Following

    async def _follow_loop(self, followed: Followed) -> None:
        follower = followed.follower
        ending = asyncio.create_task(self._ending.wait())
        while not self._ending.is_set():
            asking = asyncio.create_task(on_thread(follower.ask, f"ask {follower.name}"))
            await asyncio.wait((asking, ending), return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                asking.cancel()
                break
            error = asking.exception()
            if error is None:
                followed.asked += 1
                followed.answered_ms = self.store.clock.unix_ms()
                self._complaints.pop(f"asking {follower.name}", None)
                for batch in asking.result():
                    await self._bring_in(batch, followed)
            elif isinstance(error, Exception):
                followed.errors += 1
                self._complain(f"asking {follower.name}", error)
            await self._sleep(follower.every_seconds)
        await ending

    async def _bring_in(self, batch: Batch, followed: Followed) -> None:
        """Submit a batch until it is durable; one that is none of its table is counted."""
        while not self._ending.is_set():
            try:
                await self.submit(batch)
            except WireError as error:
                followed.refused += 1
                self._complain(f"taking in rows of {followed.follower.name}", error)
            except (Busy, NotDurable):
                await self._sleep(1.0)
                continue
            return

    async def _sleep(self, seconds: float) -> bool:
        """Wait; returns early, and true, when the service ends."""
        try:
            await asyncio.wait_for(self._ending.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _complain(self, doing: str, error: Exception) -> None:
        """Say what failed, once: it is tried again, and the counters tell how often in vain."""
        line = f"collector: {doing} failed: {_one_line(error)}"
        if self._complaints.get(doing) != line:
            self._complaints[doing] = line
            self._say(line)


def _one_line(error: BaseException) -> str:
    text = str(error).split("\n", 1)[0]
    return text if isinstance(error, WattlineError) else f"{type(error).__name__}: {text}"
