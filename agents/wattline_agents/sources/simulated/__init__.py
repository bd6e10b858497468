"""One node that is not there: what its devices do in closed form, and what they cannot tell."""

from wattline_agents.sources.simulated.single import SimulatedSource

__all__ = ["SimulatedSource"]
