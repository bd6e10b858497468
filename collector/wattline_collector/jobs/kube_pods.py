"""Pods as jobs: what Kubernetes says of one, as a row of table `accounting`.

A pod is a job here, its uid the key. Pods that ask for an accelerator are jobs, and so are those of
a Job; what keeps the cluster running is none.

A pod holds its devices from when its node admitted it, images pulled or not, to when its last
container ended; its container states tell how.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from wattline_agents.catalogue import ACCOUNTING, Type
from wattline_agents.wire import Value
from wattline_collector.jobs import kube_devices, kube_ends
from wattline_collector.jobs.kube_values import (
    Json,
    at,
    first,
    items,
    mapping,
    moment,
    number,
    text,
)
from wattline_collector.jobs.text import shown

_TYPES: Mapping[Type, pl.DataType] = {
    Type.INT: pl.Int64(),
    Type.FLOAT: pl.Float64(),
    Type.TEXT: pl.String(),
}
ROWS = pl.Schema({name: _TYPES[type] for name, type in ACCOUNTING.columns.items()})
"""Columns of table `accounting`."""
INFO = pl.Schema({"job": pl.String(), "project": pl.String(), "run": pl.String()})
"""What table `job_info` has of a pod beyond `accounting`."""

SUBMITTED_WITHIN_MS = 60_000
"""Pods made so soon after their Job began are its first: they waited since it was submitted."""

_UID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}")
_JOB_LABELS = ("batch.kubernetes.io/job-name", "job-name")
_NAME_LABELS = (
    *_JOB_LABELS, "training.kubeflow.org/job-name", "jobset.sigs.k8s.io/jobset-name",
    "leaderworkerset.sigs.k8s.io/name", "ray.io/cluster", "app.kubernetes.io/instance",
)  # fmt: skip
"""Labels by which those who make pods say what they belong to."""
_USER_LABELS = ("hub.jupyter.org/username",)
_QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
_INDEX_LABEL = "batch.kubernetes.io/job-completion-index"


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What a Job says that its pods do not.

    Attributes:
        submit_ms: When it was made.
        start_ms: When it began to make pods: later, where a queue held it back.
        limit_seconds: How long it may run.
        is_single: Whether it runs one pod at a time, so that the next goes on with the last one's.
        timed_out: Whether it ended because its time was over.
    """

    submit_ms: int | None
    start_ms: int | None
    limit_seconds: float | None
    is_single: bool
    timed_out: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """How pods are read.

    Attributes:
        project_label: The label that names a pod's project; the namespace does where it has none.
    """

    project_label: str = "project"


Jobs = Mapping[tuple[str, str], JobFacts]
"""Facts of Jobs by namespace and name."""


def job_facts(job: Json, now_ms: int) -> tuple[tuple[str, str], JobFacts] | None:
    """Namespace and name of a Job, and what it says; None if it is none."""
    namespace = text(at(job, "metadata", "namespace"))
    name = text(at(job, "metadata", "name"))
    if namespace is None or name is None:
        return None
    spec = mapping(at(job, "spec"))
    parallel = number(spec.get("parallelism"))
    completions = number(spec.get("completions"))
    timed_out = any(
        condition.get("type") in ("Failed", "FailureTarget")
        and condition.get("status") == "True"
        and condition.get("reason") == "DeadlineExceeded"
        for condition in items(at(job, "status", "conditions"))
    )
    return (namespace, name), JobFacts(
        submit_ms=moment(at(job, "metadata", "creationTimestamp"), now_ms),
        start_ms=moment(at(job, "status", "startTime"), now_ms),
        limit_seconds=_seconds(spec.get("activeDeadlineSeconds")),
        is_single=parallel in (None, 1) and completions in (None, 1),
        timed_out=timed_out,
    )


def owner_job(pod: Json) -> tuple[str, str] | None:
    """Namespace and name of the Job that made a pod."""
    namespace = text(at(pod, "metadata", "namespace"))
    for owner in items(at(pod, "metadata", "ownerReferences")):
        name = text(owner.get("name"))
        if owner.get("kind") == "Job" and name is not None and namespace is not None:
            return namespace, name
    return None


def is_job(pod: Json) -> bool:
    """Whether a pod is a job: it asks for an accelerator, or a Job made it."""
    return owner_job(pod) is not None or bool(kube_devices.asked(pod)) or kube_devices.claims(pod)


@dataclass(frozen=True, slots=True)
class Read:
    """What pods say.

    Attributes:
        rows: `ROWS`; the time is when it was so, as far as the pod itself tells.
        info: `INFO`.
        refused: Pods without a uid, name or namespace, counted.
        others: Pods that are no jobs, counted.
    """

    rows: pl.DataFrame
    info: pl.DataFrame
    refused: int
    others: int


def read(
    pods: Iterable[Json],
    jobs: Jobs,
    now_ms: int,
    settings: Settings = Settings(),
    *,
    gone: bool = False,
) -> Read:
    """Pods to rows.

    Args:
        pods: Objects as the API gives them; of several of one uid the last counts.
        jobs: Facts of their Jobs, as far as known.
        now_ms: When they were read.
        settings: How they are read.
        gone: Whether they are no longer there: this is the last that was said of them.
    """
    rows: dict[str, dict[str, Value]] = {}
    info: dict[str, tuple[str, str | None, str | None]] = {}
    refused = others = 0
    for pod in pods:
        uid = text(at(pod, "metadata", "uid"))
        namespace = text(at(pod, "metadata", "namespace"))
        name = text(at(pod, "metadata", "name"))
        if uid is None or not _UID.fullmatch(uid) or namespace is None or name is None:
            refused += 1
            continue
        if not is_job(pod):
            others += 1
            continue
        owner = owner_job(pod)
        facts = None if owner is None else jobs.get(owner)
        rows.pop(uid, None)
        rows[uid] = {"job": uid, **_row(pod, namespace, name, facts, now_ms, gone)}
        label = text(at(pod, "metadata", "labels", settings.project_label))
        run = f"{owner[0]}/{owner[1]}" if owner is not None and facts and facts.is_single else None
        info[uid] = uid, label or namespace, run
    frame = pl.DataFrame(list(rows.values()), schema=ROWS, orient="row")
    texts = [name for name, type in ROWS.items() if type == pl.String() and name != "job"]
    told = pl.DataFrame(list(info.values()), schema=INFO, orient="row")
    return Read(
        frame.with_columns(shown(pl.col(name)).alias(name) for name in texts),
        told.with_columns(shown(pl.col(name)).alias(name) for name in ("project", "run")),
        refused,
        others,
    )


def _row(
    pod: Json, namespace: str, name: str, facts: JobFacts | None, now_ms: int, gone: bool
) -> dict[str, Value]:
    metadata, spec, status = (mapping(at(pod, part)) for part in ("metadata", "spec", "status"))
    labels = metadata.get("labels")
    submit_ms = eligible_ms = moment(metadata.get("creationTimestamp"), now_ms)
    if facts is not None and facts.submit_ms is not None and submit_ms is not None:
        began_ms = facts.submit_ms if facts.start_ms is None else facts.start_ms
        if 0 <= submit_ms - began_ms <= SUBMITTED_WITHIN_MS:
            submit_ms = facts.submit_ms
    start_ms = kube_ends.started(status, now_ms)
    state, reason = kube_ends.state_of(
        metadata, status, now_ms, timed_out=facts is not None and facts.timed_out, gone=gone
    )
    end_ms = (
        kube_ends.ended(metadata, status, now_ms) if state not in ("pending", "running") else None
    )
    if start_ms is not None and end_ms is not None:
        end_ms = max(end_ms, start_ms)
    code, signal = kube_ends.exit_of(status) if end_ms is not None else (None, None)
    job_name = text(first(labels, _JOB_LABELS))
    index = first(labels, (_INDEX_LABEL,)) or text(at(metadata, "annotations", _INDEX_LABEL))
    is_indexed = index is not None and index.isascii() and index.isdecimal() and len(index) < 10
    cpus, memory = kube_devices.most(spec, "cpu"), kube_devices.most(spec, "memory")
    devices = kube_devices.asked(pod)
    node = text(spec.get("nodeName"))
    tres = kube_devices.tres(cpus, memory, devices)
    own_limit = _seconds(spec.get("activeDeadlineSeconds"))
    return {
        "time_unix_ms": end_ms or start_ms or submit_ms or now_ms,
        "scheduler": "kubernetes",
        "job_id": f"{namespace}/{name}",
        "array_job": f"{namespace}/{job_name}" if is_indexed and job_name else None,
        "array_task": int(index) if is_indexed and index else None,
        "restarts": kube_ends.restarts(status),
        "name": first(labels, _NAME_LABELS) or name,
        "user": first(labels, _USER_LABELS),
        "account": namespace,
        "partition": first(labels, (_QUEUE_LABEL,)),
        "qos": text(spec.get("priorityClassName")),
        "state": state,
        "reason": reason,
        "exit_code": code,
        "exit_signal": signal,
        "submit_unix_ms": submit_ms,
        "eligible_unix_ms": eligible_ms,
        "start_unix_ms": start_ms,
        "end_unix_ms": end_ms,
        "time_limit_seconds": own_limit or (None if facts is None else facts.limit_seconds),
        "nodes": None if node is None else 1,
        "node_list": node,
        "cpus": None if cpus is None else math.ceil(cpus),
        "memory_bytes": None if memory is None else round(memory),
        "gpus": kube_devices.gpus(pod, devices),
        "gpu_type": kube_devices.gpu_type(spec, devices),
        "tres_requested": tres,
        "tres_allocated": tres if start_ms is not None else None,
    }


def _seconds(value: Json) -> float | None:
    found = number(value)
    return float(found) if found is not None and found > 0 else None
