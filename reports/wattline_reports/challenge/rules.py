"""The rules of a challenge, as its organiser publishes them before anybody enters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from wattline_collector.capability.hpl_mxp import operations
from wattline_reports.challenge.documents import moment
from wattline_reports.exchange.refused import Reason, Refused

MEASURES = ("score", "per_kwh", "per_euro", "per_peak_flop", "baseline")
LOWER = ("seconds", "joules")
"""Scores of which less is better."""
LEVELS = ("L1", "L2", "L3")
ATTEMPTS = 2
"""Submissions of one entrant: the first, and one retry with its reason."""


@dataclass(frozen=True, slots=True)
class Times:
    """Until when what must have come; UTC. What comes at that very second is in time.

    Attributes:
        enter_by: Entries; the draw is made then, and runs start after it.
        submit_by: Commitments to results.
        reveal_by: Results, and the opening of specification and items.
        rerun_by: Runs of a second site.
    """

    enter_by: datetime
    submit_by: datetime
    reveal_by: datetime
    rerun_by: datetime


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts, how often it is run, and what is looked at twice.

    Attributes:
        id: Of the challenge.
        title: For people.
        score: `seconds`, `joules`, `work_per_second` or `work_per_joule` of a run.
        work: What a run's work is: `none` (a run is the work), `counted` (as the run says), or
            `hpl` (2/3 n^3 + 3/2 n^2 of its size).
        work_unit: Of that work, as results are named.
        runs: Of each item, no more and no fewer: to leave some out would be to choose.
        trim: Best and worst runs of an item that its mean leaves out, each.
        unconverged: Runs of an item that may miss the target; they count as the worst.
        public_runs: Runs on what is public, for the gap; 0: none.
        draw: Items each entrant gets.
        relative: Whether an item's score is divided by its reference.
        public_reference: The reference of what is public; None where nothing is relative.
        least_power_level: Of energy, EE HPC WG.
        least_bits: The lowest precision a run may use; 0: any.
        reruns: Second sites that each entrant is to have.
        rerun_compares: The measure in which a second site is held against the entrant.
        tie: Entrants whose points differ by no more than this share are not told apart.
        quality: Name of what a run must reach.
        limit: What it must reach.
        lower_is_better: Whether from above.
        flags: From where on `gap`, `spread` and `delta` are flagged, as shares.
        weights: Of each measure in the ranking.
        times: Until when.
    """

    id: str
    title: str
    score: str
    work: str
    work_unit: str
    runs: int
    trim: int
    unconverged: int
    public_runs: int
    draw: int
    relative: bool
    public_reference: float | None
    least_power_level: str
    least_bits: int
    reruns: int
    rerun_compares: str
    tie: float
    quality: str
    limit: float
    lower_is_better: bool
    flags: Mapping[str, float]
    weights: Mapping[str, float]
    times: Times

    @property
    def is_lower_better(self) -> bool:
        """Whether less of the score is better."""
        return self.score in LOWER

    @property
    def unit(self) -> str:
        """Of a score; `1` where it is relative."""
        if self.relative:
            return "1"
        rates = {
            "seconds": "s",
            "joules": "J",
            "work_per_second": f"{self.work_unit}/s",
            "work_per_joule": f"{self.work_unit}/J",
        }
        return rates[self.score]

    def is_reached(self, quality: float) -> bool:
        """Whether a run that came to this quality converged."""
        return quality <= self.limit if self.lower_is_better else quality >= self.limit

    def work_of(self, counted: float | None, size: int | None) -> float | None:
        """The work of a run in `work_unit`; None where the run does not tell it."""
        if self.work == "none":
            return 1.0
        if self.work == "hpl":
            return None if size is None else operations(size)
        return counted


def rules_of(told: Mapping[str, Any], items: int, path: object) -> Rules:
    """Rules as they stand in a commitment that fits its schema.

    Args:
        told: The rules.
        items: How many secret items there are.
        path: Whence they come, for errors.

    Raises:
        Refused: They contradict themselves, or their times are not in order.
    """
    times = Times(
        **{name: moment(text, path, f"times.{name}") for name, text in told["times"].items()}
    )
    order = (times.enter_by, times.submit_by, times.reveal_by, times.rerun_by)
    if not order[0] < order[1] < order[2] <= order[3]:
        words = "enter_by, submit_by, reveal_by and rerun_by do not follow each other"
        raise Refused(Reason.TIMES, words, path=path, field="times")
    _consistent(told, items, path)
    quality = told["quality"]
    plain = {
        name: told[name]
        for name in Rules.__dataclass_fields__
        if name not in ("quality", "limit", "lower_is_better", "flags", "weights", "times")
    }
    return Rules(
        **plain,
        quality=quality["name"],
        limit=quality["limit"],
        lower_is_better=quality["better"] == "lower",
        flags=MappingProxyType(dict(told["flags"])),
        weights=MappingProxyType(dict(told["weights"])),
        times=times,
    )


def _consistent(told: Mapping[str, Any], items: int, path: object) -> None:
    def wrong(field: str, words: str) -> Refused:
        return Refused(Reason.RULES, words, path=path, field=field)

    if told["draw"] > items:
        raise wrong("draw", f"{told['draw']} items for each of {items} there are")
    if told["trim"] < told["unconverged"]:
        raise wrong("trim", "a run that did not converge would be in the mean: trim at least it")
    for field in ("runs", "public_runs"):
        if 0 < told[field] <= 2 * told["trim"]:
            raise wrong(field, f"nothing is left of {told[field]} without {told['trim']} each end")
    if told["work"] == "none" and told["score"].startswith("work"):
        raise wrong("work", f"the score is {told['score']}, and a run has no work")
    if told["relative"] and told["public_runs"] and told["public_reference"] is None:
        raise wrong("public_reference", "missing: scores are relative, and there are public runs")
    if not any(told["weights"].values()):
        raise wrong("weights", "all are 0: there is nothing to rank by")
