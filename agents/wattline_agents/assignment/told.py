"""Rows of `assignment` and `job_info`: what changed, and what is to be said again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from wattline_agents.assignment.claim import Claim
from wattline_agents.catalogue import METHODS
from wattline_agents.wire import Row, Value

REPEAT_MS = 30_000
"""A collector counts an open interval as known for 90 s after it was last told."""
REPEAT_INFO_MS = 600_000
_BY_NAME = METHODS[: METHODS.index("cgroup")]
"""Records name devices as the scheduler does; the driver tells of processes by UUID."""
_MOST_ENDED = 8_192
_MOST_JOBS = 4_096


class ToldAssignments:
    """What was said of devices and jobs."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._open: dict[tuple[str, str], tuple[Claim, int]] = {}
        self._ended: OrderedDict[tuple[str, str, int], int] = OrderedDict()

    def due_ms(self) -> int | None:
        """When something is to be said again; None while nothing is held."""
        told = [told_ms for _claim, told_ms in self._open.values()]
        return min(told) + REPEAT_MS if told else None

    def rows(
        self,
        held: Mapping[tuple[str, str], Claim],
        ended: Sequence[Claim],
        now_ms: int,
        *,
        is_renamed: bool = False,
    ) -> list[Row]:
        """What is new, and what was said too long ago.

        Args:
            held: What holds now, by device and job.
            ended: What has ended, now or before.
            now_ms: The tick's time.
            is_renamed: Names of devices turned out to mean others: what was said of those by a
                name never was, and is taken back as a hold of no length.
        """
        rows: list[Row] = []
        closed_ms: dict[tuple[str, str], int] = {}
        ends = {(claim.device, claim.job, claim.start_ms): claim for claim in ended}
        for key, (claim, _told_ms) in tuple(self._open.items()):
            now = held.get(key)
            end = ends.get((*key, claim.start_ms))
            if now is not None and end is None and _is_same(now, claim):
                continue
            # It ended as it is said, or when what took its place began, or just now.
            end_ms = now_ms if end is None or end.end_ms is None else end.end_ms
            if end is None and now is not None and claim.start_ms < now.start_ms < now_ms:
                end_ms = now.start_ms
            if is_renamed and now is None and end is None and claim.method in _BY_NAME:
                end_ms = claim.start_ms
            closed_ms[key] = end_ms = max(end_ms, claim.start_ms)
            self._close(replace(claim, end_ms=end_ms), now_ms, rows)
            del self._open[key]
        if is_renamed:
            self._take_back(ends, now_ms, rows)
        for claim in ended:
            if (claim.device, claim.job, claim.start_ms) not in self._ended:
                self._close(claim, now_ms, rows)
        for key, claim in held.items():
            before = self._open.get(key)
            if before is not None:
                claim = replace(claim, start_ms=before[0].start_ms)
            elif (*key, claim.start_ms) in self._ended:
                # That stretch was told, with another share: this one goes on from its end.
                after_ms = max(closed_ms.get(key, now_ms), claim.start_ms + 1)
                claim = replace(claim, start_ms=after_ms)
            if before is None or not 0 <= now_ms - before[1] < REPEAT_MS:
                self._open[key] = claim, now_ms
                rows.append(_row(claim, now_ms))
        return rows

    def _take_back(
        self, ends: Mapping[tuple[str, str, int], Claim], now_ms: int, rows: list[Row]
    ) -> None:
        """Ends that are still written down, of other devices than was said."""
        methods = {(c.job, c.start_ms): c.method for c in ends.values() if c.method in _BY_NAME}
        for key in [key for key in self._ended if key not in ends and key[1:] in methods]:
            device, job, start_ms = key
            del self._ended[key]
            claim = Claim(device, job, start_ms, start_ms, None, methods[job, start_ms])
            rows.append(_row(claim, now_ms))

    def _close(self, claim: Claim, now_ms: int, rows: list[Row]) -> None:
        key = claim.device, claim.job, claim.start_ms
        self._ended[key] = now_ms
        self._ended.move_to_end(key)
        while len(self._ended) > _MOST_ENDED:
            self._ended.popitem(last=False)
        rows.append(_row(claim, now_ms))


class ToldJobs:
    """What was said of jobs."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._told: OrderedDict[str, tuple[Row, int]] = OrderedDict()

    def due_ms(self) -> int | None:
        """When something is to be said again; None while no job is known to run."""
        times = [at for info, at in self._told.values() if info.get("end_unix_ms") is None]
        return min(times) + REPEAT_INFO_MS if times else None

    def rows(self, infos: Iterable[Row], now_ms: int) -> list[Row]:
        """What is new, and of running jobs what was said too long ago."""
        rows: list[Row] = []
        here = set()
        for info in infos:
            job = str(info["job"])
            here.add(job)
            told = self._told.get(job)
            if told is not None and told[0] == info:
                is_over = info.get("end_unix_ms") is not None
                if is_over or 0 <= now_ms - told[1] < REPEAT_INFO_MS:
                    continue
            self._told[job] = info, now_ms
            self._told.move_to_end(job)
            rows.append({"time_unix_ms": now_ms, **info})
        for job in [job for job in self._told if job not in here]:
            del self._told[job]
        while len(self._told) > _MOST_JOBS:
            self._told.popitem(last=False)
        return rows


def _is_same(one: Claim, other: Claim) -> bool:
    """Whether they say the same; one that began in between is another stretch of the same job."""
    return one.share == other.share and one.method == other.method


def _row(claim: Claim, now_ms: int) -> Row:
    row: dict[str, Value] = {
        "time_unix_ms": now_ms,
        "device": claim.device,
        "job": claim.job,
        "start_unix_ms": claim.start_ms,
        "end_unix_ms": claim.end_ms,
        "share": claim.share,
        "method": claim.method,
    }
    return row
