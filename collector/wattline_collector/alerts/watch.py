"""One turn of all rules: look, judge, keep, tell.

A turn takes the live picture, so it costs what a page costs and nothing per reading. It runs on a
thread of its own; what it tells goes to queues that others empty, so that no receiver of messages
can hold it up, and it can hold up no receiver of batches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from wattline_agents.catalogue import TABLES
from wattline_agents.errors import InputError
from wattline_collector.alerts import kept, telling
from wattline_collector.alerts.evaluate import Evaluation
from wattline_collector.alerts.expression import Age, Labelled, Newest, Over
from wattline_collector.alerts.judge import judge
from wattline_collector.alerts.machine import Alert, Ended, State, Why, after_pause, turn
from wattline_collector.alerts.picture import picture
from wattline_collector.alerts.rule import Rule
from wattline_collector.alerts.series import ASSIGNMENT, MODEL, SERIES, Series
from wattline_collector.alerts.telling import Message, Told
from wattline_collector.alerts.window import Window
from wattline_collector.store.live import Known
from wattline_collector.store.store import Store

EVERY_SECONDS = 15.0
_STANDING = {"xid", "assignment", "device_info"}
"""Tables of what stands until it is told otherwise: the live picture has all that is so."""
REPEAT_MS = 4 * 3_600_000
"""An alert that goes on is told again after this long."""
STATE_EVERY_MS = 60_000
"""The state is kept at every change, and so often besides, so that a restart knows how long nobody
looked."""
_RESOLVED_MS = 900_000
"""What ended is told to an Alertmanager for so long, in case it was away."""
_MOST_ENDED = 5_000


class Notifier(Protocol):
    """A way to tell people. Nothing here blocks."""

    name: str

    def tell(self, messages: Sequence[Message]) -> None:
        """What is new in this turn: fired, resolved, repeated."""
        ...

    def state(self, firing: Sequence[Told], ended: Sequence[Told], now_ms: int) -> None:
        """All that fires, and what ended lately; every turn."""
        ...

    @property
    def failed(self) -> int:
        """Messages given up."""
        ...

    @property
    def sent(self) -> int:
        """Messages delivered."""
        ...

    def close(self) -> None:
        """Deliver what can be within a moment, and end."""
        ...


@dataclass(frozen=True, slots=True)
class Alerting:
    """What a collector is told of alerts when it starts.

    Attributes:
        rules: What to judge by.
        notifiers: Who is told.
    """

    rules: tuple[Rule, ...]
    notifiers: tuple[Notifier, ...] = ()


@dataclass(slots=True)
class Counters:
    """What watching tells of itself at `/metrics`."""

    turns: int = 0
    errors: int = 0
    dropped: int = 0


class Watch:
    """The rules of a collector at work."""

    def __init__(
        self,
        store: Path,
        rules: Sequence[Rule],
        known: Callable[[], tuple[Known, int]],
        collector: Callable[[], Mapping[str, float]],
        notifiers: Sequence[Notifier] = (),
        say: Callable[[str], None] = lambda _: None,
        booked: Callable[[], Mapping[str, pl.DataFrame]] = dict,
    ) -> None:
        """Take up what a store keeps of alerts.

        Args:
            store: Its directory.
            rules: What to judge by.
            known: The newest rows with holes filled, and the time.
            collector: The collector's own figures.
            notifiers: Who is told.
            say: Takes the few lines meant for a person.
            booked: Figures of the books by table.
        """
        self.rules = {rule.id: rule for rule in rules}
        self.notifiers = tuple(notifiers)
        self.counters = Counters()
        self.window = Window(spans(rules))
        self._store, self._known, self._collector = store, known, collector
        self._say, self._booked = say, booked
        self._alerts: dict[str, tuple[Alert, ...]] = {}
        self._ended: list[Told] = []
        self._gone: list[Alert] = []
        """Of rules that are no more, or speak of other subjects than they did."""
        self._told_ms: dict[tuple[str, Any], int] = {}
        self._muted: dict[tuple[str, Any], str] = {}
        self._has_begun = False
        self._restored_ms: int | None = None
        self._at_ms = 0
        self._kept_ms = 0
        self._lock = threading.Lock()  # guards what `answer` reads

    def fill(self, store: Store, now_ms: int) -> None:
        """Learn what a store has of the last while, so that a restart forgets no increase."""
        for table in self.window.tables & TABLES.keys() - _STANDING:
            columns = ["time_unix_ms", *self.window.keys(table), *self.window.columns(table)]
            rows = store.rows(table, now_ms - self.window.longest_ms, now_ms, columns)
            rows = rows.rename({"time_unix_ms": "at_ms"})
            self.window.fill(table, rows, round(EVERY_SECONDS * 1000))

    # A turn

    def turn(self) -> None:
        """Look once, judge, keep and tell."""
        known, now_ms = self._known()
        found = picture(known, now_ms, self._collector(), self._booked())
        self.judge(found, now_ms)

    def judge(self, found: Mapping[str, Any], now_ms: int) -> None:
        """A turn over this picture."""
        if not self._has_begun:
            self._begin(now_ms)
        for table in self.window.tables:
            if table in found:
                self.window.add(table, found[table], now_ms)
        evaluation = Evaluation(self.window, now_ms)
        after: dict[str, tuple[Alert, ...]] = {}
        fired: list[Alert] = []
        ended: list[Ended] = []
        for rule in self.rules.values():
            alerts = self._alerts.get(rule.id, ())
            made = turn(
                rule.id,
                alerts,
                judge(rule, evaluation, [alert.labels for alert in alerts]),
                now_ms,
                for_seconds=rule.for_seconds,
                keep_seconds=rule.keep_seconds,
                hold_unknown=self._restored_ms is not None
                and now_ms - self._restored_ms < _warm_up_ms(rule),
            )
            self.counters.dropped += made.dropped
            after[rule.id] = made.alerts
            fired += made.fired
            ended += made.ended
        gone = [alert for alert in self._gone if alert.state is State.FIRING]
        ended += [Ended(alert, now_ms, Why.REMOVED) for alert in gone]
        self._gone = []
        changed = {id: _marks(alerts) for id, alerts in self._alerts.items() if alerts} != {
            id: _marks(alerts) for id, alerts in after.items() if alerts
        }
        with self._lock:
            self._alerts, self._at_ms = after, now_ms
        self._keep(now_ms, fired, ended, changed=changed)
        self._tell(ended, now_ms)
        self.counters.turns += 1

    def _begin(self, now_ms: int) -> None:
        self._has_begun = True
        try:
            before = kept.read_state(self._store)
        except InputError as error:
            self._say(f"alerts: {error}; they begin anew")
            return
        if before is None:
            return
        self._restored_ms = now_ms
        paused = max(0, now_ms - before.at_ms)
        for alert in after_pause(before.alerts, paused):
            rule = self.rules.get(alert.rule)
            names = tuple(name for name, _ in alert.labels)
            if rule is None or names != ("system", *rule.keys):
                self._gone.append(alert)
                continue
            self._alerts[alert.rule] = (*self._alerts.get(alert.rule, ()), alert)
            if alert.state is State.FIRING:
                self._told_ms[alert.key] = now_ms

    def _keep(
        self, now_ms: int, fired: Sequence[Alert], ended: Sequence[Ended], *, changed: bool
    ) -> None:
        try:
            if changed or now_ms - self._kept_ms >= STATE_EVERY_MS:
                kept.write_state(self._store, now_ms, self.alerts())
                self._kept_ms = now_ms
            kept.add_history(self._store, now_ms, fired, ended)
        except OSError as error:  # people are told all the same; a full disk is an alert itself
            self.counters.errors += 1
            self._say(f"alerts: cannot be kept: {error.strerror}")

    def _tell(self, ended: Sequence[Ended], now_ms: int) -> None:
        alerts = self.alerts()
        self._muted = telling.muted(alerts, self.rules)
        said: list[Told] = []
        again: list[Told] = []
        firing: list[Told] = []
        for alert in alerts:
            if alert.state is not State.FIRING or alert.key in self._muted:
                continue
            told = telling.tell(alert, self.rules[alert.rule])
            firing.append(told)
            # One that was muted, and whose cause is over before it, is new when it is no more.
            if alert.key not in self._told_ms:
                said.append(told)
                self._told_ms[alert.key] = now_ms
            elif now_ms - self._told_ms[alert.key] >= REPEAT_MS:
                again.append(told)
                self._told_ms[alert.key] = now_ms
        over = []
        for one in ended:
            rule = self.rules.get(one.alert.rule)
            was_told = self._told_ms.pop(one.alert.key, None) is not None
            if rule is not None and was_told:
                over.append(telling.tell(one.alert, rule, one))
        recent = [*self._ended, *over]
        self._ended = [one for one in recent if now_ms - (one.ended_ms or 0) < _RESOLVED_MS][
            -_MOST_ENDED:
        ]
        made = [
            *telling.messages("firing", said, now_ms),
            *telling.messages("repeated", again, now_ms),
            *telling.messages("resolved", over, now_ms),
        ]
        for notifier in self.notifiers:
            if made:
                notifier.tell(made)
            notifier.state(firing, self._ended, now_ms)

    # Answers

    def alerts(self) -> list[Alert]:
        """All that are pending or firing."""
        with self._lock:
            return [alert for alerts in self._alerts.values() for alert in alerts]

    def answer(self) -> dict[str, Any]:
        """What `GET /v1/alerts` answers."""
        muted = self._muted
        told = telling.by_urgency(
            telling.tell(alert, self.rules[alert.rule])
            for alert in self.alerts()
            if alert.rule in self.rules
        )
        return {
            "time_unix_ms": self._at_ms,
            "rules": len(self.rules),
            "alerts": [one.to_json() | {"muted_by": muted.get(one.alert.key)} for one in told],
            "ended": [one.to_json() for one in reversed(self._ended)],
            "notifiers": [
                {"name": one.name, "sent": one.sent, "failed": one.failed} for one in self.notifiers
            ],
        }

    @property
    def judged_ms(self) -> int:
        """When all rules were judged last; 0: not yet."""
        return self._at_ms

    @property
    def failed(self) -> int:
        """Messages that were given up."""
        return sum(notifier.failed for notifier in self.notifiers)

    @property
    def sent(self) -> int:
        """Messages that were taken."""
        return sum(notifier.sent for notifier in self.notifiers)

    def close(self) -> None:
        """Keep what is on, and end."""
        if self._has_begun:
            try:
                kept.write_state(self._store, self._at_ms, self.alerts())
            except OSError as error:
                self._say(f"alerts: cannot be kept: {error.strerror}")
        for notifier in self.notifiers:
            notifier.close()


def spans(rules: Sequence[Rule]) -> dict[Series, int]:
    """The series that rules look at, and for how many seconds back."""
    found: dict[Series, int] = {}

    def need(series: Series, seconds: int) -> None:
        found[series] = max(found.get(series, 0), seconds)

    for rule in rules:
        for part in rule.expressions:
            match part:
                case Over(_, of, seconds):
                    need(of.series, seconds)
                case Newest(series) | Age(Newest(series)):
                    need(series, 0)
                case Labelled(label):
                    need(SERIES[ASSIGNMENT if label == "job" else MODEL], 0)
    return found


def _warm_up_ms(rule: Rule) -> int:
    """How long after a start a rule's figure may not be known yet."""
    windows = [part.seconds for part in rule.expressions if isinstance(part, Over)]
    return 1000 * (60 + max(windows, default=60))


def _marks(alerts: Sequence[Alert]) -> set[object]:
    """What must not be lost of alerts: their values may."""
    return {replace(alert, value=0.0) for alert in alerts}
