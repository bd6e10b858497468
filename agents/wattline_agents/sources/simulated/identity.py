"""Who a simulated device is."""

from __future__ import annotations

from wattline_agents.sources.simulated.profile import Profile
from wattline_agents.wire import Value

METHOD = "simulated"


def device_row(profile: Profile, device: str, index: int, at_ms: int) -> dict[str, Value]:
    """Who one simulated device is."""
    return {
        "time_unix_ms": at_ms,
        "device": device,
        "index": index,
        "vendor": profile.vendor,
        "model": profile.model,
        "source": METHOD,
        "power_mode": profile.power_mode,
        "power_scope": profile.power_scope,
        "energy_scope": profile.power_scope,
    }
