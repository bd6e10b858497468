"""The same rule fires at the same minute here and in Prometheus, on the same data."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from wattline_collector.alerts.evaluate import Evaluation
from wattline_collector.alerts.exported import rule_file, unit_test
from wattline_collector.alerts.expression import Newest
from wattline_collector.alerts.judge import judge
from wattline_collector.alerts.machine import Alert, State, turn
from wattline_collector.alerts.promql import selector
from wattline_collector.alerts.read import shipped
from wattline_collector.alerts.series import BOOKED, SERIES
from wattline_collector.alerts.watch import spans
from wattline_collector.alerts.window import Window

MINUTES = 110
Values = Sequence[float | None]


@dataclass(frozen=True)
class Line:
    """A sample a minute of one series of one subject."""

    series: str
    labels: tuple[tuple[str, str], ...]
    values: Values

    @property
    def written(self) -> str:
        """As Prometheus calls it, with labels that a scrape adds."""
        series = SERIES[self.series]
        name, _, own = selector(Newest(series)).partition("{")
        system = ['system="s"'] if series.table in BOOKED else []
        labels = [f'{key}="{word}"' for key, word in (*self.labels, ("instance", "here:9400"))]
        return f"{name}{{{', '.join([*filter(None, [own.rstrip('}')]), *system, *labels])}}}"


def level(*steps: tuple[int, float | None]) -> list[float | None]:
    """Stays at a value from one minute until the next."""
    found: list[float | None] = []
    for (start, value), (end, _) in zip(steps, [*steps[1:], (MINUTES, None)], strict=True):
        found += [value] * (end - start)
    return found


def counted(*steps: tuple[int, float | None], origin: float = 0.0) -> list[float | None]:
    """Grows by so much each minute; where it is not known it grows on by what it did before."""
    found: list[float | None] = []
    at = origin
    by = 0.0
    for value in level(*steps):
        by = by if value is None else value
        at += by
        found.append(None if value is None else at)
    return found


def device(node: str, name: str, **columns: Values) -> list[Line]:
    labels = (("node", node), ("device", name))
    return [Line(f"device.{column}", labels, values) for column, values in columns.items()]


def held(node: str, name: str, job: str, values: Values | None = None) -> Line:
    labels = (("node", node), ("device", name), ("job", job))
    return Line("assignment.held", labels, values or level((0, 1)))


def scenario() -> list[Line]:
    """Something of every rule, beside devices that are well."""
    lines: list[Line] = []
    well = {
        "up": level((0, 1)),
        "recovery_action": level((0, 0)),
        "row_remap_failed": level((0, 0)),
        "row_remap_pending": level((0, 0)),
        "power_stale": level((0, 0)),
        "ecc_uncorrected_volatile_total": counted((0, 0), origin=2),
        "ecc_corrected_volatile_total": counted((0, 0.5)),
        "nvlink_recovery_errors_total": counted((0, 0)),
        "nvlink_replay_errors_total": counted((0, 1)),
        "pcie_replays_total": counted((0, 0.1)),
        "throttle_thermal_seconds_total": counted((0, 2)),
        "throttle_power_brake_seconds_total": counted((0, 0)),
        "temperature_margin_celsius": level((0, 20)),
        "memory_temperature_celsius": level((0, 80)),
        "power_watts": level((0, 600), (30, 620)),
        "power_limit_watts": level((0, 700)),
        "sm_active_ratio": level((0, 0.8)),
        "sm_clock_hertz": level((0, 1.8e9)),
    }
    ill = {
        "up": level((0, 1), (20, 0), (22, 1), (40, 0), (60, 1)),
        "recovery_action": level((0, 0), (21, 2), (30, 0), (32, 2), (33, None)),
        "row_remap_failed": level((0, 0), (30, 1)),
        "row_remap_pending": level((0, 0), (30, 1), (33, 0), (40, 1), (70, 0)),
        "power_stale": level((0, 0), (10, 1), (50, 0)),
        "ecc_uncorrected_volatile_total": counted((0, 0), (25, 1), (26, 0)),
        "ecc_corrected_volatile_total": counted((0, 0), (20, 9), (50, 0)),
        "nvlink_recovery_errors_total": counted((0, 0), (45, 3), (46, 0)),
        "nvlink_replay_errors_total": counted((0, 10), (20, 300), (44, 0)),
        "pcie_replays_total": counted((0, 0), (20, 20), (34, None), (37, 4)),
        "throttle_thermal_seconds_total": counted((0, 0), (15, 25), (40, 9), (50, 1)),
        "throttle_power_brake_seconds_total": counted((0, 0), (15, 3), (40, 0)),
        "temperature_margin_celsius": level((0, 20), (20, 2), (40, 5), (50, 20)),
        "memory_temperature_celsius": level((0, 80), (20, 99), (45, 95), (60, 90)),
        "power_watts": level((0, 600), (20, 760), (45, 715), (60, 250)),
        "power_limit_watts": level((0, 700)),
        "sm_active_ratio": level((0, 0.8), (98, 0.01)),
        "sm_clock_hertz": level((0, 1.8e9), (20, 1.4e9), (45, 1.58e9), (50, 1.8e9)),
    }
    for place in range(9):
        lines += device("n1", f"w{place}", **well)
        lines.append(held("n1", f"w{place}", "7"))
        labels = (("node", "n1"), ("device", f"w{place}"), ("model", "H200"))
        lines.append(Line("device_info.present", labels, level((0, 1))))
    lines += device("n2", "ill", **ill)
    lines.append(held("n2", "ill", "7"))
    labels = (("node", "n2"), ("device", "ill"), ("model", "H200"))
    lines.append(Line("device_info.present", labels, level((0, 1))))
    # A job that holds two devices and does nothing on one that only tells how busy it is.
    lines += device(
        "n3", "idle", up=level((0, 1)), busy_ratio=level((0, 0.5), (20, 0.0), (75, 0.9))
    )
    lines.append(held("n3", "idle", "8", level((0, 1), (95, None))))
    lines += device("n3", "gap", up=level((0, 1)), busy_ratio=level((0, None), (90, 0.0)))
    lines.append(held("n3", "gap", "8"))
    # A rank that dies.
    for place in range(4):
        dies = ((0, 0.9), (30, 0.02), (70, 0.9)) if place == 3 else ((0, 0.9),)
        lines += device("n4", f"r{place}", up=level((0, 1)), sm_active_ratio=level(*dies))
        lines.append(held("n4", f"r{place}", "9"))
    # A service that draws more for as many tokens.
    lines += device("n5", "s", up=level((0, 1)), power_watts=level((0, 300), (65, 600)))
    lines.append(held("n5", "s", "svc"))
    made = (("node", "n5"), ("job", "svc"))
    lines.append(Line("job.tokens_generated_total", made, counted((0, 60_000))))
    # Nodes that fall silent, one of them for good.
    for node, up in (("n6", level((0, 1), (20, None), (60, 1))), ("n7", level((0, 1), (50, None)))):
        lines += device(node, f"{node}-0", up=up)
        values = [None if one is None else float(minute) for minute, one in enumerate(up)]
        lines.append(Line("agent.readings_total", (("node", node),), values))
    loss = {
        "batches_dropped_total": counted((0, 0), (30, 5), (31, 0)),
        "batches_refused_total": counted((0, 0)),
        "read_timeouts_total": counted((0, 0), (20, 1), (30, 0)),
    }
    for column, values in loss.items():
        lines.append(Line(f"agent.{column}", (("node", "n1"),), values))
    for xid, at in (("79", 12), ("94", 40), ("31", 70), ("63", 75)):
        labels = (("node", "n2"), ("device", "ill"), ("xid", xid))
        occurred = level((0, None), (at, at * 60.0 - 7), (at + 25, None))
        lines.append(Line("xid.last_unix_seconds", labels, occurred))
    own = {
        "booked_age_seconds": level((0, 30), (20, 1000), (40, 500), (50, 20)),
        "commit_errors_total": counted((0, 0), (30, 1), (31, 0)),
        "seal_errors_total": counted((0, 0)),
        "booking_errors_total": counted((0, 0)),
        "batches_turned_away_total": counted((0, 0), (20, 30), (40, 0)),
        "batches_refused_total": counted((0, 0), (20, 1), (21, 0)),
        "alerts_failed_total": counted((0, 0), (20, 1), (21, 0)),
    }
    lines += [Line(f"collector.{column}", (), values) for column, values in own.items()]
    return [*lines, *booked()]


def booked() -> list[Line]:
    """Figures of the books: they stand for an hour, and then are others."""
    figures = {
        "commercial_share_ratio": level((0, 0.14), (20, 0.15), (40, 0.18), (60, 0.21)),
        "commercial_alarm": level((0, 0), (20, 1), (40, 2), (60, 4)),
        "completeness_ratio": level((0, 0.97), (30, 0.93), (80, None)),
        "completeness_target_ratio": level((0, 0.95)),
        "closure_gap_ratio": level((0, 0.01), (30, 0.06), (60, 0.04)),
        "power_budget_watts": level((0, 2000)),
        "energy_used_ratio": level((0, 0.5)),
        "energy_forecast_ratio": level((0, 0.9), (30, 1.01), (60, 0.98)),
    }
    lines = [Line(f"books.{column}", (), values) for column, values in figures.items()]
    grants = {
        "full": {
            "used_ratio": level((0, 0.85), (20, 0.9), (50, 1.0)),
            "elapsed_ratio": level((0, 0.4)),
            "behind": level((0, 0)),
            "left_seconds": level((0, 2_000_000), (20, 1_200_000), (50, None)),
        },
        "late": {
            "used_ratio": level((0, 0.2)),
            "elapsed_ratio": level((0, 0.49), (30, 0.5)),
            "behind": level((0, 0), (30, 1)),
        },
    }
    for project, columns in grants.items():
        labels = (("project", project),)
        lines += [Line(f"grant.{column}", labels, values) for column, values in columns.items()]
    for node in ("n1", "n2"):
        drawn = level((0, 900), (25, 1000), (60, 500))
        lines.append(Line("node.power_watts", (("node", node),), drawn))
    return lines


Firing = list[tuple[str, dict[str, str]]]


def judged_here(lines: Sequence[Line]) -> list[Firing]:
    """What fires minute by minute by our own evaluation."""
    rules = shipped()
    window = Window(spans(rules))
    newest: dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, float | int]] = {}
    alerts: dict[str, tuple[Alert, ...]] = {rule.id: () for rule in rules}
    found: list[Firing] = []
    for minute in range(MINUTES):
        now_ms = minute * 60_000
        for line in lines:
            value = line.values[minute]
            if value is None:
                continue
            series = SERIES[line.series]
            row = newest.setdefault((series.table, line.labels), {})
            if row.get("at_ms") != now_ms:
                row.clear()
                row["at_ms"] = now_ms
            row[series.column] = value
        for table in window.tables:
            rows = [
                {"system": "s", **dict(labels), **row}
                for (of, labels), row in newest.items()
                if of == table
            ]
            if rows:
                window.add(table, pl.DataFrame(rows, infer_schema_length=None), now_ms)
        evaluation = Evaluation(window, now_ms)
        firing: Firing = []
        for rule in rules:
            active = [alert.labels for alert in alerts[rule.id]]
            alerts[rule.id] = turn(
                rule.id,
                alerts[rule.id],
                judge(rule, evaluation, active),
                now_ms,
                for_seconds=rule.for_seconds,
                keep_seconds=rule.keep_seconds,
            ).alerts
            firing += [
                (
                    rule.id,
                    {n: word for n, word in alert.labels if n != "system" or rule.is_booked},
                )
                for alert in alerts[rule.id]
                if alert.state is State.FIRING
            ]
        found.append(firing)
    return found


@pytest.fixture(scope="module")
def firing() -> list[Firing]:
    return judged_here(scenario())


def test_every_shipped_rule_fires_for_what_it_is_meant_for_and_ends(firing: list[Firing]) -> None:
    for rule in shipped():
        minutes = [minute for minute, found in enumerate(firing) if rule.id in dict(found)]
        assert minutes, f"{rule.id} never fires"
        assert len(minutes) < MINUTES - 9, f"{rule.id} fires before anything is wrong"


def test_devices_that_are_well_are_accused_of_nothing(firing: list[Firing]) -> None:
    accused = {labels.get("device") for found in firing for _, labels in found}
    assert not accused & ({f"w{place}" for place in range(9)} | {"r0", "r1", "r2", "gap"})


@pytest.mark.prometheus
def test_prometheus_accepts_the_exported_rules(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(rule_file(shipped()))
    done = subprocess.run(
        ["promtool", "check", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(shipped())} rules found" in done.stdout


@pytest.mark.prometheus
def test_prometheus_fires_the_same_alerts_in_the_same_minutes(
    firing: list[Firing], tmp_path: Path
) -> None:
    rules = shipped()
    (tmp_path / "rules.yml").write_text(rule_file(rules, annotated=False))
    series = {line.written: line.values for line in scenario()}
    (tmp_path / "test.yml").write_text(unit_test(rules, "rules.yml", series, firing))
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yml"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[:20_000]
