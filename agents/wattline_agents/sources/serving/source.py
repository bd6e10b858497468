"""The source `serving`: reads engines' pages, one after the other, in bounded time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import thread_time
from typing import Protocol, Self

from wattline_agents.assignment.spoken import Spoken, SpokenOf
from wattline_agents.clock import Clock, SystemClock
from wattline_agents.errors import ReadFailed, UsageError
from wattline_agents.sources.scraped import fetch
from wattline_agents.sources.scraped.page import MISSING_PARSER, has_parser
from wattline_agents.sources.scraped.values import trimmed
from wattline_agents.sources.serving import reading
from wattline_agents.sources.serving.goodput import Targets, unanswerable
from wattline_agents.sources.serving.jobs import Engine, Jobs
from wattline_agents.sources.serving.listeners import JobOf, Listeners
from wattline_agents.sources.serving.options import EVERY_SECONDS, NAME
from wattline_agents.sources.serving.pods import Pods
from wattline_agents.sources.serving.rows import Told, left_to_engines, serving_row
from wattline_agents.sources.serving.told import LOOPBACK, Place, at, job_of_nobody, name_of
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.source import Readings
from wattline_agents.wire import MAX_TEXT_BYTES

FIND_MS = 15_000
"""How soon an engine is found after it began to listen."""
PAGE_SECONDS = 2.0
"""For one page; an engine answers in some ten milliseconds, a busy one in a few hundred."""
ROUND_SECONDS = 2.5
"""After this long no further page is asked for: with the one at hand it is less than the five
seconds the agent waits. Those that were not asked come first the next time."""
FOUND_BYTES = 2 * 1024 * 1024
"""Of a page that nobody told: any user may run a program that looks like an engine. vLLM's has
0.1 MB."""
_READING_SHARE = 0.02
"""Part of a processor that taking one page apart may cost: a dear one is asked for less often."""
_MOST_PLACES = 128
_MOST_LATE_MS = 10_000
_MOST_WAIT_MS = 300_000
_MOST_TRIES = 8
"""Of a process that was found and gave no page we know; then it is let alone."""
_FINAL = (": HTTP 4", ": HTTP 501", "leads elsewhere")
"""Answers that will stay: there is no such page."""


class Address(Protocol):
    """Gives a page."""

    def get(self) -> str:
        """The page as it is now.

        Raises:
            ReadFailed: There is none.
        """
        ...


OpenPage = Callable[[str, Place], Address]


@dataclass(slots=True)
class _Asked:
    """One place, and what came of asking there."""

    place: Place
    engine: Engine | None = None
    address: Address | None = None
    url: str | None = None
    tried_ms: int = 0
    next_ms: int = 0
    failures: int = 0
    is_over: bool = False
    began_ms: int | None = None
    seconds: float = 0.0
    why_not: str | None = None
    tells: dict[str, str] = field(default_factory=dict)


class ServingSource:
    """Engines on this node, and pages that were told."""

    name = NAME
    may_block = True

    def __init__(
        self,
        *,
        node: str,
        pages: Sequence[Place] = (),
        listeners: Listeners | None = None,
        discover: bool = True,
        pods: Pods | None = None,
        targets: Targets | None = None,
        every_seconds: float = EVERY_SECONDS,
        open_page: OpenPage | None = None,
        clock: Clock | None = None,
        busy: Callable[[], float] = thread_time,
        say: Callable[[str], None] = lambda message: None,
    ) -> None:
        """Ask nothing yet.

        Args:
            node: This node's name; stands in the key of a page that is no job's.
            pages: Where engines are told to be.
            listeners: Finds engines of this node's jobs, and whose process listens at a port.
            discover: Whether to read those it finds.
            pods: Finds engines of this node's pods.
            targets: What a request must keep to be good.
            every_seconds: How far apart readings should be.
            open_page: Gives what gets a page.
            clock: Where time comes from.
            busy: Seconds that this thread has used a processor.
            say: Takes the few lines meant for a person.
        """
        self.every_seconds = every_seconds
        self._node, self._pages = node, tuple(pages)
        self._listeners, self._discover, self._pods = listeners, discover, pods
        self._targets = Targets() if targets is None else targets
        self._clock = SystemClock() if clock is None else clock
        self._busy = busy
        self._open = open_page or (
            lambda url, place: fetch.Page(
                url,
                place.token_file,
                seconds=PAGE_SECONDS,
                most_bytes=None if place.is_told else FOUND_BYTES,
                clock=self._clock,
            )
        )
        self._say = say
        self._jobs = Jobs(self._targets, self._clock.unix_ms())
        self._told = Told()
        self._asked: dict[tuple[object, ...], _Asked] = {}
        self._spoken: SpokenOf = dict
        self._find_ms: int | None = None
        self._trouble: str | None = None

    @classmethod
    def from_config(cls, config: SourceConfig) -> Self:
        """Make it from `[serving]`, or from `--source serving:url=...`.

        Raises:
            UsageError: An option is not what it should be, or the parser is not installed.
        """
        from wattline_agents.sources.serving import options
        from wattline_agents.telling import say

        told = options.read(config)
        if not has_parser():
            raise UsageError(f"source {NAME}: {MISSING_PARSER}")
        clock = SystemClock()
        return cls(
            node=config.node,
            pages=told.pages,
            listeners=Listeners(_job_of(told.records, clock)),
            discover=told.discover,
            pods=told.pods,
            targets=told.targets,
            every_seconds=max(told.every_seconds, config.period_seconds),
            clock=clock,
            say=lambda message: say(f"{NAME}: {message}"),
        )

    def read(self, now_ms: int) -> Readings:
        """Rows of all engines that answered, and of their jobs.

        Raises:
            ReadFailed: Pages were told, and none of them could be read.
        """
        self._find(now_ms)
        until = self._clock.monotonic() + ROUND_SECONDS
        readings: Readings = {}
        failed: list[str] = []
        asked = 0
        for one in sorted(self._asked.values(), key=lambda one: (one.failures, one.tried_ms)):
            if one.is_over or one.next_ms - _MOST_WAIT_MS <= now_ms < one.next_ms:
                continue
            if asked and self._clock.monotonic() > until:
                break
            asked += 1
            one.tried_ms = now_ms
            try:
                self._ask(one, now_ms)
            except ReadFailed as error:
                self._failed(one, str(error), now_ms)
                failed += [str(error)] if one.place.is_told else []
                continue
            engine = one.engine
            if engine is not None:
                readings.setdefault("serving", []).append(serving_row(engine, now_ms))
                readings.setdefault("latency", []).extend(self._told.latencies(engine, now_ms))
        spoken = self._spoken()
        if spoken is not None:
            readings["job"] = left_to_engines(self._jobs.rows(self._stamp(now_ms)), spoken)
            self._tell_infos(readings, spoken, now_ms)
        found = {table: rows for table, rows in readings.items() if rows}
        if failed and not found:
            raise ReadFailed(failed[0])
        return found

    def heed(self, spoken: SpokenOf) -> None:
        """Let somebody say which jobs count for themselves: what those say is not said again."""
        self._spoken = spoken

    def _tell_infos(self, readings: Readings, spoken: Mapping[str, Spoken], now_ms: int) -> None:
        keys = self._jobs.keys()
        self._told.forget(keys)
        for key in keys:
            told = self._told.infos_of(key, self._jobs.of(key), now_ms, spoken.get(key))
            for table, rows in told.items():
                readings.setdefault(table, []).extend(rows)

    def describe(self, now_ms: int) -> Readings:
        """Nothing: jobs and engines say who they are in rows of their own."""
        return {}

    def why_not(self) -> Mapping[str, Mapping[str, str]]:
        """Pages that were told and cannot be read, and what an engine's page does not answer."""
        reasons: dict[str, str] = {}
        for one in self._asked.values():
            engine = name_of(one.url or one.place.urls[0])
            if one.why_not is not None and one.place.is_told:
                reasons[trimmed(engine, 120)] = trimmed(one.why_not, MAX_TEXT_BYTES)
            for what, why in one.tells.items():
                reasons[trimmed(f"{engine} {what}", 120)] = trimmed(why, MAX_TEXT_BYTES)
        if self._trouble is not None:
            reasons["kubernetes"] = trimmed(self._trouble, MAX_TEXT_BYTES)
        return {"": reasons} if reasons else {}

    def close(self) -> None:
        """Nothing is held."""

    def _stamp(self, now_ms: int) -> int:
        """The moment itself, and not the tick's.

        Rows of a job that counts for itself, too, have the tick's time, and of two rows of one job
        and time a store keeps one.
        """
        read_ms = self._clock.unix_ms()
        return read_ms if 0 <= read_ms - now_ms <= _MOST_LATE_MS else now_ms

    # Where engines are

    def _find(self, now_ms: int) -> None:
        if self._find_ms is not None and 0 <= now_ms - self._find_ms < FIND_MS:
            return
        self._find_ms = now_ms
        places = [*self._pages]
        if self._listeners is not None and self._discover:
            places += self._listeners.find()
        if self._pods is not None:
            places += self._pod_places(self._pods, now_ms)
        here = {place.key: place for place in _once(places)[:_MOST_PLACES]}
        for key in self._asked.keys() - here.keys():
            gone = self._asked.pop(key)
            if gone.engine is not None:
                self._jobs.missed(gone.engine, is_gone=True)
        for key, place in here.items():
            if key not in self._asked:
                self._asked[key] = _Asked(place)

    def _pod_places(self, pods: Pods, now_ms: int) -> list[Place]:
        try:
            found = pods.find(now_ms)
        except ReadFailed as error:
            self._trouble = str(error)
            return pods.found
        self._trouble = None
        return found

    # One page

    def _ask(self, one: _Asked, now_ms: int) -> None:
        """Get a place's page and take it in.

        Raises:
            ReadFailed: There is none, or none that is known.
        """
        page, url = self._page(one)
        engine = one.engine
        if engine is None or engine.counts.begins(page):
            owner = self._owner(one.place, url)
            job = one.place.job or owner[0] or job_of_nobody(url, self._node)
            one.began_ms = owner[1]
            if engine is None:
                engine = one.engine = Engine(
                    name_of(url), job, role=one.place.role, is_told=one.place.is_told
                )
            engine.job = job
            self._introduce(engine, page)
        self._jobs.take(engine, page, now_ms, one.began_ms)
        one.failures, one.why_not = 0, None
        one.next_ms = now_ms + min(_MOST_WAIT_MS, round(1000 * one.seconds / _READING_SHARE))
        self._note_targets(one, engine)

    def _page(self, one: _Asked) -> tuple[reading.Reading, str]:
        """The page of the first address that has one known to us; from then on of that one."""
        before = None if one.engine is None else one.engine.counts.newest
        chosen = {} if before is None else before.chosen
        problems: list[str] = []
        for url in one.place.urls if one.url is None else (one.url,):
            address = one.address
            if address is None:
                try:
                    address = self._open(url, one.place)
                except UsageError as error:
                    raise ReadFailed(str(error)) from error
            try:
                text = address.get()
                began = self._busy()
                page = reading.read(text, one.place.framework, chosen)
                one.seconds = self._busy() - began
            except LookupError as error:
                problems.append(f"{url}: {error}")
                continue
            except ReadFailed as error:
                problems.append(str(error))
                continue
            one.address, one.url = address, url
            return page, url
        # What is worth another try is told before what is not.
        problems.sort(key=_is_final)
        raise ReadFailed(problems[0])

    def _owner(self, place: Place, url: str) -> tuple[str | None, int | None]:
        """Whose process a page is of, and when it began, as far as that can be seen here."""
        if place.pid is not None or place.job is not None or self._listeners is None:
            return None, place.began_ms
        host, port = at(url)
        if host not in LOOPBACK:
            return None, None
        owner = self._listeners.owner_of(port)
        return (None, None) if owner is None else (self._listeners.job_of(owner[0]), owner[1])

    def _failed(self, one: _Asked, why: str, now_ms: int) -> None:
        one.failures += 1
        one.why_not = why
        wait_ms = round(min(_MOST_WAIT_MS, self.every_seconds * 1000 * 2 ** min(one.failures, 10)))
        one.next_ms = now_ms + wait_ms
        if one.engine is not None:
            self._jobs.missed(one.engine, is_gone="refused" in why)
        elif not one.place.is_told:
            # Whoever was found did not ask for us.
            one.is_over = _is_final(why) or one.failures >= _MOST_TRIES

    def _introduce(self, engine: Engine, page: reading.Reading) -> None:
        names = ", ".join(f"{what} from {name}" for what, name in sorted(page.chosen.items()))
        self._say(f"{engine.name} is {page.framework.name} of job {engine.job}: {names}")

    def _note_targets(self, one: _Asked, engine: Engine) -> None:
        one.tells = {
            f"requests_good_total ({kind})": "the target is no bound of a bucket; there are "
            + ", ".join(f"{bound:g}" for bound in bounds)
            for kind, bounds in unanswerable(engine.counts, self._targets).items()
        }


def _once(places: Sequence[Place]) -> list[Place]:
    """Places without those that were found at an address that was told."""
    told_at = {at(place.urls[0]) for place in places if place.is_told}
    at_home = {port for host, port in told_at if host in LOOPBACK}
    return [
        place
        for place in places
        if place.is_told
        or (
            at(place.urls[0]) not in told_at
            and (place.pid is None or at(place.urls[0])[1] not in at_home)
        )
    ]


def _is_final(why: str) -> bool:
    return any(mark in why for mark in _FINAL)


def _job_of(records: str, clock: Clock) -> JobOf:
    """Whose a process is, by the records there are at that moment."""
    from wattline_agents.assignment.owners import Owners
    from wattline_agents.assignment.records.own import OwnRecords

    kept = OwnRecords(records)
    owners = Owners(records=kept)

    def job_of(pid: int) -> str | None:
        try:
            kept.claims(clock.unix_ms())
        except ReadFailed:
            pass  # control groups tell without them
        return owners.job_of(pid)

    return job_of
