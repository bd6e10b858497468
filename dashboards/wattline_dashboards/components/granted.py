"""What the page *Access* says in words and tables: use, pace, the guard, waits, and gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html

from wattline_collector.palette import UNKNOWN, format_number, format_percent
from wattline_dashboards import words
from wattline_dashboards.columns import number, text
from wattline_dashboards.components import stats
from wattline_dashboards.components.explain import explained
from wattline_dashboards.components.parts import (
    Column,
    Row,
    nothing,
    sentence,
    table,
)
from wattline_dashboards.components.stats import Figure
from wattline_dashboards.language import _, ngettext

_KPIS = {"access_mode": "I01", "participating_state": "I03"}
Rows = Sequence[Mapping[str, Any]]


def rows(figures: Sequence[Figure], by: str) -> list[dict[str, Any]]:
    """What was used and granted by a dimension, the largest first; what nobody told stands last."""
    found: list[dict[str, Any]] = []
    for figure in stats.every(figures, _KPIS.get(by, "I02")):
        if by not in _KPIS and stats.dim(figure, "tag") != by:
            continue
        used, granted = number(figure.get("numerator")), number(figure.get("denominator"))
        is_withheld = figure.get("status") == "withheld"
        if is_withheld or (used is None and granted is None):
            continue
        word = stats.dim(figure, by if by in _KPIS else "word")
        found.append(
            {
                "name": words.registered(word),
                "used": used,
                "granted": granted,
                "projects": number(figure.get("n")),
            }
        )
    found.sort(key=lambda row: (row["name"] == "unknown", -(row["granted"] or row["used"] or 0.0)))
    return found


def finding(found: Rows) -> str:
    """Who used most."""
    known = [row for row in found if row["used"] and row["name"] != "unknown"]
    total = sum(row["used"] or 0.0 for row in found)
    if not known or not total:
        return _("Granted and used")
    most = max(known, key=lambda row: row["used"])
    return _("{name} used most: {share} of {hours}").format(
        name=sentence(str(most["name"])[:60]),
        share=format_percent(most["used"] / total),
        hours=format_number(total, "GPU-h"),
    )


def note(figures: Sequence[Figure], by: str, count: int, most: int) -> str:
    """How to read the bars, or why there are none."""
    of = stats.every(figures, _KPIS.get(by, "I02"))
    if not count:
        said = next((text(figure.get("note")) for figure in of if figure.get("note")), None)
        return said or _("Nothing was granted, and nobody used anything.")
    parts = [
        _("GPU-hours used, before those granted for this time. A month of a grant is its part.")
    ]
    if count > most:
        parts.append(_("The largest {most} of {count}; the file has all.").format(
            most=most, count=count))  # fmt: skip
    coverage = min((c for f in of if (c := number(f.get("coverage"))) is not None), default=None)
    if coverage is not None and coverage < 0.95:
        parts.append(_("coverage {share}").format(share=format_percent(coverage)))
    return " ".join(parts)


def burn_rows(burn: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Grants with the name they are shown by."""
    by = text(burn.get("by")) or "project"
    found = burn.get("rows")
    return [
        {**row, "name": words.registered(str(row.get(by))) if by != "project" else row.get(by)}
        for row in (found if isinstance(found, list) else ())
        if isinstance(row, Mapping)
    ]


def burn_finding(burn: Mapping[str, Any]) -> str:
    """Whether grants keep pace, all together."""
    found = burn_rows(burn)
    due = sum(number(row.get("due")) or 0.0 for row in found)
    if not due:
        return _("No grant runs at the end of this period")
    used = sum(number(row.get("used")) or 0.0 for row in found)
    return _("Grants are used at {pace} of their pace").format(pace=format_percent(used / due))


def burn_note(burn: Mapping[str, Any]) -> str:
    """How to read the picture."""
    found = burn_rows(burn)
    if not found:
        return text(burn.get("note")) or ""
    parts = [
        _("Used of each grant; the stroke is where its time is, hatched where its pace leads. "
          "Furthest from their pace first.")
    ]  # fmt: skip
    count = int(number(burn.get("count")) or len(found))
    if count > len(found):
        parts.append(_("{shown} of {count} are shown.").format(shown=len(found), count=count))
    if burn.get("by") != "project":
        parts.append(_("Projects are told apart to those who may see them."))
    if any((number(row.get("told")) or 0.0) < 0.95 for row in found):
        parts.append(
            _("Some grants began before anybody told of jobs: of those, use is a lower bound.")
        )
    return " ".join(parts)


def guard_finding(guards: Rows) -> str:
    """How near the limit commercial use is."""
    known = [row for row in guards if number(row.get("share")) is not None]
    if not known:
        return _("The commercial share is not known")
    worst = max(known, key=lambda row: number(row.get("share")) or 0.0)
    share, limit = (format_percent(number(worst.get(key))) for key in ("share", "limit"))
    over = {
        "over": _("Commercial use is over its limit: {share} of at most {limit}"),
        "limit": _("Commercial use is at its limit: {share} of at most {limit}"),
        "urgent": _("Commercial use is close to its limit: {share} of at most {limit}"),
        "early": _("Commercial use nears its limit: {share} of at most {limit}"),
    }
    said = over.get(str(worst.get("alarm")), _("Commercial use is {share} of at most {limit}"))
    return said.format(share=share, limit=limit)


def guard_note(guards: Rows, figures: Sequence[Figure]) -> str:
    """What the share is of, and what is left."""
    rule = _("Of the Union's time in this period, used or not: Regulation (EU) 2021/1173, "
             "Article 18(3).")  # fmt: skip
    parts = [rule]
    for row in guards:
        left = number(row.get("left"))
        name = str(row.get("system"))[:60]
        if left is not None and left >= 0:
            parts.append(_("{name}: {hours} left.").format(
                name=name, hours=format_number(left, "GPU-h")))  # fmt: skip
        elif left is not None:
            parts.append(_("{name}: {hours} too much.").format(
                name=name, hours=format_number(-left, "GPU-h")))  # fmt: skip
        elif row.get("note"):
            parts.append(f"{sentence(str(row.get('note'))[:300])}.")
    if not guards:
        found = stats.picked(figures, "I04")
        parts.append(text((found or {}).get("note")) or "")
    return " ".join(parts)


def waits_finding(found: Rows) -> str:
    """Whether access was granted in time."""
    limited = [row for row in found if number(row.get("in_time")) is not None]
    if not found or all(number(row.get("p50")) is None for row in found):
        return _("How long access took is not known")
    late = [row for row in limited if (number(row.get("in_time")) or 0.0) < 100]
    if not limited:
        return _("How long access took")
    if not late:
        return _("Access was granted in time in every mode that has a limit")
    return ngettext(
        "{count} access mode was not always in time",
        "{count} access modes were not always in time",
        len(late),
    ).format(count=len(late))


def waits(found: Rows) -> html.Div | html.P:
    """Median, 95th percentile and limit by access mode."""
    if not found:
        return nothing(_("No access was granted in this period, or the register has no dates."))
    columns = [
        Column("mode", _("Access mode")),
        Column("p50", _("Median"), numeric=True),
        Column("p95", _("95 % within"), numeric=True),
        Column("most", _("Limit"), numeric=True),
        Column("in_time", _("In time"), numeric=True),
        Column("n", _("Projects"), numeric=True),
        Column("note", _("Remarks")),
    ]
    return table(_("Time to access"), columns, [_wait(row) for row in found], "waits")


def gaps_finding(found: Rows) -> str:
    """How much is not known."""
    if not found:
        return _("The registers tell everything this page asks")
    count = len(found)
    return ngettext("{count} gap in the registers", "{count} gaps in the registers", count).format(
        count=count
    )


def gaps(found: Rows) -> html.Div | html.P:
    """What is missing, and what to provide."""
    if not found:
        return nothing(_("Nothing is missing."))
    columns = [Column("figure", _("Figure")), Column("note", _("What is missing"))]
    listed = [
        Row(
            {
                "figure": [
                    explained(str(row.get("id"))[:20], str(row.get("id"))[:20]),
                    f" {sentence(str(row.get('name'))[:80])}",
                ],
                "note": [
                    html.Span(f"{_of(row)}: " if _of(row) else "", className="muted"),
                    stats.cut(str(row.get("note")), 240),
                ],
            }
        )
        for row in found
    ]
    return table(_("What the registers do not tell"), columns, listed, "gaps")


def _wait(row: Mapping[str, Any]) -> Row:
    unit = _("d") if row.get("unit") == "calendar days" else _("working d")
    in_time = number(row.get("in_time"))
    most = number(row.get("most"))
    late = in_time is not None and in_time < 100
    return Row(
        {
            "mode": words.registered(str(row.get("mode"))[:60]),
            "p50": _days(row.get("p50"), unit),
            "p95": _days(row.get("p95"), unit),
            "most": UNKNOWN if most is None else _days(most, unit),
            "in_time": html.Span(
                format_percent(None if in_time is None else in_time / 100),
                className="caution strong" if late else None,
            ),
            "n": format_number(number(row.get("n"))),
            "note": stats.cut(str(row.get("note") or ""), 120),
        }
    )


def _days(value: object, unit: str) -> str:
    days = number(value)
    return (
        UNKNOWN if days is None else format_number(int(days) if days == int(days) else days, unit)
    )


def _of(row: Mapping[str, Any]) -> str:
    return ", ".join(str(one)[:40] for one in list(row.get("of") or ())[:6])
