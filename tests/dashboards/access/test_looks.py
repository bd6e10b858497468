"""Nobody is shown somebody else's job before it stands in the log, whatever their role."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from wattline_collector.access import Viewer
from wattline_dashboards import serve
from wattline_dashboards.access import viewing
from wattline_dashboards.access.audit import AuditLog, NotWritten, Seen
from wattline_dashboards.access.gate import Gate
from wattline_dashboards.access.looks import Looks
from wattline_dashboards.access.people import Person
from wattline_dashboards.access.sessions import Session
from wattline_dashboards.app import build

HERS, HIS = Seen("sim", "1", "anna"), Seen("sim", "2", "ben")
NOBODYS = Seen("sim", "3", None)
LOOKING = {"operator", "support", "project lead", "job owner"}
"""Roles to which a single job is ever shown."""


@contextmanager
def looking(viewer: Viewer, csrf: str = "x") -> Iterator[None]:
    from flask import Flask

    with Flask("test").test_request_context("/"):
        person = Person(f"i#{viewer.name}", str(viewer.name), viewer)
        viewing.look_as(viewer, Session(person, csrf, 0.0, 0.0))
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def looks(path: Path, clock: Any) -> Looks:
    return Looks(AuditLog(path, clock), clock)


def lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    "role", ["operator", "support", "manager", "project lead", "job owner", "no role"]
)
def test_a_line_says_who_looked_at_whose_job_and_where(
    looks: Looks, path: Path, roles: dict[str, Viewer], role: str
) -> None:
    viewer = roles[role]
    with looking(viewer):
        looks.shown("job", [HERS, HIS, NOBODYS])
    told = [(line["job"], line["whose"]) for line in lines(path)]
    own = [("1", "anna")] if viewer.name == "anna" else []
    assert told == [one for one in (("1", "anna"), ("2", "ben"), ("3", "")) if one not in own]
    for line in lines(path):
        assert line["time"] == "2026-11-02T12:00:00.000Z"
        assert (line["did"], line["page"], line["system"]) == ("looked", "job", "sim")
        assert line["account"] == viewer.name
        assert line["roles"] == ("" if role == "no role" else role)


def test_a_page_that_keeps_itself_current_writes_once_an_hour(
    looks: Looks, path: Path, clock: Any, roles: dict[str, Viewer]
) -> None:
    with looking(roles["operator"]):
        for _ in range(100):
            looks.shown("job", [HIS])
        assert len(lines(path)) == 1
        looks.shown("job, saved", [HIS])
        looks.shown("job", [HERS])
        assert len(lines(path)) == 3
        clock.sleep(3600)
        looks.shown("job", [HIS])
        assert len(lines(path)) == 4
    with looking(roles["operator"], "another browser"):
        looks.shown("job", [HIS])
    assert len(lines(path)) == 5


def test_what_cannot_be_written_down_is_not_shown_and_is_tried_again(
    tmp_path: Path, clock: Any, roles: dict[str, Viewer]
) -> None:
    place = tmp_path / "d"
    place.mkdir()
    looks = Looks(AuditLog(place / "log", clock, say=lambda _: None), clock)
    (place / "log").unlink()
    place.rmdir()
    with looking(roles["operator"]):
        for _ in range(2):
            with pytest.raises(NotWritten, match="tell the operators"):
                looks.shown("job", [HIS])
        looks.shown("job", [])
        place.mkdir()
        looks.shown("job", [HIS])
    assert len(lines(place / "log")) == 1


def test_what_is_remembered_is_bounded_and_forgetting_writes_twice(
    path: Path, clock: Any, roles: dict[str, Viewer]
) -> None:
    looks = Looks(AuditLog(path, clock), clock, most=10)
    with looking(roles["operator"]):
        for number in range(50):
            looks.shown("job", [Seen("sim", str(number), "ben")])
        looks.shown("job", [Seen("sim", "0", "ben")])
    assert len(lines(path)) == 51
    assert len(looks._hours) == 10


def test_without_sign_in_or_without_a_log_nothing_is_written(
    path: Path, looks: Looks, clock: Any, roles: dict[str, Viewer]
) -> None:
    looks.shown("job", [HIS])
    with looking(roles["operator"]):
        Looks(None, clock).shown("job", [HIS])
    assert path.read_text() == ""


# Through the pages

JOB = "100002"
OWNER = "works-2"


@pytest.fixture
def seeing(truthful: Any, sign_in_settings: Any, clock: Any, path: Path) -> Callable[..., Any]:
    """Ask a callback of the pages as somebody: `seeing(viewer, output, given)` gives text back."""
    gate = Gate(sign_in_settings, clock, audit=AuditLog(path, clock, say=lambda _: None))
    app = build(truthful, clock, gate)
    serve.protect(app, [])

    def ask(viewer: Viewer, first: str, given: dict[str, Any]) -> Any:
        client = app.server.test_client()
        person = Person(f"i#{viewer.name}", str(viewer.name), viewer)
        name, session = gate.sessions.start(person, None)
        client.set_cookie("__Host-wattline", name)
        headers = {"Sec-Fetch-Site": "same-origin", "X-Wattline-Csrf": session.csrf}
        found = client.get("/_dash-dependencies", headers=headers).json
        [callback] = [one for one in found if first in one["output"].strip(".").split("...")]
        several = callback["output"].startswith("..")
        targets = callback["output"].strip(".").split("...")
        outputs = [dict(zip(("id", "property"), one.rsplit(".", 1), strict=True))
                   for one in targets]  # fmt: skip
        filled = {
            kind: [entry | {"value": given.get(entry["id"])} for entry in callback[kind]]
            for kind in ("inputs", "state")
        }
        body = {"output": callback["output"], "outputs": outputs if several else outputs[0],
                **filled, "changedPropIds": []}  # fmt: skip
        return client.post("/_dash-update-component", json=body, headers=headers)

    return ask


GIVEN = {
    "job-which": {"job": JOB, "system": ""},
    "shell-asked": {"period": "all"},
    "my_jobs-search": JOB,
    "job-strips-csv": 1, "job-devices-csv": 1, "job-like-csv": 1, "my_jobs-list-csv": 1,
}  # fmt: skip
PLACES = {
    "job-drawing.data": "job",
    "job-strips-file.data": "job, saved",
    "job-devices-file.data": "job, saved",
    "job-like-file.data": "job, saved",
    "my_jobs-drawing.data": "my jobs",
    "my_jobs-list-file.data": "my jobs, saved",
}


@pytest.mark.parametrize("role", ["operator", "support", "manager", "project lead", "job owner"])
@pytest.mark.parametrize("output", list(PLACES))
def test_every_way_to_see_a_job_is_written_down_for_every_role(
    seeing: Any, path: Path, roles: dict[str, Viewer], role: str, output: str
) -> None:
    project = "ehpc-com-2025c01-001"
    viewer = Viewer(roles[role].name, projects=frozenset({project}), roles=roles[role].roles)
    answer = seeing(viewer, output, GIVEN)
    text = answer.get_data(as_text=True)
    looked = [line for line in lines(path) if line["did"] == "looked"]
    # Whoever leads a project is given its jobs by it, whatever their role is called.
    if role in LOOKING:
        assert answer.status_code == 200 and text
        [line] = looked
        assert (line["job"], line["whose"], line["page"]) == (JOB, OWNER, PLACES[output])
        assert line["account"] == viewer.name
    else:
        assert answer.status_code == 403
        assert looked == []


@pytest.mark.parametrize("output", list(PLACES))
def test_ones_own_job_is_shown_without_a_line_and_a_strangers_not_at_all(
    seeing: Any, path: Path, roles: dict[str, Viewer], output: str
) -> None:
    role = roles["job owner"].roles
    own = seeing(Viewer(OWNER, roles=role), output, GIVEN).get_data(as_text=True)
    strange = seeing(Viewer("mallory", roles=role), output, GIVEN).get_data(as_text=True)
    assert len(own) > 200
    assert OWNER not in strange and "pretrain-8b" not in strange
    assert [line for line in lines(path) if line["did"] == "looked"] == []


@pytest.mark.parametrize("output", list(PLACES))
def test_a_log_that_cannot_be_written_refuses_the_answer(
    seeing: Any, path: Path, roles: dict[str, Viewer], output: str
) -> None:
    path.unlink()
    path.mkdir()
    answer = seeing(roles["operator"], output, GIVEN)
    text = answer.get_data(as_text=True)
    assert OWNER not in text and "pretrain-8b" not in text and "sim-r1-n01" not in text
    if "drawing" in output:
        assert "the log cannot be written" in text
