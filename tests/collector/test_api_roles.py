"""Every route of the API, asked for by every role.

Who may see what stands here in a table; a new route that does not stand in it fails the test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.routing import Route

from wattline_collector import api, tables, travel
from wattline_collector.access import RIGHTS, STAFF, Right, Role, Sight, Viewer, sees

NOW_MS = 1_793_534_400_000
Serve = Callable[..., Any]

EVERYBODY = set(Role)
STAFFED = {Role.OPERATOR, Role.SUPPORT}
OWNERS = {Role.JOB_OWNER, Role.PROJECT_LEAD}
OPEN = None
"""Also without a token."""

ROUTES: dict[str, set[Role] | None] = {
    "/v1/health": OPEN,
    "/v1/batches/{table}": set(),
    "/v1/latest": EVERYBODY,
    "/v1/overview": {*STAFFED, Role.MANAGER},
    "/v1/kpis": {*STAFFED, Role.MANAGER},
    "/v1/explain/{id}": EVERYBODY,
    "/v1/jobs/{key:path}": {*STAFFED, *OWNERS},
    "/v1/alerts": STAFFED,
    "/v1/site": EVERYBODY,
    "/v1/now": {*STAFFED, Role.MANAGER},
    "/v1/alerts/log": STAFFED,
    "/v1/quality": STAFFED,
    "/v1/quality/books": STAFFED,
    "/v1/figure": {*STAFFED, Role.MANAGER},
    "/v1/production": {*STAFFED, Role.MANAGER},
    "/v1/energy": {*STAFFED, Role.MANAGER},
    "/v1/access-time": {*STAFFED, Role.MANAGER},
    "/v1/factories": {*STAFFED, Role.MANAGER},
    "/v1/reliability": {*STAFFED, Role.MANAGER},
    "/v1/reliability/warnings": {*STAFFED, Role.MANAGER},
    "/v1/fleet": {*STAFFED, Role.MANAGER},
    "/v1/node": {*STAFFED, Role.MANAGER},
    "/v1/device": {*STAFFED, Role.MANAGER},
    "/v1/my-jobs": {*STAFFED, *OWNERS},
    "/v1/job": {*STAFFED, *OWNERS},
    "/v1/job/like": {*STAFFED, *OWNERS},
    "/v1/my-project": EVERYBODY,
    "/v1/reports": {*STAFFED, Role.MANAGER},
    "/v1/reports/make": {*STAFFED, Role.MANAGER},
    "/v1/reports/files/{made}/{form}": {*STAFFED, Role.MANAGER},
    "/metrics": {Role.OPERATOR},
}


def target(path: str) -> str:
    for part, value in {"{table}": "device", "{id}": "S10", "{key:path}": "42"}.items():
        path = path.replace(part, value)
    return path


def asked_as(client: Any, viewer: Viewer, path: str, method: str = "GET") -> Any:
    now_ms = client.service.store.clock.unix_ms()
    statement = travel.statement(viewer, client.tokens[Right.READ], now_ms)
    return client.request(method, path, token=statement)


def test_every_role_has_rights() -> None:
    assert set(RIGHTS) == set(Role)


def test_every_route_stands_in_the_table(serve: Serve) -> None:
    assert {route.path for route in serve().app.routes} == set(ROUTES)


@pytest.mark.parametrize("role", [*Role, None])
def test_a_role_sees_what_the_table_says_and_nothing_else(serve: Serve, role: Role | None) -> None:
    client = serve()
    viewer = Viewer("anna", roles=frozenset({role} if role else ()))
    for route in client.app.routes:
        assert isinstance(route, Route)
        may = ROUTES[route.path]
        (method,) = (route.methods or set()) - {"HEAD"}
        answer = asked_as(client, viewer, target(route.path), method)
        assert (answer.status not in (401, 403)) is (may is OPEN or role in may), route.path


@pytest.mark.parametrize(
    ("by", "roles"),
    [
        ("day", {*STAFFED, Role.MANAGER}),
        ("project", {Role.OPERATOR, Role.MANAGER}),
        ("job", STAFFED),
        ("service", STAFFED),
    ],
)
def test_figures_that_tell_people_apart_are_for_fewer(
    serve: Serve, by: str, roles: set[Role]
) -> None:
    client = serve()
    for role in Role:
        viewer = Viewer("anna", roles=frozenset({role}))
        answer = asked_as(client, viewer, f"/v1/kpis?id=U01&by=system&by={by}")
        assert (answer.status != 403) is (role in roles), role


def test_a_job_is_looked_for_in_the_name_of_whoever_asks(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Viewer] = []

    def answered(store: Any, question: Any, known: Any) -> dict[str, Any]:
        asked.append(question.viewer)
        return {}

    monkeypatch.setattr("wattline_collector.efficiency.answer.answered", answered)
    client = serve()
    anna = Viewer("anna", projects=frozenset({"p"}), roles=frozenset({Role.PROJECT_LEAD}))
    assert asked_as(client, anna, "/v1/jobs/42").status == 200
    assert client.get("/v1/jobs/42").status == 200
    assert asked == [anna, STAFF]


def test_of_what_is_live_a_job_owner_sees_their_own(serve: Serve, sender: Any, clock: Any) -> None:
    client = serve()
    now = clock.unix_ms()
    jobs = [("1", "anna"), ("2", "ben"), ("3", None)]
    rows = [{"time_unix_ms": now, "job": job, "user": user, "name": f"name-{job}"}
            for job, user in jobs]  # fmt: skip
    assert client.post(sender.batch("job_info", rows)).status == 204
    assert client.post(sender.devices(now)).status == 204
    whole = client.get("/v1/latest").json()
    assert whole["jobs"]["job"] == ["1", "2", "3"]
    anna = Viewer("anna", roles=frozenset({Role.JOB_OWNER}))
    mine = asked_as(client, anna, "/v1/latest")
    assert mine.json()["jobs"]["job"] == ["1"]
    assert mine.json()["devices"]["device"] == []
    assert b"name-2" not in mine.body and b"name-3" not in mine.body
    statement = travel.statement(anna, client.tokens[Right.READ], now)
    accept = {"Accept": tables.MEDIA_TYPE}
    asked = client.request("GET", "/v1/latest", headers=accept, token=statement)
    assert tables.unpacked(asked.body)["jobs"]["job"].to_pylist() == ["1"]  # however it is asked
    operator = Viewer("olga", roles=frozenset({Role.OPERATOR}))
    assert asked_as(client, operator, "/v1/latest").json()["jobs"] == whole["jobs"]
    manager = Viewer("mara", roles=frozenset({Role.MANAGER}))
    fleet = asked_as(client, manager, "/v1/latest").json()
    assert (fleet["jobs"]["job"], len(fleet["devices"]["device"])) == ([], 2)


def test_what_somebody_may_not_see_stays_away_also_when_they_name_it(
    serve: Serve, sender: Any, clock: Any
) -> None:
    client = serve()
    now = clock.unix_ms()
    info = {"time_unix_ms": now, "job": "secret-1", "user": "ben", "name": "secret-name"}
    held = {
        "time_unix_ms": now, "device": "GPU-n01-0", "job": "secret-1", "start_unix_ms": now - 1000,
    }  # fmt: skip
    assert client.post(sender.batch("job_info", [info])).status == 204
    assert client.post(sender.batch("assignment", [held])).status == 204
    assert client.post(sender.devices(now)).status == 204
    asked = "/v1/latest?columns=job,name,power_watts"
    assert client.get(asked).json()["devices"]["job"] == ["secret-1", None]
    for role in Role:
        viewer = Viewer("anna", roles=frozenset({role}))
        statement = travel.statement(viewer, client.tokens[Right.READ], now)
        sees_all = sees(viewer, Sight.JOBS)
        for accept in ("application/json", tables.MEDIA_TYPE):
            answer = client.request("GET", asked, headers={"Accept": accept}, token=statement)
            assert answer.status == 200
            assert (b"secret" in answer.body) is sees_all, role


def test_a_route_that_names_no_sight_is_for_staff_alone(serve: Serve) -> None:
    client = serve()
    route = next(route for route in client.app.routes if route.path == "/metrics")
    assert isinstance(route.endpoint, api._Door)
    route.endpoint.sights = ()
    operator = Viewer("olga", roles=frozenset({Role.OPERATOR}))
    assert asked_as(client, operator, "/metrics").status == 403
    assert client.get("/metrics").status == 200


@pytest.mark.parametrize("late_ms", [-400_000, 400_000])
def test_a_statement_that_is_too_old_is_no_token(serve: Serve, late_ms: int) -> None:
    client = serve()
    operator = Viewer("olga", roles=frozenset({Role.OPERATOR}))
    now_ms = client.service.store.clock.unix_ms() + late_ms
    statement = travel.statement(operator, client.tokens[Right.READ], now_ms)
    assert client.get("/v1/latest", token=statement).status == 401
