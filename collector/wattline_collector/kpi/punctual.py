"""Q04: how long before its last day a report was handed in."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from wattline_collector.kpi import lacking
from wattline_collector.kpi.buckets import Bucket, buckets, day_of, midnight_ms, stated_day
from wattline_collector.kpi.sums import shaped
from wattline_collector.kpi.view import View
from wattline_collector.profile.law import must_report_energy

DUTIES = {(1, 31): "access time of the year before", (5, 15): "energy of the data centre"}
"""Month and day by which the law wants a report every year: Regulation (EU) 2021/1173, Article
10(2)(k); Directive (EU) 2023/1791, Article 12."""
_ENERGY = (5, 15)


def punctuality(view: View, by: list[str]) -> pl.DataFrame:
    """Q04: days from handing a report in to its last day, of reports due in the period.

    Of what the law wants and the register does not tell of, nothing is known; it is said, and
    nobody accused.
    """
    keys = [*by, "due", "report"]
    kept = None if view.inputs is None else view.inputs.activities
    lack = lacking.register(kept, "activities")
    if lack is not None or kept is None:
        return lacking.unknown(keys, lack or "")
    reports = [
        (id, stated_day(due_ms, view.zone, closes=True), stated_day(sent_ms, view.zone))
        for id, due_ms, sent_ms in kept.filter(kind="report")
        .select("id", "due_ms", "start_ms")
        .iter_rows()
    ]
    rows: list[dict[str, object]] = []
    for bucket in buckets(by, *view.bounds_ms, view.zone):
        due = [report for report in reports if _is_due(report[1], bucket, view.zone)]
        rows += [
            {**bucket.names, "due": f"{last}", "report": id, "n": 1,
             "numerator": float((last - sent).days), "method": "register of activities"}
            for id, last, sent in due
        ]  # fmt: skip
        told = {last for _, last, _ in due}
        rows += [
            {**bucket.names, "due": f"{last}", "report": "none", "n": 0,
             "note": f"the register of activities tells of no report on {what} (kind report)"}
            for last, what in _wanted(view, bucket)
            if last not in told
        ]  # fmt: skip
    if not rows:
        return lacking.unknown(keys, "no report was due in this period")
    return shaped(pl.DataFrame(rows, infer_schema_length=None).sort("due", "report"), keys)


def _wanted(view: View, bucket: Bucket) -> list[tuple[date, str]]:
    """Days in a time by whose end the law wants a report, and on what."""
    exempt = view.profile is not None and must_report_energy(view.profile) is False
    first, last = (day_of(ms, view.zone).year for ms in (bucket.start_ms, bucket.end_ms))
    return [
        (due, what)
        for year in range(first, last + 1)
        for (month, day), what in DUTIES.items()
        if not (exempt and (month, day) == _ENERGY)
        and _is_due(due := date(year, month, day), bucket, view.zone)
    ]


def _is_due(last: date, bucket: Bucket, zone: str) -> bool:
    """Whether a last day is over within a time."""
    return bucket.start_ms < midnight_ms(last + timedelta(days=1), zone) <= bucket.end_ms
