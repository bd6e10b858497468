"""Sources by name, each imported only when it is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from wattline_agents.errors import UsageError
from wattline_agents.nearest import instead
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.source import Configurable, Source

SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "nvml": "wattline_agents.sources.nvml:NvmlSource",
        "amdsmi": "wattline_agents.sources.amdsmi:AmdSource",
        "intel": "wattline_agents.sources.intel:IntelSource",
        "host": "wattline_agents.sources.host:HostSource",
        "cray": "wattline_agents.sources.cray:CraySource",
        "rapl": "wattline_agents.sources.rapl:RaplSource",
        "grace": "wattline_agents.sources.grace:GraceSource",
        "redfish": "wattline_agents.sources.redfish:RedfishSource",
        "ipmi": "wattline_agents.sources.ipmi:IpmiSource",
        "dcgm": "wattline_agents.sources.scraped.dcgm:DcgmSource",
        "amd-exporter": "wattline_agents.sources.scraped.amd_exporter:AmdExporterSource",
        "nvidia-gpu-exporter": (
            "wattline_agents.sources.scraped.nvidia_gpu_exporter:NvidiaGpuExporterSource"
        ),
        "node-exporter": "wattline_agents.sources.scraped.node_exporter:NodeExporterSource",
        "xpumd": "wattline_agents.sources.scraped.xpumd:XpumdSource",
        "serving": "wattline_agents.sources.serving.source:ServingSource",
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
        raise UsageError(f"no source {name[:40]!r}; {instead(name, SOURCES)}")
    module, attribute = place.split(":")
    kind: type[Configurable] = getattr(import_module(module), attribute)
    return kind.from_config(config)
