import json
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

NOW_MS = 1_793_534_400_000  # 2026-11-01T12:00Z
Object = dict[str, Any]


def stamp(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def uid(number: int) -> str:
    return f"{number:08x}-2222-4333-8444-555555555555"


class Make:
    """Makes objects as the API server gives them."""

    NOW_MS = NOW_MS
    stamp, uid = staticmethod(stamp), staticmethod(uid)

    def pod(
        self,
        number: int = 1,
        *,
        phase: str = "Running",
        made: int = -3600,
        taken: int | None = -3590,
        gpus: int = 8,
        states: tuple[Object, ...] = (),
        job: str | None = None,
        labels: Object | None = None,
        spec: Object | None = None,
        status: Object | None = None,
        **metadata: Any,
    ) -> Object:
        """A pod of one container; times are seconds from now."""
        resources: Object = {"requests": {"cpu": "7500m", "memory": "64Gi"}, "limits": {}}
        if gpus:
            resources["limits"]["nvidia.com/gpu"] = resources["requests"]["nvidia.com/gpu"] = str(
                gpus
            )
        owners = [] if job is None else [{"kind": "Job", "name": job, "uid": uid(900)}]
        body: Object = {
            "metadata": {
                "name": f"pod-{number}", "namespace": "ml", "uid": uid(number),
                "creationTimestamp": stamp(NOW_MS + made * 1000), "labels": labels or {},
                "ownerReferences": owners, **metadata,
            },
            "spec": {"containers": [{"name": "main", "resources": resources}], **(spec or {})},
            "status": {
                "phase": phase, **(status or {}),
                "containerStatuses": [
                    {"name": f"c{place}", "restartCount": 0, "state": state}
                    for place, state in enumerate(states)
                ],
            },
        }  # fmt: skip
        if taken is not None:
            body["status"]["startTime"] = stamp(NOW_MS + taken * 1000)
            body["spec"]["nodeName"] = "gpu-01"
        return body

    def ended(self, code: int = 0, at: int = -60, **more: Any) -> Object:
        """The state of a container that ended."""
        return {
            "terminated": {
                "exitCode": code, "startedAt": stamp(NOW_MS - 3_000_000),
                "finishedAt": stamp(NOW_MS + at * 1000), **more,
            }
        }  # fmt: skip

    def running(self, at: int = -3000) -> Object:
        """The state of a container that runs."""
        return {"running": {"startedAt": stamp(NOW_MS + at * 1000)}}

    def job(self, name: str, made: int = -7200, began: int | None = -3605, **spec: Any) -> Object:
        """A Job."""
        status = {} if began is None else {"startTime": stamp(NOW_MS + began * 1000)}
        return {
            "metadata": {
                "name": name, "namespace": "ml", "uid": uid(900),
                "creationTimestamp": stamp(NOW_MS + made * 1000),
            },
            "spec": {"parallelism": 1, "completions": 1, **spec}, "status": status,
        }  # fmt: skip

    def node(self, name: str, ready: str = "True", cordoned: int | None = None) -> Object:
        """A node."""
        taints = []
        if cordoned is not None:
            taints.append(
                {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule",
                 "timeAdded": stamp(NOW_MS + cordoned * 1000)}
            )  # fmt: skip
        condition = {
            "type": "Ready", "status": ready, "reason": "KubeletNotReady",
            "lastTransitionTime": stamp(NOW_MS - 500_000),
        }  # fmt: skip
        return {
            "metadata": {"name": name, "creationTimestamp": stamp(NOW_MS - 10**9)},
            "spec": {"unschedulable": cordoned is not None, "taints": taints},
            "status": {"conditions": [condition]},
        }


@pytest.fixture
def make() -> Make:
    return Make()


class ApiServer:
    """A small API server: lists in pages, watches, single Jobs, over HTTPS with a token."""

    TOKEN = "t0ken"

    def __init__(self, certificate: tuple[Path, Path]) -> None:
        self.objects: dict[str, list[Object]] = {"pods": [], "nodes": [], "jobs": []}
        self.events: list[Object] = []
        self.version = 100
        self.oldest = 0
        self.asked: list[str] = []
        self.down: set[str] = set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.asked.append(self.path)
                if self.headers.get("Authorization") != f"Bearer {server.TOKEN}":
                    self._say(401, {"kind": "Status", "code": 401})
                    return
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                *_, kind = parts.path.split("/")
                if parts.path.startswith("/apis/batch/v1/namespaces/"):
                    jobs = [j for j in server.objects["jobs"] if j["metadata"]["name"] == kind]
                    self._say(200, jobs[0]) if jobs else self._say(404, {"kind": "Status"})
                elif kind in server.down:
                    self._say(503, {"kind": "Status"})
                elif query.get("watch"):
                    self._watch(int(query["resourceVersion"]))
                else:
                    self._list(kind, query)

            def _list(self, kind: str, query: dict[str, str]) -> None:
                begin = int(query.get("continue", "0"))
                end = begin + int(query["limit"])
                items = server.objects[kind]
                metadata = {"resourceVersion": str(server.version)}
                if end < len(items):
                    metadata["continue"] = str(end)
                listing = {"kind": f"{kind[:-1].title()}List", "metadata": metadata}
                self._say(200, {**listing, "items": items[begin:end]})

            def _watch(self, since: int) -> None:
                if since < server.oldest:
                    error = {"kind": "Status", "code": 410, "message": "too old"}
                    events = [{"type": "ERROR", "object": error}]
                else:
                    events = [
                        event for event in server.events
                        if int(event["object"]["metadata"]["resourceVersion"]) > since
                    ]  # fmt: skip
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for event in events:
                    line = json.dumps(event).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.write(b"0\r\n\r\n")

            def _say(self, status: int, body: Object) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_address[1]}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def change(self, kind: str, pod: Object) -> None:
        """A pod was ADDED, MODIFIED or DELETED."""
        self.version += 1
        pod = {**pod, "metadata": {**pod["metadata"], "resourceVersion": str(self.version)}}
        self.events.append({"type": kind, "object": pod})
        others = [
            one for one in self.objects["pods"] if one["metadata"]["uid"] != pod["metadata"]["uid"]
        ]
        self.objects["pods"] = others if kind == "DELETED" else [*others, pod]

    def bookmark(self) -> None:
        self.version += 50
        metadata = {"resourceVersion": str(self.version)}
        self.events.append({"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": metadata}})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def api(certificate: tuple[Path, Path]) -> Iterator[ApiServer]:
    server = ApiServer(certificate)
    yield server
    server.close()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(ApiServer.TOKEN)
    return path


@pytest.fixture
def fetch(
    api: ApiServer, certificate: tuple[Path, Path], token_file: Path
) -> Callable[[str, float, int], bytes]:
    from wattline_collector.fetch import Place
    from wattline_collector.jobs.kube_api import fetch_from

    return fetch_from(Place(api.url, token_file, certificate[0]))
