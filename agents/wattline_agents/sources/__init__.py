"""What an agent reads: one file (or package) each."""

from wattline_agents.sources.source import Readings, Source, SourceConfig

__all__ = ["Readings", "Source", "SourceConfig"]
