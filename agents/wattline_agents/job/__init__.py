"""What a job imports to count what it makes; needs nothing but the standard library.

from wattline_agents.job import Job

with Job("my-model", kind="training") as job:
    for batch in batches:
        with job.phase("step"):
            train(batch)
        job.step(tokens=batch.size)
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wattline_agents.job.job import Job
    from wattline_agents.job.model import ModelFacts, mfu

__all__ = ["Job", "ModelFacts", "mfu"]

_PLACES = {"Job": "job", "ModelFacts": "model", "mfu": "model"}


def __getattr__(name: str) -> Any:
    # The agent shares this package for what messages are, and has no use for their senders.
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
