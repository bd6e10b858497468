"""The look of the pages: the shared palette as style sheet variables and as plots' layout.

Style sheet variables cannot reach into a plot, so a plot is told its mode and drawn for it; the
browser keeps the mode and asks again when it changes.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from wattline_collector.palette import ACCOUNTS, NODE_OVERHEAD, RAMP, TOKEN_KINDS, TOKENS, Mode
from wattline_dashboards import plot

FONT = (
    'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, '
    '"Liberation Sans", sans-serif'
)
SMALL, TEXT, LARGE = 12, 14, 16
"""Sizes used inside plots, in pixels; the style sheet has the rest of the scale."""


def mode_named(name: object) -> Mode:
    """The mode a browser says it is in; light where it says nothing we know."""
    return Mode.DARK if name == Mode.DARK.value else Mode.LIGHT


def style_sheet() -> str:
    """The palette as variables: light, dark by the system's wish, dark by the reader's."""
    light, dark = _variables(Mode.LIGHT), _variables(Mode.DARK)
    ramp = ", ".join(RAMP)
    return "\n".join(
        [
            f":root {{ color-scheme: light; --font: {FONT}; --ramp: {ramp}; {light} }}",
            f":root[data-theme='dark'] {{ color-scheme: dark; {dark} }}",
            "@media (prefers-color-scheme: dark) {",
            f"  :root:not([data-theme='light']) {{ color-scheme: dark; {dark} }}",
            "}",
            *(
                f".swatch-{name} {{ background-color: var(--{name}); }}"
                for name in (*(a.value for a in ACCOUNTS), *TOKEN_KINDS, "node-overhead")
            ),
            *(
                f".swatch-{account.value} {{ background-image: var(--hatch); }}"
                for account, style in ACCOUNTS.items()
                if style.hatched
            ),
        ]
    )


def _variables(mode: Mode) -> str:
    values = asdict(TOKENS[mode])
    values |= {account.value: style.colour(mode) for account, style in ACCOUNTS.items()}
    values |= {name: style.colour(mode) for name, style in TOKEN_KINDS.items()}
    values["node-overhead"] = NODE_OVERHEAD.colour(mode)
    return " ".join(f"--{name}: {value};" for name, value in values.items())


def layout(mode: Mode, **more: Any) -> plot.Layout:
    """A plot's layout: no frame, no tools, our type, room for nothing but the data."""
    tokens = TOKENS[mode]
    base = {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": SMALL, "color": tokens.text},
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0, "pad": 0},
        "showlegend": False,
        "dragmode": False,
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": tokens.surface,
            "bordercolor": tokens.line,
            "font": {"family": FONT, "size": SMALL, "color": tokens.text},
            "align": "left",
        },
        "uirevision": "kept",
    }
    return plot.over(base, plot.known(more))


def hatch(mode: Mode, shape: str | list[str]) -> dict[str, Any]:
    """The texture of what is not known, over a bar's own colour."""
    return {
        "shape": shape,
        "fillmode": "overlay",
        "fgcolor": TOKENS[mode].mark,
        "fgopacity": 1,
        "size": 6,
        "solidity": 0.2,
    }


def axis(mode: Mode, **more: Any) -> dict[str, Any]:
    """An axis: a faint grid, no line, nothing that zooms."""
    tokens = TOKENS[mode]
    return {
        "showgrid": True,
        "gridcolor": tokens.grid,
        "zeroline": False,
        "showline": False,
        "fixedrange": True,
        "ticks": "",
        "tickfont": {"size": SMALL, "color": tokens.muted},
        "automargin": True,
        **more,
    }


def bare_axis(**more: Any) -> dict[str, Any]:
    """An axis that only places things."""
    return {"visible": False, "fixedrange": True, "showgrid": False, **more}


GRAPH_CONFIG: Any = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}
