"""What Slurm can be asked, and by what means: its commands, or its REST interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from wattline_agents.errors import WattlineError
from wattline_collector.jobs.claims import Held


class AskFailed(WattlineError):
    """Slurm gave no answer now, or none that can be used; worth another try."""


@dataclass(frozen=True, slots=True)
class Events:
    """States of nodes, as columns of table `node_state`.

    Attributes:
        rows: Those that were written down, with their ends.
        now: Those of which is only known that they are so now: what is no longer among them has
            ended.
    """

    rows: pl.DataFrame
    now: pl.DataFrame


class Scheduler(Protocol):
    """Somewhere to ask; every question is bounded in time and size."""

    def jobs(self, since_ms: int, until_ms: int | None, ids: Sequence[str]) -> pl.DataFrame:
        """Jobs that waited, ran or ended in a time.

        Args:
            since_ms: From then on.
            until_ms: Up to then; None: all that are known of now, those of the future too.
            ids: Only these raw ids, whenever they ran; none: all.

        Returns:
            `accounts.RAW` and `line`, times in UTC or seconds.

        Raises:
            AskFailed: There is no answer.
        """
        ...

    def held(self) -> list[Held]:
        """Devices that running jobs hold, where this version of Slurm says which.

        Raises:
            AskFailed: There is no answer.
        """
        ...

    def events(self, since_ms: int, now_ms: int) -> Events:
        """States of nodes since then.

        Raises:
            AskFailed: There is no answer.
        """
        ...
