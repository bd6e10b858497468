"""The API server of Kubernetes, as far as it is asked: lists in pages, and changes since a list.

A watch is one bounded question here: the server is told how long to gather changes, sends each as a
line when it comes, and ends the answer. Reading starts again where it ended, so nothing is missed
and nobody holds a connection for days.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from wattline_agents.errors import UsageError
from wattline_collector.fetch import FetchFailed, Place, get
from wattline_collector.jobs.kube_values import Json, at, mapping, text

PODS = "/api/v1/pods"
NODES = "/api/v1/nodes"
JOBS = "/apis/batch/v1/jobs"
IN_CLUSTER = "in-cluster"
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

PAGE = 500
"""Objects asked for at once: a pod takes some 10 kB, a node 50 kB with its images."""
_MOST_PAGES = 400
_PAGE_BYTES = 64 * 2**20
_SECONDS = 60.0
WATCH_SECONDS = 20
"""How long changes are gathered: a job shows in that time, and an assignment of the agents', which
lasts 90 s unrepeated, is older than no job."""
_GRACE_SECONDS = 15.0
_WATCH_BYTES = 256 * 2**20

Fetch = Callable[[str, float, int], bytes]
"""Path and query, seconds, most bytes: the answer."""


class Expired(FetchFailed):
    """The server no longer knows what changed since then: all must be listed again."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        is_gone: Whether the object was deleted; it is as it was last.
        object: The object.
    """

    is_gone: bool
    object: Json


def in_cluster(environment: Mapping[str, str], account: Path = _ACCOUNT) -> Place:
    """The API server of the cluster that this process runs in a pod of.

    Raises:
        UsageError: It runs in no pod, or the pod has no service account.
    """
    host, port = (environment.get(f"KUBERNETES_SERVICE_{name}") for name in ("HOST", "PORT"))
    if not host or not port:
        raise UsageError("--kubernetes in-cluster: this is no pod; give the API server's address")
    token, authority = account / "token", account / "ca.crt"
    if not token.exists():
        raise UsageError(f"--kubernetes in-cluster: no {token}; give the pod a service account")
    named = f"[{host}]" if ":" in host else host
    return Place(f"https://{named}:{port}", token, authority if authority.exists() else None)


def fetch_from(place: Place) -> Fetch:
    """Ask there."""
    return lambda target, seconds, most: get(place, target, seconds=seconds, most_bytes=most)


def place_of(told: str, token: Path | None, authority: Path | None) -> Place:
    """The API server that was told.

    Raises:
        UsageError: It is no address, or this process is in no pod.
    """
    place = in_cluster(os.environ) if told == IN_CLUSTER else Place(told, token, authority)
    place.check("--kubernetes", "--kubernetes-token-file")
    return place


def listed(fetch: Fetch, path: str) -> tuple[list[Json], str]:
    """All objects of a kind, page by page, and the version of the list.

    Raises:
        FetchFailed: The server does not answer, or not with a list.
    """
    found: list[Json] = []
    more: str | None = None
    for _ in range(_MOST_PAGES):
        query = {"limit": str(PAGE), **({"continue": more} if more else {})}
        try:
            page = _document(fetch(f"{path}?{urlencode(query)}", _SECONDS, _PAGE_BYTES), path)
        except FetchFailed as error:
            if error.status == 410:
                raise Expired(str(error), 410) from error
            raise
        objects = page.get("items")
        if not isinstance(objects, list):
            raise FetchFailed(f"{path}: the answer is no list")
        found += objects
        more = text(at(page, "metadata", "continue"))
        if more is None:
            return found, text(at(page, "metadata", "resourceVersion")) or ""
    raise FetchFailed(f"{path}: the list has more than {_MOST_PAGES * PAGE:,} objects")


def one(fetch: Fetch, namespace: str, job: str) -> Json | None:
    """One Job; None if there is none any more."""
    path = f"/apis/batch/v1/namespaces/{quote(namespace, safe='')}/jobs/{quote(job, safe='')}"
    try:
        return _document(fetch(path, _SECONDS, _PAGE_BYTES), path)
    except FetchFailed as error:
        if error.status == 404:
            return None
        raise


def changes(fetch: Fetch, path: str, version: str) -> tuple[list[Change], str]:
    """What changes within the next seconds, and the version after it.

    Args:
        fetch: Asks.
        path: Of which kind.
        version: Since which version.

    Raises:
        Expired: That version is too old.
        FetchFailed: The server does not answer.
    """
    query = urlencode(
        {
            "watch": "1",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
            "allowWatchBookmarks": "true",
        }
    )
    try:
        body = fetch(f"{path}?{query}", WATCH_SECONDS + _GRACE_SECONDS, _WATCH_BYTES)
    except FetchFailed as error:
        if error.status == 410:
            raise Expired(str(error), 410) from error
        raise
    found: list[Change] = []
    for event in _events(body, path):
        kind, subject = event.get("type"), event.get("object")
        if kind == "ERROR":
            message = (text(at(subject, "message")) or "no reason given")[:200]
            is_old = at(subject, "code") == 410
            raise (Expired if is_old else FetchFailed)(f"{path}: {message!r}")
        version = text(at(subject, "metadata", "resourceVersion")) or version
        if kind in ("ADDED", "MODIFIED", "DELETED"):
            found.append(Change(kind == "DELETED", subject))
    return found, version


def items_of(document: Json) -> list[Json]:
    """The objects of a list, each with its kind, or the one object that it is."""
    whole = mapping(document)
    found = whole.get("items")
    if not isinstance(found, list):
        return [document]
    # What the API lists does not repeat its kind; what kubectl gathers does.
    own = (text(whole.get("kind")) or "").removesuffix("List")
    return [{"kind": own, **item} if own and isinstance(item, dict) else item for item in found]


def _document(body: bytes, path: str) -> dict[str, Json]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FetchFailed(f"{path}: the answer is no JSON") from error
    if not isinstance(document, dict):
        raise FetchFailed(f"{path}: the answer is no object")
    return document


def _events(body: bytes, path: str) -> Iterator[Mapping[str, Json]]:
    for line in body.split(b"\n"):
        if line.strip():
            yield _document(line, path)
