"""The page of reports: what it says, what it asks for, and what it hands out to whom."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from wattline_agents.clock import SystemClock
from wattline_collector.access import NOBODY, STAFF, Role, Viewer
from wattline_collector.client import File, Refused, Unreachable
from wattline_dashboards import report_files
from wattline_dashboards.access import viewing
from wattline_dashboards.access.audit import AuditLog
from wattline_dashboards.access.looks import Looks
from wattline_dashboards.access.people import Person
from wattline_dashboards.access.sessions import Sessions
from wattline_dashboards.answers import Answer, Answers
from wattline_dashboards.app import build
from wattline_dashboards.components import made_reports, report_form
from wattline_dashboards.context import Asked, Context
from wattline_dashboards.markup import drawing
from wattline_dashboards.pages import reports
from wattline_dashboards.picture import Live

HELSINKI = ZoneInfo("Europe/Helsinki")
NOW = datetime(2026, 12, 10, 9, 30, tzinfo=UTC)
NOW_MS = NOW.timestamp() * 1000
ID = "20261206T061000000Z.review.2026-11.0a1b2c3d"

Json = dict[str, Any]


def made(**more: Any) -> Json:
    return {
        "id": ID, "kind": "review", "title": "EuroHPC coordination review", "period": "2026-11",
        "of": [], "options": {"variant": "public"}, "as_of": "", "code": "0a1b 2c3d",
        "made_ms": NOW_MS, "checked": 0, "checked_ms": None, "why": "schedule", "by": "",
        "good": True, "seconds": 20.0,
        "files": [{"form": "html", "bytes": 318_000, "sha256": "0" * 64},
                  {"form": "pdf", "bytes": 2_500_000, "sha256": "1" * 64}],
    } | more  # fmt: skip


def work(**more: Any) -> Json:
    return {
        "id": "w1", "kind": "review", "title": "Review", "period": "2026-11", "of": [],
        "options": {"variant": "public"}, "state": "running", "said": "report: computing I01 ...",
        "asked_ms": NOW_MS - 12_000, "began_ms": NOW_MS - 10_000, "ended_ms": None, "error": "",
        "made": None,
    } | more  # fmt: skip


KINDS: list[Json] = [
    {"name": "review", "title": "Review", "help": "h", "of": None, "free": True, "usual": None,
     "periods": {"year": ["2026"], "quarter": ["2026-Q4"], "month": ["2026-12", "2026-11"]},
     "option": "variant", "default": "public", "choices": ["public", "restricted"]},
    {"name": "eed", "title": "Return", "help": "h", "of": None, "free": False, "usual": "year",
     "periods": {"year": ["2026", "2025"]}, "option": "schema", "default": "eed-2024",
     "choices": ["eed-2024", "eed-2026-draft"]},
    {"name": "project", "title": "Project", "help": "h", "of": "the project's id", "free": True,
     "usual": None, "periods": {"month": []}, "option": None, "default": "", "choices": []},
]  # fmt: skip


def told(*rows: Json, **more: Any) -> Json:
    return {
        "installed": True,
        "kinds": KINDS,
        "work": [],
        "made": list(rows),
        "more_made": 0,
    } | more


def render(said: Json | None, show: str = "", error: str | None = None) -> Json:
    changes = reports.render(Answer(said, 0, error), HELSINKI, NOW_MS, show)
    return changes | {"parts": drawing(changes["parts"])}


def words(part: object) -> str:
    """The text of a drawn part."""
    if isinstance(part, str):
        return part.replace("\u2009", " ")
    if isinstance(part, list) and len(part) > 1 and isinstance(part[1], dict):
        return " ".join(words(child) for child in part[2:])
    return " ".join(words(child) for child in part) if isinstance(part, list) else ""


# What it says


def test_it_opens_with_how_many_there_are_and_which_is_the_newest() -> None:
    parts = render(told(made(), made(id="x")))["parts"]
    assert parts["reports-answer"] == [
        "2 reports are kept; the newest is the Coordination review of Nov 2026"
    ]
    assert render(told())["parts"]["reports-answer"] == ["No report has been made yet"]
    more = render(told(made(), more_made=5))["parts"]
    assert more["reports-answer"][0].startswith("6 reports are kept")
    assert "5 older ones are on the shelf" in words(more["reports-scope"])


def test_without_the_distribution_it_says_what_to_install_and_offers_no_form() -> None:
    changes = render(told(installed=False, kinds=[]))
    assert changes["no_form"] is True
    assert changes["parts"]["reports-answer"] == ["This collector cannot make reports"]
    assert "pip install wattline-reports" in words(changes["parts"]["reports-scope"])
    assert render(told())["no_form"] is False


def test_while_the_collector_is_away_it_says_so() -> None:
    changes = render(None, error="no answer; is it running?")
    assert "no answer" in words(changes["parts"]["reports-notice"])
    assert "waiting" in changes["class"]
    assert "stale" in render(told(), error="away")["class"]


def test_the_history_says_what_by_whom_and_gives_each_file() -> None:
    row = made(by="manager", why="page", checked=2, checked_ms=NOW_MS, good=False)
    drawn = render(told(row))["parts"]["reports-made"]
    text = words(drawn)
    for said in ("Coordination review", "Public", "Nov 2026", "10 Dec 2026 11:30", "0a1b 2c3d",
                 "manager, on this page", "the same when made again, 2 times",
                 "the books under it do not hold", "318 kB", "2.5 MB", "Preview"):  # fmt: skip
        assert said in text, said
    said = json.dumps(drawn)
    assert f'"href": "/reports/files/{ID}/pdf", "download": ""' in said
    assert f'"href": "/reports?show={ID}"' in said


def test_what_has_no_page_has_no_preview() -> None:
    row = made(files=[{"form": "json", "bytes": 1, "sha256": "0"}])
    assert "Preview" not in words(render(told(row))["parts"]["reports-made"])


def test_names_from_outside_are_text_and_cut() -> None:
    row = made(kind="project", of=["<b>" + "x" * 5000], options={"a": "<i>" * 100}, code="<u>" * 50)
    drawn = render(told(row), ID)["parts"]
    assert len(json.dumps(drawn)) < 8000
    assert '["b"' not in json.dumps(drawn)
    hostile = render(told(work=[work(state="failed", error="<b>" + "e" * 5000)]))["parts"]
    assert len(json.dumps(hostile["reports-work"])) < 2000


def test_the_report_that_is_shown_is_named_with_its_files() -> None:
    parts = render(told(made()), ID)["parts"]
    assert parts["reports-shown"] == ["Coordination review · Nov 2026"]
    assert "PDF" in words(parts["reports-shown-files"])
    gone = render(told(), ID)["parts"]
    assert gone["reports-shown"] == ["This report is not here, or not for your roles"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("2026", "2026"), ("2026-Q4", "Q4 2026"), ("2026-11", "Nov 2026"),
        ("2026-11-03", "3 Nov 2026"), ("2026-11-03_2026-11-09", "3 Nov 2026 to 9 Nov 2026"),
        ("20261103T060000Z_20261104T000000Z", "3 Nov 2026 06:00 to 4 Nov 2026 00:00 UTC"),
        ("2026-11-03T00:00:00Z..2026-11-10T00:00:00Z", "3 Nov 2026 to 9 Nov 2026"),
        ("all", "all its time"), ("2026-99", "2026-99"), (None, ""), ("x" * 100, "x" * 39 + "…"),
    ],
)  # fmt: skip
def test_a_period_is_said_as_people_say_it(code: object, said: str) -> None:
    assert made_reports.period(code) == said


# What is being made


def test_what_is_being_made_tells_what_it_does_and_for_how_long() -> None:
    parts = render(told(work=[work(), work(id="w2", state="waiting")]))["parts"]
    text = words(parts["reports-work"])
    assert "Coordination review · Public · Nov 2026" in text
    assert "computing I01" in text
    assert "10 s" in text
    assert "Waits for its turn" in text


def test_how_far_it_is_goes_by_the_last_one_like_it_and_is_never_done() -> None:
    assert made_reports.share(work(), [made()], 10.0) == 0.5
    assert made_reports.share(work(), [made()], 500.0) == made_reports.ALMOST
    assert made_reports.share(work(), [made(kind="eed")], 10.0) is None
    counted = work(said="report: auditing hours: 30 of 120")
    assert made_reports.share(counted, [], 10.0) == 0.25
    assert made_reports.share(work(said="report: x: 3 of 0"), [], 10.0) is None


def test_why_it_was_not_made_is_said_in_words_and_what_was_made_can_be_looked_at() -> None:
    works = [work(state="failed", error="--period: no such date"), work(state="done", made=ID)]
    drawn = render(told(made(), work=works))["parts"]["reports-work"]
    assert "Not made: --period: no such date" in " ".join(words(drawn).split())
    assert f"/reports?show={ID}" in json.dumps(drawn)


# What is asked for


def offered(kind: object, picked: Asked | None = None) -> Json:
    return report_form.offered(told(), kind, picked, HELSINKI, NOW)


def test_a_kind_offers_its_periods_and_begins_with_the_last_that_is_over() -> None:
    review = offered("review")
    assert [one["value"] for one in review["periods"]] == [
        "picked", "2026-12", "2026-11", "2026-Q4", "2026",
    ]  # fmt: skip
    assert (review["period"], review["option"], review["no_option"]) == ("2026-11", "public", False)
    assert review["no_of"] is True
    eed = offered("eed")
    assert [one["value"] for one in eed["periods"]] == ["2026", "2025"]
    assert (eed["period"], eed["option"]) == ("2025", "eed-2024")
    assert offered("poem")["kind"] == "review"
    project = offered("project")
    assert (project["period"], project["no_of"], project["no_option"]) == ("picked", False, True)


def test_the_period_of_the_pickers_is_said_in_days_of_the_site() -> None:
    start, end = datetime(2026, 11, 2, 22, tzinfo=UTC), datetime(2026, 11, 9, 22, tzinfo=UTC)
    label = offered("review", Asked("custom", start, end, None))["periods"][0]["label"]
    assert label == "As above: 3 Nov 2026 to 9 Nov 2026"
    assert offered("review", Asked("all", None, None, None))["periods"][0]["label"] == (
        "All there is"
    )


def test_what_somebody_chose_stays_until_they_choose_another_kind() -> None:
    found = offered("review")
    assert report_form.kept(found, "2026", "restricted")["period"] == "2026"
    assert report_form.kept(found, "2026", "restricted")["option"] == "restricted"
    assert report_form.kept(found, "1999", "secret")["period"] == "2026-11"
    assert report_form.kept(found, "2026", "restricted", anew=True)["option"] == "public"


def ordered(kind: str, period: object, picked: Asked | None = None) -> Json:
    return report_form.order(kind, period, "restricted", "P1", ["pdf"], told(), picked, NOW)


def test_an_order_says_what_was_chosen_and_nothing_else() -> None:
    assert ordered("review", "2026-11") == {
        "kind": "review", "formats": ["pdf"], "period": "2026-11",
        "options": {"variant": "restricted"},
    }  # fmt: skip
    assert ordered("project", "2026-11") == {
        "kind": "project", "formats": ["pdf"], "period": "2026-11", "of": "P1",
    }  # fmt: skip


def test_a_period_that_runs_is_asked_for_to_the_hour() -> None:
    picked = Asked("7d", datetime(2026, 12, 3, 9, tzinfo=UTC), None, None)
    assert ordered("review", "picked", picked)["period"] == (
        "2026-12-03T09:00:00Z..2026-12-10T09:00:00Z"
    )
    assert "period" not in ordered("review", "picked", Asked("all", None, None, None))
    short = replace(picked, start=datetime(2026, 12, 10, 9, tzinfo=UTC))
    assert ordered("review", "picked", short)["period"].endswith("..2026-12-10T10:00:00Z")


# What is handed out


class Desk:
    """A collector that hands out one file, and takes orders."""

    def __init__(self, jobs: tuple[str, ...] = (), error: Exception | None = None) -> None:
        self.file = File(b"<p>report</p>", "text/html", jobs)
        self.error = error
        self.asked: list[object] = []

    def seen_by(self, viewer: Viewer) -> Desk:
        return self

    def fetch(self, path: str) -> File:
        self.asked.append(path)
        if self.error is not None:
            raise self.error
        return self.file

    def send(self, path: str, order: Json) -> Json:
        self.asked.append((path, order))
        if self.error is not None:
            raise self.error
        return {"work": "1"}

    def ask(self, path: str, query: Any = ()) -> Json:
        return told(made())

    latest = overview = explain = ask


Get = Callable[..., Any]


@pytest.fixture
def get(tmp_path: Path) -> Get:
    """Asks for a file as somebody; gives the answer."""

    def get(desk: Desk, path: str, viewer: Viewer = STAFF, log: AuditLog | None = None) -> Any:
        app = build(desk)  # type: ignore[arg-type]  # as far as it is needed here
        clock = SystemClock()
        answers = Answers(desk, clock, viewing.viewer)  # type: ignore[arg-type]
        looks = None if log is None else Looks(log, clock)
        context = Context(answers, Live(answers), clock, looks)
        with app.server.test_request_context(path):
            _, session = Sessions(clock, 60.0, 60.0).start(Person("x:anna", "Anna", viewer), None)
            viewing.look_as(viewer, session)
            id, form = path.partition("?")[0].split("/")[-2:]
            return report_files.answered(context, id, form)

    return get


FILE = f"/reports/files/{ID}"


def test_a_file_is_handed_out_to_be_saved(get: Get) -> None:
    desk = Desk()
    answer = get(desk, f"{FILE}/html")
    assert (answer.status_code, answer.get_data()) == (200, b"<p>report</p>")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{ID}.html"'
    assert desk.asked == [f"/v1/reports/files/{ID}/html"]


def test_a_page_is_shown_in_our_frame_alone_and_can_do_nothing(get: Get) -> None:
    answer = get(Desk(), f"{FILE}/html?show")
    policy = answer.headers["Content-Security-Policy"]
    assert "Content-Disposition" not in answer.headers
    for part in ("default-src 'none'", "sandbox", "frame-ancestors 'self'", "form-action 'none'"):
        assert part in policy.split("; ")
    assert "script" not in policy
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    other = get(Desk(), f"{FILE}/pdf?show")
    assert other.headers["Content-Disposition"].startswith("attachment")


def test_who_may_not_see_the_page_gets_no_file_and_nobody_is_asked(get: Get) -> None:
    for viewer in (NOBODY, Viewer("anna", roles=frozenset({Role.JOB_OWNER}))):
        desk = Desk()
        assert get(desk, f"{FILE}/html", viewer).status_code == 403
        assert desk.asked == []


@pytest.mark.parametrize("path", [f"{FILE}/exe", "/reports/files/a b/html", f"{FILE}x%00/html"])
def test_what_is_no_report_is_not_asked_for(get: Get, path: str) -> None:
    desk = Desk()
    assert get(desk, path).status_code == 404
    assert desk.asked == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Refused("x", 404, "none"), 404), (Refused("x", 403, "no"), 404),
        (Refused("x", 500, "changed since"), 502), (Unreachable("away"), 502),
    ],
)  # fmt: skip
def test_what_the_collector_refuses_is_said_in_words(
    get: Get, error: Exception, status: int
) -> None:
    answer = get(Desk(error=error), f"{FILE}/html")
    assert answer.status_code == status
    assert answer.mimetype == "text/plain"


def test_who_is_shown_somebodys_job_stands_in_the_log_first(get: Get, tmp_path: Path) -> None:
    operator = Viewer("olga", roles=frozenset({Role.OPERATOR}))
    log = AuditLog(tmp_path / "log.jsonl", SystemClock())
    assert get(Desk(("4711",)), f"{FILE}/html", operator, log).status_code == 200
    (line,) = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    assert (line["did"], line["page"], line["job"]) == ("looked", "reports", "4711")
    (tmp_path / "log.jsonl").unlink()
    (tmp_path / "log.jsonl").mkdir()
    assert get(Desk(("4711",)), f"{FILE}/html", operator, log).status_code == 503


def test_the_history_is_a_file_as_well() -> None:
    sheet = reports.sheet(told(made()))
    assert sheet.heads[0] == "kind"
    assert [row[-3] for row in sheet.rows] == ["html", "pdf"]
    assert sheet.rows[0][4] == "2026-12-10T09:30:00Z"


@pytest.mark.parametrize("show", [ID, "../../x", "", None, ["a"], "x" * 200, '"><script>'])
def test_an_address_can_show_a_report_and_nothing_else(show: object) -> None:
    page = json.dumps(
        reports.layout(show=show).to_plotly_json(), default=lambda c: c.to_plotly_json()
    )
    if show == ID:
        assert f"/reports/files/{ID}/html?show" in page
        assert '"sandbox": ""' in page
    else:
        assert "Iframe" not in page
