"""Carbon three ways: by the grid's year, by the grid's hours, and by what was bought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wattline_collector.palette import TOKENS, UNKNOWN, Mode, format_number, format_si
from wattline_dashboards import plot, theme
from wattline_dashboards.columns import number, text
from wattline_dashboards.components import stats
from wattline_dashboards.language import _

HEIGHT = 240
WAYS = ("location_annual", "location_hourly", "market")
Figure = Mapping[str, Any]


def name_of(way: str) -> str:
    """What a way is called."""
    named = {
        "location_annual": _("Location, by the year"),
        "location_hourly": _("Location, hour by hour"),
        "market": _("Market, by contracts"),
    }
    return named.get(way, way)


def finding(figures: Sequence[Figure]) -> str:
    """How much, by the most and the least of the ways that are known."""
    id, of = _kpi(figures)
    known = [kg for way in WAYS if (kg := _kg(figures, id, way)) is not None]
    if not known:
        return _("Carbon is not known")
    low, high = min(known), max(known)
    if len(known) == 1:
        return _("{what}: {mass}").format(what=of, mass=mass(high))
    return _("{what}: {low} to {high}, by how it is counted").format(
        what=of, low=mass(low), high=mass(high)
    )


def note(figures: Sequence[Figure]) -> str:
    """Why a way is not known."""
    id, _of = _kpi(figures)
    lacks = []
    for way in WAYS:
        figure = stats.picked(figures, id, {"way": way})
        if figure is not None and stats.value_of(figure) is None:
            said = text(figure.get("note")) or _("not known")
            lacks.append(f"{name_of(way)}: {said[:200]}")
    return "; ".join(lacks)


def mass(kilograms: float | None) -> str:
    """A mass of CO2 equivalent: `3.2 t CO2e`."""
    if kilograms is None:
        return UNKNOWN
    if kilograms >= 1000:
        return format_number(kilograms / 1000, "t") + " CO₂e"
    return format_si(kilograms * 1000, "g") + " CO₂e"


def figure(figures: Sequence[Figure], mode: Mode) -> plot.Figure:
    """A bar for each way, of the data centre where it is metered, else of the jobs."""
    tokens = TOKENS[mode]
    id, _of = _kpi(figures)
    masses = [_kg(figures, id, way) for way in WAYS]
    longest = max((kg for kg in masses if kg is not None), default=0.0)
    names = [name_of(way) for way in WAYS]
    notes = []
    for way, name, kg in zip(WAYS, names, masses, strict=True):
        shown = stats.picked(figures, id, {"way": way})
        rate = f"  {stats.shown(shown, plain=True)}" if kg is not None and id == "S08" else ""
        notes.append(
            {
                "x": (kg or 0.0) + longest * 0.02 if longest else 0.0,
                "y": name,
                "text": f"<b>{mass(kg)}</b>{rate}",
                "showarrow": False,
                "xanchor": "left",
                "font": {"size": theme.SMALL},
            }
        )
    unknown = [0.12 * longest if kg is None else 0.0 for kg in masses]
    for place, width in enumerate(unknown):
        if width:
            notes[place]["x"] = width + longest * 0.02
            notes[place]["text"] = _("not known")
    return plot.figure(
        [
            plot.bar(
                y=names,
                x=masses,
                orientation="h",
                marker={"color": [tokens.mark, tokens.mark, tokens.accent]},
                customdata=[mass(kg) for kg in masses],
                hovertemplate="%{y}: %{customdata}<extra></extra>",
            ),
            plot.bar(
                y=names,
                x=unknown,
                orientation="h",
                marker={"color": tokens.neutral, "pattern": theme.hatch(mode, "/")},
                hoverinfo="skip",
            ),
        ],
        theme.layout(
            mode,
            barmode="stack",
            bargap=0.5,
            annotations=notes,
            xaxis=theme.bare_axis(range=[0, max(longest, 1e-9) * 2.2]),
            yaxis=theme.axis(
                mode, autorange="reversed", showgrid=False, ticklabelstandoff=8,
                tickfont={"size": theme.TEXT, "color": tokens.text},
            ),
        ),
    )  # fmt: skip


def _kpi(figures: Sequence[Figure]) -> tuple[str, str]:
    """S08 where the data centre's carbon is known, else S13; and what it is of."""
    if any(stats.value_of(one) is not None for one in stats.every(figures, "S08")):
        return "S08", _("The data centre")
    return "S13", _("Jobs")


def _kg(figures: Sequence[Figure], id: str, way: str) -> float | None:
    shown = stats.picked(figures, id, {"way": way})
    return None if stats.value_of(shown) is None else number((shown or {}).get("numerator"))
