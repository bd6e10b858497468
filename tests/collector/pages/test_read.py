from __future__ import annotations

from typing import Any

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.access import STAFF, Sight
from wattline_collector.pages import READS
from wattline_collector.pages.read import Question, Read, checked

READ = Read("/v1/x", (Sight.FLEET,), lambda house, question: {}, frozenset({"system"}))


def test_no_two_questions_share_a_path_and_each_says_who_may() -> None:
    assert len({read.path for read in READS}) == len(READS)
    assert all(read.sights for read in READS)


def test_the_period_is_told_apart_from_what_else_is_asked() -> None:
    assert checked(READ, {"system": ["a"], "from": ["2026-11-01"]}) == {"system": ("a",)}


@pytest.mark.parametrize(
    "query", [{"sytem": ["a"]}, {"system": ["a"] * 65}, {"system": ["a" * 401]}]
)
def test_what_is_not_asked_for_or_too_long_is_refused_by_name(query: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="sy"):
        checked(READ, query)


def test_what_is_meant_once_may_be_given_once() -> None:
    from datetime import UTC, datetime

    question = Question(STAFF, datetime(2026, 1, 1, tzinfo=UTC), None, {"system": ("a", "b")})
    with pytest.raises(UsageError, match="2 times"):
        question.one("system")
    assert question.one("node") is None


def test_the_site_says_its_name_its_time_zone_and_its_systems(ask_planted: Any) -> None:
    site = ask_planted("/v1/site")
    assert site["name"]
    assert site["time_zone"] == "UTC"
    assert site["systems"]
    assert site["problem"] is None
