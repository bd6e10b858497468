from typing import Any

import pytest

from wattline_agents.telling import Teller, named


def test_each_kind_is_said_once_in_ten_minutes(clock: Any, said: list[str]) -> None:
    teller = Teller(said.append, clock)
    for _ in range(11):
        teller.tell("gpu", "lost", "the sensor is gone")
        teller.tell("gpu", "again", "gpu: reading again")
        clock.sleep(60)
    assert said == ["gpu: the sensor is gone", "gpu: reading again"] * 2


def test_what_was_said_is_not_kept_without_bound(clock: Any, said: list[str]) -> None:
    teller = Teller(said.append, clock)
    for number in range(2500):
        teller.tell("gpu", f"part {number}", "x")
    assert len(said) == 2500
    teller.tell("gpu", "part 2499", "x")
    assert len(said) == 2500


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("redfish: no power", "redfish: no power"),
        ("Redfish: no power", "redfish: no power"),
        ("redfish does not answer", "redfish does not answer"),
        ("redfishes: two", "redfish: redfishes: two"),
        ("no power", "redfish: no power"),
    ],
)
def test_who_it_is_about_stands_before_it_once(message: str, line: str) -> None:
    assert named("redfish", message) == line
