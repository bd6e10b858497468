"""Alerts in a collector that runs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from wattline_collector.access import Access, Right
from wattline_collector.alerts.read import shipped
from wattline_collector.alerts.telling import Message, Told
from wattline_collector.alerts.watch import Alerting
from wattline_collector.api import application
from wattline_collector.config import Settings
from wattline_collector.health import exposition
from wattline_collector.service import Service


@dataclass
class Listener:
    """Remembers what it is told."""

    name: str = "listener"
    heard: list[Message] = field(default_factory=list)
    sent: int = 3
    failed: int = 1
    closed: bool = False

    def tell(self, messages: Sequence[Message]) -> None:
        self.heard += messages

    def state(self, firing: Sequence[Told], ended: Sequence[Told], now_ms: int) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def test_a_collector_judges_tells_and_answers(
    open_store: Callable[..., Any], clock: Any, sender: Any
) -> None:
    listener = Listener()
    store = open_store()
    settings = Settings(
        store.path, book_every_seconds=3600, seal_every_seconds=3600, alert_every_seconds=0.01
    )
    service = Service(store, settings, lambda line: None, alerting=Alerting(shipped(), (listener,)))
    service.prepare()
    watch = service.watch
    assert watch is not None

    async def turns(more: int) -> None:
        wanted, ends = watch.counters.turns + more, time.monotonic() + 20
        while watch.counters.turns < wanted:
            assert time.monotonic() < ends
            await asyncio.sleep(0.01)

    app = application(service, Access.of({Right.READ: "r" * 32}))
    answers: list[dict[str, Any]] = []

    async def ask() -> None:
        fields = [(b"authorization", b"Bearer " + b"r" * 32)]
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": "/v1/alerts",
            "headers": fields,
        }
        scope |= {"query_string": b"", "raw_path": b"/v1/alerts", "root_path": ""}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message.get("body"):
                answers.append(json.loads(message["body"]))

        await app(scope, receive, send)

    async def play() -> None:
        await service.start()
        for _ in range(2):
            await service.submit(sender.devices(clock.now_ms, count=1, row_remap_failed=1))
            await turns(2)
            clock.sleep(61)
        await ask()
        await service.stop()

    asyncio.run(play())
    assert [message.rule.id for message in listener.heard] == ["row-remap-failed"]
    assert listener.closed and watch.counters.errors == 0
    page = exposition(service)
    assert "\nwattline_collector_alerts_firing 1\n" in page
    assert "\nwattline_collector_alerts_sent_total 3\n" in page
    assert "\nwattline_collector_alerts_failed_total 1\n" in page
    (answer,) = answers
    (alert,) = answer["alerts"]
    assert alert["title"] == "A row of memory of GPU-n01-0 on n01 could not be replaced"
    assert answer["notifiers"] == [{"name": "listener", "sent": 3, "failed": 1}]
    # The next start knows of it.
    assert (store.path / "alerts" / "state.json").exists()


def test_the_api_answers_who_may_read_and_says_where_alerts_are_off(serve: Any) -> None:
    client = serve()
    assert client.get("/v1/alerts", token=None).status == 401
    assert client.get("/v1/alerts", token=Right.WRITE).status == 403
    answer = client.get("/v1/alerts")
    assert answer.status == 404 and "--no-alerts" in answer.json()["error"]
