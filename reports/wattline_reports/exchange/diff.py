"""What two bundles say differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wattline_reports.exchange import eed_file, factors_file, profile_file
from wattline_reports.exchange.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not the same.

    Attributes:
        where: `manifest revision`, `P01`, `access DE/sme/_T/_T`, or the name of a file.
        before: What the first says; None for nothing.
        after: What the second says.
    """

    where: str
    before: object
    after: object


_TOLD = ("kind", "factory", "period", "revision", "dictionary", "books", "disclosure", "version")


def diff(before: Bundle, after: Bundle) -> list[Change]:
    """Every difference between two bundles, in a fixed order; empty if they say the same."""
    found = [
        Change(f"manifest {name}", getattr(before.manifest, name), getattr(after.manifest, name))
        for name in _TOLD
        if getattr(before.manifest, name) != getattr(after.manifest, name)
    ]
    found += _changes(_figures(before), _figures(after))
    for name in sorted({*before.cubes, *after.cubes}):
        rows = [
            {f"{name} {'/'.join(key)}": row for key, row in one.cubes.get(name, {}).items()}
            for one in (before, after)
        ]
        found += _changes(rows[0], rows[1])
    found += _changes(_told(before), _told(after))
    opened = {
        *OPENED,
        *(f"cubes/{name}.csv" for name in (*before.cubes, *after.cubes)),
    }
    digests = [
        {name: told[0] for name, told in one.manifest.files.items() if name not in opened}
        for one in (before, after)
    ]
    return [*found, *_changes(digests[0], digests[1])]


OPENED = ("kpis.json", profile_file.FILE, eed_file.FILE, factors_file.FILE)
"""Files that are compared by what they say."""


def _told(bundle: Bundle) -> dict[str, Any]:
    """What is declared: each value under its path, each factor under what it is of."""
    found: dict[str, Any] = {}
    for name, value in ((profile_file.FILE, bundle.profile), (eed_file.FILE, bundle.eed)):
        if value is not None:
            found |= {f"{name} {path}": leaf for path, leaf in _leaves(value, "")}
    for row in bundle.factors or ():
        cells = row.cells()
        of = " ".join(filter(None, (*cells[:6], *cells[8:])))
        found[f"{factors_file.FILE} {of}"] = row.grams_per_kwh
    return found


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
        for place, item in enumerate(value):
            name = next((item[one] for one in _NAMED if item.get(one) is not None), place)
            yield from _leaves(item, f"{path}[{name}]")
    else:
        yield path, value


_NAMED = ("id", "key", "model", "number")
"""By which of its keys an item of a list is known."""


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        if (name in before, before.get(name)) != (name in after, after.get(name)):
            yield Change(name, before.get(name), after.get(name))


def _figures(bundle: Bundle) -> dict[str, Any]:
    found = {}
    for figure in bundle.figures:
        dims = ", ".join(f"{name}={value}" for name, value in sorted(figure["dims"].items()))
        found[f"{figure['id']} {dims}".strip()] = {
            name: figure[name] for name in ("value", "unit", "n", "coverage", "status")
        }
    return found
