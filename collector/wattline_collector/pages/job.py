"""What the page *Job* asks: one job as `wattline job` has it, and its devices over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wattline_agents.errors import UsageError
from wattline_collector.access import Sight
from wattline_collector.efficiency import answer as answers
from wattline_collector.efficiency.find import NotThere, Several
from wattline_collector.efficiency.gather import Question as OfJob
from wattline_collector.efficiency.strips import strips
from wattline_collector.efficiency.telemetry import Telemetry
from wattline_collector.pages.job_table import MOST_CHARACTERS
from wattline_collector.pages.read import House, Json, Missing, Question, Read

WHICH = frozenset({"job", "system"})


def answer(house: House, question: Question) -> Json:
    """`GET /v1/job?job=ID`: the answer of `GET /v1/jobs/ID` but for its timeline, and its strips.

    An id that several of somebody's jobs have is answered with those.

    Raises:
        UsageError: No job is named, or it did not run in the period.
        Missing: There is no such job, or it is not theirs: nobody is told which.
    """
    asked = which(house, question)
    store = house.store
    try:
        evidence, found, advice = answers.looked_at(store.path, asked, store)
    except NotThere as error:
        raise Missing(str(error)) from error
    except Several as error:
        said = [{"job": job, "system": system} for system, job in error.candidates]
        return {"several": said, "report": None}
    telemetry = Telemetry(store.path, evidence.system, evidence.start_ms, evidence.end_ms, store)
    report = {**answers.answer(found, advice), "timeline": None}
    return {
        "several": [],
        "report": cut(report),
        "strips": strips(evidence, found, telemetry.over_time(evidence.held)),
    }


def which(house: House, question: Question) -> OfJob:
    """The job that a question is about, for whoever asks.

    Raises:
        UsageError: None is named.
    """
    id = question.one("job")
    if not id:
        raise UsageError("job: which one, by its id such as 123456")
    return OfJob(
        id=id,
        viewer=question.viewer,
        now_ms=house.store.clock.unix_ms(),
        system=question.one("system"),
        period=question.period,
    )


def cut(value: Any) -> Any:
    """The same with every text cut to `MOST_CHARACTERS`: what others chose may be a megabyte."""
    if isinstance(value, str):
        return value[:MOST_CHARACTERS]
    if isinstance(value, Mapping):
        return {name[:MOST_CHARACTERS]: cut(part) for name, part in value.items()}
    if isinstance(value, list):
        return [cut(part) for part in value]
    return value


READS = (
    Read(
        "/v1/job", (Sight.OWN, Sight.JOBS), answer, takes=WHICH, keep_seconds=10.0,
        by_viewer=True, small=True,
    ),
)  # fmt: skip
