"""What is looked at twice. A flag refuses nobody and proves nothing; it says where to look."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from wattline_reports.challenge.measures import better
from wattline_reports.challenge.rules import Rules
from wattline_reports.challenge.runs import Run, Series


class Flag(StrEnum):
    """The flags there are."""

    OVERFIT = "overfit"  # better on what is public than on what was secret, beyond its scatter
    CANARY = "canary"  # gave out an answer that only those have who saw it before
    SCATTER = "scatter"  # runs of one item differ more than the rules expect
    UNCONVERGED = "unconverged"  # a run missed the target; the rules forgave it
    RETRIED = "retried"  # the result is of a second submission
    SECOND_SITE = "second-site"  # a second site came to something else
    NOT_RERUN = "not-rerun"  # fewer second sites ran it again than the rules ask for


@dataclass(frozen=True, slots=True)
class Raised:
    """A flag and why.

    Attributes:
        flag: Which.
        words: The figures behind it.
    """

    flag: Flag
    words: str


@dataclass(frozen=True, slots=True)
class Looked:
    """What flags are raised from.

    Attributes:
        secret: Runs of each secret item.
        public: Runs of what is public; None: none.
        gap: By which share the public score is better; None: no public runs.
        deltas: By which share each second site's figure is above the entrant's, by site.
        canaries: Digest of an answer nobody should have, by item.
        attempt: Of the submission.
    """

    secret: Sequence[Series]
    public: Series | None
    gap: float | None
    deltas: Mapping[str, float]
    canaries: Mapping[int, frozenset[str]]
    attempt: int


def gap_of(
    rules: Rules, score: float, public: Series | None, references: Mapping[int | None, float]
) -> float | None:
    """By which share the public score is better than the secret one; None: no public runs."""
    if public is None:
        return None
    return better(rules, "score", public.mean / references.get(None, 1.0), score)


def raised(rules: Rules, seen: Looked) -> list[Raised]:
    """The flags of one entrant, in the order of `Flag`."""
    limits = rules.flags
    found = []
    noise = _noise(seen)
    if seen.gap is not None and seen.gap - noise > limits["gap"]:
        words = f"{seen.gap:+.1%} on what is public, {noise:.1%} of it may be scatter"
        found.append(Raised(Flag.OVERFIT, words))
    hits = [run for one in seen.secret for run in one.runs if _sang(run, seen.canaries)]
    if hits:
        words = f"gave out the sealed answer of item {hits[0].item} ({len(hits)} runs)"
        found.append(Raised(Flag.CANARY, words))
    wide = [one for one in seen.secret if (one.spread or 0.0) > limits["spread"]]
    if wide:
        words = f"runs of item {wide[0].item} scatter by {wide[0].spread:.1%}"
        found.append(Raised(Flag.SCATTER, words))
    missed = sum(one.unconverged for one in seen.secret)
    if missed:
        words = f"{missed} of {sum(one.count for one in seen.secret)} runs missed the target"
        found.append(Raised(Flag.UNCONVERGED, words))
    if seen.attempt > 1:
        found.append(Raised(Flag.RETRIED, f"submission {seen.attempt}"))
    away = {site: delta for site, delta in seen.deltas.items() if abs(delta) > limits["delta"]}
    if away:
        words = ", ".join(f"{site} came to {delta:+.1%}" for site, delta in sorted(away.items()))
        found.append(Raised(Flag.SECOND_SITE, words))
    if len(seen.deltas) < rules.reruns:
        words = f"{len(seen.deltas)} second sites of {rules.reruns}"
        found.append(Raised(Flag.NOT_RERUN, words))
    return found


def _noise(seen: Looked) -> float:
    """Two standard errors of the gap, as a share; from the scatter of the runs themselves."""
    if seen.public is None:
        return 0.0
    parts = [(one.spread or 0.0) ** 2 / one.count for one in seen.secret]
    secret = math.fsum(parts) / len(parts) ** 2
    return 2 * math.sqrt(secret + (seen.public.spread or 0.0) ** 2 / seen.public.count)


def _sang(run: Run, canaries: Mapping[int, frozenset[str]]) -> bool:
    return run.item is not None and run.output in canaries.get(run.item, frozenset())
