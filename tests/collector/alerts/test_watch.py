from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_collector.alerts.kept import read_history, read_state
from wattline_collector.alerts.read import rules_of, shipped
from wattline_collector.alerts.telling import Message, Told
from wattline_collector.alerts.watch import REPEAT_MS, Watch
from wattline_collector.receive.intake import Intake
from wattline_collector.store.latest import Latest

MINUTE = 60_000


@dataclass
class Listener:
    """Remembers what it is told."""

    name: str = "listener"
    heard: list[Message] = field(default_factory=list)
    firing: Sequence[Told] = ()
    ended: Sequence[Told] = ()
    sent: int = 0
    failed: int = 0
    closed: bool = False

    def tell(self, messages: Sequence[Message]) -> None:
        self.heard += messages

    def state(self, firing: Sequence[Told], ended: Sequence[Told], now_ms: int) -> None:
        self.firing, self.ended = firing, ended

    def close(self) -> None:
        self.closed = True

    def titles(self, kind: str) -> list[str]:
        found = [message.title for message in self.heard if message.kind == kind]
        return found


@dataclass
class Site:
    """A watch over devices of one node, minute by minute."""

    store: Path
    rules: Any = None
    minute: int = 100
    listener: Listener = field(default_factory=Listener)

    def __post_init__(self) -> None:
        self.said: list[str] = []
        self.start()

    def start(self) -> None:
        self.watch = Watch(
            self.store, self.rules or shipped(), lambda: pytest.fail(), dict, [self.listener],
            self.said.append,
        )  # fmt: skip

    def turn(self, devices: int = 1, minutes: int = 1, **columns: float | None) -> None:
        for _ in range(minutes):
            self.minute += 1
            rows = [
                {"system": "s", "node": "n1", "device": f"GPU-{place}", "at_ms": self.now_ms}
                | columns
                for place in range(devices)
            ]
            frame = pl.DataFrame(rows, infer_schema_length=None)
            self.watch.judge({"device": frame} if devices else {}, self.now_ms)

    @property
    def now_ms(self) -> int:
        return self.minute * MINUTE

    @property
    def firing(self) -> list[str]:
        return sorted(a.rule for a in self.watch.alerts() if a.fired_ms is not None)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_it_is_told_once_when_it_fires_and_once_when_it_is_over(site: Site) -> None:
    site.turn(row_remap_failed=0)
    site.turn(row_remap_failed=1, minutes=10)
    assert site.listener.titles("firing") == [
        "A row of memory of GPU-0 on n1 could not be replaced"
    ]
    site.turn(row_remap_failed=0, minutes=10)
    (over,) = [message for message in site.listener.heard if message.kind == "resolved"]
    assert (over.rule.id, over.told[0].why) == ("row-remap-failed", "cleared")
    assert not site.firing


def test_what_goes_on_is_told_again_after_hours(site: Site) -> None:
    site.turn(row_remap_failed=1, minutes=2)
    site.minute += REPEAT_MS // MINUTE
    site.turn(row_remap_failed=1, minutes=3)
    assert len(site.listener.titles("repeated")) == 1


def test_devices_of_a_node_are_told_together(site: Site) -> None:
    site.turn(devices=4, row_remap_failed=1, minutes=2)
    (message,) = site.listener.heard
    assert message.count == 4 and message.title.endswith("(and 3 more)")
    assert [told["labels"]["device"] for told in message.to_json()["alerts"]] == [
        f"GPU-{place}" for place in range(4)
    ]
    assert len(site.listener.firing) == 4


def test_a_consequence_is_kept_and_not_told(site: Site) -> None:
    site.turn(up=0, recovery_action=2, minutes=5)
    assert site.firing == ["device-lost", "recovery-action"]
    assert [message.rule.id for message in site.listener.heard] == ["device-lost"]
    muted = {one["rule"]: one["muted_by"] for one in site.watch.answer()["alerts"]}
    assert muted == {"device-lost": None, "recovery-action": "device-lost"}
    # Its cause is over, and it is not: now it is told.
    site.turn(up=1, recovery_action=2, minutes=7)
    assert [m.rule.id for m in site.listener.heard if m.kind == "firing"] == [
        "device-lost", "recovery-action",
    ]  # fmt: skip


def test_a_restart_tells_nothing_twice_and_forgets_nothing(site: Site) -> None:
    site.turn(row_remap_failed=1, row_remap_pending=1, minutes=4)
    assert site.firing == ["row-remap-failed"]  # the other waits for 5 minutes
    since = {alert.rule: alert.since_ms for alert in site.watch.alerts()}
    site.watch.close()
    assert site.listener.closed
    site.minute += 60
    site.start()
    # What it says is not known right after the start, and is waited for.
    site.turn(devices=0)
    assert site.firing == ["row-remap-failed"]
    site.turn(row_remap_failed=1, row_remap_pending=1)
    assert site.firing == ["row-remap-failed"]
    after = {alert.rule: alert.since_ms for alert in site.watch.alerts()}
    assert after["row-remap-failed"] == since["row-remap-failed"]
    # The hour in which nobody looked is no part of the wait.
    assert after["row-remap-pending"] == since["row-remap-pending"] + 61 * MINUTE
    site.turn(row_remap_failed=1, row_remap_pending=1, minutes=3)
    assert site.listener.titles("firing") == [
        "A row of memory of GPU-0 on n1 could not be replaced",
        "A row of memory of GPU-0 on n1 waits for a reset to be replaced",
    ]


def test_the_unknown_is_not_waited_for_for_ever_after_a_restart(site: Site) -> None:
    site.turn(row_remap_failed=1, minutes=3)
    site.watch.close()
    site.start()
    site.turn(devices=0, minutes=15)
    assert not site.firing
    assert [message.told[0].why for message in site.listener.heard[1:]] == ["unknown"]


def test_a_rule_that_is_gone_ends_its_alerts(site: Site, tmp_path: Path) -> None:
    site.turn(row_remap_failed=1, minutes=3)
    site.watch.close()
    off = tmp_path / "site.toml"
    off.write_text("[rule.row-remap-failed]\nenabled = false\n")
    site.rules = rules_of(off)
    site.start()
    site.turn(row_remap_failed=1)
    assert not site.firing
    assert read_history(tmp_path)[0]["why"] == "removed"


def test_a_rule_that_speaks_of_others_now_begins_anew(site: Site, tmp_path: Path) -> None:
    site.turn(row_remap_failed=1, minutes=3)
    site.watch.close()
    changed = tmp_path / "site.toml"
    changed.write_text(
        "[rule.row-remap-failed]\n"
        'about = "node"\nvalue = "max(device.row_remap_failed by node)"\n'
        'title = "{node}"\n'
    )
    site.rules = rules_of(changed)
    site.start()
    site.turn(row_remap_failed=1, minutes=3)
    (alert,) = site.watch.alerts()
    assert dict(alert.labels) == {"system": "s", "node": "n1"}
    assert [(one["event"], one.get("why")) for one in read_history(tmp_path)] == [
        ("fired", None), ("ended", "removed"), ("fired", None),
    ]  # fmt: skip


def test_a_damaged_state_begins_anew_and_is_said(site: Site, tmp_path: Path) -> None:
    site.turn(row_remap_failed=1, minutes=3)
    (tmp_path / "alerts" / "state.json").write_text('{"version": 1, "alerts": [{}], "at_ms": 3}')
    site.start()
    site.turn(row_remap_failed=1)
    assert not site.firing
    assert "holds no state of alerts" in site.said[0]


def test_a_disk_that_takes_nothing_stops_no_alert(site: Site, tmp_path: Path) -> None:
    (tmp_path / "alerts").write_text("a file where a directory should be")
    site.turn(row_remap_failed=1, minutes=3)
    assert site.firing == ["row-remap-failed"]
    assert len(site.listener.heard) == 1
    assert site.watch.counters.errors == 3


def test_names_from_outside_change_nothing_but_their_own_display(tmp_path: Path) -> None:
    site = Site(tmp_path)
    name = "x\x1b[31m{value}<b>" + "y" * 5000
    row = {"system": "s", "node": name, "device": "d", "row_remap_failed": 1}
    for _ in range(3):
        site.minute += 1
        site.watch.judge({"device": pl.DataFrame([row | {"at_ms": site.now_ms}])}, site.now_ms)
    (title,) = site.listener.titles("firing")
    assert "\x1b" not in title and len(title) < 250
    assert "x?[31m{value}<b>yyy" in title
    kept = read_state(tmp_path)
    assert kept is not None and dict(kept.alerts[0].labels)["node"] == name


def test_what_ended_is_remembered_for_a_while(site: Site) -> None:
    site.turn(row_remap_failed=1, minutes=2)
    site.turn(row_remap_failed=0, minutes=6)
    assert [told.why for told in site.listener.ended] == ["cleared"]
    site.turn(row_remap_failed=0, minutes=20)
    assert not site.listener.ended


@pytest.fixture
def live(open_store: Callable[..., Any], clock: Any, new_sender: Callable[..., Any]) -> Any:
    """A store with a watch over what is live in it."""
    store = open_store()
    latest = Latest(clock)
    intake = Intake(store, latest)
    sender = new_sender()

    def take(table: str, *rows: Any) -> None:
        batch = sender.batch(table, rows)
        assert intake.accept(batch.table, batch.header, batch.body)

    return store, latest, take


def test_an_xid_fires_at_once_and_for_a_quarter_of_an_hour(live: Any, clock: Any) -> None:
    store, latest, take = live
    watch = Watch(store.path, shipped(), latest.known, dict)
    at = clock.now_ms
    take(
        "xid",
        {"time_unix_ms": at, "device": "GPU-0", "xid": 79, "count_total": 1}
        | {"last_unix_seconds": at / 1000},
    )
    fired = []
    for _ in range(18):
        watch.turn()
        fired.append(bool(watch.alerts()))
        clock.sleep(60)
    assert fired == [True] * 15 + [False] * 3


@pytest.mark.parametrize("sealed", [False, True])
def test_an_increase_across_a_restart_is_not_forgotten(live: Any, clock: Any, sealed: bool) -> None:
    store, latest, take = live
    errors = "ecc_uncorrected_volatile_total"
    take("device", {"time_unix_ms": clock.now_ms, "device": "GPU-0", "up": 1, errors: 4})
    store.commit()
    if sealed:
        store.seal()
    clock.sleep(600)
    watch = Watch(store.path, shipped(), latest.known, dict)
    watch.fill(store, clock.now_ms)
    take("device", {"time_unix_ms": clock.now_ms, "device": "GPU-0", "up": 1, errors: 5})
    watch.turn()
    assert [alert.rule for alert in watch.alerts()] == ["ecc-uncorrected"]


def test_the_collectors_own_figures_are_watched(live: Any, clock: Any) -> None:
    store, latest, _ = live
    failed = [0.0, 0.0, 3.0]
    figures = {"commit_errors_total": 0.0, "seal_errors_total": 0.0, "booking_errors_total": 0.0}
    watch = Watch(
        store.path, shipped(), latest.known,
        lambda: figures | {"commit_errors_total": failed.pop(0)},
    )  # fmt: skip
    for _ in range(3):
        watch.turn()
        clock.sleep(60)
    assert [alert.rule for alert in watch.alerts()] == ["collector-errors"]
