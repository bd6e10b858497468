from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
from dash import Dash
from flask.testing import FlaskClient

from wattline_dashboards import serve
from wattline_dashboards.app import PAGES, build

Json = dict[str, Any]


class Canned:
    """A collector that always answers the same."""

    def __init__(self, latest: Json, overview: Json) -> None:
        self._latest, self._overview = latest, overview

    def live(self, columns: Sequence[str] = ()) -> Json:
        return self._latest

    def overview(self, start: datetime | None, end: datetime | None) -> Json:
        return self._overview

    def explain(self, id: str) -> Json:
        return {"id": id}

    def ask(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Json:
        return {}


@pytest.fixture
def source(latest: Callable[..., Json], overview: Callable[..., Json]) -> Canned:
    return Canned(latest(), overview())


@pytest.fixture
def app(source: Canned) -> Dash:
    return build(source)


@pytest.fixture
def client(app: Dash) -> FlaskClient:
    serve.protect(app, ["kpi.example.eu"])
    client: FlaskClient = app.server.test_client()
    return client


def test_two_applications_in_one_process_each_have_all_their_callbacks(source: Canned) -> None:
    one, two = (set(_callbacks(build(source))) for _ in range(2))
    assert one == two
    assert {"shell-mode.data", "fleet-width.data"} <= one


def _callbacks(app: Dash) -> list[str]:
    with app.server.test_client() as client:
        return [entry["output"] for entry in client.get("/_dash-dependencies").json or []]


@pytest.mark.parametrize("path", ["/", "/production", "/health", "/theme.css", "/assets/boot.js"])
def test_every_answer_says_what_a_browser_may_do_with_it(client: FlaskClient, path: str) -> None:
    with client.get(path) as response:
        assert response.status_code == 200
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "unsafe" not in scripts
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8050", 200),
        ("127.0.0.1:8050", 200),
        ("[::1]:8050", 200),
        ("KPI.example.eu", 200),
        ("evil.example", 400),
        ("127.0.0.1.evil.example:8050", 400),
        ("localhost.evil.example", 400),
    ],
)
def test_only_names_we_answer_to_are_answered(client: FlaskClient, host: str, status: int) -> None:
    for path in ("/", "/_dash-layout", "/health"):
        assert client.get(path, headers={"Host": host}).status_code == status


def test_a_page_names_nothing_outside_itself(client: FlaskClient) -> None:
    page = client.get("/").get_data(as_text=True)
    assert "http://" not in page
    assert "https://" not in page


def test_health_says_ok(client: FlaskClient) -> None:
    assert (client.get("/health").json or {})["status"] == "ok"


def test_the_style_sheet_holds_the_palette_for_both_grounds(client: FlaskClient) -> None:
    style = client.get("/theme.css").get_data(as_text=True)
    assert "--busy: #0072B2" in style
    assert "--busy: #56B4E9" in style
    assert "prefers-color-scheme: dark" in style
    assert ".swatch-unobserved { background-image: var(--hatch); }" in style


def test_answers_are_compressed(client: FlaskClient) -> None:
    response = client.get("/_dash-dependencies", headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"


def test_the_token_never_reaches_a_browser(client: FlaskClient) -> None:
    for path in ("/", "/_dash-layout", "/_dash-dependencies"):
        assert "token" not in client.get(path).get_data(as_text=True).replace("csrf_token", "")


def _ids(part: Any) -> set[str]:
    """The ids in a layout as it travels."""
    if isinstance(part, list):
        return set().union(*map(_ids, part))
    if not isinstance(part, dict):
        return set()
    here = {part["id"]} if isinstance(part.get("id"), str) else set()
    return here.union(*map(_ids, part.values()))


def test_a_callback_speaks_only_of_what_is_on_a_page(app: Dash) -> None:
    # Dash would look itself, if every document held all pages.
    with app.server.test_client() as client:
        known = set().union(
            *(_ids(client.get(f"/_dash-layout?at={page.PATH}").json) for page in PAGES)
        )
        callbacks = client.get("/_dash-dependencies").json or []
    for callback in callbacks:
        outputs = callback["output"].strip(".").split("...")
        named = {output.rpartition(".")[0] for output in outputs if output}
        named |= {one["id"] for one in [*callback["inputs"], *callback["state"]]}
        assert named - {""} <= known, callback["output"]  # one that fills nothing has no id


def test_a_page_comes_with_the_layout_and_its_figures_with_it(client: FlaskClient) -> None:
    frame = client.get("/_dash-layout").get_data(as_text=True)
    assert "fleet-map" not in frame
    with_page = client.get("/_dash-layout?at=/&room=1280x1280").get_data(as_text=True)
    assert '"class":"count"' in with_page.replace('\\"', '"')
    assert '"cells":"' in with_page
    # A width that nobody told is waited for, the figures are not.
    assert '"cells":"' not in client.get("/_dash-layout?at=/").get_data(as_text=True)


@pytest.mark.parametrize("at", ["/nothing", "https://example.org/", "", "/%00"])
def test_an_address_that_is_no_page_brings_the_frame_alone(client: FlaskClient, at: str) -> None:
    answer = client.get("/_dash-layout", query_string={"at": at, "room": "1x1"})
    assert answer.status_code == 200
    assert "shell-pages" in answer.get_data(as_text=True)
    assert "fleet-map" not in answer.get_data(as_text=True)
