from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import InputError
from wattline_collector import registers
from wattline_collector.fetch import FetchFailed, Place
from wattline_collector.registers import hook, kept
from wattline_collector.registers.schema import PROJECTS


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def unix_ms(self) -> int:
        self.now += 1
        return self.now

    def monotonic(self) -> float:
        return float(self.now)

    def sleep(self, seconds: float) -> None:
        raise AssertionError


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def follower(store: Path, portal: Any, said: list[str]) -> hook.ProjectsFollower:
    return hook.ProjectsFollower(store, Place(portal.url), 3600, Clock(), said.append)


def held(store: Path) -> list[str]:
    return sorted(registers.projects(store)["project"])


def test_what_the_portal_names_holds(
    follower: hook.ProjectsFollower, portal: Any, store: Path, said: list[str]
) -> None:
    portal.answers({"project": "a"}, {"project": "b"})
    assert follower.ask() == []
    portal.answers({"project": "b", "title": "x"}, {"project": "c"})
    follower.ask()
    follower.ask()
    assert held(store) == ["b", "c"]
    assert said == ["projects: 2 new, 0 changed, 0 gone", "projects: 1 new, 1 changed, 1 gone"]
    assert kept.history(store, PROJECTS).height == 4


def test_projects_from_a_file_stay(
    follower: hook.ProjectsFollower, portal: Any, store: Path
) -> None:
    from wattline_collector.registers import csv_file
    from wattline_collector.registers.cells import Setting

    path = store.parent / "own.csv"
    path.write_text("project\nours\n")
    rows = csv_file.read(path, PROJECTS, Setting()).frame
    kept.update(store, PROJECTS, rows, origin="csv", source="s", now_ms=1)
    portal.answers({"project": "a"})
    follower.ask()
    assert held(store) == ["a", "ours"]


@pytest.mark.parametrize("status", [500, 401, 302, 404])
def test_a_portal_that_fails_leaves_the_last_good_list(
    follower: hook.ProjectsFollower, portal: Any, store: Path, status: int
) -> None:
    portal.answers({"project": "a"})
    follower.ask()
    portal.status, portal.fields = status, {"Location": portal.url}
    with pytest.raises(FetchFailed, match=str(status)):
        follower.ask()
    assert held(store) == ["a"]
    assert len(portal.asked) == 2  # no redirect was followed


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>log in</html>", "is not JSON"),
        (b"[]", "names no project any more"),
        (b'[{"project": "a b"}, {"project": "c"}]', "the register stays as it was"),
    ],
)
def test_a_list_that_is_none_leaves_the_last_good_one(
    follower: hook.ProjectsFollower, portal: Any, store: Path, body: bytes, reason: str
) -> None:
    portal.answers({"project": "a"})
    follower.ask()
    portal.body = body
    with pytest.raises(InputError, match=reason):
        follower.ask()
    assert held(store) == ["a"]


def test_a_portal_without_projects_yet_is_no_mistake(
    follower: hook.ProjectsFollower, store: Path
) -> None:
    assert follower.ask() == []
    assert held(store) == []


def test_a_list_with_a_damaged_row_retires_nothing(
    follower: hook.ProjectsFollower, portal: Any, store: Path, said: list[str]
) -> None:
    many = [{"project": f"p{n}"} for n in range(150)]
    portal.answers(*many)
    follower.ask()
    portal.answers(*many[:-2], {"project": "p 149"})
    follower.ask()
    follower.ask()
    assert len(held(store)) == 150
    assert sum("1 damaged of 149 rows set aside" in line for line in said) == 1
