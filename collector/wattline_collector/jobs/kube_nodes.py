"""Nodes of Kubernetes: what takes them out of production, as rows of table `node_state`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from wattline_agents.errors import WireError
from wattline_agents.wire import checked_name
from wattline_collector.jobs.kube_values import Json, at, items, moment, text
from wattline_collector.jobs.node_watch import ROWS
from wattline_collector.jobs.text import shown

_CORDONED = "node.kubernetes.io/unschedulable"
_Row = tuple[int, str, str, str | None, int, int | None]


def node_states(nodes: Iterable[Json], now_ms: int) -> pl.DataFrame:
    """States that nodes are in now.

    A node that is not ready, or that its kubelet no longer answers for, is `down`; one that takes
    no new pods is in `drain`.

    Args:
        nodes: Objects as the API gives them.
        now_ms: When they were read.
    """
    rows = [row for node in nodes for row in _states(node, now_ms)]
    return pl.DataFrame(rows, ROWS, orient="row").with_columns(shown(pl.col("reason")))


def _states(node: Json, now_ms: int) -> Iterator[_Row]:
    host = text(at(node, "metadata", "name"))
    try:
        host = checked_name(host or "", "node")
    except WireError:
        return
    made_ms = moment(at(node, "metadata", "creationTimestamp"), now_ms)
    for condition in items(at(node, "status", "conditions")):
        if condition.get("type") == "Ready" and condition.get("status") in ("False", "Unknown"):
            since_ms = moment(condition.get("lastTransitionTime"), now_ms)
            reason = text(condition.get("reason"))
            yield now_ms, host, "down", reason, since_ms or made_ms or now_ms, None
    if at(node, "spec", "unschedulable") is True:
        since = [
            moment(taint.get("timeAdded"), now_ms)
            for taint in items(at(node, "spec", "taints"))
            if taint.get("key") == _CORDONED
        ]
        known_ms = next((at_ms for at_ms in since if at_ms is not None), None)
        if known_ms is not None:
            yield now_ms, host, "drain", "cordoned", known_ms, None
