"""What the page *Access* asks: whose the time was, against what was granted, and who waited."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from wattline_agents.errors import UsageError
from wattline_collector.access import Sight, Viewer, sees
from wattline_collector.capability.commercial_guard import LEVELS, guard
from wattline_collector.kpi.burn import running_grants
from wattline_collector.kpi.figure import Figure
from wattline_collector.kpi.view import View
from wattline_collector.pages.period import SYSTEM, Scope, figures, scope, told
from wattline_collector.pages.read import House, Json, Question, Read
from wattline_collector.pages.small_cells import LEAST_PROJECTS, Cell, hidden
from wattline_collector.profile import law

FIGURES = ("I01", "I02", "I03", "I04", "I05", "I06", "I07", "I08", "U04", "U05", "U08")
MOST_GRANTS = 100
"""Grants shown: those furthest from their pace first."""
CELLS = ("safe", "all")
"""What the heat map may show: cells of enough projects alone, or all of them."""


def answer(house: House, question: Question) -> Json:
    """`GET /v1/access-time`: granted and used, burn-down, the guard, waits, and what is missing.

    Grants are told apart by project for whoever sees projects, by access mode for all others.

    Raises:
        UsageError: `cells` is neither of `CELLS`, or `all` is asked by who may not see projects.
    """
    by_project = sees(question.viewer, Sight.PROJECTS)
    cells = question.one("cells") or CELLS[0]
    if cells not in CELLS:
        raise UsageError(f"cells: {cells[:20]!r} is neither of {', '.join(CELLS)}")
    if cells == "all" and not by_project:
        raise UsageError("cells: all of them are for those who see projects")
    asked = scope(house, question)
    found = figures(asked, FIGURES)
    return {
        **asked.to_json(),
        "figures": told(found),
        "burn": burn(asked, question.viewer),
        "guard": [_guard(asked.view, one) for one in found if one.id == "I04"],
        "waits": _waits(asked.view, found),
        "states": states(asked, everything=cells == "all"),
        "may_see_all": by_project,
        "gaps": gaps(found),
    }


def burn(asked: Scope, viewer: Viewer) -> Json:
    """Grants that run at the period's end, used against due, with the forecast; or why none.

    Returns:
        `by` (`project` or `access_mode`), `rows`, how many there are in all (`count`), `least` (the
        part that must be used at half a grant's time), and `note`.
    """
    by = "project" if sees(viewer, Sight.PROJECTS) else "access_mode"
    least = law.burn_down_least(asked.view.profile)
    running = running_grants(asked.view)
    if isinstance(running, str):
        return {"by": by, "rows": [], "count": 0, "least": least, "note": running}
    if asked.system is not None:
        running = running.filter(pl.col("system").is_in([asked.system, "unknown"]))
    granted, elapsed = pl.col("granted"), pl.col("elapsed")
    keys = ["project", "access_mode", "start_ms", "end_ms"] if by == "project" else ["access_mode"]
    rows = (
        running.group_by(keys)
        .agg(
            granted.sum(),
            pl.col("gpu_hours").sum().alias("used"),
            (granted * elapsed).sum().alias("due"),
            pl.when(pl.col("forecast").is_not_null().all()).then(pl.col("forecast").sum()),
            ((granted * elapsed * pl.col("told")).sum() / (granted * elapsed).sum()).alias("told"),
            pl.col("behind").sum(),
            pl.len().alias("grants"),
        )
        .with_columns(((pl.col("used") - pl.col("due")).abs() / granted).alias("_off"))
        .sort("_off", *keys, descending=[True, *[False] * len(keys)], nulls_last=True)
        .drop("_off")
    )
    return {
        "by": by,
        "rows": rows.head(MOST_GRANTS).to_dicts(),
        "count": rows.height,
        "least": least,
        "note": "",
    }


def states(asked: Scope, *, everything: bool = False) -> Json:
    """I03 by user category: who used it. Cells of too few projects are `hidden`, without a value.

    Returns:
        `cells` (`state`, `category`, `used`, `granted`, `projects`, `hidden`), `least` and
        `everything`.
    """
    found = [
        figure
        for figure in figures(asked, ["I03"], ["user_category"])
        if figure.numerator is not None or figure.denominator is not None
    ]
    places = {
        (figure.dims["participating_state"], figure.dims["user_category"]): figure
        for figure in found
    }
    closed = (
        frozenset()
        if everything
        else hidden({place: Cell(one.numerator, one.n) for place, one in places.items()})
    )
    return {
        "least": LEAST_PROJECTS,
        "everything": everything,
        "cells": [
            {"state": place[0], "category": place[1], "hidden": True}
            if place in closed
            else {
                "state": place[0],
                "category": place[1],
                "hidden": False,
                "used": one.numerator,
                "granted": one.denominator,
                "projects": one.n,
            }
            for place, one in sorted(places.items())
        ],
    }


def gaps(found: Iterable[Figure]) -> list[Json]:
    """What cannot be told, why, and what to provide; alike ones once."""
    notes: dict[tuple[str, str, str], list[str]] = {}
    for figure in found:
        if figure.value is None and figure.note:
            parts = notes.setdefault((figure.id, figure.name, figure.note), [])
            words = [word for word in figure.dims.values() if word != "unknown"]
            if words:
                parts.append(" ".join(words))
    return [
        {"id": id, "name": name, "note": note, "of": parts}
        for (id, name, note), parts in notes.items()
    ]


def _guard(view: View, figure: Figure) -> Json:
    """The commercial guard of a system, by the profile's levels and its limit."""
    levels = law.commercial_levels(view.profile)
    system = figure.dims.get("system")
    known = view.profile.systems.get(system or "") if view.profile else None
    limit = law.commercial_share_most(known.entitlement if known else None)
    steps = levels if len(levels) == len(LEVELS) else LEVELS
    judged = guard(
        float(figure.numerator or 0.0),
        figure.denominator,
        levels=(min(steps[0], limit), min(steps[1], limit), limit),
    )
    return {
        "system": system,
        "share": None if figure.value is None else figure.value / 100,
        "used": figure.numerator,
        "union": figure.denominator,
        "levels": [*(level for level in levels if level < limit), limit],
        "limit": limit,
        "alarm": None
        if figure.value is None or judged.alarm is None
        else judged.alarm.name.lower(),
        "left": None if figure.value is None else judged.hours_left,
        "coverage": figure.coverage,
        "note": figure.note,
    }


def _waits(view: View, found: Iterable[Figure]) -> list[Json]:
    """I07 by access mode: both percentiles, the share in time, and the mode's own limit."""
    modes: dict[str, dict[str, object]] = {}
    for figure in found:
        if figure.id != "I07":
            continue
        mode = figure.dims["access_mode"]
        if mode == "unknown" and figure.value is None:
            continue
        row = modes.setdefault(mode, _limit(view, mode))
        row[figure.dims["figure"]] = figure.value
        row["n"], row["note"] = figure.n, figure.note
    return list(modes.values())


def _limit(view: View, mode: str) -> dict[str, object]:
    terms = law.access_mode(view.profile, mode)
    days = terms.days if terms.days is not None else terms.working_days
    unit = "calendar days" if terms.days is not None else "working days"
    row: dict[str, object] = {"mode": mode, "most": days, "unit": unit}
    return row | {"p50": None, "p95": None, "in_time": None}


READS = (
    Read(
        "/v1/access-time",
        (Sight.FIGURES,),
        answer,
        takes=SYSTEM | {"cells"},
        keep_seconds=30.0,
        by_viewer=True,
    ),
)
