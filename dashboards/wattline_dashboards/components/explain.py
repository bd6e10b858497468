"""A figure that opens its explanation: what it is made of, by which formula, from what authority.

The button names the KPI; the one dialog of the shell asks the collector and shows the answer.
"""

from __future__ import annotations

from typing import Any

from dash import html

from wattline_dashboards.components.parts import marks
from wattline_dashboards.language import _


def explained(kpi: str, shown: Any, label: str = "") -> html.Button:
    """`shown` as a button that opens the explanation of a KPI.

    Works both where Dash draws and in parts that travel through `markup`.

    Args:
        kpi: Its id, such as `S10`.
        shown: What stands on the button: the figure, or the KPI's name.
        label: What a screen reader says in place of it.
    """
    title = _("Explain {kpi}").format(kpi=kpi)
    more = marks(aria_label=f"{label}. {title}") if label else {}
    return html.Button(
        shown, className="explained-figure", title=title, type="button",
        **marks(data_explain=kpi), **more,
    )  # fmt: skip
