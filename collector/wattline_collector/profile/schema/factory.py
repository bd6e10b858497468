"""The whole: one factory, one file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from wattline_collector.profile.declare import Kind, key, named, part, table
from wattline_collector.profile.schema import complaints, words
from wattline_collector.profile.schema.facility import DataCentre
from wattline_collector.profile.schema.metering import (
    Carbon,
    Contract,
    Factor,
    MeasuringDevice,
    Meter,
    Point,
)
from wattline_collector.profile.schema.money import Ceilings, Finance, Tariff
from wattline_collector.profile.schema.service import AccessMode, Calendar, Guard, Sla, Target
from wattline_collector.profile.schema.system import System
from wattline_collector.registers.words import ACCESS_MODES, STATES


@table
class FactoryProfile:
    """A factory, as its people declare it."""

    id: str = key(
        Kind.NAME, "The factory's id: that of `wattline profile factories`, if it is among them.",
        '"example-aif"',
    )  # fmt: skip
    name: str = key(Kind.TEXT, "Its name.", '"Example AI Factory"')
    country: str = key(Kind.WORD, "Its State, ISO 3166-1 alpha-2.", '"FI"', words=STATES)
    time_zone: str = key(
        Kind.TEXT, "Its time zone; tariffs and working days are in it.", '"Europe/Helsinki"',
        check=complaints.zone,
    )  # fmt: skip
    host: str | None = key(
        Kind.TEXT, "The hosting entity.", '"Example Computing Centre"', default=None,
        serves="hosting-audit coordination-review eed",
    )  # fmt: skip
    track: int | None = key(
        Kind.WHOLE, "1: an existing system; 2: an upgraded one; 3: a new AI-optimised one.", "3",
        default=None, least=1, most=3, serves="I12 coordination-review",
    )  # fmt: skip
    wave: date | None = key(Kind.DATE, "The day it was selected.", "2025-03-12", default=None)
    is_gigafactory: bool = key(
        Kind.FLAG, "Whether it is an AI Gigafactory.", "false", default=False
    )
    contact: str | None = key(
        Kind.TEXT, "Who answers questions about its figures.", '"kpi@example.org"', default=None,
        personal=True,
    )  # fmt: skip
    holds_since: date | None = key(
        Kind.DATE, "The day from which this profile is true; figures of earlier days are made"
        " with the one before it.", "2026-01-01", default=None,
    )  # fmt: skip
    systems: Mapping[str, System] = named(
        System, "example-1", default_factory=dict, serves="hosting-audit coordination-review"
    )
    ceilings: Ceilings | None = part(Ceilings, default=None)
    finance: Mapping[str, Finance] = named(
        Finance, "2026", default_factory=dict, check=complaints.year, serves="I12"
    )
    tariffs: Mapping[str, Tariff] = named(Tariff, "2026", default_factory=dict, serves="I12")
    sla: Mapping[str, Sla] = named(Sla, "A02", default_factory=dict, words=words.KPIS)
    targets: Mapping[str, Target] = named(
        Target, "U01", default_factory=dict, words=words.KPIS, serves="coordination-review"
    )
    calendars: Mapping[str, Calendar] = named(Calendar, "site", default_factory=dict, serves="I07")
    access_modes: Mapping[str, AccessMode] = named(
        AccessMode, "fast_lane", default_factory=dict, words=ACCESS_MODES
    )
    guard: Guard | None = part(Guard, default=None)
    data_centre: DataCentre | None = part(DataCentre, default=None)
    points: Mapping[str, Point] = named(Point, "ups-a-out", default_factory=dict, serves="eed")
    measuring_devices: Mapping[str, MeasuringDevice] = named(
        MeasuringDevice, "em340-4711", default_factory=dict, serves="eed"
    )
    meters: Mapping[str, Meter] = named(Meter, "ups-a", default_factory=dict)
    carbon: Carbon | None = part(Carbon, default=None)
    factors: Mapping[str, Factor] = named(Factor, "fi-2025", default_factory=dict)
    contracts: Mapping[str, Contract] = named(Contract, "wind-1", default_factory=dict)
