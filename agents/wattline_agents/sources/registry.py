"""Sources by name, each imported only when it is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from wattline_agents.errors import UsageError
from wattline_agents.sources.source import Configurable, Source, SourceConfig

SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "nvml": "wattline_agents.sources.nvml:NvmlSource",
        "host": "wattline_agents.sources.host:HostSource",
        "simulated": "wattline_agents.sources.simulated:SimulatedSource",
        "replay": "wattline_agents.sources.replay:ReplaySource",
    }
)


def open_source(name: str, config: SourceConfig) -> Source:
    """Open the source of that name.

    Raises:
        UsageError: There is none of that name, or an option is not what it should be.
        SourceUnavailable: There is nothing of its kind on this node.
    """
    place = SOURCES.get(name)
    if place is None:
        raise UsageError(f"no source {name[:40]!r}; there are {', '.join(SOURCES)}")
    module, attribute = place.split(":")
    kind: type[Configurable] = getattr(import_module(module), attribute)
    return kind.from_config(config)
