"""What an agent can be told: by arguments, by a TOML file, or both (arguments win).

settings   everything it can be told, as values
file       a configuration file, checked; every mistake named by line and key
lines      on which line of a file a key stands
example    a configuration file with all keys, explained
"""

from __future__ import annotations

from pathlib import Path

from wattline_agents.config.settings import (
    AUTOMATIC,
    AgentConfig,
    AssignmentSettings,
    InfluxSettings,
    OtlpSettings,
    Settings,
    SourceChoice,
    automatic_sources,
    cpu_set,
    default_node,
)

__all__ = [
    "AUTOMATIC",
    "AgentConfig",
    "AssignmentSettings",
    "InfluxSettings",
    "OtlpSettings",
    "Settings",
    "SourceChoice",
    "automatic_sources",
    "cpu_set",
    "default_node",
    "from_toml",
]


def from_toml(path: Path) -> Settings:
    """Read a configuration file.

    Raises:
        InputError: It is not there, not TOML, or a key is unknown or not what it should be.
    """
    # Only a start with a file pays for reading one.
    from wattline_agents.config.file import read

    return read(path)
