"""The form a report is asked for with: what may be chosen, and what is handed over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dash import dcc, html

from wattline_dashboards.components import made_reports
from wattline_dashboards.components.made_reports import rows_of
from wattline_dashboards.components.moment import shown as day_shown
from wattline_dashboards.components.parts import marks
from wattline_dashboards.components.short import cut
from wattline_dashboards.context import Asked
from wattline_dashboards.language import _

PICKED = "picked"
"""The choice of a period that stands for what the pickers above say."""
FORMS = ("html", "pdf", "xlsx", "json")
USUAL_FORMS = ("html", "pdf")


def form(kind: str | None) -> html.Section:
    """The form, before it is known what may be chosen."""
    return html.Section(
        [
            html.H2(_("Make a report")),
            _segments("reports-kind", [], kind, _("Kind of report")),
            html.P(id="reports-about", className="muted"),
            html.Div(
                [
                    _labelled(
                        _("Period"),
                        dcc.Dropdown(
                            id="reports-period", options=[], clearable=False, searchable=False
                        ),
                        "reports-period-place",
                    ),
                    _labelled(
                        _("Variant"),
                        _segments("reports-option", [], None, _("Variant")),
                        "reports-option-place",
                    ),
                    _labelled(
                        _("Project"),
                        dcc.Input(
                            id="reports-of", type="text", maxLength=100, className="filter",
                            debounce=False, placeholder=_("Its id or account"),
                        ),
                        "reports-of-place",
                    ),
                    _labelled(
                        _("Forms"),
                        dcc.Checklist(
                            id="reports-forms",
                            options=[{"label": form.upper(), "value": form} for form in FORMS],
                            value=list(USUAL_FORMS),
                            inline=True,
                            className="report-forms",
                        ),
                        "reports-forms-place",
                    ),
                    html.Button(
                        _("Make it"), id="reports-make", className="button primary", type="button"
                    ),
                ],
                className="report-order",
            ),
            html.P(id="reports-note", className="muted note"),
            html.P(id="reports-said", className="report-said", role="status"),
            html.Div(id="reports-work", className="works", **marks(aria_live="polite")),
        ],
        id="reports-form",
        className="report-form",
    )  # fmt: skip


def _segments(id: str, options: list[Any], value: str | None, label: str) -> html.Div:
    return html.Div(
        dcc.RadioItems(id=id, options=options, value=value, className="segments", inline=True),
        className="controls",
        role="group",
        **marks(aria_label=label),
    )


def _labelled(label: str, control: Any, id: str) -> html.Div:
    return html.Div(
        [html.Span(label, className="stat-label"), control],
        id=id,
        role="group",
        **marks(aria_label=label),
    )


def offered(
    said: Mapping[str, Any], kind: object, picked: Asked | None, zone: ZoneInfo, now: datetime
) -> dict[str, Any]:
    """The form for a kind: what may be chosen, and what is chosen unless somebody says else."""
    kinds = rows_of(said, "kinds")
    chosen = next((one for one in kinds if one.get("name") == kind), kinds[0] if kinds else {})
    periods = period_options(chosen, picked, zone, now)
    values = [str(one) for one in chosen.get("choices") or ()]
    default = str(chosen.get("default") or "")
    about = made_reports.ABOUT.get(str(chosen.get("name")))
    return {
        "kinds": [{"label": made_reports.title({**one, "kind": one.get("name"), "of": ()}),
                   "value": str(one.get("name"))} for one in kinds],
        "kind": chosen.get("name"),
        "about": _(about) if about else cut(chosen.get("help"), 200),
        "periods": periods,
        "period": usual_period(chosen, periods, now),
        "options": [{"label": _(made_reports.CHOICES.get(one, one)), "value": one}
                    for one in values],
        "option": default if default in values else next(iter(values), None),
        "no_option": len(values) < 2,
        "no_of": chosen.get("of") is None,
    }  # fmt: skip


def period_options(
    kind: Mapping[str, Any], picked: Asked | None, zone: ZoneInfo, now: datetime
) -> list[dict[str, str]]:
    """The periods a kind may be of: what the pickers say, then months, quarters and years."""
    found = []
    if kind.get("free"):
        found.append({"label": _picked_label(picked, zone, now), "value": PICKED})
    listed = kind.get("periods")
    by_form: Mapping[str, Any] = listed if isinstance(listed, Mapping) else {}
    for form in ("month", "quarter", "year"):
        codes = [str(code) for code in by_form.get(form) or ()]
        found += [{"label": made_reports.period(code), "value": code} for code in codes]
    return found


def _picked_label(picked: Asked | None, zone: ZoneInfo, now: datetime) -> str:
    if picked is None or picked.start is None:
        return _("All there is")
    last = (picked.end or now) - timedelta(milliseconds=1)
    return _("As above: {first} to {last}").format(
        first=day_shown(picked.start, zone, ""), last=day_shown(last, zone, "")
    )


def usual_period(
    kind: Mapping[str, Any], options: Sequence[Mapping[str, str]], now: datetime
) -> str | None:
    """The last calendar period of the kind's usual form that is over; else the newest."""
    listed = kind.get("periods")
    by_form: Mapping[str, Any] = listed if isinstance(listed, Mapping) else {}
    form = str(kind.get("usual") or "month")
    codes = [str(code) for code in by_form.get(form) or next(iter(by_form.values()), ())]
    running = {f"{now:%Y}", f"{now:%Y-%m}", f"{now:%Y}-Q{(now.month + 2) // 3}"}
    over = [code for code in codes if code not in running]
    first = options[0]["value"] if options else None
    return next(iter(over or codes), first)


def order(
    kind: object,
    period: object,
    option: object,
    of: object,
    forms: object,
    said: Mapping[str, Any],
    picked: Asked | None,
    now: datetime,
) -> dict[str, Any]:
    """What is handed over to the collector."""
    chosen = next((one for one in rows_of(said, "kinds") if one.get("name") == kind), {})
    asked: dict[str, Any] = {"kind": kind, "formats": forms}
    if period != PICKED:
        asked["period"] = period
    elif picked is not None and picked.start is not None:
        # To the hour: who asks twice in a minute asks for the same.
        end = (picked.end or now).replace(minute=0, second=0, microsecond=0)
        start = picked.start
        asked["period"] = f"{_iso(start)}..{_iso(max(end, start + timedelta(hours=1)))}"
    if chosen.get("option") and option:
        asked["options"] = {str(chosen["option"]): option}
    if chosen.get("of") is not None:
        asked["of"] = of
    return asked


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def kept(
    found: Mapping[str, Any], period: object = None, option: object = None, *, anew: bool = False
) -> dict[str, Any]:
    """What is offered, with what somebody chose where it is still offered for the same kind."""
    changes = dict(found)
    if not anew and period in [one["value"] for one in found["periods"]]:
        changes["period"] = period
    if not anew and option in [one["value"] for one in found["options"]]:
        changes["option"] = option
    return changes
