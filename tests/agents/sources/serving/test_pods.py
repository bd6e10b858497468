from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from wattline_agents.errors import ReadFailed
from wattline_agents.sources.serving.pods import Pods, places

UID = "0f3c2c7e-1111-2222-3333-444455556666"


def pod(
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    *,
    uid: str = UID,
    phase: str = "Running",
    address: str = "10.1.2.3",
    ports: tuple[int, ...] = (8000,),
) -> dict[str, Any]:
    return {
        "metadata": {
            "uid": uid,
            "labels": labels or {},
            "annotations": {"prometheus.io/scrape": "true", **(annotations or {})},
        },
        "spec": {"containers": [{"ports": [{"containerPort": port} for port in ports]}]},
        "status": {"phase": phase, "podIP": address},
    }


def found(*pods: object) -> list[tuple[str, str | None, str | None]]:
    return [(one.urls[0], one.job, one.role) for one in places(json.dumps({"items": pods}))]


def test_a_pod_that_wants_to_be_scraped_is_a_place_of_its_uids_job() -> None:
    assert found(pod()) == [("http://10.1.2.3:8000/metrics", UID, None)]
    told = {
        "prometheus.io/port": "9100",
        "prometheus.io/path": "/prometheus/metrics",
        "prometheus.io/scheme": "https",
    }
    assert found(pod(told, address="fd00::1")) == [
        ("https://[fd00::1]:9100/prometheus/metrics", UID, None)
    ]


@pytest.mark.parametrize(
    ("labels", "role"),
    [
        ({"llm-d.ai/role": "prefill"}, "prefill"),
        ({"llm-d.ai/role": "decode"}, "decode"),
        ({"llm-d.ai/role": "both"}, None),
        ({"nvidia.com/dynamo-component-type": "frontend"}, "frontend"),
        (
            {
                "nvidia.com/dynamo-component-type": "worker",
                "nvidia.com/dynamo-sub-component-type": "decode",
            },
            "decode",
        ),
    ],
)
def test_what_a_pod_does_its_labels_say(labels: dict[str, str], role: str | None) -> None:
    assert found(pod(labels=labels))[0][2] == role


@pytest.mark.parametrize(
    "other",
    [
        pod({"prometheus.io/scrape": "false"}),
        pod(phase="Pending"),
        pod(address=""),
        pod(address="10.1.2.3/../x"),
        pod(ports=()),
        pod(ports=(1, 2)),
        pod({"prometheus.io/port": "99999"}),
        pod({"prometheus.io/port": "8000@evil"}),
        pod({"prometheus.io/path": "//evil\r\nHost: x"}),
        pod({"prometheus.io/path": "metrics"}),
        pod({"prometheus.io/path": "/" + "x" * 1_000_000}),
        pod({"prometheus.io/scheme": "file"}),
        pod(uid="../../etc"),
        pod(uid="x" * 1_000_000),
        {},
        None,
        "pod",
        {"metadata": [], "status": 5, "spec": {"containers": [None, {"ports": "x"}]}},
    ],
)
def test_what_is_no_such_pod_is_passed_over(other: object) -> None:
    assert found(other, pod()) == [("http://10.1.2.3:8000/metrics", UID, None)]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"items": 5}', "[" * 100_000])
def test_an_answer_that_is_no_list_of_pods_is_a_failure(text: str) -> None:
    with pytest.raises(ReadFailed, match="kubernetes"):
        places(text)


class Server:
    """A real server that answers as the API server does."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.status, self.pods = 200, [pod()]
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, self.headers["Authorization"]))
                self.send_response(server.status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps({"kind": "PodList", "items": server.pods}).encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.address = f"http{'s' if context else ''}://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(context: ssl.SSLContext | None = None) -> Server:
        servers.append(Server(context))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("secret\n")
    return tmp_path / "token"


def test_the_api_server_is_asked_for_this_nodes_pods_once_a_minute(
    start: Callable[..., Server], token: Path
) -> None:
    server = start()
    pods = Pods(server.address, "n 01", token_file=token, ca_file=None)
    for seconds in range(0, 121, 15):
        assert [one.job for one in pods.find(1_000_000 + seconds * 1000)] == [UID]
    path = "/api/v1/pods?fieldSelector=spec.nodeName%3Dn%2001&resourceVersion=0"
    assert server.asked == [(path, "Bearer secret")] * 3


def test_what_it_said_last_holds_while_it_does_not_answer(
    start: Callable[..., Server], token: Path
) -> None:
    server = start()
    pods = Pods(server.address, "n01", token_file=token, ca_file=None)
    pods.find(1_000_000)
    server.status = 403
    with pytest.raises(ReadFailed, match="HTTP 403"):
        pods.find(1_060_000)
    assert [one.job for one in pods.found] == [UID]


@pytest.mark.openssl
def test_its_certificate_is_the_clusters_and_no_other_is_believed(
    start: Callable[..., Server], token: Path, tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "ca.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=kubernetes",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = start(context)
    pods = Pods(server.address, "n01", token_file=token, ca_file=certificate)
    assert [one.job for one in pods.find(1_000_000)] == [UID]
    stranger = Pods(server.address, "n01", token_file=token, ca_file=None)
    with pytest.raises(ReadFailed, match="certificate"):
        stranger.find(1_000_000)
