from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.access import Viewer
from wattline_dashboards.access import sessions
from wattline_dashboards.access.people import Person
from wattline_dashboards.access.sessions import Sessions

ANNA = Person("i#anna", "Anna", Viewer("anna"))


@pytest.fixture
def kept(clock: Any) -> Sessions:
    return Sessions(clock, idle_seconds=600, longest_seconds=3600)


def test_a_session_is_found_by_its_name_alone(kept: Sessions) -> None:
    name, session = kept.start(ANNA, None)
    assert kept.find(name, used=True) is session
    assert [kept.find(other, used=True) for other in (None, "", "x", name + "x")] == [None] * 4
    assert name not in repr(vars(kept))


def test_it_ends_when_nothing_is_done(kept: Sessions, clock: Any) -> None:
    name, _ = kept.start(ANNA, None)
    clock.now += 599
    assert kept.find(name, used=False) is not None
    clock.now += 1
    assert kept.find(name, used=False) is None


def test_it_ends_after_its_longest_time_whatever_is_done(kept: Sessions, clock: Any) -> None:
    name, _ = kept.start(ANNA, None)
    for _ in range(7):
        clock.now += 500
        assert kept.find(name, used=True) is not None
    clock.now += 100
    assert kept.find(name, used=True) is None


def test_signing_in_gives_a_new_name_and_ends_the_old(kept: Sessions) -> None:
    old, _ = kept.start(ANNA, None)
    new, _ = kept.start(ANNA, old)
    assert new != old
    assert kept.find(old, used=True) is None
    kept.end(new)
    assert kept.find(new, used=True) is None


def test_sessions_are_bounded_for_one_and_for_all(
    kept: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = [kept.start(ANNA, None)[0] for _ in range(sessions.MOST_EACH + 1)]
    assert [kept.find(name, used=False) is None for name in mine].count(True) == 1
    monkeypatch.setattr(sessions, "MOST", 3)
    others = [kept.start(Person(f"i#{n}", "", Viewer()), None)[0] for n in range(5)]
    assert [kept.find(name, used=False) is not None for name in others] == [False] * 2 + [True] * 3
