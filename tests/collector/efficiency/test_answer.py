from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import InputError
from wattline_collector.efficiency.answer import answer, judged, read_answer
from wattline_collector.simulated.schedule import Schedule

Ask = Callable[..., Any]


@pytest.fixture
def every_job(factory: Schedule) -> list[str]:
    present = factory.shape.present_ms
    return [j.key for j in factory.jobs if factory.shape.start_ms < j.start_ms < present - 600_000]


def test_an_answer_read_back_is_the_same_job(
    factory_store: Path, ask: Ask, every_job: list[str]
) -> None:
    assert len(every_job) > 5
    for key in every_job:
        found, advice = judged(factory_store, ask(key))
        text = json.dumps(answer(found, advice), allow_nan=False)
        again, advised = read_answer(json.loads(text))
        assert advised == advice
        assert dict(again.figures) == dict(found.figures)
        for name in ("identity", "period", "as_of_ms", "now_ms", "accounts", "devices", "timeline",
                     "latencies", "mfu", "attribution", "notes"):  # fmt: skip
            assert getattr(again, name) == getattr(found, name), name


def test_its_keys_are_those_that_are_documented(
    factory_store: Path, ask: Ask, every_job: list[str]
) -> None:
    found = answer(*judged(factory_store, ask(every_job[0])))
    page = (Path(__file__).parents[3] / "docs" / "job.md").read_text()
    for key in found:
        assert f"`{key}`" in page, key
    figures = found["figures"]
    assert isinstance(figures, list)
    assert {"id", "name", "unit", "value", "numerator", "denominator", "n", "coverage", "method",
            "status", "dims", "period"} <= figures[0].keys()  # fmt: skip


@pytest.mark.parametrize("wrong", [{}, {"advice": {}}, {"identity": 3, "advice": None}])
def test_what_is_no_job_is_refused_in_a_line(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="answered something else than a job"):
        read_answer(wrong)
