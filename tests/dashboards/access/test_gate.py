from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.test import TestResponse

from wattline_collector.access import Role, Viewer
from wattline_dashboards.access.gate import Gate
from wattline_dashboards.access.settings import Proxy
from wattline_dashboards.app import build

TOKEN = "t" * 43
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def browser_of_nobody(house: Any) -> Any:
    return house.visitor().client


def sign_in(client: Any, token: str = TOKEN, back: str = "/", **headers: str) -> TestResponse:
    client.get("/sign-in")
    csrf = client.get_cookie("__Host-wattline-begun").value
    form = {"token": token, "csrf": csrf, "next": back}
    answer: TestResponse = client.post("/sign-in/token", data=form, headers=OURS | headers)
    return answer


def test_a_visit_leads_to_the_sign_in_and_back(browser_of_nobody: Any) -> None:
    visit = {"Accept": "text/html"}
    answer = browser_of_nobody.get("/production?period=30d", headers=visit)
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        "/sign-in?next=%2Fproduction%3Fperiod%3D30d",
    )
    answer = sign_in(browser_of_nobody, back="/production?period=30d")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/production?period=30d")
    cookie = next(line for line in answer.headers.getlist("Set-Cookie")
                  if line.startswith("__Host-wattline="))  # fmt: skip
    for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert part in cookie
    assert browser_of_nobody.get("/_dash-layout").status_code == 200


def test_a_page_that_asks_without_a_session_is_told_so_in_json(browser_of_nobody: Any) -> None:
    answer = browser_of_nobody.get("/_dash-layout", headers={"Sec-Fetch-Mode": "cors"})
    assert (answer.status_code, answer.json) == (401, {"error": "you are not signed in"})


@pytest.mark.parametrize(
    "back",
    ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nX: y", "/sign-out",
     "javascript:alert(1)", "/" + "a" * 3000, "", "/_dash-layout"],
)  # fmt: skip
def test_nobody_is_led_elsewhere(browser_of_nobody: Any, back: str) -> None:
    assert sign_in(browser_of_nobody, back=back).headers["Location"] == "/"


def test_a_wrong_token_is_refused_without_being_repeated(browser_of_nobody: Any) -> None:
    answer = sign_in(browser_of_nobody, token="<script>wrong</script>")
    assert answer.status_code == 403
    assert "wrong" not in answer.get_data(as_text=True)
    assert browser_of_nobody.get_cookie("__Host-wattline") is None


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"}],
)
def test_a_form_elsewhere_cannot_sign_anybody_in(
    browser_of_nobody: Any, headers: dict[str, str]
) -> None:
    assert sign_in(browser_of_nobody, **headers).status_code == 403


def test_a_session_of_before_ends_with_a_sign_in(house: Any) -> None:
    client = house.visitor(Viewer("anna", roles=frozenset({Role.JOB_OWNER}))).client
    before = client.get_cookie("__Host-wattline").value
    sign_in(client)
    assert client.get_cookie("__Host-wattline").value != before
    client.set_cookie("__Host-wattline", before)
    assert client.get("/_dash-layout").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin", "X-Wattline-Csrf": "{csrf}"}, 200),
        ({"Origin": "http://localhost", "X-Wattline-Csrf": "{csrf}"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "X-Wattline-Csrf": "guessed"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "X-Wattline-Csrf": "{csrf}"}, 403),
        ({"Origin": "http://evil.example", "X-Wattline-Csrf": "{csrf}"}, 403),
        ({"Origin": "null", "X-Wattline-Csrf": "{csrf}"}, 403),
        ({"X-Wattline-Csrf": "{csrf}"}, 403),
        ({}, 403),
    ],
)
def test_a_callback_must_come_from_a_page_of_this_session(
    house: Any, roles: dict[str, Viewer], headers: dict[str, str], status: int
) -> None:
    visitor = house.visitor(roles["operator"])
    sent = {name: value.format(csrf=visitor.csrf) for name, value in headers.items()}
    body = {
        "output": "shell-pages.children",
        "outputs": {"id": "shell-pages", "property": "children"},
        "inputs": [
            {"id": "shell-location", "property": "pathname", "value": "/"},
            {"id": "shell-asked", "property": "data", "value": None},
        ],
        "changedPropIds": ["shell-location.pathname"],
    }
    answer = visitor.client.post("/_dash-update-component", json=body, headers=sent)
    assert answer.status_code == status


@pytest.mark.parametrize(
    "output",
    ["new-page.children", "..shell-pages.children...new-page.children..", "", None, 7,
     "0" * 64, '{"index":1,"type":"new"}.children', "fleetx-map.figure"],
)  # fmt: skip
def test_a_callback_that_belongs_to_no_page_is_nobodys(
    house: Any, roles: dict[str, Viewer], output: object
) -> None:
    visitor = house.visitor(roles["operator"])
    answer = visitor.client.post(
        "/_dash-update-component",
        json={"output": output},
        headers=OURS | {"X-Wattline-Csrf": visitor.csrf},
    )
    assert answer.status_code == 403


def test_signing_out_needs_the_form_and_ends_the_session(
    house: Any, roles: dict[str, Viewer]
) -> None:
    visitor = house.visitor(roles["manager"])
    visitor.client.get("/sign-out")
    assert visitor.client.post("/sign-out", headers=OURS).status_code == 403
    assert visitor.get("/_dash-layout").status_code == 200
    old = visitor.client.get_cookie("__Host-wattline").value
    form = {"csrf": visitor.csrf}
    assert visitor.client.post("/sign-out", data=form, headers=OURS).status_code == 303
    visitor.client.set_cookie("__Host-wattline", old)
    assert visitor.get("/_dash-layout").status_code == 401


def test_a_page_that_ticks_does_not_keep_a_session_alive(
    house: Any, clock: Any, roles: dict[str, Viewer]
) -> None:
    visitor = house.visitor(roles["operator"])
    tick = {
        "output": "shell-systems.children",
        "outputs": {"id": "shell-systems", "property": "children"},
        "inputs": [{"id": "shell-tick", "property": "n_intervals", "value": 1}],
        "changedPropIds": ["shell-tick.n_intervals"],
    }
    headers = OURS | {"X-Wattline-Csrf": visitor.csrf}

    def asked() -> int:
        clock.now += 1200
        status: int = visitor.client.post(
            "/_dash-update-component", json=tick, headers=headers
        ).status_code
        return status

    assert [asked(), asked(), asked()] == [200, 200, 401]


def test_a_body_without_end_is_refused(house: Any, roles: dict[str, Viewer]) -> None:
    visitor = house.visitor(roles["operator"])
    answer = visitor.client.post(
        "/_dash-update-component",
        data=b'{"output":"' + b"a" * 5_000_000 + b'"}',
        content_type="application/json",
        headers=OURS | {"X-Wattline-Csrf": visitor.csrf},
    )
    assert answer.status_code == 413


def test_what_is_somebodys_is_kept_by_no_cache(house: Any, roles: dict[str, Viewer]) -> None:
    visitor = house.visitor(roles["operator"])
    for path in ("/", "/_dash-layout", "/account", "/sign-in"):
        assert visitor.get(path).headers["Cache-Control"] == "no-store"


def test_a_form_allows_nothing_inline(house: Any) -> None:
    policy = house.visitor().get("/sign-in").headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "form-action 'self'" in policy


# By a proxy


@pytest.fixture
def behind_proxy(truthful: Any, sign_in_settings: Any, clock: Any) -> Callable[..., Any]:
    secret = "s" * 32
    mapped = replace(sign_in_settings.mapped, everyone=frozenset({Role.JOB_OWNER}))
    settings = replace(sign_in_settings, tokens=(), mapped=mapped, proxy=Proxy(secret))
    client = build(truthful, clock, Gate(settings, clock)).server.test_client()

    def ask(path: str, user: str | None = "anna", given: str = secret, **more: str) -> Any:
        headers = {"X-Wattline-Proxy-Secret": given, "Accept": "text/html"} | more
        if user is not None:
            headers["X-Remote-User"] = user
        return client.get(path, headers=headers)

    return ask


def test_a_proxy_signs_people_in_and_changes_them(behind_proxy: Callable[..., Any]) -> None:
    assert behind_proxy("/account").status_code == 303
    assert "anna" in behind_proxy("/account").get_data(as_text=True)
    # Another person at the same browser gets nothing of the session that was there.
    assert behind_proxy("/_dash-layout", "ben", Accept="*/*").status_code == 401
    assert behind_proxy("/account", "ben").status_code == 303
    assert "ben" in behind_proxy("/account", "ben").get_data(as_text=True)


@pytest.mark.parametrize(
    ("user", "secret"),
    [("anna", ""), ("anna", "wrong"), (None, "s" * 32), ("", "s" * 32), ("a,b", "s" * 32),
     ("<b>", "s" * 32)],
)  # fmt: skip
def test_what_does_not_come_through_the_proxy_is_nobody(
    behind_proxy: Callable[..., Any], user: str | None, secret: str
) -> None:
    assert behind_proxy("/account").status_code == 303  # a session does not help either
    assert behind_proxy("/account", user, secret).status_code == 401
