"""Decides when a process that reads is started, asked, given up and tried again.

Nothing here starts or reads anything: events come in (a part began, an answer is whole, a process
ended), `decide` says what to do now. Two processes are kept at most:

- `READER` reads everything that is known to answer.
- `PROBE` is a short-lived second one. It tries a part that hung before, so that the reader, and
  with it every other device, is not held up again by a device that is still sick.

A process that hangs is killed. One that hangs in the kernel does not die of that; it is counted as
stuck until it does, and when too many are, no more are started.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from wattline_agents.record import record
from wattline_agents.sources.isolated.child import DESCRIBE, START

READER, PROBE = "reader", "probe"

PART_SECONDS = 5.0
"""A healthy driver answers in milliseconds; after a reset the first answer may take seconds."""
OPEN_SECONDS = 30.0
"""Without persistence mode, opening the driver wakes every GPU, which takes seconds each."""
FIRST_RETRY_SECONDS = 60.0
MOST_RETRY_SECONDS = 600.0
FIRST_BACKOFF_SECONDS = 1.0
MOST_BACKOFF_SECONDS = 60.0
MOST_STUCK = 3
CALM_SECONDS = 600.0
"""A part that hangs again within this time after it answered is left alone for longer."""

OPEN = "open"
_SLOW = (START, OPEN)
"""Parts without which nothing can be read, and which may take longer."""
_PROBE_READS = 2
"""Some figures need two readings, so only the second one makes every call."""
_MOST_PARTS = 256
_NO_DEVICES: Mapping[str, Sequence[str]] = MappingProxyType({})
_NOT_YET = "begin"
"""What is under way before a process has named a part: its walk through the source."""


@record(frozen=False, slots=True)
class Running:
    """A process as it is known.

    Attributes:
        since: When it was started.
        target: The part it is to try; None for the reader.
        part: What it reads, as far as it has said.
        part_since: Since when.
        is_asked: Whether an answer is still to come.
        reads: Answers that came.
        has_tried: Whether it has come to its target.
    """

    since: float
    target: str | None = None
    part: str = START
    part_since: float = 0.0
    is_asked: bool = False
    reads: int = 0
    has_tried: bool = False


@record(frozen=False, slots=True)
class Rest:
    """A part that is left alone: until when, and how long in all."""

    until: float
    seconds: float


@record(frozen=True, slots=True)
class Action:
    """Something to do now: `start`, `ask` or `end` a process.

    Attributes:
        do: Which of the three.
        role: With which process.
        skip: What it is to leave out, if it is asked.
    """

    do: str
    role: str
    skip: tuple[str, ...] = ()


class Keeper:
    """What is known of the processes and of the parts that do not answer."""

    def __init__(self) -> None:
        """Begin with no process and no suspicion."""
        self.running: dict[str, Running] = {}
        self.resting: dict[str, Rest] = {}
        self.timeouts: dict[str, int] = {}
        self.news: list[tuple[str, str, str]] = []
        """Kind and text of what a person should hear, and what follows if reading goes on; whoever
        tells them empties the list."""
        self._answered: dict[str, tuple[float, float]] = {}
        self._start_at = 0.0
        self._backoff = FIRST_BACKOFF_SECONDS
        self._died_in: str | None = None
        self._is_barred = False

    @property
    def timeouts_total(self) -> int:
        """How often anything did not answer in time."""
        return sum(self.timeouts.values())

    def decide(
        self, now: float, stuck: int, devices: Mapping[str, Sequence[str]] = _NO_DEVICES
    ) -> list[Action]:
        """What to do now.

        Args:
            now: Monotonic seconds.
            stuck: How many processes were killed and have not ended.
            devices: Parts that read a device -> those that find it. One that hangs where it is read
                would hang where a new process looks for it, too. A probe reads no other device.
        """
        actions: list[Action] = []
        for role, running in list(self.running.items()):
            if running.is_asked and now - running.part_since > _limit(running.part):
                self._hung(role, running, now)
                actions.append(Action("end", role))
            elif role == PROBE and running.reads >= _PROBE_READS:
                self._released(running, now)
                actions.append(Action("end", role))
        self._start(now, stuck, actions)
        self._ask(now, actions, devices)
        return actions

    def ask_ahead(
        self, at: float, devices: Mapping[str, Sequence[str]] = _NO_DEVICES
    ) -> Action | None:
        """Ask the reader for its next reading, to begin then; None if it is not free.

        Args:
            at: Monotonic seconds.
            devices: As for `decide`.
        """
        running = self.running.get(READER)
        if running is None or running.is_asked or not running.reads:
            return None
        running.is_asked = True
        running.part, running.part_since = _NOT_YET, at
        return Action("ask", READER, self._skipped(running, devices))

    @property
    def asked_for(self) -> float:
        """When the reader begins the reading it was asked for; 0 if it is not asked."""
        running = self.running.get(READER)
        return running.part_since if running is not None and running.is_asked else 0.0

    def part_began(self, role: str, part: str, since: float, now: float) -> None:
        """A process said what it is about to read."""
        running = self.running[role]
        running.part = part
        if part == running.target:
            running.has_tried = True
        if since > running.part_since:
            running.part_since = since
        if running.part_since > now:
            running.part_since = now

    def answered(self, role: str, now: float) -> None:
        """A process has gone through all its parts."""
        running = self.running[role]
        running.is_asked = False
        running.reads += 1
        if role == READER:
            self._died_in = None
            if now - running.since >= MOST_BACKOFF_SECONDS:
                self._backoff = FIRST_BACKOFF_SECONDS

    def ended(self, role: str, why: str, now: float) -> None:
        """A process ended by itself, or sent what makes no sense and is to be ended."""
        running = self.running.pop(role)
        if running.target is not None:
            self._rest(running.target, now)
            return
        part = running.part
        if part == self._died_in and part not in _SLOW and part != _NOT_YET:
            # Twice in the same place is no chance: the others are read without it.
            self._rest(part, now)
        self._died_in = part
        self._start_at = now + self._backoff
        self.news.append(
            (f"ended {part}", f"{why} (while at {part})", f"tried again in {self._backoff:g} s")
        )
        self._backoff = min(2 * self._backoff, MOST_BACKOFF_SECONDS)

    def hangs(self, part: str, now: float, seconds: float) -> bool:
        """Whether a part is left alone, or has been under way for that long."""
        if part in self.resting:
            return True
        running = self.running.get(READER)
        return (
            running is not None
            and running.is_asked
            and running.part == part
            and now - running.part_since >= seconds
        )

    def _hung(self, role: str, running: Running, now: float) -> None:
        part = running.part
        # A probe that hangs before it comes to its target, where that is found, was for it too.
        counted = part if running.target is None else running.target
        if len(self.timeouts) < _MOST_PARTS or counted in self.timeouts:
            self.timeouts[counted] = self.timeouts.get(counted, 0) + 1
        if part == _NOT_YET:
            # There is no part to leave out; perhaps it was only kept from running.
            self.ended(role, f"no answer within {_limit(part):g} s", now)
            return
        del self.running[role]
        if running.target is not None:
            self._rest(running.target, now)
            return
        seconds = self._rest(part, now)
        self.news.append(
            (
                f"hangs {part}",
                f"no answer from the driver within {_limit(part):g} s ({part})",
                f"asked again in {seconds:g} s",
            )
        )

    def _rest(self, part: str, now: float) -> float:
        """Leave a part alone; returns for how many seconds."""
        seconds, before = FIRST_RETRY_SECONDS, self.resting.get(part)
        if before is not None:
            seconds = 2 * before.seconds
        elif part in self._answered:
            since, rested = self._answered.pop(part)
            if now - since < CALM_SECONDS:
                seconds = 2 * rested
        seconds = min(seconds, MOST_RETRY_SECONDS)
        if part in self.resting or len(self.resting) < _MOST_PARTS:
            self.resting[part] = Rest(now + seconds, seconds)
        return seconds

    def _released(self, running: Running, now: float) -> None:
        del self.running[PROBE]
        target = running.target
        assert target is not None
        if running.has_tried or len(self.resting) == 1:
            self._release(target, now)
        else:
            # It was not even found, perhaps because what finds it is left alone as well.
            self.resting[target].until = now + self.resting[target].seconds

    def _release(self, part: str, now: float) -> None:
        rest = self.resting.pop(part)
        while len(self._answered) >= _MOST_PARTS:
            del self._answered[next(iter(self._answered))]
        self._answered[part] = now, rest.seconds
        for other in self.resting.values():
            other.until = min(other.until, now)  # what one hung in, another may have hung in
        self.news.append((f"again {part}", f"reading again ({part})", ""))

    def _start(self, now: float, stuck: int, actions: list[Action]) -> None:
        if stuck >= MOST_STUCK:
            if not self._is_barred:
                self.news.append(
                    (
                        "stuck",
                        f"{stuck} processes hang in the driver and cannot be ended; no more are "
                        "started until one ends (reset the device or reboot the node)",
                        "",
                    )
                )
            self._is_barred = True
            return
        self._is_barred = False
        # What is to be ended only now may hang as well; that is known by the next tick.
        stuck += len(actions)
        if stuck >= MOST_STUCK:
            return
        if READER not in self.running:
            vital = [self.resting[part].until for part in _SLOW if part in self.resting]
            if now < max([self._start_at, *vital]):
                return
            self.running[READER] = Running(now, part_since=now)
            actions.append(Action("start", READER))
        # The last place is the reader's: it may yet have to be started again.
        elif PROBE not in self.running and stuck < MOST_STUCK - 1:
            self._start_probe(now, actions)

    def _start_probe(self, now: float, actions: list[Action]) -> None:
        if self.running[READER].reads == 0:
            return
        for part in _SLOW:
            if part in self.resting:  # the reader has opened the driver, so it answers
                self._release(part, now)
        due = [(rest.until, part) for part, rest in self.resting.items() if rest.until <= now]
        if not due:
            return
        self.running[PROBE] = Running(now, target=min(due)[1], part_since=now)
        actions.append(Action("start", PROBE))

    def _ask(self, now: float, actions: list[Action], devices: Mapping[str, Sequence[str]]) -> None:
        for role, running in self.running.items():
            if not running.is_asked:
                running.is_asked = True
                # A part that takes its time to be announced is no part that hangs.
                running.part_since = now
                if running.reads:
                    running.part = _NOT_YET
                actions.append(Action("ask", role, self._skipped(running, devices)))

    def _skipped(self, running: Running, devices: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
        if not self.resting and running.target is None:  # as nearly always
            return ()
        skip: set[str] = set()
        for part in self.resting.keys() - {running.target}:
            skip |= {part, *devices.get(part, ())}
        if running.target is not None:
            skip |= {*devices, DESCRIBE} - {running.target}
            # To get there it has to be found, unless that is what hangs.
            skip -= {*devices.get(running.target, ())} - self.resting.keys()
        return tuple(sorted(skip.difference(_SLOW)))


def _limit(part: str) -> float:
    return OPEN_SECONDS if part in _SLOW else PART_SECONDS
