"""`eed.json`: the yearly return under Delegated Regulation (EU) 2024/1364, for a machine.

The same fields and figures as `wattline report eed`, under the codes of the regulation, but without
who answers for it: the data centre's name, its owner, its operator and the contact go to the
authority and into no bundle. Measurement points are numbered in the order of the profile, as the
names that a site gives them may be those of rooms, racks or people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from wattline_collector.kpi.figure import Period
from wattline_collector.profile.schema import FactoryProfile
from wattline_reports.asked import Asked
from wattline_reports.eed import KIND
from wattline_reports.eed.annexes import named_indicators
from wattline_reports.eed.book import Book, gathered
from wattline_reports.eed.schema import REDUNDANCY_NAMES, STATED
from wattline_reports.exchange import canonical
from wattline_reports.exchange.checked import check
from wattline_reports.exchange.settled import settled

FILE = "eed.json"
KPIS = {"PUE": "S03", "WUE": "S04", "ERF": "S05", "REF": "S06"}
"""The figures of `kpis.json` that the indicators of Annex III are."""

_CODES = {field.key: field.code for field in STATED}
_LAU = re.compile(r"[A-Za-z0-9_.-]{1,20}")
_REFRIGERANT = re.compile(r"[A-Za-z0-9-]{1,20}")


def of_store(store: Path, period: Period) -> dict[str, Any]:
    """The return of a store's period; see `of`."""
    options = {one.key: one.default for one in KIND.options}
    return of(gathered(Asked(KIND, store, period, options=options)))


def of(book: Book) -> dict[str, Any]:
    """The return as it may leave: codes, numbers and fixed words."""
    gaps = {field.code for field in book.gaps}
    places = _places(book.profile)
    indicators = named_indicators(book)
    return {
        "schema": book.schema,
        "year": book.year,
        "obliged": book.is_obliged,
        "completeness": {
            "valid": len(book.fields) - len(book.gaps),
            "required": len(book.fields),
        },
        "annex_i": _annex_i(book),
        "annex_ii": [
            {
                "key": key,
                "code": _CODES.get(key, key),
                "value": settled(one.value),
                "unit": one.figure.unit,
                "coverage": settled(one.figure.coverage),
                "level": one.figure.level,
                "valid": key not in gaps and one.value is not None,
                "points": _points_of(key, book, places),
            }
            for key, one, _ in book.annex_ii
        ],
        "annex_iii": {
            name: settled(indicators[name].value) if name in indicators else None for name in KPIS
        },
        "points": _points(book.profile, places),
    }


def read(data: bytes, path: object) -> Mapping[str, Any]:
    """What a bundle's file says.

    Raises:
        Refused: It is not as `of` makes it.
    """
    value = canonical.loads(data, path)
    check("eed", value, path)
    found: Mapping[str, Any] = value
    return found


def _annex_i(book: Book) -> dict[str, Any]:
    centre = None if book.profile is None else book.profile.data_centre
    year = None if centre is None else centre.years.get(str(book.year))
    redundancy = None if centre is None else centre.redundancy
    lau = None if centre is None else centre.lau_code
    return {
        "lau_code": lau if lau is not None and _LAU.fullmatch(lau) else None,
        "ownership": None if centre is None else centre.ownership,
        "structure": None if centre is None else centre.structure,
        "in_operation": None if centre is None else centre.in_operation,
        "redundancy": {name: getattr(redundancy, name, None) for name in REDUNDANCY_NAMES},
        "refrigerants": None
        if centre is None or centre.refrigerants is None
        else sorted({_refrigerant(one) for one in centre.refrigerants}),
        "peak_shifting": None if year is None else year.is_peak_shifting,
        "frequency_reserve": None if year is None else year.is_frequency_reserve,
    }


def _refrigerant(text: str) -> str:
    """A designation such as `R-1234ze`; free words are `other`."""
    return text if _REFRIGERANT.fullmatch(text) else "other"


def _places(profile: FactoryProfile | None) -> dict[str, int]:
    """Numbers of the measurement points."""
    points = {} if profile is None else profile.points
    return {id: number for number, id in enumerate(points, start=1)}


def _points_of(key: str, book: Book, places: Mapping[str, int]) -> list[int]:
    """The points at which an indicator is measured."""
    told = {} if book.profile is None else book.profile.meters
    mine = book.readings.filter(pl.col("eed") == key)["meter"].unique()
    points = {told[meter].point for meter in mine if meter in told}
    return sorted(number for id, number in places.items() if id in points)


def _points(profile: FactoryProfile | None, places: Mapping[str, int]) -> list[dict[str, Any]]:
    if profile is None:
        return []
    found = []
    for id, number in places.items():
        point = profile.points[id]
        devices = [one for one in profile.measuring_devices.values() if one.point == id]
        good = [one.calibrated_until for one in devices if one.calibrated_until is not None]
        found.append(
            {
                "number": number,
                "boundary": point.boundary,
                "since": None if point.since is None else point.since.isoformat(),
                "until": None if point.until is None else point.until.isoformat(),
                "devices": len(devices),
                "calibrated_until": max(good).isoformat() if good else None,
            }
        )
    return found
