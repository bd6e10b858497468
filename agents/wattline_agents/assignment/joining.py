"""What all who know of jobs say together: pure, from claims to one claim per device and job.

Where two say the same, the more trusted is believed and the other need not be sent. Where they say
different jobs both are sent, with how they were found: whoever books decides by the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from wattline_agents.assignment.cgroups import SLUID
from wattline_agents.assignment.claim import Claim
from wattline_agents.assignment.devices import Devices
from wattline_agents.catalogue import METHODS

_TRUST: Mapping[str, int] = {method: place for place, method in enumerate(METHODS)}
ECHO_MS = 60_000
"""A process that is on a device for so long after its job's end has outlived it."""
IsRunning = Callable[[str], bool | None]
"""Whether a job of this key has processes here; None where that cannot be seen."""


def resolved(claims: Iterable[Claim], devices: Devices) -> tuple[list[Claim], list[str]]:
    """Claims on devices by UUID; a part of a device is a share of it.

    Returns:
        The claims, those on several parts of one device as one; and the names that no device of
        this node has.
    """
    found: dict[tuple[str, str, str, int, int | None], dict[str, float | None]] = {}
    unknown: dict[str, None] = {}
    for claim in claims:
        one = devices.resolve(claim.device)
        if one is None:
            unknown[claim.device] = None
            continue
        share = claim.share if one.share is None else one.share * (claim.share or 1.0)
        key = one.device, claim.job, claim.method, claim.start_ms, claim.end_ms
        parts = found.setdefault(key, {})
        parts[one.instance or claim.device] = share
    joined = [
        Claim(device, job, start_ms, end_ms, _sum(parts.values()), method)
        for (device, job, method, start_ms, end_ms), parts in found.items()
    ]
    return joined, list(unknown)


def agreed(claims: Sequence[Claim]) -> list[Claim]:
    """One key for one job, where those who speak of it know it by different ones.

    Not all of them know of restarts, and a control group may name a job only by Slurm's own id,
    which says nothing that a record of the same device does not say better.
    """
    now = [claim for claim in claims if claim.end_ms is None]
    restarted = {claim.job.partition(".")[0]: claim.job for claim in now if _is_restarted(claim)}
    recorded = {claim.device for claim in now if _TRUST[claim.method] < _TRUST["cgroup"]}
    found = []
    for claim in claims:
        if claim.method == "cgroup" and claim.device in recorded and SLUID.fullmatch(claim.job):
            continue
        if claim.end_ms is None and claim.job in restarted:
            claim = replace(claim, job=restarted[claim.job])
        found.append(claim)
    return found


def without_echoes(claims: Sequence[Claim], now_ms: int) -> tuple[list[Claim], bool]:
    """Leave out what only repeats, later and less surely, that a job held a device.

    The processes of a job that has just ended are still listed for a moment: that is no hold of
    its own. One that stays on the device for longer outlived its job, and holds it from there on.

    Returns:
        The claims; and whether some are left out that may turn out to be of that kind.
    """
    surer: dict[tuple[str, str], list[Claim]] = {}
    for claim in claims:
        surer.setdefault((claim.device, claim.job), []).append(claim)
    found, is_waiting = [], False
    for claim in claims:
        trust = _TRUST[claim.method]
        over = [
            one
            for one in surer[claim.device, claim.job]
            if _TRUST[one.method] < trust and _overlap(one, claim)
        ]
        if not over:
            found.append(claim)
            continue
        if any(one.end_ms is None for one in over):
            continue
        last_ms = max(one.end_ms or 0 for one in over)
        if (now_ms if claim.end_ms is None else claim.end_ms) - last_ms > ECHO_MS:
            found.append(replace(claim, start_ms=max(claim.start_ms, last_ms)))
        elif claim.end_ms is None:
            is_waiting = True
    return found, is_waiting


def without_ghosts(claims: Sequence[Claim], is_running: IsRunning) -> list[Claim]:
    """End the claims whose end was missed: a newer job has the whole device.

    An epilog that did not run leaves a record behind. Where a newer claim of the same method is on
    the device, neither is of a part of it, and the older job has no process left (or none that can
    be seen), the older one ended when the newer began.
    """
    open_on: dict[tuple[str, str], list[Claim]] = {}
    for claim in claims:
        if claim.end_ms is None:
            open_on.setdefault((claim.device, claim.method), []).append(claim)
    ghosts: dict[Claim, int] = {}
    for others in open_on.values():
        if len(others) < 2:
            continue
        others.sort(key=lambda claim: claim.start_ms)
        for older, newer in pairwise(others):
            if older.share is not None or newer.share is not None or older.job == newer.job:
                continue
            if newer.start_ms > older.start_ms and not is_running(older.job):
                ghosts[older] = newer.start_ms
    return [replace(claim, end_ms=ghosts[claim]) if claim in ghosts else claim for claim in claims]


def most_trusted(claims: Iterable[Claim]) -> dict[tuple[str, str], Claim]:
    """Of the open claims the one that is believed, by device and job.

    Of one method the earliest start counts, and parts held since different times are added.
    """
    best: dict[tuple[str, str], Claim] = {}
    for claim in claims:
        if claim.end_ms is not None:
            continue
        key = claim.device, claim.job
        other = best.get(key)
        if other is None or _TRUST[claim.method] < _TRUST[other.method]:
            best[key] = claim
        elif claim.method == other.method:
            start_ms = min(claim.start_ms, other.start_ms)
            share = _sum((claim.share, other.share))
            best[key] = replace(claim, start_ms=start_ms, share=share)
    return best


def ended(claims: Iterable[Claim]) -> list[Claim]:
    """The claims that have ended, each job and device and start once, by the most trusted."""
    best: dict[tuple[str, str, int], Claim] = {}
    for claim in claims:
        if claim.end_ms is None:
            continue
        key = claim.device, claim.job, claim.start_ms
        other = best.get(key)
        if other is None or _TRUST[claim.method] < _TRUST[other.method]:
            best[key] = claim
    return list(best.values())


def _overlap(one: Claim, other: Claim) -> bool:
    return (one.end_ms is None or one.end_ms >= other.start_ms) and (
        other.end_ms is None or other.end_ms >= one.start_ms
    )


def _is_restarted(claim: Claim) -> bool:
    job_id, dot, count = claim.job.partition(".")
    return bool(dot) and job_id.isdecimal() and count.isdecimal()


def _sum(shares: Iterable[float | None]) -> float | None:
    """Parts of a device together; None, which is all of it, where one of them is not known."""
    known = list(shares)
    total = sum(share for share in known if share is not None)
    return None if None in known or total >= 1.0 - 1e-9 else total
