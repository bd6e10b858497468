"""From booked hours, a register and a profile to an alert that fires and clears."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.errors import InputError
from wattline_collector.alerts.from_books import (
    BELIEVED_MS,
    EVERY_MS,
    FromBooks,
    by_system,
    exposition,
)
from wattline_collector.alerts.machine import State
from wattline_collector.alerts.read import shipped
from wattline_collector.alerts.watch import Watch
from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.query import figures
from wattline_collector.ledger.books import Books, Hour, write_parquet
from wattline_collector.ledger.records import INVENTORY, JOBS
from wattline_collector.ledger.schema import CONTROL, DEVICE, HOUR_MS
from wattline_collector.ledger.sums import hourly
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.csv_file import read
from wattline_collector.registers.kept import update
from wattline_collector.registers.schema import PROJECTS
from wattline_collector.store.latest import Latest

START_MS = round(datetime(2026, 6, 1, tzinfo=UTC).timestamp() * 1000)
DAYS = 8
NOW_MS = START_MS + DAYS * 24 * HOUR_MS
PROFILE = """\
id = "x"
name = "X"
country = "FI"
time_zone = "Europe/Helsinki"
[system.s]
name = "S"
[system.s.entitlement]
union_share = 0.5
"""


class Site:
    """Books of one system: each hour some device time is sold, some granted, the rest free."""

    def __init__(self, store: Path, *, sold: float) -> None:
        self.store = store
        self.sold = sold
        self.skip: set[int] = set()
        books = Books(store)
        books.put("inventory", self._frame(INVENTORY, [
            {"kind": "device", "key": "d", "node": "n", "from_ms": START_MS, "stated_ms": START_MS},
        ]))  # fmt: skip
        books.put("jobs", self._frame(JOBS, [
            {"job": job, "project": job, "start_ms": START_MS} for job in ("sold", "given")
        ]))  # fmt: skip
        for day in range(DAYS):
            self.book(day)
        last = Hour("s", NOW_MS - HOUR_MS)
        until = datetime.fromtimestamp(NOW_MS / 1000, UTC)
        control = {"hour": last.time, "kind": "device", "key": "d", "booked_until": until}
        write_parquet(books.path("control", last), self._frame(CONTROL, [control]))
        (store / "profile.toml").write_text(PROFILE)
        self.projects("project,commercial,valid_from,valid_until,gpu_hours_granted\n"
                      "sold,yes,2026-05-01,2026-12-31,1000\ngiven,no,,,\n")  # fmt: skip

    @staticmethod
    def _frame(schema: pl.Schema, rows: list[dict[str, Any]]) -> pl.DataFrame:
        return pl.DataFrame([{"system": "s"} | row for row in rows], schema=schema)

    def book(self, day: int) -> None:
        books = Books(self.store)
        hours = [Hour("s", START_MS + (day * 24 + hour) * HOUR_MS) for hour in range(24)]
        sums = []
        for hour in hours:
            parts = {"sold": 0.5 * self.sold, "given": 0.1}
            if day in self.skip:
                del parts["sold"]
            parts[""] = 1 - sum(parts.values())
            rows = [
                {"minute": hour.time, "node": "n", "device": "d", "job": job or None,
                 "account": "busy" if job else "free", "duration_ms": round(part * HOUR_MS)}
                for job, part in parts.items()
            ]  # fmt: skip
            device = self._frame(DEVICE, rows)
            sums.append(hourly("device", device))
        books.put_day("device", hours, pl.concat(sums))

    def account(self, *rows: dict[str, Any]) -> None:
        """What a scheduler says of jobs, times in hours after the books begin."""
        told = [
            row | {f"{end}_ms": START_MS + round(row[end] * HOUR_MS) for end in ("start", "end")}
            for row in rows
        ]
        said = [{k: v for k, v in row.items() if k not in ("start", "end")} for row in told]
        Books(self.store).put("accounting", self._frame(ACCOUNTED, said))

    def projects(self, text: str) -> None:
        (self.store / "p.csv").write_text(text)
        rows = read(self.store / "p.csv", PROJECTS, Setting()).frame
        update(self.store, PROJECTS, rows, origin="t", source="t", now_ms=NOW_MS, is_whole=True)


@pytest.fixture
def site(tmp_path: Path, open_store: Any) -> Site:
    with open_store(tmp_path / "store"):
        return Site(tmp_path / "store", sold=0.21)


def alerts(watch: Watch) -> set[str]:
    return {one.rule for one in watch.alerts() if one.state is State.FIRING}


class Watching:
    """A watch over the books of a site, without any device."""

    def __init__(self, site: Site, clock: Any) -> None:
        self.clock = clock
        self.clock.now_ms = NOW_MS
        self.books = FromBooks(site.store)
        latest = Latest(clock)
        self.watch = Watch(
            site.store, shipped(), lambda: (latest.known()[0], self.clock.now_ms), dict,
            booked=lambda: self.books.known(self.clock.now_ms),
        )  # fmt: skip

    def turn(self, later_ms: int = 0) -> set[str]:
        self.clock.now_ms += later_ms
        if self.books.is_due(self.clock.now_ms):
            self.books.refresh(self.clock.now_ms)
        self.watch.turn()
        return {rule for rule in alerts(self.watch) if rule.startswith("commercial")}


def test_the_planted_share_of_21_percent_alarms(site: Site, clock: Any) -> None:
    watching = Watching(site, clock)
    assert watching.turn() == {"commercial-notice", "commercial-warning", "commercial-limit"}
    answer = watching.watch.answer()["alerts"]
    told = {one["rule"]: one for one in answer}
    assert told["commercial-limit"]["value"] == pytest.approx(0.21, abs=1e-6)
    assert told["commercial-limit"]["labels"] == {"system": "s"}
    assert told["commercial-limit"]["muted_by"] is None
    assert "commercial-limit" in told["commercial-warning"]["muted_by"]


def test_it_clears_when_the_share_is_under_its_levels(site: Site, clock: Any) -> None:
    watching = Watching(site, clock)
    assert watching.turn()
    site.sold = 0.10
    for day in range(DAYS):
        site.book(day)
    assert watching.turn(EVERY_MS)  # outlives the first turn: rules keep for two hours
    assert watching.turn(EVERY_MS)
    assert watching.turn(EVERY_MS) == set()


def test_a_project_that_is_found_to_pay_counts_from_the_next_look(site: Site, clock: Any) -> None:
    watching = Watching(site, clock)
    site.projects("project,commercial\nsold,no\ngiven,no\n")
    assert watching.turn() == set()
    site.projects("project,commercial\nsold,yes\ngiven,no\n")
    assert "commercial-limit" in watching.turn(EVERY_MS)


@pytest.mark.parametrize("line", ["union_share = 0.5\n", "[system.s.entitlement]\n"])
def test_a_share_that_is_not_known_is_silent(site: Site, clock: Any, line: str) -> None:
    lines = PROFILE.replace("union_share = 0.5\n", "").replace(line, "")
    (site.store / "profile.toml").write_text(lines)
    assert Watching(site, clock).turn() == set()


def test_days_that_did_not_change_are_not_read_again(
    site: Site, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = Watching(site, clock)
    watching.turn()
    read: list[int] = []
    original = Books.read

    def counted(self: Books, table: str, start_ms: int, end_ms: int) -> pl.DataFrame:
        if table == "node":
            read.append((start_ms - START_MS) // (24 * HOUR_MS))
        return original(self, table, start_ms, end_ms)

    monkeypatch.setattr(Books, "read", counted)
    watching.turn(EVERY_MS)
    assert 0 not in read and set(range(2, DAYS)) <= set(read)


def test_figures_that_were_not_made_anew_are_not_believed_for_long(site: Site, clock: Any) -> None:
    clock.now_ms = NOW_MS
    books = FromBooks(site.store)
    books.refresh(NOW_MS)
    assert books.known(NOW_MS + BELIEVED_MS - 1)
    assert not books.known(NOW_MS + BELIEVED_MS)


def test_a_damaged_register_is_said_and_not_taken_for_none(site: Site) -> None:
    """Without a register no share would ever alarm, and nobody would know why."""
    (site.store / "registers" / "projects.parquet").write_bytes(b"not a register")
    with pytest.raises(InputError, match="import the register again"):
        FromBooks(site.store).refresh(NOW_MS)


def test_a_store_without_books_has_no_figures(tmp_path: Path) -> None:
    books = FromBooks(tmp_path)
    books.refresh(NOW_MS)
    assert not books.known(NOW_MS)


def both(site: Site, clock: Any) -> tuple[float, float]:
    """The commercial share of the alerts, and that of KPI I04 for the same time, as ratios."""
    clock.now_ms = NOW_MS
    books = FromBooks(site.store)
    books.refresh(NOW_MS)
    (alerted,) = books.known(NOW_MS)["books"]["commercial_share_ratio"]
    period = Period(*(datetime.fromtimestamp(at / 1000, UTC) for at in (START_MS, NOW_MS)))
    (figure,) = figures(site.store, ["I04"], period)
    assert figure.value is not None
    return alerted, figure.value / 100


def test_the_alert_and_the_kpi_are_one_figure(site: Site, clock: Any) -> None:
    alerted, told = both(site, clock)
    assert alerted == pytest.approx(0.21, abs=1e-6)
    assert alerted == pytest.approx(told, abs=1e-9)


def test_jobs_that_only_a_scheduler_knows_count_in_both(site: Site, clock: Any) -> None:
    site.account(
        {"job": "unseen", "account": "sold", "gpus": 2, "start": 10, "end": 14},
        # Over three days; a part of it was suspended.
        {"job": "long", "account": "sold", "gpus": 1, "start": 20, "end": 60,
         "suspended_seconds": 10 * 3600.0},
        # The ledger saw this one, though on other days than its scheduler says, and is believed.
        {"job": "sold", "account": "sold", "gpus": 4, "start": 0, "end": 24 * DAYS},
        {"job": "cpu", "account": "sold", "gpus": 0, "start": 0, "end": 90},
        {"job": "free", "account": "given", "gpus": 9, "start": 0, "end": 90},
    )  # fmt: skip
    alerted, told = both(site, clock)
    union_hours = 0.5 * 24 * DAYS
    assert alerted == pytest.approx(0.21 + (8 + 30) / union_hours, abs=1e-6)
    assert alerted == pytest.approx(told, abs=1e-9)


def test_a_job_that_was_seen_on_one_day_is_the_ledger_s_on_all(site: Site, clock: Any) -> None:
    site.skip = {2, 3}  # on these days the ledger has nothing of it
    for day in site.skip:
        site.book(day)
    site.account({"job": "sold", "account": "sold", "gpus": 1, "start": 0, "end": 24 * DAYS})
    alerted, told = both(site, clock)
    assert alerted == pytest.approx(0.21 * 6 / 8, abs=1e-6)
    assert alerted == pytest.approx(told, abs=1e-9)


def test_what_a_state_sells_of_its_own_share_is_not_the_unions_in_both(
    site: Site, clock: Any
) -> None:
    site.projects("project,commercial,share\nsold,yes,national\ngiven,yes,union\n")
    alerted, told = both(site, clock)
    assert alerted == pytest.approx(0.2, abs=1e-6)  # a tenth of the time, of the Union's half
    assert alerted == pytest.approx(told, abs=1e-9)


def test_what_is_agreed_for_the_year_is_the_whole_in_both(site: Site, clock: Any) -> None:
    (site.store / "profile.toml").write_text(PROFILE + "gpu_hours_per_year = 17520\n")
    alerted, told = both(site, clock)
    assert alerted == pytest.approx(0.21 / 2, abs=1e-6)  # twice what the system offers
    assert alerted == pytest.approx(told, abs=1e-9)


@dataclass
class Said:
    """What is looked at of a figure."""

    value: float | None
    dims: dict[str, str]


def test_of_closure_the_nodes_own_meters_count() -> None:
    said = [
        Said(98.0, {"system": "a", "meter": "node"}),
        Said(80.0, {"system": "a", "meter": "it"}),
        Said(None, {"system": "b", "meter": "node"}),
        Said(93.0, {"system": "c"}),
    ]
    assert by_system(said) == {"a": 0.98, "c": 0.93}  # type: ignore[arg-type]


def test_they_are_exported_by_system_and_project(site: Site) -> None:
    books = FromBooks(site.store)
    books.refresh(NOW_MS)
    lines = exposition(books.known(NOW_MS))
    assert 'wattline_books_commercial_alarm{system="s"} 4.0' in lines
    assert any(
        line.startswith('wattline_grant_used_ratio{system="",project="sold"}') for line in lines
    )
    # What is not known has no line, and not even a head.
    assert not any("power_budget" in line for line in lines)


def test_a_name_cannot_break_the_exposition() -> None:
    unknown = {"elapsed_ratio": [None], "behind": [None], "left_seconds": [None]}
    named = {"system": ['a"b\\c\nd'], "project": ["p"], "used_ratio": [0.5]}
    frame = pl.DataFrame({**named, **unknown})
    (_, _, line) = exposition({"grant": frame})
    assert line == 'wattline_grant_used_ratio{system="a\\"b\\\\c\\nd",project="p"} 0.5'
