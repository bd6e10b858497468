"""The factory profile: what a factory is, owes, pays and measures, declared by its people.

load_profile(path)         a file that must be right, as a `FactoryProfile`
profile_of(store)          the profile that holds for a store, or None
profile_at(store, when)    the one that held for figures of then
"""

from __future__ import annotations

from wattline_collector.profile.kept import profile_at, profile_of
from wattline_collector.profile.parse import load_profile
from wattline_collector.profile.peaks import peaks_of
from wattline_collector.profile.schema import FactoryProfile

__all__ = ["FactoryProfile", "load_profile", "peaks_of", "profile_at", "profile_of"]
