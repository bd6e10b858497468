"""Reports as the page shows them: what is being made, what was made, and what each is called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dash import html

from wattline_collector.palette import THIN_SPACE
from wattline_dashboards import times
from wattline_dashboards.columns import number
from wattline_dashboards.components.moment import moment
from wattline_dashboards.components.parts import Column, Row, marks, meter, nothing, table
from wattline_dashboards.components.short import cut, short
from wattline_dashboards.elements import A, Div, Span
from wattline_dashboards.language import N_, _, ngettext

TITLES = {
    "review": N_("Coordination review"),
    "hosting-audit": N_("Access-time report"),
    "eed": N_("Energy return"),
    "operations": N_("Operations report"),
    "project": N_("Project report"),
    "network": N_("Network review"),
    "job": N_("Job report"),
    "certificate": N_("Certificate"),
}
ABOUT = {
    "review": N_(
        "Twelve chapters for the board and the Joint Undertaking: what was made, who had the time, "
        "where energy and money went, how far the figures can be trusted."
    ),
    "hosting-audit": N_(
        "Access time granted and used in a calendar year, by access mode, State and user category; "
        "due on 31 January."
    ),
    "eed": N_("The yearly return under Delegated Regulation (EU) 2024/1364; due on 15 May."),
    "operations": N_(
        "Availability, incidents, nodes to look at, heat and data quality. It names nodes and "
        "stays on the site."
    ),
    "project": N_("A project's grant, efficiency, outcomes and cost, and who used what, by name."),
}
CHOICES = {
    "public": N_("Public"),
    "restricted": N_("Restricted"),
    "eed-2024": N_("As in force"),
    "eed-2026-draft": N_("Draft of 2026"),
}
CHOICE_NOTES = {
    "public": N_("Small cells are hidden: it shows no more than a public bundle."),
    "restricted": N_("Every cell: for the Joint Undertaking alone, not to be handed on."),
    "eed-2024": N_("The fields in force."),
    "eed-2026-draft": N_("The fields of the draft amending act, as far as they are known."),
}
_WHYS = {
    "hand": N_("on a terminal"),
    "schedule": N_("by the schedule"),
    "page": N_("on this page"),
}
_ROLES = {
    "operator": N_("operator"),
    "support": N_("support"),
    "manager": N_("manager"),
    "staff": N_("staff"),
}
_OF = re.compile(r"(\d+) of (\d+)$")
_DAYS = re.compile(r"(\d{4}-\d{2}-\d{2})_(\d{4}-\d{2}-\d{2})")
_TIMES = re.compile(r"(\d{4}[0-9-]+T[0-9:]+Z)(?:_|\.\.)(\d{4}[0-9-]+T[0-9:]+Z)")
ALMOST = 0.95
"""A bar that is reckoned from the time the last one took never says that it is done."""


def rows_of(said: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """A list of objects in an answer; what is none is left out."""
    listed = said.get(name)
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []


def title(row: Mapping[str, Any]) -> str:
    """What a report is called in the reader's language, and what it is of."""
    name = TITLES.get(str(row.get("kind")))
    of = [cut(one, 40) for one in row.get("of") or ()]
    return " ".join([_(name) if name else cut(row.get("title")), *of])


def period(code: object) -> str:
    """A period as people say it: `Jan 2025`, `Q1 2025`, `3 Jan 2025 to 9 Jan 2025`."""
    text = str(code or "")
    try:
        if match := _DAYS.fullmatch(text):
            first, last = (times.day_and_year(date.fromisoformat(one)) for one in match.groups())
            return _("{first} to {last}").format(first=first, last=last)
        if match := _TIMES.fullmatch(text):
            return _between(*(datetime.fromisoformat(one) for one in match.groups()))
        if "Q" in text:
            return f"{text[5:]} {text[:4]}"
        if len(text) == 10:
            return times.day_and_year(date.fromisoformat(text))
        if len(text) == 7:
            return times.month(date.fromisoformat(f"{text}-01"))
    except ValueError:
        return cut(text, 40)
    return _("all its time") if text == "all" else cut(text, 40)


def option(row: Mapping[str, Any]) -> str:
    """The choices a report was made with, in words."""
    chosen = row.get("options")
    values = chosen.values() if isinstance(chosen, Mapping) else ()
    return ", ".join(_(CHOICES[one]) if one in CHOICES else cut(one, 40) for one in values)


def size(count: object) -> str:
    """`318 kB`, with a thin space."""
    known = number(count) or 0.0
    if known < 1e6:
        return f"{max(1.0, known / 1e3):.0f}{THIN_SPACE}kB"
    return f"{known / 1e6:.1f}{THIN_SPACE}MB"


def address(id: object, form: str) -> str:
    """Where a file of a report is."""
    return f"/reports/files/{id}/{form}"


def works(
    rows: Sequence[Mapping[str, Any]], made: Sequence[Mapping[str, Any]], now_ms: float
) -> list[Any]:
    """What waits, is being made, or just ended, a line each."""
    return [_work(row, made, now_ms) for row in rows]


def _work(row: Mapping[str, Any], made: Sequence[Mapping[str, Any]], now_ms: float) -> Div:
    state = str(row.get("state"))
    said: list[Any]
    if state == "failed":
        said = [Span(_("Not made:"), className="strong"), " ", short(row.get("error"), most=300)]
    elif state == "done":
        id = row.get("made")
        said = [Span(_("Made."), className="strong")]
        if any(one.get("id") == id and "html" in forms(one) for one in made):
            said += [" ", A(_("Preview"), href=f"/reports?show={id}")]
    elif state == "waiting":
        said = [_("Waits for its turn")]
    else:
        began = number(row.get("began_ms")) or now_ms
        seconds = max(0.0, now_ms - began) / 1000
        words = str(row.get("said") or "").removeprefix("report: ").removesuffix(" ...")
        said = [
            meter(share(row, made, seconds), f"{seconds:.0f}{THIN_SPACE}s"),
            Span(short(words or _("Starting"), most=120), className="muted"),
        ]
    head = " · ".join(part for part in (title(row), option(row), period(row.get("period"))) if part)
    return Div(
        [Span(head, className="work-title"), Div(said, className="work-said")],
        className=f"work work-{state}",
        **marks(data_key=str(row.get("id"))),
    )


def share(
    row: Mapping[str, Any], made: Sequence[Mapping[str, Any]], seconds: float
) -> float | None:
    """How far a report is: by how long the last one like it took; unknown for the first."""
    like = [one for one in made if one.get("kind") == row.get("kind")]
    same = [one for one in like if one.get("period") == row.get("period")]
    took = next((number(one.get("seconds")) for one in same or like), None)
    if took and seconds < took:
        return min(ALMOST, seconds / took)
    found = _OF.search(str(row.get("said") or ""))
    if found is None or not int(found[2]):
        return ALMOST if took else None
    return min(ALMOST, int(found[1]) / int(found[2]))


def forms(row: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The files of a report by their form."""
    listed = row.get("files")
    files = listed if isinstance(listed, list) else []
    return {str(one.get("form")): one for one in files if isinstance(one, Mapping)}


def links(row: Mapping[str, Any]) -> list[Any]:
    """The files of a report, each to be saved."""
    return [
        A(
            [form.upper(), Span(f" {size(file.get('bytes'))}", className="unit")],
            href=address(row.get("id"), form),
            download="",
            className="file-button",
            title=_("Save as {form}; SHA-256 {digest}").format(
                form=form.upper(), digest=file.get("sha256")
            ),
        )
        for form, file in forms(row).items()
    ]


def history(rows: Sequence[Mapping[str, Any]], zone: ZoneInfo, shown: str) -> Any:
    """What was made, the newest first."""
    if not rows:
        return nothing(
            _(
                "No report of yours has been made. Make one above, or have them made at their "
                "times: `wattline report schedule --template` prints a file to begin with."
            )
        )
    columns = [
        Column("report", _("Report")),
        Column("period", _("Period")),
        Column("made", _("Made")),
        Column("by", _("By")),
        Column("code", _("Code"), title=_("The start of the SHA-256 of its figures")),
        Column("files", _("Files")),
        Column("preview", ""),
    ]
    drawn = [
        Row(_cells(row, zone), marks(data_current="true") if row.get("id") == shown else {})
        for row in rows
    ]
    return table(_("Reports that were made"), columns, drawn, "made-reports")


def _cells(row: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    chosen, again = option(row), int(number(row.get("checked")) or 0)
    beneath: list[Any] = [chosen] if chosen else []
    if row.get("as_of"):
        beneath.append(_("as of {time}").format(time=cut(row["as_of"], 40)))
    if not row.get("good", True):
        beneath.append(Span(_("the books under it do not hold"), className="caution"))
    lines: list[Any] = [[", ", one] if at else one for at, one in enumerate(beneath)]
    role = _ROLES.get(str(row.get("by")))
    why = _WHYS.get(str(row.get("why")))
    made: list[Any] = [moment(number(row.get("made_ms")), zone)]
    if again:
        when = moment(number(row.get("checked_ms")), zone)
        text = ngettext(
            "the same when made again, {count} time", "the same when made again, {count} times",
            again,
        ).format(count=again)  # fmt: skip
        made.append(Div([text, ": ", when], className="muted beneath"))
    by = [part for part in (_(role) if role else "", _(why) if why else "") if part]
    preview = A(_("Preview"), href=f"/reports?show={row.get('id')}") if "html" in forms(row) else ""
    return {
        "report": [Div(title(row), className="strong"),
                   Div(lines, className="muted beneath")],
        "period": Span(period(row.get("period")), title=cut(row.get("period"), 60)),
        "made": made,
        "by": ", ".join(by),
        "code": html.Code(cut(row.get("code"), 40)),
        "files": Span(links(row), className="report-files"),
        "preview": preview,
    }  # fmt: skip


def _between(start: datetime, end: datetime) -> str:
    """Two moments, or days where both are midnights; the end is not part of it."""
    if not any((start.hour, start.minute, start.second, end.hour, end.minute, end.second)):
        last_day = end.date() - timedelta(days=1)
        first, last = (times.day_and_year(one) for one in (start.date(), last_day))
        return _("{first} to {last}").format(first=first, last=last)
    first, last = (f"{times.day_and_year(one)} {one:%H:%M}" for one in (start, end))
    return _("{first} to {last}").format(first=first, last=last) + " UTC"
