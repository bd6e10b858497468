"""Factories side by side for a page of the collector: received bundles, verified, as JSON.

What is compared and how is the network review's (`compared`, `measures`, `exchanged`). A bundle is
verified before anything of it is told; what was verified is not verified again while neither its
file nor the ring of keys changes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wattline_agents.errors import InputError
from wattline_collector.kpi.figure import Period
from wattline_collector.profile.kept import readable_profile
from wattline_reports.exchange.exchanged import silent
from wattline_reports.exchange.merge import merge
from wattline_reports.exchange.refused import Refused
from wattline_reports.network.compared import Compared, compare, factory_of, is_hidden
from wattline_reports.network.measures import THEMES
from wattline_reports.network.taken import LeftOut, Sent, alike, read_ring, verified
from wattline_reports.quoted import Quoted, clean

ENDING = "*.aifb.zip"
MOST_AT_ONCE = 8
"""Bundles that one question verifies, of half a second each; the next question goes on."""
MOST_FILES = 200
"""Bundles that are looked at, by their names; nineteen factories send 76 a year. Of more it is said
how many were not looked at."""

Json = Mapping[str, Any]


class Verifier:
    """Remembers what was verified; safe to use from many threads."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._lock = threading.Lock()
        self._known: dict[Path, tuple[object, Sent | LeftOut]] = {}

    def check(self, files: Sequence[Path], ring: Path) -> list[Sent | LeftOut]:
        """The bundles that were verified by now; of those that were not, a few more than before.

        Args:
            files: The bundles.
            ring: The public keys, which are in order.
        """
        with self._lock:
            self._known = {path: self._known[path] for path in files if path in self._known}
            keys, left = None, MOST_AT_ONCE
            for path in files:
                try:
                    state = (_state(path), ring, _state(ring))
                    if path in self._known and self._known[path][0] == state:
                        continue
                    if not left:
                        self._known.pop(path, None)
                        continue
                    keys, left = keys or read_ring(ring), left - 1
                    self._known[path] = state, verified(path, keys)
                except OSError as error:
                    lost = LeftOut(clean(path.name), error.strerror or "cannot be read")
                    self._known[path] = None, lost
            return [self._known[path][1] for path in files if path in self._known]


def answer(verifier: Verifier, store: Path, bundles: Path, ring: Path, period: str | None) -> Json:
    """What the page shows.

    Args:
        verifier: What remembers which bundles hold.
        store: The store; its profile says which factory is this one.
        bundles: The directory of the bundles.
        ring: The public keys.
        period: Of which period, as `period_id` names it; None: of most bundles, the later of two.
    """
    files = sorted(bundles.glob(ENDING)) if bundles.is_dir() else []
    looked = files[:MOST_FILES]
    problem = _ring_problem(ring) if files else None
    checked = [] if problem else verifier.check(looked, ring)
    held = [one for one in checked if isinstance(one, Sent)]
    refused = [one for one in checked if isinstance(one, LeftOut)]
    periods = _periods(held)
    chosen, aside = _chosen(held, period)
    return {
        "own": _own(store),
        "problem": problem,
        "received": len(files),
        "not_looked_at": len(files) - len(looked),
        "to_verify": 0 if problem else len(looked) - len(checked),
        "periods": periods,
        "bundles": [_bundle(one, chosen) for one in held],
        "refused": [{"file": one.file, "why": one.why} for one in refused],
        "aside": [{"file": one.file, "why": one.why} for one in aside],
        **_side_by_side(chosen),
    }


def _chosen(held: Sequence[Sent], period: str | None) -> tuple[list[Sent], list[LeftOut]]:
    """The bundles of one period that can stand side by side; and of that period those that not."""
    if not held:
        return [], []
    asked = [one for one in held if period_id(one.bundle.manifest.period) == period]
    first, _ = alike(asked or held)
    wanted = first[0].bundle.manifest.period
    return alike([one for one in held if one.bundle.manifest.period == wanted])


def period_id(period: Period) -> str:
    """A period's name in questions: its ends."""
    ends = period.to_json()
    return f"{ends['from']}/{ends['to']}"


# Bundles


def _ring_problem(ring: Path) -> str | None:
    """Why there are no keys to verify with; None where there are. No path is in it."""
    if not ring.is_file():
        return "there is no ring of public keys"
    try:
        read_ring(ring)
    except Refused as error:
        return f"the ring of public keys is not right: {clean(error.reason)}"
    return None


def _state(path: Path) -> tuple[int, int, int]:
    """What changes when a file does."""
    told = os.stat(path)
    return told.st_mtime_ns, told.st_size, told.st_ino


def _periods(held: Sequence[Sent]) -> list[Json]:
    """The periods there are bundles of, the newest first."""
    found = sorted(
        {one.bundle.manifest.period for one in held},
        key=lambda one: (one.end, one.start),
        reverse=True,
    )
    return [
        {
            "id": period_id(period),
            **period.to_json(),
            "factories": len({one.factory for one in held if one.bundle.manifest.period == period}),
        }
        for period in found
    ]


def _bundle(one: Sent, chosen: Sequence[Sent]) -> Json:
    told = one.bundle.manifest
    cells = [row for table in one.bundle.cubes.values() for row in table.values()]
    devices = [
        device
        for system in (one.bundle.profile or {}).get("systems", ())
        for device in system["devices"]
    ]
    return {
        "file": one.file,
        "factory": one.factory,
        "country": told.country,
        "kind": told.kind,
        "period": told.period.to_json(),
        "revision": told.revision,
        "signers": list(one.signers),
        "valid_until": one.valid_until.isoformat(),
        "balanced": told.books.balanced,
        "checked_hours": told.books.checked_hours,
        "hidden": sum(row is None for row in cells),
        "cells": len(cells),
        "devices": [{"model": device["model"], "count": device["count"]} for device in devices],
        "digest": told.digest[:16],
        "shown": one in chosen,
    }


def _own(store: Path) -> str | None:
    try:
        profile = readable_profile(store)
    except InputError:
        return None
    return None if profile is None else profile.id


# Side by side


def _side_by_side(chosen: Sequence[Sent]) -> Json:
    if not chosen:
        return {"period": None, "factories": [], "themes": [], "coordination": None}
    bundles = [one.bundle for one in chosen]
    merged = merge(bundles)
    return {
        "period": bundles[0].manifest.period.to_json(),
        "factories": [one.factory for one in chosen],
        "themes": [
            {
                "id": theme.id,
                "title": theme.title,
                "question": theme.question,
                "measures": [
                    _measure(compare(measure, bundles, merged)) for measure in theme.measures
                ],
            }
            for theme in THEMES
        ],
        "coordination": {
            "records": [{**one.to_json(), "amount": one.amount} for one in merged.exchanges],
            "mismatches": [one.to_json() for one in merged.mismatches],
            "silent": list(silent(bundles)),
        },
    }


def _measure(one: Compared) -> Json:
    apart = {factory_of(figure) for figure in one.outliers}
    return {
        "key": one.measure.key,
        "is_kpi": one.measure.is_kpi,
        "name": one.measure.name,
        "short": one.measure.short,
        "unit": "" if one.measure.unit == "1" else one.measure.unit,
        "least": one.measure.least,
        "factories": [
            {"factory": factory_of(figure), "apart": factory_of(figure) in apart, **_figure(figure)}
            for figure in one.factories
        ],
        "network": _figure(one.network),
        "low": _number(one.low),
        "median": _number(one.median),
        "high": _number(one.high),
    }


def _figure(one: Quoted) -> Json:
    told = one.figure
    return {
        "value": _number(one),
        "numerator": told.numerator,
        "denominator": told.denominator,
        "n": told.n,
        "coverage": told.coverage,
        "method": told.method,
        "status": told.status.value,
        "note": told.note,
        "hidden": is_hidden(one),
    }


def _number(one: Quoted) -> float | None:
    return None if one.value is None else float(one.value)
