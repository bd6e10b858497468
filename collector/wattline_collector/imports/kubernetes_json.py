"""Pods and Jobs of Kubernetes, as `kubectl get` prints them."""

from __future__ import annotations

import hashlib
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_agents.catalogue import TABLES
from wattline_agents.clock import SystemClock
from wattline_agents.errors import InputError
from wattline_collector.imports import files, summary
from wattline_collector.imports.format import Format, Found, plain_name
from wattline_collector.imports.recording import Batch
from wattline_collector.imports.summary import counted
from wattline_collector.imports.timed import run_name

if TYPE_CHECKING:
    import polars as pl

MOST_BYTES = 1024 * 1024 * 1024
"""Of one file: some 100,000 pods."""

_DESCRIPTION = """\
Pods as jobs, with what their Jobs and nodes say of them, from what kubectl or the API server
printed. Pods that ask for an accelerator are jobs, and so are those that a Job made; others are
left out and counted. For following a live cluster see `wattline collector --kubernetes`.

examples:
  kubectl get pods,jobs,nodes -A -o json > cluster.json
  wattline import kubernetes-json cluster.json --store store
  wattline import kubernetes-json pods.json jobs.json --system ai-cluster --store store"""


@dataclass(frozen=True, slots=True)
class Saved:
    """What was saved of a cluster.

    Attributes:
        system: The system it is stored as.
        source: Names it by its content.
        tables: Rows by table.
    """

    system: str
    source: str
    tables: dict[str, pl.DataFrame]

    def batches(self) -> Iterator[Batch]:
        """All of it."""
        from wattline_collector.jobs.encode import bodies
        from wattline_collector.jobs.kubernetes import NODE

        for name, rows in self.tables.items():
            for count, body in bodies(TABLES[name], rows):
                yield Batch(NODE, name, 0, count, body)

    def close(self) -> None:
        """Nothing is held."""


def read(arguments: Namespace, progress: Callable[[str], None]) -> Found:
    """Read the files.

    Raises:
        InputError: One is no JSON, or none holds a pod or a node.
    """
    import polars as pl

    from wattline_collector.jobs import kube_pods, news
    from wattline_collector.jobs.kube_nodes import node_states

    now_ms = SystemClock().unix_ms()
    system = arguments.system or f"recording-{run_name(arguments.paths[0])}"
    digest = hashlib.sha256(f"{system} {arguments.project_label}".encode())
    kinds: dict[str, list[object]] = {"Pod": [], "Job": [], "Node": []}
    last_ms = 0
    for path in arguments.paths:
        progress(f"reading {path.name}")
        body = _body(path)
        digest.update(hashlib.sha256(body).digest())
        _sort(body, path, kinds)
        last_ms = max(last_ms, path.stat().st_mtime_ns // 1_000_000)
    if not kinds["Pod"] and not kinds["Node"]:
        raise InputError(
            "holds no pod and no node: save `kubectl get pods,jobs,nodes -A -o json`",
            path=arguments.paths[0],
        )
    found = (kube_pods.job_facts(job, now_ms) for job in kinds["Job"])
    facts = dict(one for one in found if one is not None)
    pods = kube_pods.read(kinds["Pod"], facts, now_ms, kube_pods.Settings(arguments.project_label))
    # What runs, did so when the file was written, as far as anybody knows.
    saved_ms = min(last_ms, now_ms)
    goes_on = pl.col("state").is_in(["pending", "running"])
    rows = pods.rows.with_columns(
        pl.when(goes_on)
        .then(pl.max_horizontal("time_unix_ms", pl.lit(saved_ms)))
        .otherwise("time_unix_ms")
        .alias("time_unix_ms")
    )
    infos = (
        news.info_rows(rows)
        .rename({"project": "account"})
        .join(pods.info, on="job", how="left", maintain_order="left")
    )
    states = node_states(kinds["Node"], saved_ms)
    recording = Saved(
        system,
        f"kubernetes-json-{digest.hexdigest()[:16]}",
        {"accounting": rows, "job_info": infos, "node_state": states},
    )
    return Found(recording, lambda _: _told(recording), _notes(pods.refused, pods.others))


def _body(path: Path) -> bytes:
    with files.opened(path) as stream:
        body = stream.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise InputError(f"is larger than {MOST_BYTES >> 20} MiB; save fewer at once", path=path)
    return body


def _sort(body: bytes, path: Path, kinds: dict[str, list[object]]) -> None:
    """Add the objects of a file to those of their kind."""
    from wattline_collector.jobs.kube_api import items_of
    from wattline_collector.jobs.kube_values import at

    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = str(error).split("\n", 1)[0][:80]
        raise InputError(f"is no whole JSON document: {reason}", path=path) from error
    for one in items_of(document):
        kind = at(one, "kind")
        if isinstance(kind, str) and kind in kinds:
            kinds[kind].append(one)


def _told(saved: Saved) -> str:
    rows = saved.tables["accounting"]
    counts = rows["state"].value_counts(sort=True).iter_rows()
    states = ", ".join(f"{state} {count:,}" for state, count in counts)
    table = [
        ("pods", f"{rows.height:,}", states),
        ("", f"{rows['start_unix_ms'].null_count():,}", "never started"),
        ("", f"{int((rows['gpus'].fill_null(1) > 0).sum()):,}", "with devices"),
        ("node states", f"{saved.tables['node_state'].height:,}", ""),
    ]
    return f"kubernetes-json as system {saved.system}\n{summary.table(table)}"


def _notes(refused: int, others: int) -> Sequence[str]:
    notes = []
    if others:
        pods = counted(others, "pod")
        notes.append(f"left out: {pods} without a device and without a Job")
    if refused:
        notes.append(f"set aside: {counted(refused, 'pod')} without uid, name or namespace")
    return notes


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE", help="may be gzip's")
    parser.add_argument(
        "--system", type=plain_name, metavar="NAME",
        help="store them as jobs of this system, which may be a live one (recording-<file>)",
    )  # fmt: skip
    parser.add_argument(
        "--project-label", default="project", metavar="LABEL",
        help="the label that names a pod's project (%(default)s)",
    )  # fmt: skip


FORMAT = Format(
    name="kubernetes-json",
    help="pods, Jobs and nodes as kubectl get -o json prints them",
    description=_DESCRIPTION,
    configure=_configure,
    read=read,
    joins=True,
)
