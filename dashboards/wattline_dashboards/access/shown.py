"""Which sight each page, each callback and each route needs. What does not stand here is closed.

A page's module, its ids and its callbacks begin with one word: `fleet` is the page, `fleet-map` a
part of it, and a callback that fills `fleet-map` shows what the page shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from wattline_collector.access import Sight, Viewer, sees_any

PAGES: Mapping[str, tuple[Sight, ...]] = MappingProxyType(
    {
        "now": (Sight.FLEET,),
        "fleet": (Sight.FLEET,),
        "node": (Sight.FLEET,),
        "device": (Sight.FLEET,),
        "alerts": (Sight.ALERTS,),
        "quality": (Sight.ALERTS, Sight.SERVICE),
        "production": (Sight.FIGURES,),
        "energy": (Sight.FIGURES,),
        "access_time": (Sight.FIGURES,),
        "reliability": (Sight.FIGURES,),
        "reports": (Sight.FIGURES,),
        "factories": (Sight.FIGURES,),
        "my_jobs": (Sight.OWN, Sight.JOBS),
        "job": (Sight.OWN, Sight.JOBS),
        "my_project": (Sight.OWN, Sight.PROJECTS),
    }
)
"""Sights of a page by its module's name, any of which opens it."""

AROUND = ("shell", "_pages")
"""What stands around every page: it shows what whoever is signed in may see anyway."""


class Entry(StrEnum):
    """Who may ask for a route at all."""

    OPEN = "open"  # everybody: it holds nothing of anybody's
    SIGNED_IN = "signed in"  # whoever is signed in, whatever their roles


ROUTES: Mapping[str, Entry] = MappingProxyType(
    {
        "/health": Entry.OPEN,
        "/theme.css": Entry.OPEN,
        "/assets/<path:filename>": Entry.OPEN,
        "/ours/<mark>/<name>": Entry.OPEN,
        "/sign-in": Entry.OPEN,
        "/sign-in/oidc": Entry.OPEN,
        "/sign-in/callback": Entry.OPEN,
        "/sign-in/token": Entry.OPEN,
        "/": Entry.SIGNED_IN,
        "/<path:path>": Entry.SIGNED_IN,
        "/account": Entry.SIGNED_IN,
        "/sign-out": Entry.SIGNED_IN,
        "/reports/files/<made>/<form>": Entry.SIGNED_IN,
        "/_dash-layout": Entry.SIGNED_IN,
        "/_dash-dependencies": Entry.SIGNED_IN,
        "/_dash-component-suites/<string:package_name>/<path:fingerprinted_path>": Entry.SIGNED_IN,
        "/_dash-update-component": Entry.SIGNED_IN,
    }
)
"""Routes by their rule. The frame of a page holds nothing; what fills it are callbacks."""


def may_see_page(viewer: Viewer, name: str) -> bool:
    """Whether somebody may see a page, by its module's name."""
    return sees_any(viewer, PAGES.get(name, ()))


def may_call(viewer: Viewer, output: object) -> bool:
    """Whether somebody may have a callback run, by its outputs as Dash names them."""
    if viewer.staff:
        return True
    parts = parts_of(output)
    return bool(parts) and all(part in AROUND or may_see_page(viewer, part) for part in parts)


def parts_of(output: object) -> frozenset[str]:
    """The pages, or parts around them, that a callback's outputs belong to.

    Args:
        output: `fleet-map.figure`, `..fleet-map.figure...fleet-drawn.data..`, or the hash that Dash
            gives a callback without outputs, which belongs to nothing.
    """
    if not isinstance(output, str):
        return frozenset()
    several = output.startswith("..") and output.endswith("..")
    targets = output[2:-2].split("...") if several else [output]
    return frozenset(_part(target) for target in targets)


def _part(target: str) -> str:
    id, dot, _ = target.rpartition(".")
    if not dot:
        return ""
    if id.startswith("{"):
        # One of many alike: its `type` is its name.
        try:
            id = str(json.loads(id.replace("\\.", "."))["type"])
        except (ValueError, KeyError, TypeError):
            return ""
    return _first(id, AROUND) or id.partition("-")[0]


def _first(id: str, names: Iterable[str]) -> str | None:
    return next((name for name in names if id.startswith((f"{name}-", f"{name}_"))), None)
