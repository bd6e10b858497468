"""The page of documentation about the KPIs, made from the registry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wattline_collector.kpi.declare import COMFORT, PLACE, TIME, WORK, Kpi
from wattline_collector.kpi.groups import grouped
from wattline_collector.kpi.registry import REGISTRY

_SETS = {"place": PLACE, "work": WORK, "time": TIME}
"""Dimensions that are named together where a KPI can be split by all of them."""

_HEAD = (
    "id", "name", "unit", "formula", "level", "figures for each", "split by", "floor", "authority",
)  # fmt: skip

_INTRODUCTION = f"""\
# The KPIs

Made from the registry by `wattline kpi --page`; a test keeps the two the same.

    wattline kpi --store DIR                          every figure that is known, group by group
    wattline kpi S10 --store DIR --explain            what one is made of
    wattline kpi U01 --store DIR --by rack,day        split; sums of the parts are the whole
    wattline kpi --store DIR --from 2026-11-01 --to 2026-12-01 --compare previous

## How to read a figure

Most figures are a sum, or a sum over a sum, taken from the [ledger](ledger.md). Each carries its
two sums, how many things it is made of (n), its coverage, its method and its status. A ratio with
nothing below the line is null, never zero. Under {COMFORT:.0%} coverage a figure is `partial`;
under its floor it is `withheld`, with the reason; with nothing to compute it from it is `unknown`,
and its note says what to provide.

The level says how a figure comes to be known: *measured* by meters and counters, *derived* from
what was measured by a formula with assumptions of its own, *declared* by people in a
[register](registers.md) or the [profile](profile.md). Where the facts give an uncertainty, the
figure has `low` and `high`, in its unit. Some KPIs are several figures (percentiles, ways of
counting carbon); their parts stand among the figure's `dims`.

## What figures are split by

`--by` takes one dimension, several with commas, or is given again; `GET /v1/kpis?by=...` the same.

| dimension | what it is |
|---|---|
| {", ".join(TIME)} | in the time zone of the profile, else UTC; weeks are those of ISO 8601 |
| system, node, device | as agents call them |
| rack, device_model | as agents tell of them |
| partition | of a node: its rack's, by the profile; else the system's only one; else the only one \
whose jobs ran on it. Of a job: where it was queued |
| job | as its scheduler calls it |
| service | jobs of kind inference, by the name that stays when they are started anew |
| project, user_category, access_mode, participating_state, sector | of the job's project, by the \
register of projects as it held when the job started; without any register, the project is the \
account that the job is charged to |

What has no answer stands in the row `unknown`, time of no job in the row `none`. They are there so
that the parts add up to the whole; whoever wants fewer of them provides the register or the profile
that says. A job that ran over midnight is in both days, each with its part. The books keep whole
hours where they can: in a time zone that is not a whole number of hours off UTC, the hour that
midnight cuts counts to the day in which it began.

Below, *place* is {", ".join(PLACE)}; *work* is {", ".join(WORK)}; *time* is {", ".join(TIME)}.

## Compared with another period, and with targets

`--compare` takes `previous` (the calendar month, quarter or year before where the period is one;
else the stretch of the same length before), `year-ago`, or FROM..TO. Each figure has then what it
was, its change, and whether that is better or worse by the KPI's direction. Where the two
uncertainties overlap, it says so instead. The target is that of the [profile](profile.md)
(`[target.ID]`, `[sla.ID]`, `[system.NAME.sla.ID]`, in the KPI's unit); it holds for the factory
and its systems, not for parts of them. As JSON, figures have `previous` and `target` only when a
comparison was asked for.

## Limits

One answer has at most 200,000 figures on the terminal and 10,000 over HTTP; a question that would
have more is refused and says so. The first page and the review show a chosen few: the figures they
are built around, and some more where a site has what they need.
"""


def markdown() -> str:
    """The whole page."""
    lines = [_INTRODUCTION]
    for group, ids in grouped(REGISTRY):
        lines += [
            f"## {group.title}",
            "",
            f"{group.question}",
            "",
            f"| {' | '.join(_HEAD)} |",
            f"|{'---|' * len(_HEAD)}",
            *(_row(REGISTRY[id]) for id in ids),
            "",
        ]
    return "\n".join(lines)


def _row(kpi: Kpi) -> str:
    cells = (
        kpi.id, kpi.name, kpi.unit, f"{kpi.formula}. {kpi.note}".strip(), kpi.level.value,
        ", ".join(kpi.parts), ", ".join(_short(kpi.by)), f"{kpi.floor:.0%}", kpi.authority,
    )  # fmt: skip
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _short(by: Sequence[str]) -> Iterator[str]:
    whole = {name: members for name, members in _SETS.items() if set(members) <= set(by)}
    said = {one for members in whole.values() for one in members}
    yield from (f"*{name}*" for name in whole)
    yield from (one for one in by if one not in said)
