"""What the fleet stands in order by, and what is looked for in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html

from wattline_collector.access import Sight, Viewer, sees
from wattline_collector.palette import format_number, format_si
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.devices import name as device_name
from wattline_dashboards.components.devices import state_name
from wattline_dashboards.components.inside import link
from wattline_dashboards.components.parts import nothing
from wattline_dashboards.components.short import cut, short
from wattline_dashboards.figures.floor import RACKS, Order
from wattline_dashboards.figures.views import ACCOUNT, View
from wattline_dashboards.language import _, ngettext
from wattline_dashboards.picture import Picture

ORDERS = ("rack", "node", "partition", "job", "project")
"""What devices can stand together by, in the order of the buttons."""

ASKED = ("partition", "project")
"""Orders that the newest readings say nothing of: the collector is asked for them."""

MOST_FOUND = 12
LONGEST_SEARCH = 64

Found = Sequence[bool]


def offered(viewer: Viewer) -> list[dict[str, str]]:
    """The orders for whoever looks: jobs and projects for those who may tell them apart."""
    names = {
        "rack": _("Rack"), "node": _("Node"), "partition": _("Partition"), "job": _("Job"),
        "project": _("Project"),
    }  # fmt: skip
    hidden = {
        *(() if sees(viewer, Sight.JOBS) else ("job",)),
        *(() if sees(viewer, Sight.PROJECTS) else ("project",)),
    }
    return [{"label": names[id], "value": id} for id in ORDERS if id not in hidden]


def order(id: object, picture: Picture, said: Mapping[str, Any] | None) -> Order:
    """What the devices of a picture stand in order by.

    Args:
        id: The order's word; one nobody declared is racks.
        picture: The fleet.
        said: `GET /v1/fleet`, for those of `ASKED`; None: not known yet.
    """
    devices = picture.devices
    match id:
        case "node":
            return Order("node", tuple(devices.texts("node")), _("no node"))
        case "job":
            return Order("job", tuple(devices.texts("job")), _("no job"))
        case "partition":
            known = _by(said, "partitions", "node", "partition")
            keys = zip(devices.texts("system"), devices.texts("node"), strict=True)
            found = [known.get(key) for key in keys]
            return Order("partition", tuple(found), _("partition not known"))
        case "project":
            known = _by(said, "projects", "device", "project")
            keys = zip(devices.texts("system"), devices.texts("device"), strict=True)
            return Order("project", tuple(known.get(key) for key in keys), _("no project"))
        case _:
            return RACKS


def search(picture: Picture, words: str) -> Found | None:
    """Which devices somebody looks for: by their id, node and place, or job; None: nobody looks."""
    wanted = words.strip().casefold()[:LONGEST_SEARCH]
    if not wanted:
        return None
    names = {
        key: name
        for key, name in zip(
            zip(picture.jobs.texts("system"), picture.jobs.texts("job"), strict=True),
            picture.jobs.texts("name"), strict=True,
        )
        if name
    }  # fmt: skip
    devices = picture.devices
    rows = zip(
        devices.texts("system"), devices.texts("device"), devices.texts("node"),
        devices.numbers("index"), devices.texts("job"), strict=True,
    )  # fmt: skip
    return [
        wanted in (device or "").casefold()
        or wanted in f"{node or ''} #{'' if index is None else int(index)}".casefold()
        or (
            job is not None
            and (wanted in job.casefold() or wanted in names.get((system, job), "").casefold())
        )
        for system, device, node, index, job in rows
    ]


def found(picture: Picture, which: Found | None) -> list[Any]:
    """What is found: how many, and the first of them as ways to their pages."""
    if which is None:
        return []
    places = [place for place, is_found in enumerate(which) if is_found]
    if not places:
        return [nothing(_("No device, node or job has that in its name."))]
    count = ngettext("{n} device", "{n} devices", len(places)).format(n=format_number(len(places)))
    parts: list[Any] = [html.Span(count, className="strong")]
    for place in places[:MOST_FOUND]:
        row = picture.devices.row(place)
        parts.append(
            link("/device", short(device_name(row)), device=row.get("device"),
                 system=row.get("system"))
        )  # fmt: skip
    if len(places) > MOST_FOUND:
        parts.append(html.Span(_("and more, on the map"), className="muted"))
    return [html.Div(parts, className="fleet-found")]


def said(picture: Picture, place: int, view: View, group: str | None) -> str:
    """A device in one sentence, for whoever hears the page."""
    row = picture.devices.row(place)
    job = text(row.get("job"))
    value = None if view is ACCOUNT else view.values(picture)[place]
    parts = [
        cut(device_name(row)),
        cut(group) if group else "",
        state_name(picture.accounts[place]),
        format_si(number(picture.known("power_watts")[place]), "W"),
        "" if view is ACCOUNT else f"{_(view.label)} {view.format(value)}",
        _("job {job}").format(job=cut(job)) if job else _("no job"),
    ]
    return ", ".join(part for part in parts if part) + ". " + _("Enter opens it.")


def _by(
    said: Mapping[str, Any] | None, table: str, key: str, value: str
) -> dict[tuple[str | None, str | None], str]:
    rows = (said or {}).get(table)
    if not isinstance(rows, Mapping):
        return {}
    columns = [rows.get(name) or () for name in ("system", key, value)]
    return {
        (system, subject): word
        for system, subject, word in zip(*columns, strict=False)
        if isinstance(word, str) and word
    }
