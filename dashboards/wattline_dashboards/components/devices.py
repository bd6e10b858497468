"""One device in full, a handful as cards, and the list of those that need a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import (
    format_age,
    format_celsius,
    format_energy,
    format_number,
    format_percent,
    format_si,
)
from wattline_dashboards import words
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.inside import link
from wattline_dashboards.components.parts import (
    Children,
    Column,
    Row,
    marks,
    meter,
    nothing,
    quantity,
    stat,
    swatch,
    table,
)
from wattline_dashboards.components.short import short
from wattline_dashboards.elements import H3, Dd, Div, Dl, Dt, P, Section, Span
from wattline_dashboards.figures.floor import natural
from wattline_dashboards.language import N_, _, ngettext
from wattline_dashboards.picture import ACCOUNTS, Picture

CARDS_UP_TO = 8
"""One node's devices can be read one by one; more are a map."""

MOST = 10

ATTENTION = (
    (Account.DOWN, N_("lost or failed: see the node's log")),
    (Account.UNOBSERVED, N_("nothing arrives: see that the node's agent runs")),
    (Account.SLOWED, N_("held back by heat, the power cap or the power brake")),
    (Account.HELD, N_("a job holds it and does no work with it")),
)
"""What needs a person, worst first, and what is wrong with it."""


_OF_ATTENTION = ("system", "node", "index", "power_watts", "temperature_celsius", "age_ms")
_RANKS = {ACCOUNTS.index(wrong): rank for rank, (wrong, _meaning) in enumerate(ATTENTION)}
"""The place in `ATTENTION` of an account's code."""
_RANK_OF = bytes(_RANKS.get(code, len(ATTENTION)) for code in range(256))
_HELD = _RANKS[ACCOUNTS.index(Account.HELD)]


def details(picture: Picture, place: int) -> list[Div | Dl | P]:
    """Everything known of one device."""
    device = picture.devices.row(place)
    account = picture.accounts[place]
    job = text(device.get("job"))
    return [
        Div(
            [
                Span(name(device), className="strong"),
                Span(text(device.get("model")) or "", className="muted"),
            ],
            className="details-head",
        ),
        Div(
            [
                swatch(account.value),
                state_name(account),
                Span(_held_by(job), className="muted"),
                Span(_seen(device), className="muted"),
            ],
            className="details-state",
        ),
        Dl(
            [part for label, value in _values(device) for part in (Dt(label), Dd(value))],
            className="details",
        ),
        P(text(device.get("device")) or "", className="details-id"),
    ]


def cards(picture: Picture) -> Div:
    """Each device as a card."""
    return Div([_card(picture, place) for place in range(picture.devices.rows)], className="cards")


def attention(picture: Picture) -> list[Div | P]:
    """The devices that need a person, worst first; says so when there are none.

    What is wrong with a node stands by node; work that is missing stands by job, because its owner
    is who can change it.
    """
    groups = _in_groups(picture)
    if not groups:
        return [nothing(_("No device is down, silent, slowed or held without work."))]
    order = sorted(groups, key=lambda key: (key[0], natural(key[1]), key[2]))
    shown = _each_state_first(order)
    known = _of_each(picture, [groups[key] for key in shown])
    parts: list[Div | P] = [
        table(
            _("Devices that need attention"),
            _columns(),
            [_row(ATTENTION[key[0]], key, one) for key, one in zip(shown, known, strict=True)],
            "attention",
        )
    ]
    if len(order) > len(shown):
        left = len(order) - len(shown)
        more = ngettext(
            "and {n} more line, to be seen on the map",
            "and {n} more lines, to be seen on the map",
            left,
        )
        parts.append(nothing(more.format(n=left)))
    return parts


def _in_groups(picture: Picture) -> dict[tuple[int, str, str], list[int]]:
    """Devices that need a person, by what is wrong, where, and the job that holds them.

    All at once: in an outage these are all devices there are.
    """
    told = picture.devices
    ranks = pa.py_buffer(picture.codes.translate(_RANK_OF))
    rank = pa.Array.from_buffers(pa.uint8(), told.rows, [None, ranks])
    places = pc.indices_nonzero(pc.less(rank, len(ATTENTION)))
    rank, node, job = rank.take(places), told.words("node"), told.words("job")
    nodes, jobs = ["", *node.dictionary.to_pylist()], ["", *job.dictionary.to_pylist()]
    where = pc.if_else(pc.equal(rank, _HELD), 0, _numbers(node, places))
    # One number for all three, so that who belongs together follows each other when sorted.
    key = pc.add(pc.multiply(rank.cast(pa.int64()), len(nodes)), where)
    key = pc.add(pc.multiply(key, len(jobs)), _numbers(job, places))
    order = pc.sort_indices(key)
    runs, members = pc.run_end_encode(key.take(order)), places.take(order).to_pylist()
    groups: dict[tuple[int, str, str], list[int]] = {}
    begin = 0
    for of_all, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        rest, of_job = divmod(of_all, len(jobs))
        of_rank, of_node = divmod(rest, len(nodes))
        found = groups.setdefault((of_rank, nodes[of_node] or "", jobs[of_job] or ""), [])
        found += members[begin:end]
        begin = end
    return groups


def _numbers(words: pa.DictionaryArray, places: pa.Array) -> pa.Array:
    """Which word stands at each place: its number in the dictionary and one more; 0: none."""
    return pc.fill_null(pc.add(words.indices.take(places).cast(pa.int64()), 1), 0)


def _columns() -> tuple[Column, ...]:
    return (
        Column("node", _("Where")),
        Column("devices", _("Devices")),
        Column("state", _("State")),
        Column("job", _("Job")),
        Column("power", _("Power"), numeric=True, title=_("Of these devices together")),
        Column("temperature", _("Hottest"), numeric=True, title=_("The hottest of these chips")),
        Column("age", _("Seen"), numeric=True, title=_("Age of the newest reading")),
    )


def name(device: dict[str, object]) -> str:
    """A device as people call it: its node and its place there."""
    index = number(device.get("index"))
    node = text(device.get("node")) or ""
    return node if index is None else f"{node} #{index:.0f}"


def _each_state_first(order: Sequence[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
    """At most `MOST`, so chosen that many of one state do not hide another."""
    chosen: set[tuple[int, str, str]] = set()
    for most_of_a_state in (3, MOST):
        seen: dict[int, int] = {}
        for key in order:
            seen[key[0]] = seen.get(key[0], 0) + 1
            if seen[key[0]] <= most_of_a_state and len(chosen) < MOST:
                chosen.add(key)
    return [key for key in order if key in chosen]


def _of_each(
    picture: Picture, groups: Sequence[Sequence[int]]
) -> Iterator[Mapping[str, Sequence[object]]]:
    """What a line says is made of these columns of its devices; taken out once for all lines."""
    columns = picture.devices.some([place for group in groups for place in group], _OF_ATTENTION)
    first = 0
    for group in groups:
        last = first + len(group)
        yield {name: column[first:last] for name, column in columns.items()}
        first = last


def _row(
    wrong: tuple[Account, str], key: tuple[int, str, str], columns: Mapping[str, Sequence[object]]
) -> Row:
    account, meaning = wrong
    job, count = key[2], len(columns["node"])

    def of(column: str) -> list[float]:
        return [known for value in columns[column] if (known := number(value)) is not None]

    names = {text(name) or "" for name in columns["node"]}
    node = names.pop() if len(names) == 1 else ""
    live = account is not Account.UNOBSERVED
    return Row(
        {
            "node": link("/node", short(node, "strong"), node=node, system=columns["system"][0])
            if node
            else Span(_("{n} nodes").format(n=len(names)), className="strong"),
            "devices": _places(of("index"), count) if node else str(count),
            "state": Span(
                [swatch(account.value), state_name(account)], className="state", title=_(meaning)
            ),
            "job": job or None,
            "power": format_si(sum(watts) if live and (watts := of("power_watts")) else None, "W"),
            "temperature": format_celsius(max(of("temperature_celsius"), default=None))
            if live
            else None,
            "age": format_age(min(of("age_ms"), default=None)),
        },
        marks(data_node=node),
    )


def _places(known: Sequence[float], count: int) -> str:
    """Places on the node, runs shortened: `#0-3, #6`."""
    if len(known) < count:
        return f"{count}"
    runs: list[list[int]] = []
    for place in sorted(int(place) for place in known):
        if runs and place == runs[-1][1] + 1:
            runs[-1][1] = place
        else:
            runs.append([place, place])
    return ", ".join(f"#{a}" if a == b else f"#{a}\u2013{b}" for a, b in runs)


def _card(picture: Picture, place: int) -> Section:
    device = picture.devices.row(place)
    account = picture.accounts[place]
    job = text(device.get("job"))

    def live(column: str) -> float | None:
        return None if account is Account.UNOBSERVED else number(device.get(column))

    used, size = live("memory_used_bytes"), number(device.get("memory_size_bytes"))
    watts, limit = live("power_watts"), number(device.get("power_limit_watts"))
    active = live("sm_active_ratio")
    busy = live("busy_ratio")
    head: Children = [
        link("/device", name(device), device=device.get("device"), system=device.get("system")),
        Span(text(device.get("model")) or "", className="muted"),
    ]
    return Section(
        [
            H3(head),
            P(
                [
                    swatch(account.value),
                    state_name(account),
                    Span(_held_by(job), className="muted"),
                    Span(_seen(device), className="muted"),
                ],
                className="details-state",
                title=words.meaning(account),
            ),
            Dl(
                [
                    stat(
                        _("Power"),
                        quantity(format_si(watts, "W")),
                        meter(
                            None if watts is None or not limit else watts / limit,
                            _("of {all}").format(all=format_si(limit, "W")),
                        ),
                    ),
                    stat(
                        _("Compute active"),
                        quantity(format_percent(active)),
                        meter(busy, _("kernel {share}").format(share=format_percent(busy))),
                    ),
                    stat(
                        _("Memory"),
                        quantity(format_si(used, "B")),
                        meter(
                            None if used is None or not size else used / size,
                            _("of {all}").format(all=format_si(size, "B")),
                        ),
                    ),
                    stat(
                        _("Temperature"),
                        quantity(format_celsius(live("temperature_celsius"))),
                        _("memory {value}").format(
                            value=format_celsius(live("memory_temperature_celsius"))
                        ),
                    ),
                    stat(
                        _("Compute clock"),
                        quantity(format_si(live("sm_clock_hertz"), "Hz")),
                        _("memory {value}").format(
                            value=format_si(live("memory_clock_hertz"), "Hz")
                        ),
                    ),
                    stat(
                        _("Throttled"),
                        quantity(format_percent(live("throttled_ratio"))),
                        _("of the last seconds"),
                    ),
                ],
                className="stats",
            ),
        ],
        className="card",
        **marks(data_device=text(device.get("device")) or ""),
    )


def _values(device: dict[str, object]) -> list[tuple[str, str]]:
    def of(column: str) -> float | None:
        return number(device.get(column))

    return [
        (_("Power"), some_of(of("power_watts"), of("power_limit_watts"), "W")),
        (_("Energy so far"), format_energy(of("energy_joules_total"))),
        (_("Compute active"), format_percent(of("sm_active_ratio"))),
        (_("Kernel running"), format_percent(of("busy_ratio"))),
        (_("Tensor active"), format_percent(of("tensor_active_ratio"))),
        (_("Memory active"), format_percent(of("dram_active_ratio"))),
        (_("Memory"), some_of(of("memory_used_bytes"), of("memory_size_bytes"), "B")),
        (_("Chip"), format_celsius(of("temperature_celsius"))),
        (_("Memory heat"), format_celsius(of("memory_temperature_celsius"))),
        (_("Compute clock"), format_si(of("sm_clock_hertz"), "Hz")),
        (_("Throttled"), format_percent(of("throttled_ratio"))),
        (_("Failed reads"), format_number(of("read_errors_total"))),
    ]  # fmt: skip


def state_name(account: Account) -> str:
    """What a device in that account is said to be now."""
    return words.state(account)


def some_of(some: float | None, whole: float | None, unit: str) -> str:
    """A part before its whole: `40 GB of 80 GB`."""
    return _("{some} of {all}").format(some=format_si(some, unit), all=format_si(whole, unit))


def _held_by(job: str | None) -> str:
    return _("job {job}").format(job=job) if job else _("no job")


def _seen(device: dict[str, object]) -> str:
    return _("seen {age} ago").format(age=format_age(number(device.get("age_ms"))))
