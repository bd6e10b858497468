"""Where readings go: one file each."""

from wattline_agents.sinks.sink import Health, Sink

__all__ = ["Health", "Sink"]
