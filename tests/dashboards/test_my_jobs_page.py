"""The pages for job owners, from what the collector answers to what is drawn."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import plotly.graph_objects as go
import pytest

from wattline_collector.access import Role, Viewer
from wattline_collector.palette import Mode
from wattline_dashboards import exports, markup
from wattline_dashboards.answers import Answer
from wattline_dashboards.components import job_report
from wattline_dashboards.components.job_list import sheet
from wattline_dashboards.context import Asked
from wattline_dashboards.figures import burn, job_strips, like
from wattline_dashboards.pages import job, my_jobs, my_project

UTC = ZoneInfo("UTC")
HELSINKI = ZoneInfo("Europe/Helsinki")
OWNER = Viewer("works-2", roles=frozenset({Role.JOB_OWNER}))
LEAD = Viewer("lea", projects=frozenset({"ehpc-com-2025c01-001"}),
              roles=frozenset({Role.PROJECT_LEAD}))  # fmt: skip
HOSTILE = '=HYPERLINK("x")<script>alert(1)</script>' + "y" * 1_000_000
NONE: my_jobs.Controls = (None, None, None, None, None)


def told(value: Any) -> Answer:
    return Answer(value, 0, None)


def drawn(changes: dict[str, Any]) -> str:
    return json.dumps(markup.drawing(changes["parts"]), ensure_ascii=False)


def words(parts: Any) -> str:
    """The text of a drawing."""
    if isinstance(parts, str):
        return parts
    inner = parts[2:] if parts and isinstance(parts[0], str) and len(parts) > 1 and isinstance(
        parts[1], dict) else parts  # fmt: skip
    return " ".join(words(part) for part in inner)


# My jobs


def test_the_list_opens_with_what_the_jobs_used_and_lists_each(ask_planted: Any) -> None:
    said = ask_planted("/v1/my-jobs", [], OWNER)
    changes = my_jobs.render(told(said), NONE, UTC)
    parts = markup.drawing(changes["parts"])
    assert words(parts["my_jobs-answer"]).startswith(f"{said['jobs']} jobs used 355")
    text = words(parts["my_jobs-list"])
    for row in said["rows"]:
        assert row["job"] in text
    assert "waiting" not in changes["class"]
    assert '"data-field": "user"' not in drawn(changes)


def test_who_sees_jobs_of_several_people_sees_whose(ask_planted: Any) -> None:
    changes = my_jobs.render(told(ask_planted("/v1/my-jobs", [], LEAD)), NONE, UTC)
    assert '"data-field": "user"' in drawn(changes)
    assert "works-1" in drawn(changes)


def test_the_column_that_is_sorted_by_says_so_and_turns_round(ask_planted: Any) -> None:
    said = ask_planted("/v1/my-jobs", [], OWNER)
    text = drawn(my_jobs.render(told(said), (None, None, None, "energy-down", None), UTC))
    assert text.count('"aria-sort": "descending"') == 1
    assert '"data-job-sort": "energy-up"' in text
    assert '"data-job-sort": "tokens-down"' in text


def test_an_empty_list_says_what_to_do() -> None:
    nothing = {"jobs": 0, "all_jobs": 0, "rows": [], "totals": {}}
    assert "Choose a longer one" in drawn(my_jobs.render(told(nothing), NONE, UTC))
    filtered = {**nothing, "all_jobs": 3}
    assert "Take out a filter" in drawn(my_jobs.render(told(filtered), NONE, UTC))


def test_hostile_names_are_text_of_a_bounded_length(ask_planted: Any) -> None:
    said = ask_planted("/v1/my-jobs", [], OWNER)
    names = ("job", "job_id", "name", "user", "project", "kind", "state", "system")
    said["rows"] = [{**said["rows"][0], **dict.fromkeys(names, HOSTILE)}]
    text = drawn(my_jobs.render(told({**said, "several_users": True}), NONE, UTC))
    assert len(text) < 20_000
    file = exports.as_csv(sheet(said["rows"]))
    assert "\n=" not in file and ",=" not in file and '"=' not in file
    assert len(file) < 20_000


def test_controls_that_cannot_be_meant_are_left_out() -> None:
    asked = Asked("all", None, None, "sim")
    said = dict(my_jobs.question(asked, ("x" * 900, "odd", 7, "drop-table", "-3")))
    assert said == {"system": "sim", "search": "x" * 80, "sort": "start", "order": "down"}
    said = dict(my_jobs.question(asked, ("a", "failed", "ben", "energy-up", "3")))
    assert said == {"system": "sim", "search": "a", "state": "failed", "user": "ben",
                    "sort": "energy", "order": "up", "page": "3"}  # fmt: skip


def test_while_the_collector_is_away_the_list_stays_and_says_so(ask_planted: Any) -> None:
    said = ask_planted("/v1/my-jobs", [], OWNER)
    changes = my_jobs.render(Answer(said, 60_000, "no answer", reached=False), NONE, UTC)
    assert "stale" in changes["class"]
    assert "does not answer" in drawn(changes)
    assert my_jobs.render(Answer(None, None, "x", reached=False), NONE, UTC)["class"].endswith(
        "waiting"
    )


# Job


@pytest.fixture
def shown(ask_planted: Any) -> job.Shown:
    asked = [("job", "100002")]
    return job.Shown(
        told(ask_planted("/v1/job", asked, OWNER)), ask_planted("/v1/job/like", asked, OWNER)
    )


def test_a_job_is_told_in_full(shown: job.Shown) -> None:
    changes = job.render({"job": "100002", "system": ""}, shown, Mode.LIGHT, HELSINKI)
    parts = markup.drawing(changes["parts"])
    answer = words(parts["job-answer"])
    assert answer.startswith("Job 100002 worked for 100")
    facts = words(parts["job-facts"])
    for one in ("pretrain-8b", "works-2", "completed", "Europe/Helsinki", "1 Jan 2025 02:50"):
        assert one in facts, one
    assert "456" in words(parts["job-figures"])  # megatokens, as the plan has it
    assert "stepping" in words(parts["job-phases"])
    assert "Checkpoints" in words(parts["job-advice"])
    assert words(parts["job-devices"]).count("sim-r1-n01") == 2
    assert "the same four weeks" in words(parts["job-like-note"])
    assert any(", n = 1" in note["text"] for note in changes["like"]["layout"]["annotations"])
    assert (changes["no_strips"], changes["no_like"]) == (False, False)


def test_waste_is_told_four_ways_with_the_minutes(ask_planted: Any) -> None:
    listed = ask_planted("/v1/my-jobs", [("sort", "wasted")])["rows"]
    most = next(row for row in listed if row["state"] == "failed")
    said = ask_planted("/v1/job", [("job", most["job"])])
    changes = job.render({"job": most["job"], "system": ""}, job.Shown(told(said), {}),
                         Mode.DARK, UTC)  # fmt: skip
    parts = markup.drawing(changes["parts"])
    waste = words(parts["job-waste"])
    for unit in ("GPU-h", "Wh", "CO₂e", "€"):
        assert unit in waste
    held = next(one for one in said["report"]["accounts"] if one["account"] in ("held", "lost"))
    assert held["when"][0]["from"][11:16] in words(parts["job-accounts"])
    lanes = [trace for trace in go.Figure(changes["strips"]).data if trace.yaxis == "y2"]
    assert sum(len(lane.x) for lane in lanes) >= 1


def test_strips_are_aligned_on_one_axis_in_the_sites_time(shown: job.Shown) -> None:
    value = shown.answer.value
    assert value is not None
    strips = value["strips"]
    figure = go.Figure(job_strips.figure(strips, value["report"]["accounts"], Mode.LIGHT, HELSINKI))
    maps = [trace for trace in figure.data if trace.type == "heatmap"]
    assert [trace.yaxis for trace in maps] == ["y3", "y4"]
    assert all(trace.x0.startswith("2025-01-01T02:5") for trace in maps)
    assert {trace.xaxis for trace in figure.data} <= {None, "x"}
    assert "UTC+02:00" in maps[0].hovertemplate
    assert list(figure.layout.yaxis3.ticktext) == ["sim-r1-n01 · 0", "sim-r1-n01 · 1"]
    [speed] = [trace for trace in figure.data if trace.type == "scatter"]
    assert "UTC" in speed.customdata[0]


def test_of_64_devices_each_has_a_strip_and_each_node_a_label() -> None:
    devices = [{"device": f"d{i}", "node": f"n{i // 8}", "index": i % 8, "held": []}
               for i in range(64)]  # fmt: skip
    strips = {"devices": devices, "start_unix_ms": 0, "step_ms": 10_000, "steps": 1,
              "activity": {}, "power_watts": {}}  # fmt: skip
    figure = go.Figure(job_strips.figure(strips, (), Mode.LIGHT, UTC))
    assert list(figure.layout.yaxis3.ticktext) == [f"n{i}" for i in range(8)]
    assert list(figure.layout.yaxis3.tickvals) == [8 * i for i in range(8)]
    assert job_strips.height(strips, ()) < 1400


def test_what_was_held_and_not_read_is_hatched() -> None:
    strips = {"devices": [{"device": "d", "node": "n", "index": 0}], "start_unix_ms": 0,
              "step_ms": 10_000, "steps": 2, "activity": {}, "power_watts": {},
              "unread": {"activity": [[0, 0, 10_000]], "power_watts": []}}  # fmt: skip
    figure = go.Figure(job_strips.figure(strips, (), Mode.LIGHT, UTC))
    hatched = [trace for trace in figure.data if trace.type == "bar" and trace.yaxis == "y3"]
    assert hatched[0].marker.pattern.shape == "/"
    assert list(hatched[0].x) == [10_000]


def test_tokens_that_nobody_counted_have_no_axis_and_are_said_to_be_unknown() -> None:
    lane = {"start_unix_ms": 0, "step_ms": 10_000}
    job_of = {"devices": [], "start_unix_ms": 0, "step_ms": 10_000, "steps": 2}
    unknown = job_of | {"tokens": lane | {"per_second": [None, None]}}
    none = job_of | {"tokens": lane | {"per_second": [None, 0.0]}}
    figure = go.Figure(job_strips.figure(unknown, (), Mode.LIGHT, UTC))
    assert list(figure.layout.yaxis.tickvals) == []
    assert "nobody counted" in figure.layout.annotations[-1].text
    assert job_strips.height(unknown, ()) < job_strips.height(none, ())


def test_a_job_of_which_all_was_lost_is_not_said_to_have_idled() -> None:
    figures = {"busy": {"value": 0.0}, "slowed": {"value": 0.0}, "gpu_time": {"value": 787.0},
               "wasted_gpu_hours": {"value": 787.0}}  # fmt: skip
    said = job_report.answer({"identity": {"job": "7"}}, figures)
    assert said == "Job 7 held 787\u2009GPU-h, and nothing of it was of use."


def test_a_straggler_and_an_idle_device_are_named() -> None:
    rows = [{"node": "n1", "index": i, "activity": 0.9, "idle": False} for i in range(7)]
    slow = {"node": "n9", "index": 3, "activity": 0.3, "idle": False}
    assert job.strips_finding({"devices": [*rows, slow]}).startswith("n9 GPU 3 was at 33")
    assert job.strips_finding({"devices": rows}) == "Its devices worked alike"
    idle = {"node": "n9", "index": 3, "activity": 0.0, "idle": True}
    assert job.strips_finding({"devices": [*rows, idle]}).startswith("1 of 8 devices did nothing")


def test_a_job_that_is_not_there_and_one_of_somebody_else_look_the_same() -> None:
    which = {"job": "7", "system": ""}
    gone = Answer(None, None, "http://c/v1/job: 404: no job 7 that is yours; `squeue --me`")
    changes = job.render(which, job.Shown(gone, {}), Mode.LIGHT, UTC)
    text = words(markup.drawing(changes["parts"])["job-facts"])
    assert text.split() == "no job 7 that is yours; squeue --me".split()
    assert changes["class"].endswith("waiting")


def test_without_an_id_the_page_asks_for_one_and_of_several_it_offers_each() -> None:
    changes = job.render({"job": "", "system": ""}, None, Mode.LIGHT, UTC)
    assert "Which job?" in drawn(changes)
    several = told({"several": [{"job": "7", "system": "a"}, {"job": "7", "system": "b"}],
                    "report": None})  # fmt: skip
    text = drawn(job.render({"job": "7", "system": ""}, job.Shown(several, {}), Mode.LIGHT, UTC))
    assert "/job?job=7&system=a" in text and "/job?job=7&system=b" in text


def test_a_withheld_comparison_has_no_bars_and_says_why() -> None:
    told_why = {"withheld": "there are fewer than 10 of them"}
    assert "fewer than 10" in job.like_note(told_why)
    few = {"kind": "training", "devices": [1, 4], "metrics": {"working": {"n": None}}}
    said = job.like_note(few)
    assert "too few" in said and "n = " not in said
    figure = go.Figure(
        like.figure({"metrics": {"working": {"withheld": "few", "own": 0.5}}}, Mode.LIGHT)
    )
    assert len(figure.data) == 0


def test_files_of_a_job_hold_what_is_drawn(shown: job.Shown) -> None:
    value = shown.answer.value
    assert value is not None
    over_time = job.strips_sheet(value)
    assert len(over_time.rows) == 2 * value["strips"]["steps"]
    assert len(job.devices_sheet(value).rows) == 2
    counts = [row[3] for row in job.like_sheet(shown.like).rows]
    assert sum(counts) == sum(  # type: ignore[arg-type]  # counts are whole numbers
        metric["n"] for metric in shown.like["metrics"].values()
    )


def test_a_hostile_job_is_text_of_a_bounded_length(shown: job.Shown) -> None:
    value = json.loads(json.dumps(shown.answer.value))
    identity = value["report"]["identity"]
    for name in ("name", "user", "project", "model", "reason", "state", "kind"):
        identity[name] = HOSTILE
    value["report"]["devices"][0]["node"] = HOSTILE
    value["strips"]["devices"][0]["node"] = HOSTILE
    value["report"]["notes"] = [HOSTILE]
    changes = job.render({"job": "1", "system": ""}, job.Shown(told(value), shown.like),
                         Mode.LIGHT, UTC)  # fmt: skip
    assert len(drawn(changes)) < 100_000
    plotted = json.dumps(changes["strips"])
    assert "<script" not in plotted and len(plotted) < 200_000


# My project


def test_a_lead_sees_the_burn_down_and_who_used_what(ask_planted: Any) -> None:
    said = ask_planted("/v1/my-project", [("from", "2025-01-08T00:00:00Z"),
                                          ("to", "2025-01-15T00:00:00Z")], LEAD)  # fmt: skip
    changes = my_project.render(told(said), Mode.LIGHT, UTC)
    parts = markup.drawing(changes["parts"])
    answer = words(parts["my_project-answer"])
    assert answer.startswith("EHPC-COM-2025C01-001 has used")
    assert answer.endswith("50.0\u2009% of its time.")
    assert "At this pace" in words(parts["my_project-burn-finding"])
    for row in said["users"]:
        assert row["user"] in words(parts["my_project-users"])
    assert changes["no_burn"] is False
    names = [trace.line.dash for trace in go.Figure(changes["burn"]).data]
    assert names == ["dash", "solid", "dot"]


def test_a_member_sees_their_own_row_alone(ask_planted: Any) -> None:
    said = ask_planted("/v1/my-project", [], OWNER)
    changes = my_project.render(told(said), Mode.LIGHT, UTC)
    text = drawn(changes)
    assert "works-2" in text and "works-1" not in text
    assert len(my_project.users_sheet(said).rows) == 1


def test_without_a_project_the_page_says_when_there_is_one() -> None:
    changes = my_project.render(told({"projects": [], "project": None}), Mode.LIGHT, UTC)
    assert "when a scheduler charged a job" in drawn(changes)


def test_the_burn_down_as_a_file_ends_at_what_was_used(ask_planted: Any) -> None:
    said = ask_planted("/v1/my-project", [], OWNER)
    rows = my_project.burn_sheet(said).rows
    assert rows[-1][-1] == pytest.approx(said["grants"][0]["used_gpu_hours"])
    assert rows[-1][1] == said["grants"][0]["granted_gpu_hours"]


def test_a_grant_without_its_numbers_is_no_picture() -> None:
    assert burn.figure({}, Mode.DARK, UTC)["data"] == []
