"""True values of figures of time, energy and meters: what devices did and what it took."""

from __future__ import annotations

from collections.abc import Iterator

from wattline_collector.simulated.shape import HOUR_MS
from wattline_collector.simulated.year import factory, meters, papers
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
    observed = offered + down + maintenance
    yield Expected("TEEP", assigned / observed * active / seen * quality,
                   why="assigned over all time, times performance and quality")  # fmt: skip
    yield Expected("U01", 100 * assigned / offered, why="assigned over offered time")
    yield Expected("U02", 100 * active / (offered - assigned + seen),
                   why="planned activity over offered time that is seen")  # fmt: skip
    yield Expected("E04", 100 * active / seen, why="planned activity of assigned time")
    yield Expected("E06", found.hours("held") + lost, why="held and thrown away", adds_up=True)
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
    euro = factory.operating_euro(found) * found.plan.extent.days / 365
    yield Expected("I12", euro / found.hours(*ASSIGNED), dims={"figure": "euro_per_gpu_hour"},
                   why="declared cost over the hours that jobs had")  # fmt: skip
    yield Expected("S14", 100.0, relative=1e-6, dims={"meter": "node"}, why="all is booked")
    yield Expected("S14", 100 / meters.OTHER_IT, relative=_HOLE, dims={"meter": "it"},
                   why="switches and storage are on no account")  # fmt: skip
    it, whole = meters.total(found, "ups-a"), meters.total(found, "feed-a")
    yield Expected("I12", whole / _KWH * factory.EURO_PER_KWH / found.hours(*ASSIGNED),
                   dims={"figure": "energy_euro_per_gpu_hour"},
                   why="the feed by the tariff over the hours that jobs had")  # fmt: skip
    yield Expected("I12", 100 * factory.OF_THE_UNION / factory.ELIGIBLE,
                   dims={"figure": "union_part_of_operating"}, why="declared costs")  # fmt: skip
    assert abs(it / (nodes * meters.OTHER_IT) - 1) < EXACT
    gap = _HOLE if _has_gap(found) else EXACT
    read = [week for week in meters.weeks(found) if week.is_read]
    yield Expected("S01", whole / _KWH, dims={"indicator": "E_DC"}, why="the feed", adds_up=True)
    yield Expected("S01", meters.total(found, "generator-a") / _KWH,
                   dims={"indicator": "E_DC-BG"}, why="the generators", adds_up=True)  # fmt: skip
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
    yield Expected("S09", meters.HEAT_REMOVED / meters.COOLING, why="planted parts of IT energy")
    yield from _of_carbon(found, gap, _WOKEN + blind)


def _of_carbon(found: Happened, gap: float, spread: float) -> Iterator[Expected]:
    """Carbon of the facility and of jobs, three ways.

    Args:
        found: The year.
        gap: Share by which the weeks without the IT meter may be unlike the others.
        spread: Share of the energy that may be on another hour's name.
    """
    extent = found.plan.extent
    hours = [papers.grams_per_kwh(ms) for ms in range(extent.start_ms, extent.end_ms, HOUR_MS)]
    jobs = float(found.by_job["node_joules"].sum()) / _KWH
    of_jobs = {
        "location_annual": jobs * factory.GRAMS_PER_KWH,
        "location_hourly": sum(
            joules / _KWH * grams for joules, grams in zip(found.job_joules, hours, strict=True)
        ),
        "market": jobs * factory.RESIDUAL_GRAMS_PER_KWH,
    }
    for way, grams in of_jobs.items():
        yield Expected("S13", grams / 1000, relative=spread, dims={"way": way}, adds_up=True,
                       why="energy of jobs by the factor of its year or hour; a silence's energy"
                       " is spread evenly")  # fmt: skip
    it, whole = meters.total(found, "ups-a") / _KWH, meters.total(found, "feed-a") / _KWH
    by_hour = 0.0
    for week in meters.weeks(found):
        low, high = ((ms - extent.start_ms) // HOUR_MS for ms in (week.start_ms, week.end_ms))
        by_hour += week.amounts["feed-a"] / _KWH * sum(hours[low:high]) / (high - low)
    of_site = {
        "location_annual": whole * factory.GRAMS_PER_KWH,
        "location_hourly": by_hour,
        "market": whole * factory.RESIDUAL_GRAMS_PER_KWH,
    }
    for way, grams in of_site.items():
        yield Expected("S08", grams / 1000 / it, relative=gap, dims={"way": way},
                       why="energy of every week by the mean factor of its hours, over the UPS;"
                       " weeks that were not read are left out on both sides")  # fmt: skip


def _has_gap(found: Happened) -> bool:
    return any(missing.hole is Hole.NO_METER for missing in found.plan.planted.missing)


def _share_in_the_dark(found: Happened) -> float:
    """Energy of time in which nodes were silent, over all: at most that is on another's name."""
    dark = found.total("node_joules", "unmeasured", "unobserved")
    return dark / found.total("node_joules")
