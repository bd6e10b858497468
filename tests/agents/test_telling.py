from typing import Any

from wattline_agents.telling import Teller


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
