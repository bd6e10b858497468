"""Alertmanager's API v2: everything that fires, again and again, as a Prometheus tells it.

Alertmanager groups, silences and repeats by its own rules, so it gets every alert singly. It takes
an alert for resolved that it does not hear of any more, so all that fires is told every minute;
what ended is told for a quarter of an hour, in case it was away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from wattline_collector.alerts.notify.post import checked_address, post
from wattline_collector.alerts.notify.queued import Queued
from wattline_collector.alerts.promql import alert_name
from wattline_collector.alerts.telling import Message, Told, safe, written

EVERY_MS = 60_000
VALID_MS = 4 * EVERY_MS
"""For how long an alert is believed that is not told again: three times may go wrong."""
_TARGET = "/api/v2/alerts"
_AT_ONCE = 1_000
"""Alerts in one request."""


class Alertmanager:
    """Tells an Alertmanager."""

    name = "alertmanager"

    def __init__(self, url: str, say: Callable[[str], None], link: str = "") -> None:
        """Tell the one at this address.

        Args:
            url: Its address, such as `http://127.0.0.1:9093`.
            say: Takes the few lines meant for a person.
            link: Where alerts can be looked at, for `generatorURL`.

        Raises:
            UsageError: It is no address.
        """
        self._url = checked_address(url, "--alertmanager", "a proxy of your own")
        self._link = link
        self._told_ms = -EVERY_MS
        self._known: set[object] = set()
        # What waits is out of date when there is something newer, and is told again in a minute.
        self._queue: Queued[list[dict[str, Any]]] = Queued(
            self.name, self._deliver, say, most=1, tries=2
        )

    @property
    def sent(self) -> int:
        """Requests it took."""
        return self._queue.sent

    @property
    def failed(self) -> int:
        """Requests given up."""
        return self._queue.failed

    def tell(self, messages: Sequence[Message]) -> None:
        """It wants to know all that is so, not what is new."""

    def state(self, firing: Sequence[Told], ended: Sequence[Told], now_ms: int) -> None:
        """Tell all that fires: at once when that has changed, and every minute."""
        known: set[object] = {one.alert.key for one in firing}
        if known == self._known and now_ms - self._told_ms < EVERY_MS:
            return
        self._known = known
        # One that fires again is on, whatever ended before.
        over = [one for one in ended if one.alert.key not in known]
        self._told_ms = now_ms
        if firing or over:
            self._queue.put([self._alert(one, now_ms) for one in [*over, *firing]])

    def close(self) -> None:
        """Tell what waits."""
        self._queue.close()

    def _alert(self, told: Told, now_ms: int) -> dict[str, Any]:
        rule, alert = told.rule, told.alert
        ends_ms = now_ms + VALID_MS if told.ended_ms is None else told.ended_ms
        labels = {name: safe(word) for name, word in alert.labels if word}
        return {
            "labels": {
                "alertname": alert_name(rule),
                "severity": rule.severity.value,
                "about": rule.about.value,
                "rule": rule.id,
                **labels,
            },
            "annotations": {
                "summary": told.title,
                "figure": f"{rule.figure}: {written(alert.value, rule.unit)}",
                "meaning": rule.meaning,
                "check": told.said(rule.check),
                "action": told.said(rule.action),
            },
            "startsAt": _time(alert.fired_ms or alert.since_ms),
            "endsAt": _time(ends_ms),
            **({"generatorURL": self._link} if self._link else {}),
        }

    def _deliver(self, alerts: list[dict[str, Any]]) -> None:
        for first in range(0, len(alerts), _AT_ONCE):
            body = json.dumps(alerts[first : first + _AT_ONCE]).encode()
            post(self._url, _TARGET, body, {})


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
