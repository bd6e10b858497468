"""Figures as text: tables and lists for a terminal, CSV for a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import TextIO

from wattline_collector.kpi.compare import Compared, Verdict
from wattline_collector.kpi.declare import Kpi
from wattline_collector.kpi.figure import Figure, Period
from wattline_collector.kpi.groups import grouped
from wattline_collector.palette import UNKNOWN

Row = tuple[str, ...]

_RIGHT = frozenset({"value", "low", "high", "was", "change", "target", "coverage", "n"})
_NAMED = 12
"""Figures that are named with a reason why they are not known, or with a note."""
_REMARKS = 20
"""Notes beneath a table; split by jobs, there may be one for each."""
_WORDS = {Verdict.CHANGED: "", Verdict.UNKNOWN: "", Verdict.UNCLEAR: "within uncertainty"}

CSV_COLUMNS = (
    "id", "name", "unit", "value", "low", "high", "numerator", "numerator_unit", "denominator",
    "denominator_unit", "n", "coverage", "method", "level", "status", "note", "dims", "from", "to",
)  # fmt: skip
CSV_COMPARED = ("previous", "previous_from", "previous_to", "change", "verdict", "target")


def listing(kpis: Mapping[str, Kpi]) -> Iterator[str]:
    """The KPIs there are, group by group."""
    for group, ids in grouped(kpis):
        yield group.title
        for id in ids:
            kpi = kpis[id]
            level = "" if kpi.level.value == "measured" else kpi.level.value
            yield f"  {id:<8}{kpi.name:<38}{kpi.unit:<9}{level:<10}{kpi.formula}".rstrip()
        yield ""


def table(found: Sequence[Figure]) -> Iterator[str]:
    """Figures under the headings of their groups; columns that nobody fills are left out."""
    head = (
        "id", "", "name", "value", "unit", "low", "high", "coverage", "n", "level", "status",
        "method",
    )  # fmt: skip
    yield from _under_groups(head, [(figure.id, _plain(figure)) for figure in found])


def compared_table(found: Sequence[Compared]) -> Iterator[str]:
    """Figures beside what they were and what they are to be."""
    head = (
        "id", "", "name", "value", "unit", "was", "change", "", "target", "", "coverage", "status",
        "note",
    )  # fmt: skip
    yield from _under_groups(head, [(one.figure.id, _beside(one)) for one in found])


def unknown(missing: Sequence[Figure], known: Sequence[Figure]) -> Iterator[str]:
    """What is not known, and why: one line for each reason, with the ids it holds back.

    Args:
        missing: Figures without a value.
        known: Those beside them; of a KPI among them it is said which part is missing.
    """
    in_part = {figure.id for figure in known}
    reasons: dict[str, dict[str, None]] = {}
    for figure in missing:
        name = f"{figure.id} {_dims(figure)}" if figure.id in in_part else figure.id
        reasons.setdefault(figure.note, {})[name.strip()] = None
    if reasons:
        yield "not known:"
    for note, names in reasons.items():
        yield f"  {_some(list(names))}: {note}"


def remarks(shown: Sequence[Figure]) -> Iterator[str]:
    """What must be known beside figures that have a value: one line for each note, with its ids.

    Args:
        shown: The figures of the table; those without a value say there why.
    """
    of_id: dict[str, set[str]] = {}
    for figure in shown:
        of_id.setdefault(figure.id, set()).add(figure.note)
    noted: dict[str, dict[str, None]] = {}
    for figure in shown:
        if figure.note and figure.value is not None:
            name = figure.id if len(of_id[figure.id]) == 1 else f"{figure.id} {_dims(figure)}"
            noted.setdefault(figure.note, {})[name.strip()] = None
    for note, names in list(noted.items())[:_REMARKS]:
        yield f"{_some(list(names))}: {note}"
    if len(noted) > _REMARKS:
        yield f"{len(noted) - _REMARKS:,} more notes: --format json or csv has them all"


def heading(period: Period, other: Period | None = None) -> str:
    """Over what time, and which one it is compared with."""
    ends = period.to_json()
    text = f"{ends['from']} to {ends['to']}"
    if other is not None:
        was = other.to_json()
        text += f", compared with {was['from']} to {was['to']}"
    return text


def explained(entry: Mapping[str, object]) -> str:
    """What a KPI is; `entry` is the registry's."""
    over, by, parts = entry["denominator"], entry["by"], entry["parts"]
    lines = [
        f"{entry['id']}  {entry['name']}, in {entry['unit']}",
        f"  formula     {entry['formula']}",
        f"  numerator   {entry['numerator']} ({entry['numerator_unit']})",
        *([f"  denominator {over} ({entry['denominator_unit']})"] if over else []),
        f"  level       {entry['level']}",
        *([f"  figures     one for each {_listed(parts)}"] if parts else []),
        *([f"  split by    {_listed(by)}"] if by else []),
        f"  authority   {entry['authority']}",
        *([f"  note        {entry['note']}"] if entry["note"] else []),
    ]
    return "\n".join(lines)


def defended(figure: Figure) -> str:
    """A figure with everything it rests on."""
    dims = ", ".join(f"{name} {value}" for name, value in figure.dims.items())
    lines = [
        *([f"  of          {dims}"] if dims else []),
        f"  value       {number(figure.value)} {figure.unit}   ({figure.status.value})",
        *(
            [f"  between     {number(figure.low)} and {number(figure.high)}"]
            if figure.low is not None or figure.high is not None
            else []
        ),
        f"  above       {number(figure.numerator)} {figure.numerator_unit}",
        *(
            [f"  below       {number(figure.denominator)} {figure.denominator_unit}"]
            if figure.denominator_unit
            else []
        ),
        f"  coverage    {percent(figure.coverage)} of {figure.n}",
        f"  method      {figure.method or UNKNOWN}",
        *([f"  left out    {figure.note}"] if figure.note else []),
        "",
    ]
    return "\n".join(lines)


def write_csv(out: TextIO, found: Sequence[Figure], compared: Sequence[Compared] | None) -> None:
    """A row per figure; compared ones have what they were and what they are to be."""
    columns = (*CSV_COLUMNS, *(CSV_COMPARED if compared is not None else ()))
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    for figure in found if compared is None else ():
        writer.writerow(_csv_row(figure))
    for one in compared or ():
        then = one.previous
        ends = {} if then is None else then.period.to_json()
        writer.writerow(
            _csv_row(one.figure)
            | {
                "previous": None if then is None else then.value,
                "previous_from": ends.get("from"),
                "previous_to": ends.get("to"),
                "change": one.change,
                "verdict": one.verdict.value,
                "target": None if one.aim is None else one.aim.value,
            }
        )


def number(value: float | int | None) -> str:
    """A number as people read it: five digits, thousands set apart."""
    if value is None:
        return UNKNOWN
    if isinstance(value, int) or 1e6 <= abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if 1000 <= abs(value) < 1e6 else f"{value:,.5g}"


def percent(value: float | None) -> str:
    """A ratio in percent."""
    return UNKNOWN if value is None else f"{100 * value:.1f} %"


def _plain(figure: Figure) -> Row:
    return (
        figure.id,
        _dims(figure),
        figure.name,
        number(figure.value),
        figure.unit,
        "" if figure.low is None else number(figure.low),
        "" if figure.high is None else number(figure.high),
        percent(figure.coverage),
        str(figure.n),
        "" if figure.level == "measured" else figure.level,
        figure.status.value,
        figure.note if figure.value is None else figure.method,
    )


def _beside(one: Compared) -> Row:
    figure, then, aim = one.figure, one.previous, one.aim
    change, ratio = one.change, one.change_ratio
    moved = "" if change is None else f"{'+' if change > 0 else ''}{number(change)}"
    if one.verdict is Verdict.SAME:
        moved = "0"
    elif ratio is not None and figure.unit != "%":
        moved += f" ({100 * ratio:+.1f} %)"
    target = "" if aim is None or aim.value is None else number(aim.value)
    state = ""
    if aim is not None:
        met, kept = aim.met(figure.value), aim.kept(figure.value)
        state = {True: "met", False: "missed", None: ""}[met]
        if kept is False:
            state = f"under what is promised ({number(aim.threshold)})"
            if aim.direction == "down":
                state = f"over what is promised ({number(aim.threshold)})"
    note = figure.note if figure.value is None else ""
    if not note and then is not None and then.value is None:
        note = f"then: {then.note}"
    return (
        figure.id, _dims(figure), figure.name, number(figure.value), figure.unit,
        UNKNOWN if then is None else number(then.value),
        moved, _WORDS.get(one.verdict, one.verdict.value), target, state,
        percent(figure.coverage), figure.status.value, note,
    )  # fmt: skip


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _dims(figure: Figure) -> str:
    return " ".join(figure.dims.values())


def _under_groups(head: Row, rows: Sequence[tuple[str, Row]]) -> Iterator[str]:
    if not rows:
        return
    filled = [i for i in range(len(head)) if any(row[i] for _, row in rows)]
    widths = [
        max(len(row[i]) for row in (head, *(row for _, row in rows))) for i in range(len(head))
    ]
    of: dict[str, list[Row]] = {}
    for id, row in rows:
        of.setdefault(id, []).append(row)
    groups = list(grouped(of))
    yield _line(head, head, filled, widths)
    for group, ids in groups:
        if len(groups) > 1:
            yield f"\n{group.title}"
        for id in ids:
            for row in of[id]:
                yield _line(head, row, filled, widths)


def _line(head: Row, row: Row, filled: Sequence[int], widths: Sequence[int]) -> str:
    cells = (
        row[i].rjust(widths[i]) if head[i] in _RIGHT else row[i].ljust(widths[i]) for i in filled
    )
    return "  ".join(cells).rstrip()


def _csv_row(figure: Figure) -> dict[str, object]:
    row = figure.to_json()
    dims = ";".join(f"{name}={value}" for name, value in figure.dims.items())
    return {name: row.get(name) for name in CSV_COLUMNS} | figure.period.to_json() | {"dims": dims}


def _listed(value: object) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)
