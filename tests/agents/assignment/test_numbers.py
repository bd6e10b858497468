import pytest

from wattline_agents.assignment.claim import Claim
from wattline_agents.assignment.devices import INDEX, MINOR, Devices
from wattline_agents.assignment.numbers import Votes, meaning, meanings

A, B, C = "GPU-aaaaaaaa", "GPU-bbbbbbbb", "GPU-cccccccc"


@pytest.fixture
def devices() -> Devices:
    """Index 0 is /dev/nvidia2, 1 is /dev/nvidia1, 2 is /dev/nvidia0."""
    found = Devices()
    found.on_infos(
        {"device": uuid, "index": index, "minor": 2 - index} for index, uuid in enumerate((A, B, C))
    )
    return found


@pytest.mark.parametrize(
    ("numbers", "used", "found"),
    [
        ({0}, [(2, 0)], MINOR),
        ({0}, [(0, 2)], INDEX),
        ({1}, [(1, 1)], None),  # says nothing
        ({0, 2}, [(0, 2), (2, 0)], None),
        ({0, 1}, [(1, 1), (2, 0)], MINOR),
        ({5}, [(0, 2)], None),  # is on a device that was not given at all
        ({0}, [(0, 2), (2, 0)], None),
        ({0}, [], None),
    ],
)
def test_devices_in_use_tell_what_numbers_are(
    numbers: set[int], used: list[tuple[int, int]], found: str | None
) -> None:
    assert meaning(numbers, used) == found


def test_only_numbers_of_records_and_processes_of_control_groups_count(devices: Devices) -> None:
    recorded = [
        Claim("0", "1", 0, None, None, "prolog"),
        Claim("0", "2", 0, 9, None, "prolog"),
        Claim(A, "3", 0, None, None, "prolog"),
        Claim("0", "4", 0, None, None, "jobstats"),
        Claim("0", "5", 0, None, None, "kubernetes"),
    ]
    seen = [Claim(C, job, 0, None, None, "cgroup") for job in "12345"]
    seen += [Claim(A, "1", 0, None, None, "process"), Claim(A, "1", 0, 9, None, "cgroup")]
    assert meanings(recorded, seen, devices) == {"1": MINOR, "4": MINOR}


def test_a_part_of_a_device_tells_as_the_whole_does(devices: Devices) -> None:
    devices.note_instance("MIG-11111111-1111", C)
    recorded = [Claim("0", "1", 0, None, None, "prolog")]
    seen = [Claim("MIG-11111111-1111", "1", 0, None, None, "cgroup")]
    assert meanings(recorded, seen, devices) == {"1": MINOR}


def test_most_users_decide_and_one_user_has_one_vote() -> None:
    votes = Votes()
    users = [[{"job": str(n), "user": "mallory"} for n in range(5)] + [{"job": "9", "user": "a"}]]
    assert votes.take({}, users) is None
    assert votes.take({str(n): MINOR for n in range(5)}, users) == MINOR
    assert votes.take({"9": INDEX}, users) is None, "as many say one thing as the other"
    assert votes.take({"10": INDEX, "11": None}, users) == INDEX


def test_votes_are_bounded_and_the_last_ones_count() -> None:
    votes = Votes()
    for number in range(200):
        votes.take({str(number): MINOR if number < 150 else INDEX}, [])
    assert votes.take({}, []) == INDEX


def test_what_was_learned_does_not_change_what_was_told() -> None:
    told = Devices(INDEX)
    assert not told.learn(MINOR) and told.taken == INDEX and told.version == 0
    asked = Devices()
    assert asked.learn(MINOR) and asked.taken == MINOR and asked.version == 1
    assert not asked.learn(MINOR)
