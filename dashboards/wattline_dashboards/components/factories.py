"""What the page *Factories* says in words and tables: bundles, exchanges, what is not shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from dash import html

from wattline_collector.palette import format_number
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.moment import shown
from wattline_dashboards.components.parts import Column, Row, marks, nothing, sentence, table
from wattline_dashboards.components.short import cut, short
from wattline_dashboards.language import _, ngettext
from wattline_dashboards.times import parsed

Said = Mapping[str, Any]


def rows_of(said: Said, name: str) -> list[Said]:
    """The rows of an answer under a name."""
    found = said.get(name)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def period_name(period: object, zone: ZoneInfo) -> str:
    """`2026-01-01 to 2026-03-31`: the first and the last day of a period in a time zone."""
    bounds = period if isinstance(period, Mapping) else {}
    start, end = (parsed(text(bounds.get(name))) for name in ("from", "to"))
    if start is None or end is None:
        return ""
    first, last = start.timestamp(), end.timestamp()
    return _("{first} to {last}").format(
        first=shown(start, zone, ""), last=shown(_moment(max(first, last - 1)), zone, "")
    )


def _moment(unix: float) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(unix, UTC)


def empty(said: Said) -> html.Div:
    """How bundles get here, where there are none."""
    return html.Div(
        [
            html.P(
                _(
                    "Put the bundles that factories sent, and your own, into the folder "
                    "`bundles` of the collector's store, beside the ring of public keys, "
                    "`keys.json`. This page finds them by itself. Each is verified before "
                    "anything of it is shown."
                )
            ),
            html.Pre(
                "mkdir -p STORE/bundles\n"
                "wattline bundle export --store STORE --period 2026-Q4 --key factory.pem \\\n"
                "    --earlier STORE/bundles --out STORE/bundles\n"
                "cp RECEIVED.aifb.zip keys.json STORE/bundles/",
                tabIndex="0",
            ),
            html.P(
                _("Another place: `wattline collector --bundles DIR`."),
                className="muted",
            ),
        ],
        className="factories-empty",
    )


def problem(said: Said) -> html.Div | None:
    """Why no bundle is shown though there are some."""
    why = text(said.get("problem"))
    if why is None:
        return None
    return html.Div(
        [
            html.Strong(_("No bundle is shown: it cannot be verified.")),
            html.Span(f" {sentence(cut(why, 300))}. "),
            html.Span(
                _(
                    "The factories, or the organiser, give the ring out; it lies beside the "
                    "bundles and is called keys.json."
                )
            ),
        ],
        className="notice",
        role="alert",
    )


def bundles(said: Said, zone: ZoneInfo) -> html.Div | html.P:
    """The bundles that hold, the newest period first."""
    rows = rows_of(said, "bundles")
    if not rows:
        return nothing(_("None that holds."))
    columns = [
        Column("factory", _("Factory")),
        Column("period", _("Period")),
        Column("revision", _("Revision"), numeric=True),
        Column("devices", _("Devices")),
        Column("signers", _("Signed by")),
        Column("valid", _("Keys valid until")),
        Column("books", _("Books")),
        Column("hidden", _("Hidden cells"), numeric=True),
        Column("shown", _("Compared above")),
    ]
    ordered = sorted(rows, key=lambda row: str(row.get("factory")))
    ordered.sort(key=lambda row: str((row.get("period") or {}).get("to")), reverse=True)
    return table(
        _("Bundles"), columns, [_bundle(row, said.get("own"), zone) for row in ordered], "bundles"
    )


def _bundle(row: Said, own: object, zone: ZoneInfo) -> Row:
    is_own = own is not None and row.get("factory") == own
    factory: Any = [short(row.get("factory"), "strong" if is_own else None)]
    factory.append(html.Span(f" {cut(row.get('country'), 2)}", className="muted"))
    if is_own:
        factory.append(html.Span([" ", _("this factory")], className="muted"))
    return Row(
        {
            "factory": factory,
            "period": period_name(row.get("period"), zone),
            "revision": format_number(number(row.get("revision"))),
            "devices": ", ".join(
                f"{format_number(number(one.get('count')))} {cut(one.get('model'), 40)}"
                for one in rows_of(row, "devices")[:4]
            )
            or None,
            "signers": short(", ".join(str(one) for one in row.get("signers") or ()), most=80),
            "valid": cut(row.get("valid_until"), 10),
            "books": _("balance")
            if row.get("balanced")
            else html.Span(_("do not balance"), className="caution"),
            "hidden": _("{hidden} of {cells}").format(
                hidden=format_number(number(row.get("hidden"))),
                cells=format_number(number(row.get("cells"))),
            ),
            "shown": _("yes") if row.get("shown") else _("no"),
        }
    )


def refused(said: Said) -> html.Div | html.P:
    """What is not shown or not compared, and why."""
    rows = [
        *((row, _("refused")) for row in rows_of(said, "refused")),
        *((row, _("not compared")) for row in rows_of(said, "aside")),
    ]
    if not rows:
        return nothing(_("Every bundle that was received holds and is compared."))
    columns = [
        Column("file", _("File")),
        Column("what", _("What became of it")),
        Column("why", _("Why")),
    ]
    return table(
        _("Not shown"),
        columns,
        [
            Row(
                {
                    "file": short(row.get("file"), most=60),
                    "what": html.Span(what, className="caution" if what == _("refused") else ""),
                    "why": short(sentence(str(row.get("why") or "")), most=300),
                }
            )
            for row, what in rows
        ],
        "refused",
    )


def refused_finding(said: Said) -> str:
    """How many bundles are refused."""
    count = len(rows_of(said, "refused"))
    if not count:
        return _("No bundle is refused")
    return ngettext("{count} bundle is refused", "{count} bundles are refused", count).format(
        count=count
    )


# Exchanges


def kind_name(kind: object, count: object) -> str:
    """What is counted of a kind of exchange, for people; of nothing there are several."""
    many = number(count) or 0.0
    names = {
        "asset_shared": _("shared"), "asset_reused": _("reused"),
        "staff_exchange": ngettext("person-day", "person-days", many),
        "joint_project": ngettext("joint project", "joint projects", many),
        "referral": ngettext("referral", "referrals", many),
    }  # fmt: skip
    return names.get(str(kind), cut(str(kind).replace("_", " "), 40))


def amount(value: object) -> str:
    """How many, or how many person-days: whole where it is."""
    found = number(value)
    return format_number(int(found) if found is not None and found.is_integer() else found)


def matrix(said: Said) -> html.Div | html.P:
    """What each factory says it did with each other; where two disagree, both numbers."""
    told = said.get("coordination")
    told = told if isinstance(told, Mapping) else {}
    records = rows_of(told, "records")
    if not records:
        return nothing(_("No bundle tells of an exchange with another factory."))
    factories = [str(one) for one in said.get("factories") or ()]
    others = sorted({str(row.get("counterpart")) for row in records})
    ordered = [one for one in factories if one in others]
    ordered += [one for one in others if one not in ordered]
    wrong = _wrong(rows_of(told, "mismatches"))
    columns = [Column("factory", _("Says"))]
    columns += [Column(f"c{n}", _counterpart(name)) for n, name in enumerate(ordered)]
    rows = []
    for factory in factories:
        cells: dict[str, Any] = {"factory": short(factory, "strong" if factory == said.get("own")
                                                  else None)}  # fmt: skip
        for place, name in enumerate(ordered):
            mine = [
                row
                for row in records
                if row.get("factory") == factory and row.get("counterpart") == name
            ]
            cells[f"c{place}"] = _cell(mine, factory, name, wrong)
        rows.append(Row(cells))
    return table(_("Exchanges"), columns, rows, "exchanges")


def _cell(
    rows: Sequence[Said], factory: str, other: str, wrong: Mapping[tuple[str, str], list[str]]
) -> Any:
    if factory == other:
        return html.Span("", **marks(aria_label=_("the same factory")))
    lines: list[Any] = [
        html.Div(f"{amount(count)} {kind_name(row.get('kind'), count)}")
        for row in rows
        for count in (row.get("amount"),)
    ]
    lines += [html.Div(line, className="caution") for line in wrong.get((factory, other), ())]
    return lines or None


def _wrong(rows: Sequence[Said]) -> dict[tuple[str, str], list[str]]:
    """What the other side says, by who says it and of whom."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        first, second = str(row.get("first")), str(row.get("second"))
        for me, other, says in (
            (first, second, row.get("second_says")),
            (second, first, row.get("first_says")),
        ):
            said = _("nothing") if says is None else amount(says)
            line = _("{other} says {amount} {kind}").format(
                other=cut(other, 24), amount=said, kind=kind_name(row.get("kind"), says)
            )
            found.setdefault((me, other), []).append(line)
    return found


def matrix_finding(said: Said) -> str:
    """Whether two sides say the same."""
    told = said.get("coordination")
    told = told if isinstance(told, Mapping) else {}
    count = len(rows_of(told, "mismatches"))
    if not rows_of(told, "records"):
        return _("Exchanges between factories")
    if not count:
        return _("Where two factories tell of the same exchange, they agree")
    return ngettext(
        "{count} exchange is told differently by its two sides",
        "{count} exchanges are told differently by their two sides",
        count,
    ).format(count=count)


def _counterpart(name: str) -> str:
    return _("others, not named") if name == "_U" else cut(name, 24)
