"""The node itself: processors, memory, network, disks and its hottest sensor."""

from wattline_agents.sources.host.source import HostSource

__all__ = ["HostSource"]
