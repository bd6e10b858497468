"""The collector's own health, as text for a Prometheus to scrape."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator

from wattline_collector import __version__
from wattline_collector.follow import TellsMore
from wattline_collector.service import Service

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = "wattline_collector_"


def exposition(service: Service) -> str:
    """All metrics, one family after the other."""
    lines = [f'{_PREFIX}build_info{{version="{__version__}"}} 1']
    for name, help, value in _values(service):
        kind = "counter" if name.endswith("_total") else "gauge"
        lines += [
            f"# HELP {_PREFIX}{name} {help}",
            f"# TYPE {_PREFIX}{name} {kind}",
            f"{_PREFIX}{name} {value}",
        ]
    lines += _followed(service)
    lines += _booked(service)
    return "\n".join(lines) + "\n"


def figures(service: Service) -> dict[str, float]:
    """The figures without labels, by name without the prefix."""
    return {name: value for name, _, value in _values(service)}


def _booked(service: Service) -> list[str]:
    """Figures of the books that rules of alerts look at, by system and by project."""
    booked = service.booked(service.store.clock.unix_ms())
    if not booked:
        return []
    from wattline_collector.alerts.from_books import exposition

    return exposition(booked)


def _followed(service: Service) -> Iterator[str]:
    """How following others goes, by what is followed."""
    now_ms = service.store.clock.unix_ms()
    families: list[tuple[str, str, list[tuple[str, float]]]] = [
        ("follow_answers_total", "Times it answered.", []),
        ("follow_errors_total", "Times it could not be asked, or what it said was no answer.", []),
        ("follow_refused_total", "Batches made of its answers that the store did not take.", []),
        ("follow_age_seconds", "How old its newest answer is.", []),
    ]
    for one in service.followed:
        age = (now_ms - one.answered_ms) / 1000 if one.answered_ms else None
        for family, value in zip(families, (one.asked, one.errors, one.refused, age), strict=True):
            if value is not None:
                family[2].append((one.follower.name, value))
    for name, help, values in families:
        if values:
            yield f"# HELP {_PREFIX}{name} {help}"
            yield f"# TYPE {_PREFIX}{name} {'counter' if name.endswith('_total') else 'gauge'}"
            yield from (f'{_PREFIX}{name}{{of="{of}"}} {value}' for of, value in values)
    for one in service.followed:
        if isinstance(one.follower, TellsMore):
            for name, help, value in one.follower.metrics():
                full = f"{_PREFIX}{one.follower.name}_{name}"
                yield f"# HELP {full} {help}"
                yield f"# TYPE {full} {'counter' if name.endswith('_total') else 'gauge'}"
                yield f"{full} {value}"


def _values(service: Service) -> Iterator[tuple[str, str, float]]:
    intake, counters, store = service.intake, service.counters, service.store
    yield "batches_accepted_total", "Batches taken in.", intake.accepted_batches
    yield "rows_accepted_total", "Rows taken in.", intake.accepted_rows
    yield "batches_duplicate_total", "Batches that were in already.", intake.duplicate_batches
    yield "batches_refused_total", "Batches that were none of their table.", intake.refused_batches
    yield "batches_turned_away_total", "Batches that had to come back later.", counters.turned_away
    yield "uncommitted_bytes", "Bytes taken in and not yet durable.", store.uncommitted_bytes
    yield "unsealed_bytes", "Bytes of log not yet sealed.", store.unsealed_bytes
    yield "commits_total", "Groups made durable.", counters.commits
    yield "commit_errors_total", "Groups the disk did not take.", counters.commit_errors
    yield "commit_seconds_total", "Processor time of taking in.", counters.commit_seconds
    yield "seals_total", "Times the log was sealed.", counters.seals
    yield "seal_errors_total", "Times sealing failed.", counters.seal_errors
    yield "seal_seconds_total", "Processor time of sealing, its own thread.", counters.seal_seconds
    yield "bookings_total", "Times the books were brought up to date.", counters.bookings
    yield "booking_errors_total", "Times booking failed.", counters.booking_errors
    yield "booking_seconds_total", "Processor time while booking.", counters.booking_seconds
    yield "booked_hours_total", "Hours booked, again ones included.", counters.booked_hours
    if counters.booked_until_ms:
        age = store.clock.unix_ms() - counters.booked_until_ms
        yield "booked_age_seconds", "How far the books are behind.", age / 1000
    if (watch := service.watch) is not None:
        alerts = watch.alerts()
        firing = sum(alert.fired_ms is not None for alert in alerts)
        yield "alerts_firing", "Alerts that fire.", firing
        yield "alerts_pending", "Alerts that hold and have not fired yet.", len(alerts) - firing
        yield "alerts_turns_total", "Times all rules were judged.", watch.counters.turns
        yield "alerts_errors_total", "Times judging or keeping failed.", watch.counters.errors
        yield "alerts_dropped_total", "Alerts beyond a rule's limit.", watch.counters.dropped
        yield "alerts_sent_total", "Messages about alerts that were taken.", watch.sent
        yield "alerts_failed_total", "Messages about alerts that were given up.", watch.failed
        yield "alerts_window_bytes", "Memory of the samples rules look at.", watch.window.bytes
    yield "damages", "Records and batches that recovery set aside.", len(store.problems)
    yield "process_cpu_seconds_total", "Processor time of the process.", time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    yield "process_peak_memory_bytes", "Most memory the process has held.", peak * unit
