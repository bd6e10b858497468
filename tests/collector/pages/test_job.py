from __future__ import annotations

import base64
import json
import math
import subprocess
import sys
from array import array
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.access import STAFF, Role, Viewer
from wattline_collector.efficiency.answer import answered
from wattline_collector.efficiency.gather import Question
from wattline_collector.pages.job import cut
from wattline_collector.pages.read import Missing

JOB, OWNER = "100002", Viewer("works-2", roles=frozenset({Role.JOB_OWNER}))
STRANGER = Viewer("works-1", roles=frozenset({Role.JOB_OWNER}))


def numbers(packed: dict[str, str]) -> list[float]:
    return list(array("f", base64.b64decode(packed["bdata"])))


def rounded(value: Any) -> Any:
    """The same to twelve digits: threads add floats up in any order."""
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    return [rounded(part) for part in value] if isinstance(value, list) else value


def test_the_page_the_api_and_the_command_say_the_same(
    ask_planted: Any, planted: Path, planted_house: Any
) -> None:
    store = planted_house.store
    question = Question(JOB, STAFF, store.clock.unix_ms())
    api = json.loads(json.dumps(answered(planted, question, store)))
    page = ask_planted("/v1/job", [("job", JOB)], OWNER)["report"]
    for name in set(api) - {"timeline"}:
        assert rounded(page[name]) == rounded(api[name]), name
    program = Path(sys.executable).with_name("wattline")
    said = subprocess.run(
        [program, "job", JOB, "--store", planted, "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    command = json.loads(said.stdout)
    assert len(command["figures"]) > 40
    for name in ("figures", "accounts", "devices", "advice", "identity"):
        assert rounded(command[name]) == rounded(page[name]), name


def test_the_list_and_the_job_say_the_same(ask_planted: Any) -> None:
    [row] = ask_planted("/v1/my-jobs", [("search", JOB)], OWNER)["rows"]
    report = ask_planted("/v1/job", [("job", JOB)], OWNER)["report"]
    figures = {figure["id"]: figure["value"] for figure in report["figures"]}
    assert row["gpu_hours"] == pytest.approx(figures["gpu_time"], rel=1e-9)
    assert row["working"] == pytest.approx(figures["busy"] + figures["slowed"], rel=1e-9)
    assert row["energy_joules"] == pytest.approx(figures["energy"] * 3.6e6, rel=1e-9)
    assert row["tokens"] == pytest.approx(figures["tokens"], rel=1e-9)
    assert row["tokens_per_joule"] == pytest.approx(1 / figures["joules_per_token"], rel=1e-6)


def test_a_job_of_somebody_else_answers_as_one_that_is_not_there(ask_planted: Any) -> None:
    told = []
    for path in ("/v1/job", "/v1/job/like"):
        for job in (JOB, "987654321"):
            with pytest.raises(Missing) as raised:
                ask_planted(path, [("job", job)], STRANGER)
            told.append(str(raised.value).replace(job, "JOB"))
    assert len(set(told)) == 1


def test_a_lead_and_staff_see_the_jobs_of_others(ask_planted: Any) -> None:
    project = ask_planted("/v1/job", [("job", JOB)])["report"]["identity"]["project"]
    lead = Viewer("lea", projects=frozenset({project}), roles=frozenset({Role.PROJECT_LEAD}))
    for viewer in (lead, Viewer("olga", roles=frozenset({Role.OPERATOR}))):
        assert ask_planted("/v1/job", [("job", JOB)], viewer)["report"]["identity"]["job"] == JOB
    with pytest.raises(PermissionError):
        ask_planted("/v1/job", [("job", JOB)], Viewer("mara", roles=frozenset({Role.MANAGER})))


def test_strips_have_a_row_per_device_and_their_mean_is_the_jobs(ask_planted: Any) -> None:
    said = ask_planted("/v1/job", [("job", JOB)], OWNER)
    strips, report = said["strips"], said["report"]
    activity = numbers(strips["activity"])
    assert strips["activity"]["shape"] == f"{len(strips['devices'])}, {strips['steps']}"
    assert len(activity) == len(strips["devices"]) * strips["steps"]
    known = [value for value in activity if not math.isnan(value)]
    figures = {figure["id"]: figure["value"] for figure in report["figures"]}
    assert sum(known) / len(known) == pytest.approx(figures["sm_active"], rel=0.02)
    watts = [value for value in numbers(strips["power_watts"]) if not math.isnan(value)]
    assert sum(watts) / len(watts) == pytest.approx(figures["power_mean_watts"], rel=0.02)
    assert max(watts) == pytest.approx(strips["power_most_watts"])


def test_a_job_must_be_named(ask_planted: Any) -> None:
    with pytest.raises(UsageError, match="which one"):
        ask_planted("/v1/job", [])


def test_texts_of_any_size_are_cut_wherever_they_stand() -> None:
    found = cut({"a": ["x" * 1_000_000, {"y" * 1_000: 1.5}], "b": None})
    assert len(json.dumps(found)) < 1_000
    assert found["b"] is None
