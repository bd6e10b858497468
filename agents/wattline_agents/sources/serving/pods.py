"""Engines found in Kubernetes: pods of this node that say they want to be scraped.

The annotations are those Prometheus' examples made customary: `prometheus.io/scrape`, `port`,
`path` and `scheme`. The API server is asked once a minute for the pods of this node alone, from its
cache. A pod's uid is its job's key; what it does in a split deployment its labels say.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from wattline_agents.clock import Clock
from wattline_agents.errors import ReadFailed, WireError
from wattline_agents.sources.scraped import fetch
from wattline_agents.sources.serving.jobs import DECODE, PREFILL
from wattline_agents.sources.serving.names import FRONTEND
from wattline_agents.sources.serving.told import Place
from wattline_agents.wire import checked_name

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
EVERY_MS = 60_000
_SECONDS = 2.0
_MOST_PODS = 512
_ROLE_LABELS = (
    "llm-d.ai/role",
    "nvidia.com/dynamo-sub-component-type",
    "nvidia.com/dynamo-component-type",
)
_ROLES = {"prefill": PREFILL, "decode": DECODE, "frontend": FRONTEND}


class Pods:
    """Finds engines among the pods of one node."""

    def __init__(
        self,
        server: str,
        node: str,
        *,
        token_file: Path | None = ACCOUNT / "token",
        ca_file: Path | None = ACCOUNT / "ca.crt",
        clock: Clock | None = None,
    ) -> None:
        """Ask nothing yet.

        Args:
            server: The API server's address, `https://10.96.0.1:443`.
            node: The node's name in Kubernetes.
            token_file: Holds the service account's token.
            ca_file: Whose certificates are believed; None: those the system believes.
            clock: Where time comes from.

        Raises:
            UsageError: The address is none.
        """
        field = quote(f"spec.nodeName={node}", safe="")
        url = f"{server.rstrip('/')}/api/v1/pods?fieldSelector={field}&resourceVersion=0"
        self._page = _ApiPage(url, token_file, ca_file, clock)
        self._found: list[Place] = []
        self._next_ms = 0

    def find(self, now_ms: int) -> list[Place]:
        """Where engines are, as of the last minute.

        Raises:
            ReadFailed: The API server did not say; what it said before is asked for by `found`.
        """
        if not self._next_ms - EVERY_MS <= now_ms < self._next_ms:
            self._next_ms = now_ms + EVERY_MS
            self._found = places(self._page.get())
        return self._found

    @property
    def found(self) -> list[Place]:
        """What the API server said last."""
        return self._found


class _ApiPage(fetch.Page):
    """A page of the API server, whose certificate is the cluster's own."""

    def __init__(
        self, url: str, token_file: Path | None, ca_file: Path | None, clock: Clock | None
    ) -> None:
        super().__init__(url, token_file, seconds=_SECONDS, clock=clock)
        self._ca_file = ca_file

    def _connection(self) -> Any:
        if not self._is_https or self._ca_file is None:
            return super()._connection()
        import http.client
        import ssl

        context = ssl.create_default_context(cafile=str(self._ca_file))
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=self._seconds, context=context
        )


def places(text: str) -> list[Place]:
    """The pods of a list that say where their page is.

    Raises:
        ReadFailed: It is no list of pods.
    """
    try:
        pods = json.loads(text)["items"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ReadFailed("kubernetes: the answer is no list of pods") from error
    if not isinstance(pods, list):
        raise ReadFailed("kubernetes: the answer is no list of pods")
    found = [place for pod in pods[:_MOST_PODS] if (place := _place(pod)) is not None]
    return found


def _place(pod: object) -> Place | None:
    metadata, status = _part(pod, "metadata"), _part(pod, "status")
    annotations, labels = _part(metadata, "annotations"), _part(metadata, "labels")
    if annotations.get("prometheus.io/scrape") != "true" or status.get("phase") != "Running":
        return None
    port = str(annotations.get("prometheus.io/port") or _only_port(_part(pod, "spec")) or "")
    path = str(annotations.get("prometheus.io/path") or "/metrics")
    scheme = str(annotations.get("prometheus.io/scheme") or "http")
    try:
        uid = checked_name(str(metadata.get("uid", "")), "uid")
        host = str(ipaddress.ip_address(str(status.get("podIP", ""))))
    except (WireError, ValueError):
        return None
    is_port = port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536
    if scheme not in ("http", "https") or not is_port or not _is_path(path):
        return None
    shown = f"[{host}]" if ":" in host else host
    role = next(
        (role for name in _ROLE_LABELS if (role := _ROLES.get(str(labels.get(name))))), None
    )
    return Place(urls=(f"{scheme}://{shown}:{port}{path}",), job=uid, role=role)


def _is_path(path: str) -> bool:
    plain = path.isascii() and path.isprintable() and not any(c in " \"'<>\\#" for c in path)
    return path.startswith("/") and len(path) <= 256 and plain


def _only_port(spec: Mapping[str, Any]) -> int | None:
    """The one port all containers of a pod have together; None if there are none, or several."""
    containers = spec.get("containers")
    every = containers if isinstance(containers, list) else []
    ports = [_part(port, None) for one in every for port in _list(_part(one, None), "ports")]
    numbers = [port.get("containerPort") for port in ports]
    return numbers[0] if len(numbers) == 1 and isinstance(numbers[0], int) else None


def _part(thing: object, key: str | None) -> Mapping[str, Any]:
    inner = thing if key is None else thing.get(key) if isinstance(thing, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _list(thing: Mapping[str, Any], key: str) -> Sequence[object]:
    found = thing.get(key)
    return found if isinstance(found, list) else []
