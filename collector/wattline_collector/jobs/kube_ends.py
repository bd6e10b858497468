"""When a pod began and ended, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping

from wattline_collector.jobs.kube_values import Json, at, items, mapping, moment, number, text

_REASONS: Mapping[str, str] = {
    "DeadlineExceeded": "timeout",
    "Evicted": "preempted",
    "Preempting": "preempted",
    "Preempted": "preempted",
    "PreemptionByScheduler": "preempted",
    "EvictionByEvictionAPI": "preempted",
    "DeletionByTaintManager": "node_fail",
    "DeletionByPodGC": "node_fail",
    "TerminationByKubelet": "preempted",
    "NodeLost": "node_fail",
    "NodeShutdown": "node_fail",
    "Shutdown": "node_fail",
    "Terminated": "node_fail",
    "NodeAffinity": "boot_fail",
    "UnexpectedAdmissionError": "boot_fail",
    "OOMKilled": "out_of_memory",
}
"""Reasons of a pod, of its disruption or of a container, and what they come to. Reasons that begin
with `OutOf` are a node's that took a pod it had no room for."""

_GIVEN_UP = (("Ready", "False"), ("ContainersReady", "False"), ("DisruptionTarget", "True"))
"""Conditions that began when a pod of which no container is known was given up."""


def _containers(status: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    return list(items(status.get("containerStatuses")))


def started(status: Mapping[str, Json], now_ms: int) -> int | None:
    """When its node took it in; where that is not said, when the first container began."""
    if (taken := moment(status.get("startTime"), now_ms)) is not None:
        return taken
    begun = [
        moment(at(container, part, kind, "startedAt"), now_ms)
        for container in [*_containers(status), *items(status.get("initContainerStatuses"))]
        for part in ("state", "lastState")
        for kind in ("running", "terminated")
    ]
    return min((at_ms for at_ms in begun if at_ms is not None), default=None)


def ended(metadata: Mapping[str, Json], status: Mapping[str, Json], now_ms: int) -> int:
    """When its last container ended; where that is not said, when it was given up, or now."""
    asked_ms = _deletion(metadata, now_ms)
    every = [*_containers(status), *items(status.get("initContainerStatuses"))]
    if any(at(container, "state", "running") is not None for container in every):
        # The last that was heard of it was that it ran.
        return now_ms
    finished = [moment(at(one, "state", "terminated", "finishedAt"), now_ms) for one in every]
    if known := [at_ms for at_ms in finished if at_ms is not None]:
        return max(known)
    changed = [
        moment(condition.get("lastTransitionTime"), now_ms)
        for condition in items(status.get("conditions"))
        if (condition.get("type"), condition.get("status")) in _GIVEN_UP
    ]
    given_up = [at_ms for at_ms in (*changed, asked_ms) if at_ms is not None]
    return max(given_up, default=now_ms)


def _deletion(metadata: Mapping[str, Json], now_ms: int) -> int | None:
    """When it was asked for its deletion: the time said is that of the end of its grace."""
    ends_ms = moment(metadata.get("deletionTimestamp"), now_ms)
    if ends_ms is None:
        return None
    return ends_ms - (number(metadata.get("deletionGracePeriodSeconds")) or 0) * 1000


def state_of(
    metadata: Mapping[str, Json],
    status: Mapping[str, Json],
    now_ms: int,
    *,
    timed_out: bool,
    gone: bool,
) -> tuple[str, str | None]:
    """The catalogue's word for what became of it, and the reason in Kubernetes' own."""
    phase, reason = status.get("phase"), text(status.get("reason"))
    disrupted = next(
        (
            text(condition.get("reason"))
            for condition in items(status.get("conditions"))
            if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True"
        ),
        None,
    )
    ended = [mapping(at(one, "state", "terminated")) for one in _containers(status)]
    all_ended = bool(ended) and all(ended)
    codes = [number(one.get("exitCode")) for one in ended if one]
    container = next((text(one.get("reason")) for one in ended if one.get("exitCode")), None)
    asked_ms = _deletion(metadata, now_ms)
    finished = [moment(one.get("finishedAt"), now_ms) for one in ended if one]
    was_deleted = asked_ms is not None and not (
        all_ended and all(at_ms is not None and at_ms < asked_ms for at_ms in finished)
    )
    if phase == "Succeeded" or (gone and all_ended and not any(codes) and not was_deleted):
        return "completed", reason
    why = reason or disrupted or container
    if phase != "Failed" and not gone:
        if phase == "Pending":
            return "pending", _waits(status)
        return "running", reason
    for one in (reason, disrupted, container):
        if one is not None and (state := _meaning(one)) is not None:
            return state, one
    if timed_out:
        return "timeout", "DeadlineExceeded"
    if was_deleted or (gone and not all_ended):
        return "cancelled", why
    return "failed", why


def _meaning(reason: str) -> str | None:
    return "boot_fail" if reason.startswith("OutOf") else _REASONS.get(reason)


def _waits(status: Mapping[str, Json]) -> str | None:
    """Why it does not run yet."""
    for container in _containers(status):
        if (reason := text(at(container, "state", "waiting", "reason"))) is not None:
            return reason
    for condition in items(status.get("conditions")):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return text(condition.get("reason"))
    return None


def exit_of(status: Mapping[str, Json]) -> tuple[int | None, int | None]:
    """Code and signal of the container that failed, or 0; None where none is known to have run."""
    codes = []
    for container in _containers(status):
        ended = mapping(at(container, "state", "terminated"))
        code, signal = number(ended.get("exitCode")), number(ended.get("signal"))
        if code is not None:
            # A shell's way to say it: 128 and the signal.
            codes.append((code, signal or (code - 128 if 128 < code < 192 else None)))
    return max(codes, key=lambda one: one[0] != 0, default=(None, None))


def restarts(status: Mapping[str, Json]) -> int | None:
    """How often the container that was started again most often was; None where none is known."""
    counts = [number(one.get("restartCount")) for one in _containers(status)]
    return max((count for count in counts if count is not None and count >= 0), default=None)
