"""Charts as the browser takes them: plain mappings, by the names of Plotly's own properties.

Plotly's Python objects look every property up and check it whenever a chart is drawn, which took
longer than all else a page does. What a page draws has the same properties each time: the tests
hold each of them against those objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Trace = dict[str, Any]
Layout = dict[str, Any]
Figure = dict[str, Any]
"""`data`, a list of `Trace`, and `layout`."""


def figure(traces: Trace | Sequence[Trace], layout: Layout) -> Figure:
    """A chart; what lies behind comes first."""
    return {"data": [traces] if isinstance(traces, dict) else list(traces), "layout": layout}


def bar(**said: Any) -> Trace:
    """Bars; a property that is None is not said."""
    return {"type": "bar", **known(said)}


def scatter(**said: Any) -> Trace:
    """Points and lines; a property that is None is not said."""
    return {"type": "scatter", **known(said)}


def heatmap(**said: Any) -> Trace:
    """Cells; a property that is None is not said."""
    return {"type": "heatmap", **known(said)}


def sankey(**said: Any) -> Trace:
    """Flows; a property that is None is not said."""
    return {"type": "sankey", **known(said)}


def known(said: Mapping[str, Any]) -> dict[str, Any]:
    """Properties without those that are None, at any depth; of values, None stays a gap."""
    return {
        name: known(value) if isinstance(value, Mapping) else value
        for name, value in said.items()
        if value is not None
    }


def over(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Properties of `base` and, in their place where both have one, of `more`, at any depth."""
    both = {**base, **more}
    for name, value in base.items():
        if isinstance(value, Mapping) and isinstance(instead := more.get(name), Mapping):
            both[name] = over(value, instead)
    return both
