"""Pages that name other people's jobs beside their own subject write down who looked, too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattline_collector.access import Viewer
from wattline_collector.client import Refused
from wattline_dashboards import exports, serve
from wattline_dashboards.access.audit import MOST_A_MINUTE, AuditLog, Seen
from wattline_dashboards.access.gate import Gate
from wattline_dashboards.access.people import Person
from wattline_dashboards.answers import Answers
from wattline_dashboards.app import build
from wattline_dashboards.pages import alerts
from wattline_dashboards.picture import Live

NODE = "sim-r1-n01"
GIVEN = {
    "node-name": NODE,
    "shell-asked": {"period": "all"},
    "node-jobs-csv": 1,
    "node-strips-csv": 1,
    "production-jobs-csv": 1,
}
PLACES = {
    "node-drawing.data": "node",
    "node-jobs-file.data": "node, saved",
    "node-strips-file.data": "node, saved",
    "production-drawing.data": "production",
    "production-jobs-file.data": "production, saved",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def seeing(truthful: Any, sign_in_settings: Any, clock: Any, path: Path) -> Callable[..., Any]:
    """Ask a callback of the pages as somebody: `seeing(viewer, output)`."""
    gate = Gate(sign_in_settings, clock, audit=AuditLog(path, clock, say=lambda _: None))
    app = build(truthful, clock, gate)
    serve.protect(app, [])

    def ask(viewer: Viewer, first: str, given: dict[str, Any] = GIVEN) -> Any:
        client = app.server.test_client()
        name, session = gate.sessions.start(Person("i#x", str(viewer.name), viewer), None)
        client.set_cookie("__Host-wattline", name)
        headers = {"Sec-Fetch-Site": "same-origin", "X-Wattline-Csrf": session.csrf}
        found = client.get("/_dash-dependencies", headers=headers).json
        [callback] = [one for one in found if first in one["output"].strip(".").split("...")]
        targets = callback["output"].strip(".").split("...")
        outputs = [dict(zip(("id", "property"), one.rsplit(".", 1), strict=True))
                   for one in targets]  # fmt: skip
        filled = {
            kind: [entry | {"value": given.get(entry["id"])} for entry in callback[kind]]
            for kind in ("inputs", "state")
        }
        several = callback["output"].startswith("..")
        body = {"output": callback["output"], "outputs": outputs if several else outputs[0],
                **filled, "changedPropIds": []}  # fmt: skip
        return client.post("/_dash-update-component", json=body, headers=headers)

    return ask


def looked(path: Path) -> list[dict[str, str]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if line["did"] == "looked"]


@pytest.mark.parametrize("role", ["operator", "support", "manager", "job owner"])
@pytest.mark.parametrize("output", list(PLACES))
def test_a_page_that_names_jobs_says_whose_were_looked_at(
    seeing: Any, path: Path, roles: dict[str, Viewer], role: str, output: str
) -> None:
    answer = seeing(roles[role], output)
    lines = looked(path)
    assert answer.status_code == (403 if role == "job owner" else 200)
    assert bool(lines) is (role in ("operator", "support"))
    assert {line["page"] for line in lines} <= {PLACES[output]}
    if lines and output.startswith("node"):
        assert any(line["whose"] for line in lines)


@pytest.mark.parametrize("output", list(PLACES))
def test_a_log_that_cannot_be_written_refuses_these_pages(
    seeing: Any, path: Path, roles: dict[str, Viewer], output: str
) -> None:
    shown = seeing(roles["operator"], output).get_data(as_text=True)
    names = {line["job"] for line in looked(path)}
    assert any(name in shown for name in names) or "strips" in output
    path.unlink()
    path.mkdir()
    text = seeing(roles["support"], output).get_data(as_text=True)
    assert not any(name in text for name in names)
    if "drawing" in output:
        assert "the log cannot be written" in text


def test_the_jobs_of_alerts_are_those_of_what_is_on_and_of_what_was() -> None:
    told = {
        "open": [{"subjects": [{"labels": {"system": "s", "job": "1"}},
                               {"labels": {"system": "s", "node": "n"}}]}],
        "past": [{"labels": {"job": "2"}}],
    }  # fmt: skip
    assert alerts.seen(told) == [Seen("s", "1", None), Seen("", "2", None)]
    assert alerts.seen({}) == []


def test_a_question_as_long_as_a_book_is_not_asked_and_not_remembered(
    truthful: Any, clock: Any
) -> None:
    answers = Answers(truthful, clock)
    for name in ("x" * 401, "y" * 4_000_000):
        answer = answers.ask("/v1/node", [("node", name)])
        assert answer.value is None
        assert answer.error is not None and len(answer.error) < 200
    assert not answers._slots
    assert truthful.asked_by == []


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_is_no_longer_theirs_is_not_shown_from_memory(
    truthful: Any, clock: Any, status: int
) -> None:
    said: list[Any] = [{"project": "p-secret"}, Refused("not yours", status)]

    def pages(*_: Any) -> Any:
        one = said.pop(0) if len(said) > 1 else said[0]
        if isinstance(one, Exception):
            raise one
        return one

    truthful.pages = pages
    answers = Answers(truthful, clock)
    assert answers.ask("/v1/my-project").value == {"project": "p-secret"}
    clock.sleep(60)
    later = answers.ask("/v1/my-project")
    assert (later.value, later.age_ms) == (None, None)
    assert (later.error, later.reached) == ("not yours", True)


def test_a_collector_that_fails_leaves_what_was_known(truthful: Any, clock: Any) -> None:
    said: list[Any] = [{"n": 1}, Refused("of its own", 500)]

    def pages(*_: Any) -> Any:
        one = said.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    truthful.pages = pages
    answers = Answers(truthful, clock)
    answers.ask("/v1/my-project")
    clock.sleep(60)
    later = answers.ask("/v1/my-project")
    assert (later.value, later.age_ms) == ({"n": 1}, 60_000)


def test_the_picture_of_what_is_no_longer_theirs_is_not_kept_either(
    truthful: Any, clock: Any
) -> None:
    answers = Answers(truthful, clock)
    live = Live(answers)
    assert live.now()[0] is not None

    def refuse(*_columns: Any) -> Any:
        raise Refused("not yours", 403)

    truthful.live = refuse
    clock.sleep(60)
    assert live.now()[0] is None


@pytest.mark.parametrize("did", ["failed", "refused"])
def test_a_flood_of_failures_drives_no_other_line_out_of_the_log(
    path: Path, clock: Any, did: str
) -> None:
    log = AuditLog(path, clock)
    for _ in range(MOST_A_MINUTE + 1000):
        log.write(did, None, what="a guess")
    log.write("sign-in", None)
    clock.sleep(60)
    log.write(did, None, what="a guess")
    log.write(did, None, what="a guess")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["did"] for line in lines] == [did] * MOST_A_MINUTE + ["sign-in", did, did]
    assert [line.get("left_out") for line in lines[-3:]] == [None, "1000", None]


@pytest.mark.parametrize("sign", ["\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_wide_signs_begin_no_formula_either(sign: str) -> None:
    text = exports.as_csv(exports.Sheet("x", ("job",), [(f"{sign}1+1",), (f"  {sign}1",)]))
    assert text.splitlines()[1:] == [f"'{sign}1+1", f"'  {sign}1"]


def test_a_hostile_name_of_a_node_is_only_a_name(
    seeing: Any, roles: dict[str, Viewer], path: Path
) -> None:
    for name in ("../../tokens/read", "/etc/passwd", "<script>alert(1)</script>", "\x00", "%2e/"):
        answer = seeing(roles["operator"], "node-drawing.data", GIVEN | {"node-name": name})
        text = answer.get_data(as_text=True)
        assert answer.status_code == 200
        assert "root:" not in text and "Traceback" not in text and "<script>" not in text
    assert looked(path) == []
