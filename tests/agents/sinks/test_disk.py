from typing import Any

import pytest

from wattline_agents.sinks.disk import REPEAT_SECONDS, SURE_SECONDS, DiskTrouble


@pytest.fixture
def trouble(clock: Any, said: list[str]) -> DiskTrouble:
    return DiskTrouble("spool /s", clock, said.append)


def test_a_full_disk_is_said_once_when_it_begins_and_once_when_it_ends(
    clock: Any, said: list[str], trouble: DiskTrouble
) -> None:
    trouble.worked()
    for _ in range(100):
        trouble.failed("No space left on device", "it is dropped")
        clock.sleep(5)
    assert said == ["spool /s: No space left on device; it is dropped"]
    clock.sleep(SURE_SECONDS)
    trouble.worked("100 were dropped")
    trouble.worked("100 were dropped")
    assert said[1:] == ["spool /s: can be written again; 100 were dropped"]


def test_a_small_piece_that_fits_meanwhile_is_no_end(
    clock: Any, said: list[str], trouble: DiskTrouble
) -> None:
    for _ in range(50):
        trouble.failed("full", "dropped")
        trouble.worked()
        clock.sleep(5)
        trouble.worked()
    assert len(said) == 1


def test_a_disk_that_flaps_is_told_in_pairs_ten_minutes_apart(
    clock: Any, said: list[str], trouble: DiskTrouble
) -> None:
    for _ in range(20):
        trouble.failed("full", "dropped")
        clock.sleep(30)
        trouble.worked()
        clock.sleep(30)
    assert said == ["spool /s: full; dropped", "spool /s: can be written again"] * 2


def test_a_failure_long_after_the_last_try_begins_anew(
    clock: Any, said: list[str], trouble: DiskTrouble
) -> None:
    trouble.failed("full", "dropped")
    clock.sleep(REPEAT_SECONDS)
    trouble.failed("full", "dropped")
    assert len(said) == 2
