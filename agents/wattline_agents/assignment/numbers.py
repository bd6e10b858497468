"""What a scheduler's numbers of devices mean, learned from the devices its jobs are seen on.

A record says that a job was given numbers; the kernel says which job a process is of, and the
driver on which device it runs. Where indices and minor numbers differ, the devices of one job
mostly fit only one of the two. One job proves little, as a user may run on a device that was not
given to him where nothing prevents it: so every user has one vote, and most votes decide.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence

from wattline_agents.assignment.claim import Claim
from wattline_agents.assignment.devices import INDEX, MINOR, Devices
from wattline_agents.catalogue import METHODS

_RECORDS = METHODS[: METHODS.index("cgroup")]
_MOST_VOTES = 64
"""Users whose vote counts, the last ones."""


def meaning(numbers: Collection[int], used: Collection[tuple[int, int]]) -> str | None:
    """What the numbers of a job are, by the devices its processes are on.

    Args:
        numbers: What its record says.
        used: Index and minor number of every device that one of its processes is on.

    Returns:
        `index` or `minor`, the one that all those devices fit; None where that is both or neither.
    """
    by_index = all(index in numbers for index, _ in used)
    by_minor = all(minor in numbers for _, minor in used)
    if not used or by_index is by_minor:
        return None
    return INDEX if by_index else MINOR


def meanings(
    recorded: Iterable[Claim], seen: Iterable[Claim], devices: Devices
) -> dict[str, str | None]:
    """What the numbers of every job are that has a record and processes on devices.

    Args:
        recorded: Claims of records; those that name devices by number and have not ended count.
        seen: Claims of processes; those count whose job their control group names.
        devices: The node's.
    """
    numbers: dict[str, set[int]] = {}
    for claim in recorded:
        if claim.end_ms is None and claim.method in _RECORDS and claim.device.isdecimal():
            numbers.setdefault(claim.job, set()).add(int(claim.device))
    used: dict[str, set[tuple[int, int]]] = {}
    for claim in seen:
        if claim.end_ms is None and claim.method == "cgroup" and claim.job in numbers:
            found = devices.resolve(claim.device)
            both = None if found is None else devices.ordinals(found.device)
            if both is not None:
                used.setdefault(claim.job, set()).add(both)
    return {job: meaning(numbers[job], on) for job, on in used.items()}


class Votes:
    """What numbers were found to mean, by user."""

    def __init__(self) -> None:
        """Nobody has voted."""
        self._votes: OrderedDict[str, str] = OrderedDict()

    def take(
        self, found: Mapping[str, str | None], infos: Iterable[Sequence[Mapping[str, object]]]
    ) -> str | None:
        """Take the jobs' votes in; returns what most users' say, None where none or as many.

        Args:
            found: By job; None says nothing.
            infos: Rows of `job_info`, for the user of a job; one that is not known is its own.
        """
        users = {str(row["job"]): row.get("user") for some in infos for row in some}
        for job, vote in found.items():
            if vote is not None:
                voter = str(users.get(job) or f"job {job}")
                self._votes[voter] = vote
                self._votes.move_to_end(voter)
        while len(self._votes) > _MOST_VOTES:
            self._votes.popitem(last=False)
        every = list(self._votes.values())
        minors = every.count(MINOR)
        if 2 * minors == len(every):
            return None
        return MINOR if 2 * minors > len(every) else INDEX
