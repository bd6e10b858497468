import pytest

from wattline_agents.assignment import joining
from wattline_agents.assignment.claim import Claim
from wattline_agents.assignment.devices import Devices

T0 = 1_790_000_000_000
A, B = "GPU-aaaaaaaa", "GPU-bbbbbbbb"
M3, M1 = "MIG-33333333", "MIG-11111111"


def claim(
    device: str = A,
    job: str = "13",
    start_ms: int = T0,
    end_ms: int | None = None,
    share: float | None = None,
    method: str = "prolog",
) -> Claim:
    return Claim(device, job, start_ms, end_ms, share, method)


@pytest.fixture
def devices() -> Devices:
    found = Devices()
    found.on_infos([{"device": A, "index": 0, "minor": 0}, {"device": B, "index": 1, "minor": 1}])
    found.on_instances(
        [
            {"device": B, "instance": M3, "gpu_instance": 3, "slice_ratio": 0.4},
            {"device": B, "instance": M1, "gpu_instance": 9, "slice_ratio": 0.2},
        ]
    )
    return found


def test_names_become_devices_and_those_of_no_device_are_told(devices: Devices) -> None:
    found, unknown = joining.resolved([claim("0"), claim("7"), claim("GPU-x"), claim("7")], devices)
    assert found == [claim(A)]
    assert unknown == ["7", "GPU-x"]


def test_two_names_of_one_device_are_one_claim(devices: Devices) -> None:
    found, _ = joining.resolved([claim("0"), claim(A), claim("GPU-aaaa")], devices)
    assert found == [claim(A)]


def test_parts_of_one_device_add_up(devices: Devices) -> None:
    found, _ = joining.resolved([claim(M3), claim(M1)], devices)
    (one,) = found
    assert one.device == B and one.share == pytest.approx(0.6)


def test_a_part_that_is_not_known_may_be_all(devices: Devices) -> None:
    devices.note_instance("MIG-99999999", B)
    found, _ = joining.resolved([claim(M3), claim("MIG-99999999")], devices)
    assert [(one.device, one.share) for one in found] == [(B, None)]


def test_a_share_of_a_part_is_less_of_the_device(devices: Devices) -> None:
    found, _ = joining.resolved([claim(M3, share=0.5)], devices)
    assert found[0].share == pytest.approx(0.2)


def test_the_most_trusted_of_those_who_agree_is_believed() -> None:
    own, group = claim(start_ms=T0 + 5), claim(start_ms=T0, method="cgroup")
    assert joining.most_trusted([group, own]) == {(A, "13"): own}
    other = claim(job="14", method="process")
    assert joining.most_trusted([group, own, other]) == {(A, "13"): own, (A, "14"): other}


def test_parts_held_since_different_times_are_one_hold() -> None:
    held = joining.most_trusted(
        [claim(share=0.4, start_ms=T0 + 9), claim(share=0.2), claim(end_ms=T0 + 1)]
    )
    (one,) = held.values()
    assert one.start_ms == T0 and one.share == pytest.approx(0.6)


def test_an_end_is_told_once() -> None:
    ends = joining.ended([claim(end_ms=T0 + 9), claim(end_ms=T0 + 8, method="cgroup"), claim()])
    assert ends == [claim(end_ms=T0 + 9)]


def test_processes_of_a_job_that_has_just_ended_are_no_hold_of_their_own() -> None:
    own, group = claim(end_ms=T0 + 9000), claim(start_ms=T0 + 1000, method="cgroup")
    assert joining.without_echoes([own, group], T0 + 20_000) == ([own], True)
    over = claim(start_ms=T0 + 1000, end_ms=T0 + 12_000, method="cgroup")
    assert joining.without_echoes([own, over], T0 + 60_000) == ([own], False)
    open_one = claim()
    assert joining.without_echoes([open_one, over, group], T0) == ([open_one], False)


def test_a_process_that_outlives_its_job_holds_the_device_from_there_on() -> None:
    own, group = claim(end_ms=T0 + 9000), claim(start_ms=T0 + 1000, method="cgroup")
    found, is_waiting = joining.without_echoes([own, group], T0 + 70_000)
    assert found == [own, claim(start_ms=T0 + 9000, method="cgroup")] and not is_waiting


def test_an_earlier_run_of_the_same_key_is_no_echo() -> None:
    own = claim(start_ms=T0 + 50_000)
    before = claim(end_ms=T0 + 40_000, method="cgroup")
    assert joining.without_echoes([own, before], T0 + 60_000) == ([own, before], False)


def test_a_job_whose_end_was_missed_ended_when_the_next_began() -> None:
    old, new = claim(), claim(job="14", start_ms=T0 + 100)
    for is_running in (lambda job: False, lambda job: None):
        found = joining.without_ghosts([new, old], is_running)
        assert found == [new, claim(end_ms=T0 + 100)]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (claim(share=0.5), claim(job="14", start_ms=T0 + 100)),
        (claim(), claim(job="14", start_ms=T0 + 100, share=0.5)),
        (claim(), claim(job="14", start_ms=T0 + 100, method="cgroup")),
        (claim(), claim(job="14", start_ms=T0)),
        (claim(), claim(B, job="14", start_ms=T0 + 100)),
        (claim(), claim(job="14", start_ms=T0 + 100, end_ms=T0 + 200)),
    ],
)
def test_what_may_share_a_device_is_no_ghost(older: Claim, newer: Claim) -> None:
    assert joining.without_ghosts([older, newer], lambda job: False) == [older, newer]


def test_a_suspended_job_is_no_ghost() -> None:
    both = [claim(), claim(job="14", start_ms=T0 + 100)]
    assert joining.without_ghosts(both, lambda job: True) == both


def test_a_run_that_only_some_know_the_number_of_is_one_job() -> None:
    found = joining.agreed([claim(job="13", method="jobstats"), claim(job="13.2", method="cgroup")])
    assert {one.job for one in found} == {"13.2"}
    found = joining.agreed([claim(end_ms=T0 + 1), claim(job="13.2"), claim(job="14")])
    assert [one.job for one in found] == ["13", "13.2", "14"], "an earlier run keeps its key"


def test_slurms_own_id_gives_way_to_a_record() -> None:
    vague = claim(job="s8FXKTA79XAR00", method="cgroup")
    assert joining.agreed([vague, claim()]) == [claim()]
    assert joining.agreed([vague]) == [vague]
    assert joining.agreed([vague, claim(B)]) == [vague, claim(B)]
