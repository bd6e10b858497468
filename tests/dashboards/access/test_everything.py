"""Every route and every callback, asked for by every role and by nobody.

What each may see stands here in a table. A new route or callback that does not stand in it fails
the test: whoever adds one says here who it is for.
"""

from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.access import Viewer
from wattline_dashboards.access import shown

EVERYBODY = {"operator", "support", "manager", "project lead", "job owner", "no role"}
STAFFED = {"operator", "support"}
FLEET = {"operator", "support", "manager"}
OWN = {"operator", "support", "project lead", "job owner"}
FIGURES = {"operator", "support", "manager"}

OPEN = "open"
SIGNED_IN = "signed in"
CLOSED = "closed"

ROUTES = {
    ("GET", "/"): SIGNED_IN,
    ("GET", "/<path:path>"): SIGNED_IN,
    ("GET", "/_dash-component-suites/<string:package_name>/<path:fingerprinted_path>"): SIGNED_IN,
    ("GET", "/_dash-dependencies"): SIGNED_IN,
    ("GET", "/_dash-layout"): SIGNED_IN,
    ("POST", "/_dash-update-component"): SIGNED_IN,
    ("GET", "/_favicon.ico"): CLOSED,
    ("GET", "/_reload-hash"): CLOSED,
    ("GET", "/account"): SIGNED_IN,
    ("GET", "/assets/<path:filename>"): OPEN,
    ("GET", "/ours/<mark>/<name>"): OPEN,
    ("GET", "/health"): OPEN,
    ("GET", "/sign-in"): OPEN,
    ("GET", "/sign-in/callback"): OPEN,
    ("GET", "/sign-in/oidc"): OPEN,
    ("POST", "/sign-in/token"): OPEN,
    ("POST", "/sign-out"): SIGNED_IN,
    ("GET", "/reports/files/<made>/<form>"): SIGNED_IN,
    ("GET", "/static/<path:filename>"): CLOSED,
    ("GET", "/theme.css"): OPEN,
}
FILLED = {
    "<path:path>": "production",
    "<string:package_name>": "dash",
    "<path:fingerprinted_path>": "dash-renderer/build/dash_renderer.min.js",
    "<path:filename>": "boot.js",
    "<mark>": "0123456789abcdef",
    "<name>": "pages.js",
    "<made>": "20261206T061000000Z.review.2026-11.0a1b2c3d",
    "<form>": "pdf",
}

# By the first thing they fill. Callbacks without a server's part are not asked of one.
CALLBACKS = {
    "now-drawing.data": FLEET,
    "now-power.figure": FLEET,
    "now-power-file.data": FLEET,
    "alerts-drawing.data": STAFFED,
    "alerts-past-file.data": STAFFED,
    "quality-drawing.data": STAFFED,
    "quality-map-file.data": STAFFED,
    "quality-gaps-file.data": STAFFED,
    "fleet-drawing.data": FLEET,
    "fleet-map-file.data": FLEET,
    "fleet-tooltip.show": FLEET,
    "fleet-cursor.style": FLEET,
    "node-drawing.data": FLEET,
    "node-strips-file.data": FLEET,
    "node-devices-file.data": FLEET,
    "node-jobs-file.data": FLEET,
    "node-events-file.data": FLEET,
    "device-drawing.data": FLEET,
    "device-strips-file.data": FLEET,
    "device-jobs-file.data": FLEET,
    "device-events-file.data": FLEET,
    "production-drawing.data": FIGURES,
    "production-losses-file.data": FIGURES,
    "production-energy-file.data": FIGURES,
    "production-days-file.data": FIGURES,
    "production-life-file.data": FIGURES,
    "production-kpis-file.data": FIGURES,
    "production-jobs-file.data": FIGURES,
    "energy-drawing.data": FIGURES,
    "energy-flow-file.data": FIGURES,
    "energy-pue-file.data": FIGURES,
    "energy-carbon-file.data": FIGURES,
    "energy-cost-file.data": FIGURES,
    "energy-meters-file.data": FIGURES,
    "access_time-drawing.data": FIGURES,
    "access_time-used-file.data": FIGURES,
    "access_time-burn-file.data": FIGURES,
    "access_time-guard-file.data": FIGURES,
    "access_time-waits-file.data": FIGURES,
    "access_time-states-file.data": FIGURES,
    "access_time-gaps-file.data": FIGURES,
    "reliability-drawing.data": FIGURES,
    "reliability-strip-file.data": FIGURES,
    "reliability-causes-file.data": FIGURES,
    "reliability-outcomes-file.data": FIGURES,
    "reliability-incidents-file.data": FIGURES,
    "reliability-lemons-file.data": FIGURES,
    "reliability-warned.data": FIGURES,
    "factories-drawing.data": FIGURES,
    "factories-production-file.data": FIGURES,
    "factories-use-file.data": FIGURES,
    "factories-energy-file.data": FIGURES,
    "factories-availability-file.data": FIGURES,
    "factories-service-file.data": FIGURES,
    "factories-exchanges-file.data": FIGURES,
    "factories-bundles-file.data": FIGURES,
    "factories-refused-file.data": FIGURES,
    "reports-drawing.data": FIGURES,
    "reports-kind.options": FIGURES,
    "reports-note.children": FIGURES,
    "reports-said.children": FIGURES,
    "reports-made-file.data": FIGURES,
    "my_jobs-drawing.data": OWN,
    "my_jobs-list-file.data": OWN,
    "job-drawing.data": OWN,
    "job-strips-file.data": OWN,
    "job-devices-file.data": OWN,
    "job-like-file.data": OWN,
    "my_project-drawing.data": OWN | {"manager"},
    "my_project-users-file.data": OWN | {"manager"},
    "my_project-burn-file.data": OWN | {"manager"},
    "shell-explanation-drawing.data": EVERYBODY,
    "shell-period-place.hidden": EVERYBODY,
    "shell-system.options": EVERYBODY,
    "shell-systems.children": EVERYBODY,
    "shell-pages.children": EVERYBODY,
    "_pages_content.children": EVERYBODY,
}


def path_of(rule: str) -> str:
    for part, value in FILLED.items():
        rule = rule.replace(part, value)
    return rule


def first_of(output: str) -> str:
    return output[2:-2].split("...")[0] if output.startswith("..") else output


def served(house: Any, viewer: Viewer) -> list[dict[str, Any]]:
    callbacks = house.visitor(viewer).get("/_dash-dependencies").json
    return [callback for callback in callbacks if callback["clientside_function"] is None]


def test_every_route_stands_in_the_table(house: Any) -> None:
    found = {
        (method, rule.rule)
        for rule in house.app.server.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert found == set(ROUTES)
    declared = {rule for (_, rule), entry in ROUTES.items() if entry is not CLOSED}
    assert declared == set(shown.ROUTES)


@pytest.mark.parametrize(("method", "rule"), list(ROUTES))
def test_nobody_gets_no_route_but_those_to_sign_in(house: Any, method: str, rule: str) -> None:
    with house.visitor().client.open(path_of(rule), method=method) as answer:
        body = answer.get_data()
    entry = ROUTES[method, rule]
    if entry is OPEN:
        assert answer.status_code in (200, 403, 404)  # these ask who one is, and refuse by a form
    else:
        assert answer.status_code == (404 if entry is CLOSED else 401)
        assert len(body) < 100


@pytest.mark.parametrize("role", sorted(EVERYBODY))
@pytest.mark.parametrize(("method", "rule"), list(ROUTES))
def test_who_is_signed_in_gets_the_frame_and_nothing_closed(
    house: Any, roles: dict[str, Viewer], role: str, method: str, rule: str
) -> None:
    with house.visitor(roles[role]).client.open(path_of(rule), method=method) as answer:
        body = answer.get_data(as_text=True)
    if ROUTES[method, rule] is CLOSED:
        assert answer.status_code == 404
    elif rule == "/" and role in ("job owner", "project lead"):
        assert (answer.status_code, answer.headers["Location"]) == (302, "/my-jobs")
    elif method == "POST":
        assert answer.status_code == 403  # it brings nothing along of a page of ours
    else:
        assert answer.status_code in (200, 403, 404)
    # No frame holds a job, a device or a figure.
    assert "llama-8b" not in body
    assert "GPU-0" not in body


def test_every_callback_stands_in_the_table(house: Any, roles: dict[str, Viewer]) -> None:
    found = {first_of(callback["output"]) for callback in served(house, roles["operator"])}
    assert found == set(CALLBACKS)


@pytest.mark.parametrize("role", sorted(EVERYBODY))
def test_a_callback_runs_for_whoever_sees_its_page_and_for_nobody_else(
    house: Any, truthful: Any, roles: dict[str, Viewer], role: str
) -> None:
    visitor, nobody = house.visitor(roles[role]), house.visitor()
    for callback in served(house, roles[role]):
        name = first_of(callback["output"])
        may = role in CALLBACKS[name]
        truthful.asked_by.clear()
        answer = visitor.call(callback)
        assert (answer.status_code in (200, 204)) is may, (name, answer.status_code)
        if not may:
            assert answer.status_code == 403
            assert truthful.asked_by == []
        # Nobody is asked for as somebody who sees more.
        assert all(not viewer.staff for viewer in truthful.asked_by)
        assert {viewer.roles for viewer in truthful.asked_by} <= {roles[role].roles}
        assert nobody.call(callback).status_code == 401


def jobs_told(text: str, truthful: Any) -> set[str]:
    jobs = set(truthful.whole_latest["jobs"]["job"])
    jobs |= {row["job"] for row in truthful.whole_overview["jobs"]}
    text = text.replace('\\"', '"')  # what all share stands in it as JSON of its own
    return {job for job in jobs if f'"{job}"' in text}


@pytest.mark.parametrize("role", sorted(EVERYBODY))
def test_no_payload_tells_of_a_job_that_is_not_theirs(
    house: Any, truthful: Any, owners: Any, roles: dict[str, Viewer], role: str
) -> None:
    visitor = house.visitor(roles[role])
    told = "".join(
        visitor.call(callback).get_data(as_text=True) for callback in served(house, roles[role])
    )
    if role in ("operator", "support"):
        assert jobs_told(told, truthful) == jobs_told(str(truthful).replace("'", '"'), truthful)
    else:
        assert jobs_told(told, truthful) == set()


@pytest.mark.parametrize("path", ["/", "/production", "/nothing"])
@pytest.mark.parametrize("role", ["project lead", "job owner", "no role"])
def test_the_layout_of_a_page_says_whom_it_is_not_for(
    house: Any, roles: dict[str, Viewer], role: str, path: str
) -> None:
    visitor = house.visitor(roles[role])
    routing = next(callback for callback in served(house, roles[role])
                   if first_of(callback["output"]) == "_pages_content.children")  # fmt: skip
    for entry in routing["inputs"] + routing["state"]:
        if entry["property"] == "pathname":
            entry["given"] = path
    inputs = [{**entry, "value": entry.get("given", "")} for entry in routing["inputs"]]
    targets = [target.rsplit(".", 1) for target in routing["output"][2:-2].split("...")]
    body = {
        "output": routing["output"],
        "outputs": [{"id": id, "property": name} for id, name in targets],
        "inputs": inputs,
        "state": [{**entry, "value": None} for entry in routing["state"]],
        "changedPropIds": ["_pages_location.pathname"],
    }
    answer = visitor.client.post(
        "/_dash-update-component",
        json=body,
        headers={"Sec-Fetch-Site": "same-origin", "X-Wattline-Csrf": visitor.csrf},
    )
    assert answer.status_code == 200
    text = answer.get_data(as_text=True)
    assert "fleet-map" not in text
    assert "production-kpis" not in text
    if path == "/" and role != "no role":
        assert '"pathname":"\\u002fmy-jobs"' in text or '"pathname":"/my-jobs"' in text
    else:
        assert path == "/nothing" or "shell-refused" in text


def test_two_people_who_see_different_things_are_never_shown_each_others(
    house: Any, truthful: Any, roles: dict[str, Viewer]
) -> None:
    operator, owner = house.visitor(roles["operator"]), house.visitor(roles["job owner"])
    fleet = next(callback for callback in served(house, roles["operator"])
                 if first_of(callback["output"]) == "fleet-drawing.data")  # fmt: skip
    manager = house.visitor(roles["manager"])
    for _ in range(2):
        assert jobs_told(operator.call(fleet).get_data(as_text=True), truthful)
        assert not jobs_told(manager.call(fleet).get_data(as_text=True), truthful)
        assert owner.call(fleet).status_code == 403
