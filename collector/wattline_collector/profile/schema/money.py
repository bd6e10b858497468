"""Money: tariffs, what the Union pays for, and up to which part."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time

from wattline_collector.profile.declare import Kind, ident, key, named, numbers, table
from wattline_collector.profile.schema import words
from wattline_collector.registers.words import ACCESS_MODES


@table
class Window:
    """Hours of the week in which energy has another price, in the factory's own time."""

    id: str = ident("What the profile calls it.")
    euro_per_kwh: float = key(Kind.NUMBER, "Its price.", "0.09", least=-10, most=10)
    begins: time = key(Kind.CLOCK, "From when on.", "22:00:00")
    ends: time = key(
        Kind.CLOCK, "Until when; before `begins`: on the next day; the same: all day.", "06:00:00"
    )
    days: tuple[str, ...] = key(
        Kind.WORD,
        "On which days it begins. Where `holiday` is in any window of the tariff, holidays"
        " of the first calendar are days of that kind only.",
        '["mon", "tue", "wed", "thu", "fri", "sat", "sun"]',
        default=words.DAYS, many=True, words=(*words.DAYS, words.HOLIDAY),
    )  # fmt: skip


@table
class Tariff:
    """Prices over a time. Two tariffs may not hold on the same day."""

    id: str = ident("What the profile calls it.")
    since: date | None = key(
        Kind.DATE, "First day; not told: always.", "2026-01-01", default=None
    )  # fmt: skip
    until: date | None = key(
        Kind.DATE, "Last day; not told: until further notice.", "2026-12-31", default=None
    )
    euro_per_kwh: float | None = key(
        Kind.NUMBER, "Price of energy outside the windows.", "0.145", default=None, least=-10,
        most=10, serves="I12",
    )  # fmt: skip
    euro_per_cubic_metre: float | None = key(
        Kind.NUMBER, "Price of water.", "2.10", default=None, most=1000
    )
    euro_per_heat_kwh: float | None = key(
        Kind.NUMBER, "What reused heat brings in.", "0.02", default=None, most=10
    )
    windows: Mapping[str, Window] = named(Window, "night", default_factory=dict)
    euro_per_gpu_hour: Mapping[str, float] = numbers(
        Kind.NUMBER, "Price of a GPU-hour by access mode; a mode that is not here has none.",
        "commercial = 2.90", words=ACCESS_MODES, default_factory=dict, most=10_000,
    )  # fmt: skip


@table
class Ceilings:
    """Largest parts that the Union pays; what is not told is as the law has it for the track."""

    acquisition_share: float | None = key(
        Kind.SHARE, "Of what a new system costs.", "0.50", default=None
    )
    upgrade_share: float | None = key(
        Kind.SHARE, "Of what an upgrade costs, depreciated.", "0.50", default=None
    )
    operating_share: float | None = key(
        Kind.SHARE, "Of what operation costs.", "0.50", default=None
    )
    additional_operating_share: float | None = key(
        Kind.SHARE, "Of what operation costs more since the upgrade.", "0.35", default=None
    )
    source: str | None = key(
        Kind.TEXT, "The call or agreement they stand in.", '"grant agreement, article 5"',
        default=None,
    )  # fmt: skip


@table
class Finance:
    """What a calendar year cost, and what of it the Union paid. Euro."""

    id: str = ident("The year.")
    operating_euro: float | None = key(
        Kind.NUMBER, "All costs of operation.", "9000000", default=None, serves="I12"
    )
    acquisition_eligible_euro: float | None = key(
        Kind.NUMBER, "Eligible costs of a new system.", "20000000", default=None
    )
    acquisition_union_euro: float | None = key(
        Kind.NUMBER, "What the Union paid of them.", "10000000", default=None
    )
    upgrade_eligible_euro: float | None = key(
        Kind.NUMBER, "Eligible costs of an upgrade, depreciated.", "4000000", default=None
    )
    upgrade_union_euro: float | None = key(
        Kind.NUMBER, "What the Union paid of them.", "1500000", default=None
    )
    operating_eligible_euro: float | None = key(
        Kind.NUMBER, "Eligible costs of operation.", "8000000", default=None, serves="I12"
    )
    operating_union_euro: float | None = key(
        Kind.NUMBER, "What the Union paid of them.", "3900000", default=None, serves="I12"
    )
    additional_operating_eligible_euro: float | None = key(
        Kind.NUMBER, "Eligible costs of operation that the upgrade added.", "900000", default=None
    )
    additional_operating_union_euro: float | None = key(
        Kind.NUMBER, "What the Union paid of them.", "300000", default=None
    )
