from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.jobs import rest
from wattline_collector.jobs.asking import AskFailed
from wattline_collector.jobs.rest import Place, Rest

Answers = dict[str, tuple[int, bytes]]
NOW_MS = 1_793_534_400_000
PATHS: dict[str, object] = {
    f"/{name}/v0.0.{version}/{what}/": {}
    for name, what in (("slurm", "jobs"), ("slurm", "nodes"), ("slurmdb", "jobs"))
    for version in (38, 40, 42)
}


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Answers], tuple[Place, list[dict[str, str]]]]]:
    """A server on a Unix socket that answers paths, and the headers it was asked with."""
    servers: list[socketserver.ThreadingUnixStreamServer] = []

    def start(answers: Answers) -> tuple[Place, list[dict[str, str]]]:
        asked: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def address_string(self) -> str:
                return "local"

            def do_GET(self) -> None:
                asked.append({"path": self.path, **dict(self.headers)})
                status, body = answers.get(self.path.partition("?")[0], (404, b""))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(socketserver.ThreadingUnixStreamServer):
            def handle_error(self, *_: object) -> None:
                """Who asked may go before the answer ends."""

        path = tmp_path / f"{len(servers)}.sock"
        server = Server(str(path), Handler)
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return Place(f"unix:{path}"), asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def body(**more: object) -> bytes:
    return json.dumps(more).encode()


def test_the_newest_version_both_sides_know_is_asked(
    serve: Callable[[Answers], tuple[Place, list[dict[str, str]]]],
) -> None:
    job = {"job_id": 5, "state": {"current": ["RUNNING"]}, "time": {"submission": 1_793_000_000}}
    place, asked = serve(
        {
            "/openapi/v3": (200, body(paths=PATHS)),
            "/slurmdb/v0.0.42/jobs/": (200, body(jobs=[job])),
            "/slurm/v0.0.42/jobs/": (200, body(jobs=[])),
            "/slurm/v0.0.42/nodes/": (
                200,
                body(nodes=[{"name": "n", "state": ["DOWN"], "reason": "x",
                             "reason_changed_at": {"set": True, "number": 1_793_000_000}}]),
            ),
        }
    )  # fmt: skip
    asking = Rest(place.get)
    records = asking.jobs(1_793_000_000_000, None, ())
    assert records["job_raw"].to_list() == ["5"]
    assert asking.held() == []
    told = asking.events(0, NOW_MS)
    assert told.rows.is_empty()
    assert told.now["start_unix_ms"].to_list() == [1_793_000_000_000]
    paths = [one["path"] for one in asked]
    assert paths.count("/openapi/v3") == 1
    assert "/slurmdb/v0.0.42/jobs/?start_time=uts1793000000&end_time=uts4070908800" in paths


def test_the_token_travels_in_slurms_own_headers(
    serve: Callable[[Answers], tuple[Place, list[dict[str, str]]]], tmp_path: Path
) -> None:
    place, asked = serve({"/x": (200, b"yes")})
    token = tmp_path / "token"
    token.write_text("SLURM_JWT=abc.def\n")
    assert Place(place.url, token, "monitor").get("/x") == b"yes"
    assert asked[0]["X-SLURM-USER-TOKEN"] == "abc.def"
    assert asked[0]["X-SLURM-USER-NAME"] == "monitor"


@pytest.mark.parametrize("text", ["", "a b", "\x1b[31m", "é"])
def test_what_is_no_token_is_not_sent(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
    with pytest.raises(AskFailed, match="is no token"):
        Place("http://127.0.0.1:1", tmp_path / "token").get("/")


@pytest.mark.parametrize("status", [401, 500])
def test_a_refusal_is_said_with_its_status(
    serve: Callable[[Answers], tuple[Place, list[dict[str, str]]]], status: int
) -> None:
    place, _ = serve({"/x": (status, b"")})
    with pytest.raises(AskFailed, match=str(status)):
        place.get("/x")


def test_an_endless_answer_is_given_up(
    serve: Callable[[Answers], tuple[Place, list[dict[str, str]]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rest, "MOST_BYTES", 1 << 20)
    place, _ = serve({"/x": (200, b"x" * (3 << 20))})
    with pytest.raises(AskFailed, match="more than 1 MiB"):
        place.get("/x")


@pytest.mark.parametrize("paths", [b"[]", b"{", b'{"paths": []}', b'{"paths": {"/x": {}}}'])
def test_a_server_that_is_no_slurmrestd_is_said(
    serve: Callable[[Answers], tuple[Place, list[dict[str, str]]]], paths: bytes
) -> None:
    place, _ = serve({"/openapi/v3": (200, paths)})
    with pytest.raises(AskFailed, match="slurmrestd"):
        Rest(place.get).held()


def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(AskFailed, match="no answer"):
        Place(f"unix:{tmp_path}/nobody").get("/x")


@pytest.mark.parametrize(
    "url",
    ["localhost:6820", "ftp://x", "http://", "unix:relative", "http://u:p@x", "http://x:99999"],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="--slurm-rest"):
        Place(url).check()


def test_a_token_is_not_sent_in_the_clear_to_another_machine(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="https"):
        Place("http://slurm.example:6820", tmp_path / "token").check()
    Place("http://127.0.0.1:6820", tmp_path / "token").check()
    Place("https://slurm.example:6820", tmp_path / "token").check()
