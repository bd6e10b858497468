from collections.abc import Mapping

import pytest

from wattline_agents.assignment.devices import (
    AUTO,
    INDEX,
    MINOR,
    Devices,
    Found,
    expanded,
    modulo_render,
)
from wattline_agents.wire import Value

A, B, C = (f"GPU-{letter * 8}-1111-2222-3333-{letter * 12}" for letter in "abc")
M3, M1 = "MIG-33333333-1111-2222-3333-444444444444", "MIG-11111111-1111-2222-3333-444444444444"


def info(uuid: str, index: int, minor: int | None = None, **more: Value) -> Mapping[str, Value]:
    return {
        "device": uuid,
        "index": index,
        "minor": index if minor is None else minor,
        "pci": f"00000000:{index + 1:02X}:00.0",
        "vendor": "nvidia",
        **more,
    }


def instance(uuid: str, device: str, number: int, share: float | None) -> Mapping[str, Value]:
    return {"device": device, "instance": uuid, "gpu_instance": number, "slice_ratio": share}


@pytest.fixture
def devices() -> Devices:
    """Two whole devices and one that is divided, in another order than their files."""
    found = Devices()
    found.on_infos([info(A, 0, 2), info(B, 1, 0), info(C, 2, 1)])
    found.on_instances([instance(M3, C, 3, 3 / 7), instance(M1, C, 9, 1 / 7)])
    return found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (A, Found(A)),
        (A.upper(), Found(A)),
        ("GPU-aaaa", Found(A)),
        ("GPU-aaaaaaaa-1111", Found(A)),
        ("0", Found(A)),
        ("00000000:02:00.0", Found(B)),
        ("0000:02:00.0", Found(B)),
        ("02:00.0", Found(B)),
        (f"{A}::3", Found(A)),
        (f"{M3}::0", Found(C, 3 / 7, M3)),
        (M3, Found(C, 3 / 7, M3)),
        ("MIG-1111", Found(C, 1 / 7, M1)),
        (f"MIG-{C}/3/0", Found(C, 3 / 7, M3)),
        ("2.3", Found(C, 3 / 7, M3)),
        ("2.5", Found(C)),
        ("nvidia1/gi9", Found(C, 1 / 7, M1)),
        ("nvidia0", Found(B)),
        ("/dev/nvidia2", Found(A)),
        ("nvidia0/vgpu1", Found(B)),
        ("renderD130", Found(A)),
        ("/dev/dri/renderD128", Found(B)),
    ],
)
def test_a_name_means_one_device(devices: Devices, name: str, expected: Found) -> None:
    assert devices.resolve(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "3", "9999", "GPU-", "GPU-aaa", "GPU-dddddddd", "MIG-", "MIG-deadbeef", "1.x",
        "nvidia9", "nvidiactl", "renderD131", "renderDx", "99:00.0", "../../etc/passwd", "-1",
        "0" * 5000, "\x00", "GPU-aaaaaaaa\n\n/gi", "nvidia0/gi", "\u0661",
    ],
)  # fmt: skip
def test_a_name_no_device_has_means_none(devices: Devices, name: str) -> None:
    assert devices.resolve(name) is None


def test_the_beginning_of_two_uuids_means_neither() -> None:
    devices = Devices()
    devices.on_infos([info("GPU-aaaaaaaa-1", 0), info("GPU-aaaaaaaa-2", 1)])
    assert devices.resolve("GPU-aaaaaaaa") is None
    assert devices.resolve("GPU-aaaaaaaa-2") == Found("GPU-aaaaaaaa-2")


@pytest.mark.parametrize(
    ("numbers", "renumbered", "taken", "meant"),
    [
        (AUTO, False, INDEX, A),
        (INDEX, False, INDEX, A),
        (MINOR, False, MINOR, B),
        (AUTO, True, MINOR, B),
        (INDEX, True, INDEX, A),
    ],
)
def test_a_number_is_what_it_is_told_to_be(
    numbers: str, renumbered: bool, taken: str, meant: str
) -> None:
    devices = Devices(numbers, renumbered=renumbered)
    devices.on_infos([info(A, 0, 2), info(B, 1, 0), info(C, 2, 1)])
    assert (devices.taken, devices.numbers_differ) == (taken, True)
    assert devices.resolve("0") == Found(meant)


def test_numbers_that_agree_leave_no_doubt() -> None:
    devices = Devices()
    assert devices.numbers_differ is False
    devices.on_infos([info(A, 0), info(B, 1)])
    assert devices.numbers_differ is False


def test_amds_numbers_may_be_those_of_render_nodes() -> None:
    devices = Devices()
    devices.on_infos([info(A, 0, vendor="amd"), info(B, 1, vendor="amd")])
    assert devices.resolve("129") == Found(B)
    assert devices.resolve("1") == Found(B)
    nvidia = Devices()
    nvidia.on_infos([info(A, 0)])
    assert nvidia.resolve("128") is None, "no such thing there"


def test_a_version_counts_changes_and_nothing_else(devices: Devices) -> None:
    before = devices.version
    devices.on_infos([info(A, 0, 2), info(B, 1, 0), info(C, 2, 1)])
    devices.on_instances([instance(M3, C, 3, 3 / 7)])
    devices.note_instance(M3, C)
    assert devices.version == before
    devices.on_infos([info(A, 0), info(B, 1)])
    assert devices.version == before + 1
    assert devices.resolve(C) is None, "it was taken out"


def test_an_instance_a_process_runs_on_is_its_devices_before_more_is_known() -> None:
    devices = Devices()
    devices.on_infos([info(C, 0)])
    devices.note_instance(M3, C)
    assert devices.resolve(M3) == Found(C, None, M3)
    devices.on_instances([instance(M3, C, 3, 3 / 7)])
    assert devices.resolve(M3) == Found(C, 3 / 7, M3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0,1", ("0", "1")),
        ("0-3", ("0", "1", "2", "3")),
        ("0,2-3,3", ("0", "2", "3")),
        ("gpu:h200:2(IDX:0-1)", ("0", "1")),
        ("gpu:h100:2(IDX:0,3)", ("0", "3")),
        (f"{A},{B}", (A, B)),
        (M3, (M3,)),
        (" 0 , 1 ", ("0", "1")),
        ("", ()),
        ("NoDevFiles", ()),
        ("-1", ()),
        ("3-1", ("3-1",)),
        ("0-9999", ("0-9999",)),
    ],
)
def test_a_list_is_read_as_slurm_writes_it(text: str, expected: tuple[str, ...]) -> None:
    assert expanded(text) == expected


def test_a_list_is_bounded() -> None:
    assert len(expanded(",".join(map(str, range(100_000))))) == 256


def test_render_numbers_count_from_128() -> None:
    assert modulo_render(("128", "135", "1", "GPU-1")) == ("0", "7", "1", "GPU-1")


def test_of_two_instances_of_one_number_the_one_that_is_there_now_is_meant(
    devices: Devices,
) -> None:
    new = "MIG-99999999-1111-2222-3333-444444444444"
    assert devices.resolve("2.3") == Found(C, 3 / 7, M3)
    devices.on_instances([instance(new, C, 3, 1 / 7)])
    assert devices.resolve("2.3") == Found(C, 1 / 7, new), "MIG was divided anew"
    version = devices.version
    devices.on_instances([instance(M3, C, 3, 3 / 7)])
    assert devices.resolve("2.3") == Found(C, 3 / 7, M3), "and back again"
    assert devices.version == version


def test_instances_are_bounded(devices: Devices) -> None:
    for number in range(5000):
        devices.note_instance(f"MIG-{number:08d}", C)
    devices.on_instances(instance(f"MIG-x{number:08d}", C, number, None) for number in range(5000))
    assert devices.resolve("MIG-00000000") is None
    assert devices.resolve("MIG-x00004999") is not None


def test_names_in_a_list_are_cut() -> None:
    (name,) = expanded("x" * 60_000)
    assert len(name) == 128
