"""Peaks of devices that a profile states; they win over those that Wattline knows of a model."""

from __future__ import annotations

import re
from collections.abc import Mapping

from wattline_collector.efficiency.peaks import Peak, Unknown, format_of, peak
from wattline_collector.profile.schema import FactoryProfile


def peaks_of(profile: FactoryProfile) -> Mapping[tuple[str, str], float]:
    """Every stated peak in FLOP/s, dense, by model and number format.

    Models are as `plain_model` makes them, so that a driver's spelling is found; number formats are
    those of the profile (`bf16`, `fp8`, ...). Two systems cannot disagree: the profile would not
    have been accepted.
    """
    return {
        (plain_model(device.model), dtype): flops
        for system in profile.systems.values()
        for device in system.devices.values()
        for dtype, flops in device.peaks.items()
    }


def stated_peak(profile: FactoryProfile, model: str, dtype: str) -> Peak | None:
    """What the profile states of a model in a number format, with its source; None if nothing."""
    wanted = plain_model(model)
    for system in profile.systems.values():
        for device in system.devices.values():
            if plain_model(device.model) == wanted and dtype in device.peaks:
                source = device.peak_source or "the factory's profile"
                return Peak(device.peaks[dtype], device.model, dtype, source)
    return None


def peak_of(profile: FactoryProfile | None, model: str | None, dtype: str | None) -> Peak | Unknown:
    """The peak of a device in a number format: the profile's, else what Wattline knows of it.

    Args:
        profile: What the factory says of itself; None: nothing.
        model: As the driver says it.
        dtype: As a job says it; bf16 if it does not.
    """
    format = format_of(dtype)
    if profile is not None and model and format is not None:
        stated = stated_peak(profile, model, format)
        if stated is not None:
            return stated
    return peak(model, dtype)


def plain_model(model: str) -> str:
    """A product name without what spellings of it differ in: case, and signs between words."""
    return re.sub(r"[^A-Z0-9]+", " ", model.upper()).strip()
