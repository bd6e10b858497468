"""What a chart or a table shows, as a file for a spreadsheet.

A file is made when somebody asks for it, from what the page itself asks: it holds what they may
see and nothing else. Text that a spreadsheet would take for a formula is written so that it cannot.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, no_update
from dash.dependencies import DashDependency

MOST_ROWS = 200_000
# Some spreadsheets take the wide forms of East Asian keyboards for the same signs.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_MOST_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows under heads; a head names its unit, as in `power (W)`. None is an empty cell."""

    name: str
    heads: Sequence[str]
    rows: Sequence[Sequence[object]]


def as_csv(sheet: Sheet) -> str:
    """The sheet as CSV (RFC 4180); rows past `MOST_ROWS` are named in a last row, not lost."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([_safe(head) for head in sheet.heads])
    writer.writerows([_safe(value) for value in row] for row in sheet.rows[:MOST_ROWS])
    if len(sheet.rows) > MOST_ROWS:
        writer.writerow([f"{len(sheet.rows) - MOST_ROWS} more rows are not in this file"])
    return text.getvalue()


def connect(
    app: Dash,
    id: str,
    state: Sequence[DashDependency],
    sheet: Callable[..., Sheet | None],
) -> None:
    """Have the buttons of the chart or table `id` (see `components.chart`) give their files.

    Args:
        app: The application.
        id: The chart's id; it begins with its page's word, and whoever may not see the page is
            refused its files.
        state: What `sheet` is called with: the same states the page's own callback has.
        sheet: The rows as they are now; None where there are none.
    """

    def download(clicks: int | None, *values: Any) -> Any:
        made = sheet(*values) if clicks else None
        if made is None:
            return no_update
        return {"content": as_csv(made), "filename": f"{made.name}.csv", "type": "text/csv"}

    app.callback(
        Output(f"{id}-file", "data"),
        Input(f"{id}-csv", "n_clicks"),
        [State(one.component_id, one.component_property) for one in state],
        prevent_initial_call=True,
    )(download)
    app.clientside_callback(
        ClientsideFunction("wattline", "savePicture"),
        Input(f"{id}-png", "n_clicks"),
        prevent_initial_call=True,
    )


def _safe(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    text = str(value)[:_MOST_CHARACTERS]
    return f"'{text}" if text.lstrip().startswith(_FORMULA) or text.startswith(_FORMULA) else text
