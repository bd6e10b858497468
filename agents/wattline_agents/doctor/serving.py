"""Whether engines of jobs can be found: their sockets are their users' to see."""

from __future__ import annotations

from wattline_agents.config import Settings
from wattline_agents.doctor.finding import Finding, missing, ok
from wattline_agents.doctor.machine import Machine

_CURE = (
    "systemd: AmbientCapabilities=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH (and CapabilityBoundingSet);"
    " or tell pages in [serving] with their job"
)


def check(machine: Machine, settings: Settings) -> list[Finding]:
    """Look at what finding engines needs, if they are to be found."""
    choice = next((one for one in settings.sources if one.name == "serving"), None)
    if choice is None or choice.options.get("discover") == "false":
        return []
    if machine.names("/proc/1/fd"):
        return [ok("engines of this node's jobs are found by the ports they listen at")]
    user = machine.user.name
    # Pages that were told are read without; then this is not what was asked for.
    asked = "pages" not in choice.options and "url" not in choice.options
    what = f"engines of other users' jobs are not found: {user} may not see whose a socket is"
    return [missing(what, _CURE, asked=asked)]
