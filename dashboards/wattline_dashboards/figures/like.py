"""A job among jobs like it: how many lie where, and where it lies itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wattline_collector.palette import TOKENS, Mode, format_number, format_percent
from wattline_dashboards import plot, theme
from wattline_dashboards.columns import number
from wattline_dashboards.language import _

HEIGHT = 264
METRICS = ("working", "tokens_per_joule")


def figure(like: Mapping[str, Any], mode: Mode) -> plot.Figure:
    """Both distributions, one above the other; what is withheld has no bars."""
    metrics = like.get("metrics") or {}
    traces, shapes, notes = [], [], []
    axes: dict[str, Any] = {}
    tokens = TOKENS[mode]
    names = {
        "working": _("Jobs by the share of held time they worked"),
        "tokens_per_joule": _("Jobs by tokens per joule"),
    }
    for place, name in enumerate(METRICS):
        metric = metrics.get(name) or {}
        number_of = "" if place == 0 else "2"
        low, high = (0.62, 0.92) if place == 0 else (0.08, 0.38)
        counts = [number(one) or 0 for one in metric.get("counts") or ()]
        start, width = number(metric.get("start")) or 0.0, number(metric.get("width")) or 0.05
        own = number(metric.get("own"))
        end = start + width * max(1, len(counts))
        right = end if own is None else max(end, own * 1.02)
        axes[f"xaxis{number_of}"] = theme.axis(
            mode, range=[start, right], anchor=f"y{number_of}", showgrid=False,
            tickformat=".0%" if name == "working" else None, nticks=6, showline=True,
            linecolor=tokens.line, ticks="outside", tickcolor=tokens.line,
        )  # fmt: skip
        axes[f"yaxis{number_of}"] = theme.bare_axis(
            domain=[low, high], range=[0, max(counts, default=1) * 1.15], anchor=f"x{number_of}"
        )
        count = number(metric.get("n"))
        told = f"{names[name]}, n = {count:.0f}" if counts and count else names[name]
        notes.append(_words(told, 0, high, tokens.text))
        if not counts:
            notes.append(
                _words(_("Not shown: too few, or too few people"), 0, (low + high) / 2,
                       tokens.muted)
            )  # fmt: skip
            continue
        traces.append(
            plot.bar(
                x=[start + width * (i + 0.5) for i in range(len(counts))],
                y=counts,
                width=width * 0.92,
                xaxis=f"x{number_of}",
                yaxis=f"y{number_of}",
                marker={"color": tokens.mark},
                customdata=[_between(name, start + width * i, width) for i in range(len(counts))],
                hovertemplate=_("{count} jobs").format(count="%{y}")
                + ": %{customdata}<extra></extra>",
            )
        )
        if own is not None:
            shapes.append(
                {"type": "line", "x0": own, "x1": own, "xref": f"x{number_of}",
                 "y0": low, "y1": high, "yref": "paper",
                 "line": {"color": tokens.accent, "width": 3}}
            )  # fmt: skip
            near_end = own > start + 0.7 * (right - start)
            notes.append(
                {"x": own, "xref": f"x{number_of}", "y": high, "yref": "paper",
                 "xanchor": "right" if near_end else "left", "yanchor": "top", "showarrow": False,
                 "xshift": -6 if near_end else 6,
                 "text": _("this job, {value}").format(value=written(name, own)),
                 "bgcolor": tokens.background,
                 "font": {"size": theme.SMALL, "color": tokens.accent}}
            )  # fmt: skip
    return plot.figure(
        traces,
        theme.layout(
            mode, shapes=shapes, annotations=notes, margin={"l": 8, "r": 24, "t": 0, "b": 0}, **axes
        ),
    )


def written(metric: str, value: float | None) -> str:
    """A value of a metric as people read it."""
    return format_percent(value) if metric == "working" else format_number(value, "tok/J")


def _between(metric: str, low: float, width: float) -> str:
    return f"{written(metric, low)}\N{EN DASH}{written(metric, low + width)}"


def _words(text: str, x: float, y: float, colour: str) -> dict[str, Any]:
    return {"xref": "paper", "yref": "paper", "x": x, "xanchor": "left", "y": y, "yshift": 4,
            "yanchor": "bottom", "text": text, "showarrow": False,
            "font": {"size": theme.SMALL, "color": colour}}  # fmt: skip
