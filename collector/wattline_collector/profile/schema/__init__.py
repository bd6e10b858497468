"""The tables of a profile, one file for each subject. A new key is one field of one of them."""

from __future__ import annotations

from wattline_collector.profile.schema.factory import FactoryProfile

__all__ = ["FactoryProfile"]
