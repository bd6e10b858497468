"""Hosts: cards where there are few, compact rows where there are many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from wattline_collector.palette import (
    format_age,
    format_celsius,
    format_number,
    format_percent,
    format_si,
)
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.devices import some_of
from wattline_dashboards.components.inside import link
from wattline_dashboards.components.parts import (
    Column,
    Row,
    marks,
    meter,
    nothing,
    quantity,
    stat,
    table,
)
from wattline_dashboards.components.short import short
from wattline_dashboards.elements import H3, Div, Dl, P, Section, Span
from wattline_dashboards.figures.floor import natural
from wattline_dashboards.language import _, language
from wattline_dashboards.markup import Drawn
from wattline_dashboards.picture import Picture

CARDS_UP_TO = 2
MOST = 40
"""Rows on the page: hosts that are silent come first, and the filter finds any other."""


def hosts(picture: Picture, wanted: str = "") -> list[Div | P]:
    """The hosts whose name holds `wanted`."""
    nodes = picture.nodes
    names = tuple(name or "" for name in nodes.texts("node"))
    places = _in_order(names, tuple(picture.silent_nodes), wanted.casefold())
    if not nodes.rows:
        return [nothing(_("No host reports. Start `wattline agent` on one."))]
    if not places:
        return [nothing(_("No host's name holds “{wanted}”.").format(wanted=wanted))]
    if nodes.rows <= CARDS_UP_TO:
        return [Div([_card(picture, place) for place in places], className="cards")]
    shown = places[:MOST]
    rows = [
        _row(host, picture.silent_nodes[place])
        for place, host in zip(shown, picture.hosts(shown), strict=True)
    ]
    parts: list[Div | P] = [table(_("Hosts"), _columns(), rows, "hosts")]
    if len(places) > MOST:
        more = _("{shown} of {count} hosts, silent ones first. Filter by name.")
        parts.append(nothing(more.format(shown=MOST, count=len(places))))
    return parts


@lru_cache(maxsize=32)
def _in_order(names: Sequence[str], silent: Sequence[bool], wanted: str) -> Sequence[int]:
    """Which hosts are listed, silent ones first; it hardly changes from one second to the next."""
    places = [place for place, name in enumerate(names) if wanted in name.casefold()]
    return tuple(sorted(places, key=lambda place: (not silent[place], natural(names[place]))))


def _columns() -> tuple[Column, ...]:
    return (
        Column("node", _("Host")),
        Column("devices", _("Devices"), numeric=True),
        Column("cpu", _("Processor")),
        Column("memory", _("Memory")),
        Column("network", _("Network in / out"), numeric=True, title=_("Loopback excluded")),
        Column(
            "temperature", _("Hottest"), numeric=True, title=_("The hottest sensor of the host")
        ),
        Column("power", _("Power"), numeric=True, title=_("Of the whole node, from its own meter")),
        Column("age", _("Seen"), numeric=True, title=_("Age of its newest reading")),
    )


_SAID = (
    "node", "system", "devices", "cpu_busy_ratio", "memory_used_bytes", "memory_size_bytes",
    "network_receive_bytes_per_second", "network_transmit_bytes_per_second", "temperature_celsius",
    "power_watts",
)  # fmt: skip
"""What a row shows, besides how old its reading is."""


def _row(host: dict[str, object], silent: bool) -> Row:
    age = Span(
        [format_age(number(host.get("age_ms"))), " " + _("silent") if silent else ""],
        className="caution" if silent else None,
    )
    said = _cells(tuple(host.get(name) for name in _SAID), silent, language())
    return Row({**said, "age": age}, {"data-node": text(host.get("node")) or ""})


@lru_cache(maxsize=2048)
def _cells(said: Sequence[object], silent: bool, _language: str) -> Mapping[str, Drawn]:
    """The cells of a host, drawn: an agent sends every few seconds, and all is drawn each one."""
    host = dict(zip(_SAID, said, strict=True))
    cells: dict[str, object] = {
        "node": link(
            "/node",
            short(host.get("node"), "strong"),
            node=host.get("node"),
            system=host.get("system"),
        ),
        "devices": format_number(number(host.get("devices"))),
    }
    if not silent:
        cells |= {
            "cpu": meter(number(host.get("cpu_busy_ratio"))),
            "memory": meter(_filled(host), _of(host)),
            "network": _network(host),
            "temperature": format_celsius(number(host.get("temperature_celsius"))),
            "power": format_si(number(host.get("power_watts")), "W"),
        }
    return {name: Drawn(cell) for name, cell in cells.items()}


def _card(picture: Picture, place: int) -> Section:
    host = picture.host(place)
    silent = picture.silent_nodes[place]
    name = text(host.get("node")) or ""
    age = format_age(number(host.get("age_ms")))

    def of(column: str) -> float | None:
        return number(host.get(column))

    filled = _filled(host)
    return Section(
        [
            H3(
                [
                    name,
                    Span(
                        (_("silent for {age}") if silent else _("seen {age} ago")).format(age=age),
                        className="caution" if silent else "muted",
                    ),
                ]
            ),
            Dl(
                [
                    stat(
                        _("Processor"),
                        quantity(format_percent(of("cpu_busy_ratio"))),
                        meter(of("cpu_busy_ratio"), _("busy")),
                    ),
                    stat(
                        _("Memory"),
                        quantity(format_si(of("memory_used_bytes"), "B")),
                        meter(
                            filled,
                            _("of {all}").format(
                                all=format_si(number(host.get("memory_size_bytes")), "B")
                            ),
                        ),
                    ),
                    stat(_("Network in"), quantity(_rate(host, "receive")), _("received")),
                    stat(_("Network out"), quantity(_rate(host, "transmit")), _("sent")),
                    stat(
                        _("Temperature"),
                        quantity(format_celsius(of("temperature_celsius"))),
                        _("hottest sensor"),
                    ),
                    stat(
                        _("Power"),
                        quantity(format_si(of("power_watts"), "W")),
                        _("no meter on this host")
                        if host.get("power_watts") is None
                        else _("whole node"),
                    ),
                ],
                className="stats",
            ),
        ],
        className="card",
        **marks(data_node=name),
    )


def _filled(host: dict[str, object]) -> float | None:
    used, size = number(host.get("memory_used_bytes")), number(host.get("memory_size_bytes"))
    return None if used is None or not size else used / size


def _of(host: dict[str, object]) -> str:
    used, size = number(host.get("memory_used_bytes")), number(host.get("memory_size_bytes"))
    return some_of(used, size, "B")


def _network(host: dict[str, object]) -> str:
    received, sent = (_rate(host, direction) for direction in ("receive", "transmit"))
    return f"{received} / {sent}"


def _rate(host: dict[str, object], direction: str) -> str:
    return format_si(number(host.get(f"network_{direction}_bytes_per_second")), "B/s")
