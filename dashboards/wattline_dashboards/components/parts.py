"""The smallest pieces: a number with its unit, a swatch, a bar in a cell, a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wattline_collector.palette import (
    THIN_SPACE,
    UNKNOWN,
    format_number,
    format_percent,
    format_value,
)
from wattline_dashboards.elements import (
    Caption,
    Dd,
    Div,
    Dt,
    P,
    Span,
    Table,
    Tbody,
    Td,
    Th,
    Thead,
    Tr,
)
from wattline_dashboards.language import _
from wattline_dashboards.trust import COMFORT

Children = Any
"""What Dash takes as children: a text, a component, or a list of them."""


def marks(**values: str) -> dict[str, Any]:
    """Attributes whose names have a hyphen: `aria_label`, `data_job` and the like."""
    return {name.replace("_", "-"): value for name, value in values.items()}


_HIDDEN = marks(aria_hidden="true")


def quantity(formatted: str, class_name: str = "quantity") -> Span:
    """A formatted value, its unit set smaller than its number."""
    number, unit = split_unit(formatted)
    if not unit:
        return Span(number, className=class_name)
    return Span(
        [Span(number, className="number"), Span(THIN_SPACE + unit, className="unit")],
        className=class_name,
    )


def split_unit(formatted: str) -> tuple[str, str]:
    """Number and unit of a formatted value; thin spaces between digits stay in the number."""
    number, _space, unit = formatted.rpartition(THIN_SPACE)
    if not number or unit[:1].isdigit():
        return formatted, ""
    return number, unit


_UNITS = {
    "m3": "m³", "m3/MWh": "m³/MWh", "kgCO2e": "kg CO₂e", "EUR": "€", "EUR/GPU-h": "€/GPU-h",
}  # fmt: skip
"""Units whose names in files are not how people write them."""

PLAIN = frozenset({"S03"})
"""KPIs whose ratio is written as a number and no percentage, as a PUE is."""


def written(value: float | None, unit: str, *, plain: bool = False) -> str:
    """A value in a KPI's unit, as people write both.

    Args:
        value: Null: not known.
        unit: As the KPI has it.
        plain: Whether a ratio is written as a number.
    """
    if plain and unit == "1":
        return format_number(value)
    return format_value(value, _UNITS.get(unit, unit))


def unbroken(text: str) -> str:
    """A text in whose amounts no line ends: neither before a unit nor within `GPU-h`."""
    return text.replace(THIN_SPACE, "\N{NARROW NO-BREAK SPACE}").replace(
        "-h", "\N{NON-BREAKING HYPHEN}h"
    )


def swatch(name: str) -> Span:
    """A square in an account's colour and texture; the word always stands beside it."""
    return Span(className=f"swatch swatch-{name.replace('_', '-')}", **_HIDDEN)


def stat(label: str, value: Children, detail: Children = None, **attributes: Any) -> Div:
    """One number of the answer: what it is, the number, and what a reader must know beside it."""
    lines = [
        Dt(label, className="stat-label"),
        Dd(value, className="stat-value"),
    ]
    if detail is not None:
        lines.append(Dd(detail, className="stat-detail"))
    return Div(lines, className="stat", **attributes)


def meter(ratio: float | None, text: str | None = None) -> Span:
    """A share as a short bar with its number; unknown is an empty hatched bar and a dash."""
    if ratio is None:
        bar = Span(className="meter meter-unknown", **_HIDDEN)
    else:
        filled = Span(
            className="meter-fill", style={"width": f"{min(1.0, max(0.0, ratio)) * 100:.0f}%"}
        )
        bar = Span(filled, className="meter", **_HIDDEN)
    label = Span(format_percent(ratio) if text is None else text, className="meter-text")
    parts: Children = [bar, label]
    return Span(parts, className="metered")


def coverage_note(coverage: float | None) -> Span | None:
    """What to say beside a number made of too few observations."""
    if coverage is None or coverage >= COMFORT:
        return None
    return Span(_("coverage {share}").format(share=format_percent(coverage)), className="caution")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        key: Which cell of a row it shows; also the cell's `data-field`.
        label: Its head.
        numeric: Right-aligned, in tabular figures.
        title: What its head explains under the pointer.
    """

    key: str
    label: str
    numeric: bool = False
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: its cells, and attributes of its own such as `data-job`."""

    cells: Mapping[str, Children]
    attributes: Mapping[str, Any] = field(default_factory=dict)


LONG = 40
"""Rows a page shows whole; a longer table scrolls in itself, so that what follows is found."""


def table(caption: str, columns: Sequence[Column], rows: Sequence[Row], class_name: str) -> Div:
    """A table with a head that stays, for eyes and for screen readers alike."""
    head: Children = Tr(
        [
            Th(
                column.label,
                scope="col",
                className="numeric" if column.numeric else None,
                title=column.title,
            )
            for column in columns
        ]
    )
    fields = [
        (
            column.key,
            {"className": "numeric" if column.numeric else None, **marks(data_field=column.key)},
        )
        for column in columns
    ]
    body: Children = [
        Tr(
            [
                Td(
                    UNKNOWN if (cell := row.cells.get(key)) is None else cell,
                    **field,
                    **row.attributes,
                )
                for key, field in fields
            ],
            **row.attributes,
        )
        for row in rows
    ]
    whole = Table(
        [Caption(caption, className="hidden"), Thead(head), Tbody(body)],
        className=f"table {class_name}",
    )
    if len(rows) <= LONG:
        return Div(whole, className="table-frame")
    return Div(  # with a tab stop, so that it can be scrolled by key
        whole,
        className="table-frame table-scroll",
        tabIndex="0",
        role="region",
        **marks(aria_label=caption),
    )


def nothing(text: str) -> P:
    """What stands where there would be a table."""
    return P(text, className="nothing")


def sentence(words: str) -> str:
    """Words with a capital first letter."""
    return words[:1].upper() + words[1:]
