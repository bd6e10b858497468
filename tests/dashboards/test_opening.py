from __future__ import annotations

import threading
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from wattline_agents.errors import WattlineError
from wattline_dashboards.opening import ASKED, Address, Beginnings, Room, stands, taken


@pytest.mark.parametrize(
    ("said", "room"),
    [
        ("1265x1280", Room(1265, 1280)), (None, Room()), ("", Room()), ("1265", Room()),
        ("x", Room()), ("-1x5", Room()), ({"a": 1}, Room()), ("9" * 99 + "x1", Room(99999, 1)),
    ],
)  # fmt: skip
def test_a_window_is_read_and_nonsense_is_none(said: object, room: Room) -> None:
    assert Room.said(said) == room


@pytest.mark.parametrize(
    ("room", "width"),
    [
        (Room(1280, 1280), 1216),  # the whole page, less what is free beside it
        (Room(2560, 2560), 1648),  # eight of twelve columns
        (Room(5000, 5000), 1648),  # no page is wider
        (Room(), None),
    ],
)
def test_the_width_of_the_map_follows_from_the_window(room: Room, width: int | None) -> None:
    assert room.columns(8, 12) == width


def test_an_address_is_a_path_of_ours_with_its_query() -> None:
    said = Address.said("/now?wall=1&system=a%20b&opening_at=/")
    assert said == Address("/now", {"wall": "1", "system": "a b"})
    for wrong in (None, 3, "", "https://example.org/", "//[", "now"):
        assert Address.said(wrong) is None


def test_what_dash_says_of_the_browser_is_no_part_of_the_address() -> None:
    given: dict[str, Any] = {"view": "power", "begun": "x", **dict.fromkeys(ASKED, 1)}
    assert set(taken(given)) == set(ASKED)
    assert given == {"view": "power"}


def test_a_page_that_came_with_the_layout_is_not_sent_again() -> None:
    told = {"opening_seen": None, "opening_at": "/now?wall=1", "opening_room": None}
    assert stands(told, "/now", {"wall": "1"})
    assert not stands(told, "/now", {})
    assert not stands(told, "/", {"wall": "1"})
    # From then on each page is a new one, the first included.
    assert not stands(told | {"opening_seen": {"title": "x"}}, "/now", {"wall": "1"})


def page(begin: Any) -> ModuleType:
    return cast(ModuleType, SimpleNamespace(begin=begin))


def begun(begin: Any, wait_seconds: float = 60.0) -> Any:
    context = cast(Any, "the context")
    return Beginnings(context, wait_seconds).of(page(begin), Room(1280, 1280), {"view": "power"})


def test_a_page_begins_with_what_it_knows() -> None:
    assert begun(lambda *given, **query: {"said": (given, query)}) == {
        "begun": {"said": (("the context", Room(1280, 1280)), {"view": "power"})}
    }


def test_a_page_without_a_beginning_has_none() -> None:
    context = cast(Any, None)
    assert Beginnings(context).of(cast(ModuleType, SimpleNamespace()), Room(), {}) == {}


def test_what_is_not_known_or_fails_is_left_to_the_page_itself() -> None:
    def fails(*_given: Any, **_query: Any) -> Any:
        raise WattlineError("gone")

    assert begun(fails) == {}
    assert begun(lambda *_given, **_query: None) == {}


def test_a_browser_waits_no_longer_than_it_should_and_slow_answers_do_not_pile_up() -> None:
    over, asked = threading.Event(), threading.Semaphore(0)

    def slow(*_given: Any, **_query: Any) -> dict[str, Any]:
        asked.release()
        over.wait()
        return {}

    beginnings = Beginnings(cast(Any, None), wait_seconds=0.01)
    try:
        for _ in range(8):
            assert beginnings.of(page(slow), Room(), {}) == {}
    finally:
        over.set()
    counted = 0
    while asked.acquire(timeout=0.2):
        counted += 1
    assert counted == 4
