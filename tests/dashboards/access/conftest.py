"""People of all roles, a collector that answers each what is theirs, and a real OIDC provider."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import pytest
from dash import Dash
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from wattline_collector import narrow
from wattline_collector.access import STAFF, Access, Right, Role, Sight, Viewer, sees, sees_any
from wattline_collector.client import Refused
from wattline_collector.store import live
from wattline_dashboards import serve
from wattline_dashboards.access.gate import Gate
from wattline_dashboards.access.people import Mapped, Person
from wattline_dashboards.access.settings import LocalToken, SignIn
from wattline_dashboards.app import build

Json = dict[str, Any]

ANNA, BEN = "anna", "ben"
HERS, HIS = "4200", "4201"
"""A job of each, both running."""

ROLES: dict[str, Viewer] = {
    "operator": Viewer("olga", roles=frozenset({Role.OPERATOR})),
    "support": Viewer("sven", roles=frozenset({Role.SUPPORT})),
    "manager": Viewer("mara", roles=frozenset({Role.MANAGER})),
    "project lead": Viewer(
        "lea", projects=frozenset({"p-anna"}), roles=frozenset({Role.PROJECT_LEAD})
    ),
    "job owner": Viewer(ANNA, roles=frozenset({Role.JOB_OWNER})),
    "no role": Viewer("nora"),
}


def owners_of(latest: Json) -> dict[tuple[str, str], tuple[str, str]]:
    """Every other job is Anna's, the others Ben's."""
    keys = zip(latest["jobs"]["system"], latest["jobs"]["job"], strict=True)
    return {
        key: ((ANNA, "p-anna") if place % 2 == 0 else (BEN, "p-ben"))
        for place, key in enumerate(keys)
    }


def narrowed(latest: Json, viewer: Viewer) -> Json:
    """What the collector leaves of its picture for somebody."""
    frames = {
        name: pl.DataFrame(latest[name], infer_schema_length=None)
        for name in ("devices", "nodes", "jobs")
    }
    whose = [(*job, *owner) for job, owner in owners_of(latest).items()]
    owners = pl.DataFrame(whose, ["system", "job", "user", "project"], orient="row")
    seen = narrow.latest({**latest, **frames}, viewer, owners)
    return {
        name: live.lists(part) if isinstance(part, pl.DataFrame) else part
        for name, part in seen.items()
    }


@dataclass
class Truthful:
    """A collector without a socket that answers as the real one would, through the same check."""

    whole_latest: Json
    whole_overview: Json
    pages: Callable[..., Any]
    viewer: Viewer = STAFF
    asked_by: list[Viewer] = field(default_factory=list)

    def seen_by(self, viewer: Viewer) -> Truthful:
        return replace(self, viewer=viewer)

    def live(self, columns: Sequence[str] = ()) -> Any:
        self._need(Sight.FLEET, Sight.OWN)
        return narrowed(self.whole_latest, self.viewer)

    def overview(self, start: datetime | None, end: datetime | None) -> Any:
        self._need(Sight.FIGURES)
        return narrow.overview(self.whole_overview, self.viewer)

    def explain(self, id: str) -> Any:
        self._need(Sight.DEFINITIONS)
        return {"id": id}

    def ask(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Any:
        self.asked_by.append(self.viewer)
        try:
            return self.pages(path, query, self.viewer)
        except PermissionError:
            raise Refused("your role does not see this", 403) from None

    def fetch(self, path: str) -> Any:
        self._need(Sight.FIGURES)
        raise Refused("no such report, or none of yours", 404)

    def send(self, path: str, order: Any) -> Any:
        self._need(Sight.FIGURES)
        return {"work": "1"}

    def _need(self, *sights: Sight) -> None:
        self.asked_by.append(self.viewer)
        if not sees_any(self.viewer, sights):
            raise Refused("your role does not see this", 403)


@pytest.fixture
def truthful(
    latest: Callable[..., Json], overview: Callable[..., Json], ask_planted: Callable[..., Any]
) -> Truthful:
    return Truthful(latest(), overview(), ask_planted)


@pytest.fixture
def roles() -> dict[str, Viewer]:
    return ROLES


@pytest.fixture
def owners() -> Callable[[Json], dict[tuple[str, str], tuple[str, str]]]:
    return owners_of


@pytest.fixture
def guarded_collector(collector: Any) -> Any:
    """The HTTP collector, which takes statements of who looks as the real one does."""
    access = Access.of({Right.READ: collector.token})
    plain = collector.answer

    def answer(path: str, authorization: str | None) -> tuple[int, Any]:
        verdict, viewer = access.admit(authorization, Right.READ, int(time.time() * 1000))
        if verdict != "granted":
            return 401, {"error": "a token is needed"}
        status, body = plain(path, f"Bearer {collector.token}")
        route = urlsplit(path).path
        if route == "/v1/latest":
            if not sees_any(viewer, (Sight.FLEET, Sight.OWN)):
                return 403, {"error": "your role does not see this"}
            return status, narrowed(body, viewer)
        if not sees(viewer, Sight.DEFINITIONS if "explain" in route else Sight.FIGURES):
            return 403, {"error": "your role does not see this"}
        return status, narrow.overview(body, viewer) if route == "/v1/overview" else body

    collector.answer = answer
    return collector


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


PEOPLE = (
    {"sub": "olga@idp", "name": "Olga <b>Operator</b>", "voperson_id": "olga-1",
     "eduperson_entitlement": ["urn:x:other", "urn:x:wattline:operators"]},
    {"sub": "mara@idp", "name": "Mara", "voperson_id": "mara-1",
     "groups": ["management"]},
    {"sub": "anna@idp", "name": "Anna", "voperson_id": "anna-1"},
    {"sub": "eve@idp", "name": "Eve", "voperson_id": "eve-1", "account": "olga"},
)  # fmt: skip


@pytest.fixture
def provider() -> Iterator[str]:
    """The issuer of a real provider, in a process of its own."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    people = [word for each in PEOPLE for word in ("--user-claims", json.dumps(each))]
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "-H", "127.0.0.1",
         "-p", str(port), "--require-nonce", "true", *people],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            for _ in range(600):
                try:
                    with urllib.request.urlopen(f"{issuer}/jwks", timeout=5):
                        break
                except urllib.error.URLError:
                    assert process.poll() is None, "the provider ended"
                    time.sleep(0.05)
            yield issuer
        finally:
            process.kill()


SETTINGS = """\
[site]
url = "{url}"
everyone = ["job owner"]
audit_log = "access.jsonl"

[oidc]
name = "The provider"
issuer = "{issuer}"
client_id = "wattline"
client_secret_file = "secret"
account_claim = "voperson_id"

[accounts]
"olga-1" = "olga"
"mara-1" = "mara"
"anna-1" = "anna"

[grant.operators]
claim = "eduperson_entitlement"
value = "urn:x:wattline:operators"
role = "operator"

[grant.managers]
claim = "groups"
value = "management"
role = "manager"
"""


@dataclass
class Site:
    """`wattline dashboards --access`, running."""

    url: str
    directory: Path
    process: subprocess.Popen[str]


@pytest.fixture
def site(guarded_collector: Any, provider: str, token_file: Path, tmp_path: Path) -> Iterator[Site]:
    port = free_port()
    url = f"http://localhost:{port}"
    (tmp_path / "secret").write_text("a-secret-of-32-characters-or-so\n")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "access.toml").write_text(SETTINGS.format(url=url, issuer=provider))
    with subprocess.Popen(
        [sys.executable, "-m", "wattline_agents.cli", "dashboards",
         "--collector", guarded_collector.url, "--token-file", str(token_file),
         "--listen", f"127.0.0.1:{port}", "--access", str(tmp_path / "access.toml")],
        stderr=subprocess.PIPE, text=True, env=os.environ.copy(),
    ) as process:  # fmt: skip
        assert process.stderr is not None
        try:
            assert process.stderr.readline().startswith("dashboards: ")
            yield Site(url, tmp_path, process)
        finally:
            process.kill()


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now = 1_793_620_800.0

    def unix_ms(self) -> int:
        return int(self.now * 1000)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Hand:
    return Hand()


TOKEN = "t" * 43


@pytest.fixture
def sign_in_settings() -> SignIn:
    """Sign-in by one token, of a job owner."""
    digest = hashlib.sha256(TOKEN.encode()).digest()
    job_owner = frozenset({Role.JOB_OWNER})
    return SignIn(
        "http://localhost",
        Mapped("account"),
        tokens=(LocalToken("anna", digest, ANNA, job_owner, frozenset(), None),),
    )


@dataclass
class House:
    """The pages with a gate before them, without a socket."""

    app: Dash
    gate: Gate

    def visitor(self, viewer: Viewer | None = None) -> Visitor:
        """A browser: of somebody who is signed in, or of nobody."""
        client = self.app.server.test_client()
        if viewer is None:
            return Visitor(client, "")
        person = Person(f"test:{viewer.name}", viewer.name or "", viewer)
        name, session = self.gate.sessions.start(person, None)
        client.set_cookie("__Host-wattline", name)
        return Visitor(client, session.csrf)


@dataclass
class Visitor:
    """A browser that behaves as ours does."""

    client: FlaskClient
    csrf: str

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers=headers)

    def call(self, callback: Json) -> TestResponse:
        """Run a callback as the page does, with nothing in its inputs."""
        inputs = [entry | {"value": None} for entry in callback["inputs"]]
        output = callback["output"]
        several = output.startswith("..")
        targets = output[2:-2].split("...") if several else [output]
        outputs = [dict(zip(("id", "property"), target.rsplit(".", 1), strict=True))
                   for target in targets if "." in target]  # fmt: skip
        body = {
            "output": output,
            "outputs": outputs if several else next(iter(outputs), {}),
            "inputs": inputs,
            "state": [entry | {"value": None} for entry in callback["state"]],
            "changedPropIds": [],
        }
        headers = {"Sec-Fetch-Site": "same-origin", "X-Wattline-Csrf": self.csrf}
        return self.client.post("/_dash-update-component", json=body, headers=headers)


@pytest.fixture
def house(truthful: Truthful, sign_in_settings: SignIn, clock: Hand) -> House:
    gate = Gate(sign_in_settings, clock)
    app = build(truthful, clock, gate)
    serve.protect(app, [])
    return House(app, gate)
