"""Sources whose driver may hang, each read in a process of its own.

frames     what travels between the two processes
child      the process that reads; loads as little as it can
process    starts such a process, and talks with it without waiting
keeper     decides when one is started, asked, given up and tried again
carried    counts that go on when the process is replaced
absent     devices that are not read, and saying so
source     the source the agent sees: `Isolated`
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattline_agents.sources.isolated.source import Isolated

__all__ = ["Isolated"]


def __getattr__(name: str) -> object:
    # The reading process passes through this package and is not to load what the agent needs.
    if name != "Isolated":
        raise AttributeError(name)
    from wattline_agents.sources.isolated.source import Isolated

    return Isolated
