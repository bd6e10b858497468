"""Sends readings to a collector, in batches of several ticks, and keeps them while it is away.

Rows are only put on a list while sampling; a thread of its own encodes, sends, waits and spools.
`Pusher.pump` holds all of the logic and takes its clock and transport as arguments; `PushSink` is
the thread around it.

What a kill costs. As long as every batch is delivered at once, rows are in memory alone: killed,
the agent loses what it read since its last batch. From the first failure until the spool is empty
again, batches go to the spool as soon as they are full, and what fills the next ones is written
to the spool's journal once a second: killed, it loses less than the last second. The agent that
starts next counts one batch as dropped, since nobody can know how much it was.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence

from wattline_agents.clock import Clock, SystemClock
from wattline_agents.config import AgentConfig
from wattline_agents.errors import WireError
from wattline_agents.sinks.answer import Backoff, Verdict, any_share
from wattline_agents.sinks.batch import Batch
from wattline_agents.sinks.journal import OpenBatch
from wattline_agents.sinks.sink import Health
from wattline_agents.sinks.spool import Spool
from wattline_agents.sinks.transport import NotReached, Transport
from wattline_agents.sinks.trouble import Trouble
from wattline_agents.wire import Header, Row, encode, table_named

MOST_ROWS = 5_000
"""Rows of one batch: 64 rows cost a tenth of 8 per sample, and beyond thousands nothing is won."""
_MOST_PENDING_ROWS = 200_000
"""Rows not yet made into batches; only reached if one answer takes hours to come."""
_FIRST_SECONDS = 1.0
_JOURNAL_SECONDS = 1.0
_CLOSE_SECONDS = 5.0
_DISK_SECONDS = 10.0
"""Between tries where the spool's disk fails."""
_JOIN_SECONDS = 30.0
"""Two timeouts of a connection that hangs, and some; in the usual case it takes milliseconds."""


class Pusher:
    """Makes batches, sends them in order, and keeps what could not be sent."""

    def __init__(
        self,
        config: AgentConfig,
        transport: Transport,
        spool: Spool,
        *,
        every_seconds: float = 5.0,
        clock: Clock | None = None,
        say: Callable[[str], None] = lambda message: None,
        backoff: Backoff | None = None,
        chance: Callable[[], float] = any_share,
    ) -> None:
        """Begin a boot: a fresh id, and batches counted from 1.

        Args:
            config: Who sends.
            transport: How a batch gets to the collector.
            spool: Where batches wait.
            every_seconds: How much time one batch holds.
            clock: Where time comes from.
            say: Takes the few lines meant for a person.
            backoff: How long to wait after failures.
            chance: A number from 0 to 1, different each time.
        """
        self._config, self._transport, self._spool = config, transport, spool
        self._every = every_seconds
        self._clock = SystemClock() if clock is None else clock
        self._say = say
        self._backoff = Backoff() if backoff is None else backoff
        self._boot = os.urandom(8).hex()
        self._sequence = 0
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, int], list[Row]] = {}
        self._pending_rows = 0
        self._lost_rows_batches = 0
        self._open: dict[tuple[str, int], OpenBatch] = {}
        self._outbox: deque[Batch] = deque()
        self._next_journal = 0.0
        # Soon, so that a node shows at once; the batch after it comes at a time of its own, so that
        # nodes that started together do not send together ever after.
        self._next_flush = self._clock.monotonic() + min(_FIRST_SECONDS, every_seconds)
        self._phase = chance()
        self._not_before = 0.0
        self._trouble: str | None = None
        self._recover()

    def accept(self, table: str, rows: Sequence[Row], period_ms: int) -> None:
        """Put rows on the list."""
        with self._lock:
            self._pending.setdefault((table, period_ms), []).extend(rows)
            self._pending_rows += len(rows)
            if self._pending_rows > _MOST_PENDING_ROWS:
                self._pending_rows -= len(self._pending.pop(next(iter(self._pending))))
                self._lost_rows_batches += 1

    def health(self) -> Health:
        """What was dropped and refused since the start, and what waits."""
        return Health(
            batches_dropped=self._spool.dropped + self._lost_rows_batches,
            batches_refused=self._spool.refused,
            spool_bytes=self._spool.size_bytes,
        )

    def pump(self) -> float:
        """Do what is due: make batches, send one if it may; returns seconds until there is more."""
        now = self._clock.monotonic()
        if now >= self._next_flush:
            self._next_flush = now + self._every * (1.0 - self._phase)
            self._phase = 0.0
            self.flush()
        elif self._is_behind and now >= self._next_journal:
            self._next_journal = now + _JOURNAL_SECONDS
            self._gather(journal=True)
        if now >= self._not_before and self._has_more():
            self._send_one()
            if self._has_more() and self._not_before <= now:
                return 0.0
        return self._idle_seconds()

    def flush(self) -> None:
        """Make batches of all rows on the list."""
        self._gather(journal=False)
        while self._open:
            self._finish_batch(next(iter(self._open)))
        if self._is_behind:
            self._spill()
        self._spool.journal.clear()

    def finish(self, seconds: float) -> None:
        """Send what is left as long as that works and time allows; keep the rest."""
        until = self._clock.monotonic() + seconds
        self.flush()
        # A collector that was known to be away is not asked again while someone waits for the end.
        while self._has_more() and max(self._not_before, self._clock.monotonic()) < until:
            if self._trouble is not None:
                break
            self._send_one()
        self._spill()
        self._spool.close()
        self._transport.close()

    def _header(self, period_ms: int) -> Header:
        self._sequence += 1
        config = self._config
        return Header(config.system, config.node, self._boot, self._sequence, period_ms)

    @property
    def _is_behind(self) -> bool:
        """Whether batches must wait, so that memory is no place for them."""
        return self._trouble is not None or len(self._spool) > 0

    def _idle_seconds(self) -> float:
        """How long there is nothing to do."""
        now = self._clock.monotonic()
        due = self._next_flush
        if self._has_more():
            due = min(due, self._not_before)
        if self._is_behind:
            due = min(due, self._next_journal)
        return max(0.0, due - now)

    def _gather(self, *, journal: bool) -> None:
        """Move the rows on the list to their batches; a batch that is full is finished."""
        with self._lock:
            pending, self._pending, self._pending_rows = self._pending, {}, 0
        for key, rows in pending.items():
            while rows:
                batch = self._open.get(key)
                if batch is None:
                    batch = self._open[key] = OpenBatch(key[0], self._header(key[1]))
                room = MOST_ROWS - len(batch.rows)
                if journal:
                    self._spool.journal.add(batch, rows[:room])
                batch.rows += rows[:room]
                rows = rows[room:]
                if rows:
                    self._finish_batch(key)

    def _finish_batch(self, key: tuple[str, int]) -> None:
        made = self._encoded(self._open.pop(key))
        if made is None:
            self._lost_rows_batches += 1
        else:
            self._outbox.append(made)

    def _encoded(self, batch: OpenBatch) -> Batch | None:
        try:
            body = encode(table_named(batch.table), batch.rows)
        except (WireError, ValueError, TypeError, OverflowError) as error:
            # A source that gives rows of no known shape, or a value that its column cannot hold,
            # is wrong in its code: its rows go, the rows of the others stay.
            reason = " ".join(str(error).split())[:200]
            self._say(f"push: {batch.table}: {reason}; these rows are dropped")
            return None
        return Batch(batch.table, batch.header, body)

    def _recover(self) -> None:
        """Spool what the agent before this one had not yet made into batches when it was killed."""
        for batch in self._spool.journal.read():
            made = self._encoded(batch)
            if made is None:
                self._lost_rows_batches += 1
            else:
                self._spool.append(made)
        self._spool.journal.clear()

    def _has_more(self) -> bool:
        return bool(self._outbox) or len(self._spool) > 0

    def _spill(self) -> None:
        while self._outbox:
            self._spool.append(self._outbox.popleft())

    def _send_one(self) -> None:
        """Send the oldest batch there is: from the spool first, to keep their order."""
        batch = self._spool.first()
        if batch is None:
            if not self._outbox:
                return
            batch = self._outbox[0]
        try:
            answer, text = self._transport.send(batch)
        except NotReached as error:
            self._wait(str(error), None)
            return
        if answer.verdict is Verdict.DELIVERED:
            self._delivered()
            return
        self._spill()  # from here on the batch is the first of the spool
        if answer.verdict is Verdict.LATER:
            self._wait(f"the collector is busy: {text}", answer.wait_seconds)
        elif answer.verdict is Verdict.DENIED:
            self._wait(f"the collector refuses this agent: {text}", answer.wait_seconds)
        elif answer.verdict is Verdict.TOO_LARGE and self._split(batch):
            return
        else:
            self._spool.refuse_first(text)
            self._say(f"push: a batch of {batch.table} was refused and set aside: {text}")

    def _delivered(self) -> None:
        if len(self._spool) > 0:
            self._spool.remove_first()
        else:
            self._outbox.popleft()
        self._backoff.worked()
        if self._trouble is not None:
            self._trouble = None
            self._say(f"push: the collector takes batches again; {len(self._spool)} wait")

    def _split(self, batch: Batch) -> bool:
        """Put two halves in the place of the first batch; False if it has but one row."""
        halves = batch.split((self._header_like(batch), self._header_like(batch)))
        if halves is None:
            return False
        self._spool.replace_first(halves)
        return True

    def _header_like(self, batch: Batch) -> Header:
        # Numbered anew in this boot: the whole was never taken in, so nothing can come twice.
        return self._header(batch.header.period_ms)

    def _wait(self, trouble: str, asked_seconds: float | None) -> None:
        self._spill()
        seconds = self._backoff.failed()
        if asked_seconds is not None:
            # What was asked for, and some of our own, so that not all nodes come back together.
            seconds = asked_seconds + min(seconds, 0.1 * asked_seconds + 1.0)
        self._not_before = self._clock.monotonic() + seconds
        if trouble != self._trouble:
            self._say(f"push: {trouble}; readings wait until it takes them")
            self._trouble = trouble


class PushSink:
    """The thread that sends."""

    def __init__(self, pusher: Pusher, say: Callable[[str], None] = lambda message: None) -> None:
        """Start it."""
        self._pusher = pusher
        self._trouble = Trouble("push", SystemClock(), say)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="push", daemon=True)
        self._thread.start()

    def accept(self, table: str, rows: Sequence[Row], period_ms: int) -> None:
        """Put rows on the list; nothing is encoded or sent on the caller's time."""
        self._pusher.accept(table, rows, period_ms)

    def health(self) -> Health:
        """What was dropped and refused since the start, and what waits."""
        return self._pusher.health()

    def close(self) -> None:
        """Send what is left if the collector answers, keep it otherwise."""
        self._stop.set()
        self._thread.join(timeout=_JOIN_SECONDS)

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                wait = self._pusher.pump()
                self._trouble.worked()
            except OSError as error:
                # The spool's disk, not the network: sending goes on with what can be read.
                self._trouble.failed(str(error))
                wait = _DISK_SECONDS
            self._stop.wait(wait)
        try:
            self._pusher.finish(_CLOSE_SECONDS)
        except OSError as error:
            self._trouble.failed(str(error))
