"""True values of figures of time, energy and meters: what devices did and what it took."""

from __future__ import annotations

from collections.abc import Iterator

from wattline_collector.simulated.year import meters, papers
from wattline_collector.simulated.year.expected import EXACT, Expected
from wattline_collector.simulated.year.planted import Hole
from wattline_collector.simulated.year.truth import Happened

ASSIGNED = ("busy", "slowed", "held", "lost", "unmeasured")
OFFERED = (*ASSIGNED, "free")
_KWH = meters.JOULES_PER_KWH
_WOKEN = 1e-3
"""Of energy: what a node that comes back from an outage drew in its last minutes is spread over the
whole of it, and some of that is a job's."""
_HOLE = 0.01
"""Of a ratio in whose time a node was not seen: what is seen stands for the rest."""


def of_books(found: Happened) -> Iterator[Expected]:
    """Figures of the ledger's accounts."""
    offered, assigned = found.hours(*OFFERED), found.hours(*ASSIGNED)
    seen = found.total("measured_ms", *ASSIGNED) / 3.6e6
    active = found.total("measured_active_ms", *ASSIGNED) / 3.6e6
    working, lost = found.hours("busy", "slowed"), found.hours("lost")
    down, maintenance = found.hours("down"), found.hours("maintenance")
    usable = offered / (offered + down)
    quality = working / (working + lost)
    yield Expected("OEE_A", usable, why="offered over planned time")
    yield Expected("OEE_P", active / seen, why="planned activity of assigned time that is seen")
    yield Expected("OEE_Q", quality, why="working time that was kept, of all of it")
    yield Expected("OEE", usable * active / seen * quality, why="product of the three")
    yield Expected("LOADING", assigned / offered, why="assigned over offered time")
    yield Expected("U01", 100 * assigned / offered, why="assigned over offered time")
    yield Expected("U02", 100 * active / (offered - assigned + seen),
                   why="planned activity over offered time that is seen")  # fmt: skip
    yield Expected("E04", 100 * active / seen, why="planned activity of assigned time")
    yield Expected("E06", found.hours("held") + lost, why="held and thrown away", adds_up=True)
    observed = offered + down + maintenance
    for id in ("A06", "U03"):
        yield Expected(id, 100 * offered / observed, why="usable of observed time")
    yield Expected("Q03", 100 * found.samples / found.samples_expected, why="samples sent")


def of_energy(found: Happened) -> Iterator[Expected]:
    """Figures of energy and of the facility's meters."""
    jobs = float(found.by_job["node_joules"].sum())
    nodes = found.total("node_joules")
    blind = _share_in_the_dark(found)
    yield Expected("S12", jobs / _KWH, relative=_WOKEN + blind, adds_up=True,
                   why="energy of nodes by device time; a silence's is spread evenly")  # fmt: skip
    per_hour = papers.operating_euro(found) * found.plan.extent.days / 365
    yield Expected("I12", per_hour / found.hours(*ASSIGNED), dims={"figure": "euro_per_gpu_hour"},
                   why="declared cost over the hours that jobs had")  # fmt: skip
    yield Expected("S14", 100.0, relative=1e-6, dims={"meter": "node"}, why="all is booked")
    yield Expected("S14", 100 / meters.OTHER_IT, relative=_HOLE, dims={"meter": "it"},
                   why="switches and storage are on no account")  # fmt: skip
    it, whole = meters.total(found, "ups-a"), meters.total(found, "feed-a")
    assert abs(it / (nodes * meters.OTHER_IT) - 1) < EXACT
    gap = _HOLE if _has_gap(found) else EXACT
    read = [week for week in meters.weeks(found) if week.is_read]
    yield Expected("S01", whole / _KWH, dims={"indicator": "E_DC"}, why="the feed", adds_up=True)
    yield Expected("S02", sum(week.amounts["ups-a"] for week in read) / _KWH, adds_up=True,
                   why="the UPS, in the weeks it was read")  # fmt: skip
    yield Expected("S03", whole / it, relative=gap, why="planted PUE of all weeks")
    yield Expected("S04", meters.total(found, "water-a") / (it / 3.6e9), relative=3 * gap,
                   why="planted water over the UPS")  # fmt: skip
    yield Expected("S05", meters.REUSED, why="planted part of all energy")
    renewable = {
        "guarantees_of_origin": meters.FROM_ORIGIN,
        "purchase_agreements": meters.FROM_PURCHASE,
        "on_site": meters.ON_SITE,
    }
    for kind, part in {**renewable, "all": sum(renewable.values())}.items():
        yield Expected("S06", part, dims={"kind": kind}, why="planted part of all energy")
    yield Expected("S08", papers.GRAMS_PER_KWH / 1000 * whole / it, relative=gap,
                   dims={"way": "location_annual"}, why="the grid's factor times PUE")  # fmt: skip
    yield Expected("S09", meters.HEAT_REMOVED / meters.COOLING, why="planted parts of IT energy")
    kilograms = jobs / _KWH * papers.GRAMS_PER_KWH / 1000
    yield Expected("S13", kilograms, relative=_WOKEN + blind, dims={"way": "location_annual"},
                   why="energy of jobs by the grid's factor", adds_up=True)  # fmt: skip


def _has_gap(found: Happened) -> bool:
    return any(missing.hole is Hole.NO_METER for missing in found.plan.planted.missing)


def _share_in_the_dark(found: Happened) -> float:
    """Energy of time in which nodes were silent, over all: at most that is on another's name."""
    dark = found.total("node_joules", "unmeasured", "unobserved")
    return dark / found.total("node_joules")
