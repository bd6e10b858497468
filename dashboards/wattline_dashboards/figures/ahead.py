"""What Plotly makes at the first figure and keeps, made before somebody waits for it.

It reads what every property of a trace may be when the first of its kind is made: a sixth of a
second, which else is added to the first page with a chart.
"""

from __future__ import annotations

import plotly.graph_objects as go

from wattline_collector.palette import Mode
from wattline_dashboards import theme


def prepare() -> None:
    """Make one figure of the kinds that most pages have, and throw it away."""
    for mode in Mode:
        axis = theme.axis(mode, tickvals=[0], ticktext=["0"], range=[0, 1])
        go.Figure(
            [
                go.Bar(x=[0], y=[0], name="", width=[1], customdata=[""], hovertemplate="",
                       marker={"color": "rgba(0,0,0,0)", "pattern": theme.hatch(mode, "/")}),
                go.Scatter(x=[0], y=[0], mode="lines", line={"width": 1}, fill="tozeroy",
                           customdata=[""], hovertemplate=""),
                go.Heatmap(x=[0], y=[0], z=[[0]], customdata=[[""]], hovertemplate=""),
            ],
            theme.layout(
                mode, barmode="stack", xaxis=axis, yaxis=axis, margin={"l": 0},
                shapes=[{"type": "line", "x0": 0, "x1": 0, "y0": 0, "y1": 0, "line": {"width": 1}}],
                annotations=[{"x": 0, "y": 0, "text": "", "showarrow": False, "font": {"size": 1}}],
            ),
        ).to_plotly_json()  # fmt: skip
