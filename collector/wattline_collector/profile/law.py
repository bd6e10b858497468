"""What holds where a profile says nothing: the regulation's caps, and the clocks of the calls.

Numbers of the law are defaults, never constants: calls and agreements differ, so each can be told
in the profile, and what exceeds the law is said and not refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import TypeVar

from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.schema.money import Ceilings
from wattline_collector.profile.schema.service import AccessMode
from wattline_collector.profile.schema.system import Entitlement

T = TypeVar("T", Ceilings, AccessMode)

UNION_SHARE_MOST: Mapping[str, float] = MappingProxyType(
    {
        "ai_optimised": 0.50,
        "high_end": 0.50,
        "quantum": 0.50,
        "mid_range": 0.35,
        "industrial_grade": 0.35,
    }
)
"""The Union's share of access time by class of system: Regulation (EU) 2021/1173, Article 17."""

COMMERCIAL_SHARE_MOST = 0.20
"""Commercial part of the Union's total access time of each supercomputer: Article 18(3)."""

COMMERCIAL_LEVELS = (0.15, 0.18, 0.20)
"""Notice, warning, breach."""

INFERENCE_SHARE_MOST = 0.10
"""Inference part of a grant of AI for Science: its terms of reference."""

BURN_DOWN_LEAST = 0.40
"""Used part of a grant at half its time: the rule of the Danish e-infrastructure consortium."""

EED_LEAST_WATTS = 500_000.0
"""Installed IT power from which on a data centre must report: Directive (EU) 2023/1791, Art. 12."""

CEILINGS: Mapping[int, Ceilings] = MappingProxyType(
    {
        1: Ceilings(operating_share=0.50, source="the calls, track 1"),
        2: Ceilings(
            upgrade_share=0.50, additional_operating_share=0.35, source="the calls, track 2"
        ),
        3: Ceilings(
            acquisition_share=0.50,
            operating_share=0.50,
            source="Regulation (EU) 2021/1173, Article 12a(2)",
        ),
    }
)
"""What the Union pays at most, by track. That of an upgrade is at law that of the original system
(Article 15(5)); the calls' ceilings stand here."""

ACCESS_MODES: Mapping[str, AccessMode] = MappingProxyType(
    {
        one.id: one
        for one in (
            AccessMode(
                id="playground", working_days=2, counts_from="application", months=(1, 2, 3)
            ),
            AccessMode(
                id="fast_lane", working_days=4, counts_from="application",
                gpu_hours_most=50_000.0, months=(1, 2, 3),
            ),
            AccessMode(
                id="large_scale", working_days=10, counts_from="cut_off",
                gpu_hours_least=50_000.0, months=(3, 6, 12),
            ),
            AccessMode(
                id="ai_for_science", days=30, counts_from="cut_off", months=(6,),
                inference_share_most=INFERENCE_SHARE_MOST,
            ),
        )
    }
)  # fmt: skip
"""Clocks and limits of the AI Factories' access modes, as their calls have them. "Within a month"
is 30 calendar days here."""


def ceilings(profile: FactoryProfile) -> Ceilings:
    """What the Union pays at most: as told, else as the law has it for the track, else unknown."""
    return _over(CEILINGS.get(profile.track or 0, Ceilings()), profile.ceilings)


def access_mode(profile: FactoryProfile | None, mode: str) -> AccessMode:
    """The clock and limits of an access mode: as told, else as the calls have them."""
    told = None if profile is None else profile.access_modes.get(mode)
    known = ACCESS_MODES.get(mode, AccessMode(id=mode))
    if told is not None and told.working_days is None and told.days is not None:
        # Days told in one way take the other way's place.
        known = replace(known, working_days=None)
    if told is not None and told.days is None and told.working_days is not None:
        known = replace(known, days=None)
    return _over(known, told)


def union_share_most(kind: str | None) -> float:
    """The largest share of the Union in a system of a class; the widest cap if none is told."""
    return max(UNION_SHARE_MOST.values()) if kind is None else UNION_SHARE_MOST[kind]


def commercial_levels(profile: FactoryProfile | None) -> tuple[float, ...]:
    """At which commercial parts of the Union's time somebody must be told, rising."""
    guard = None if profile is None else profile.guard
    return (guard.commercial_share if guard else None) or COMMERCIAL_LEVELS


def commercial_share_most(entitlement: Entitlement | None) -> float:
    """The largest commercial part of the Union's time on a system."""
    told = None if entitlement is None else entitlement.commercial_share_most
    return COMMERCIAL_SHARE_MOST if told is None else told


def burn_down_least(profile: FactoryProfile | None) -> float:
    """The part of a grant that must be used at half its time."""
    told = profile.guard.burn_down_share if profile and profile.guard else None
    return BURN_DOWN_LEAST if told is None else told


def must_report_energy(profile: FactoryProfile) -> bool | None:
    """Whether the data centre must report under the energy efficiency directive; None: unknown."""
    watts = None if profile.data_centre is None else profile.data_centre.rated_it_power_watts
    return None if watts is None else watts >= EED_LEAST_WATTS


def _over(known: T, told: T | None) -> T:
    """What is known, with what is told in its place."""
    if told is None:
        return known
    values = {one.name: getattr(told, one.name) for one in fields(told)}
    return replace(known, **{name: value for name, value in values.items() if value is not None})
