import random
from typing import Any

import pytest

from wattline_agents.assignment import pod_resources
from wattline_agents.assignment.pod_resources import Pod
from wattline_agents.errors import ReadFailed


def test_what_the_kubelet_s_own_definition_encodes_is_decoded(kubelet: Any) -> None:
    kubelet.pod("a", "GPU-1", "GPU-2", namespace="ml")
    kubelet.pod("b", driver="gpu.nvidia.com")
    kubelet.pod("c")
    assert pod_resources.pods(kubelet.response.SerializeToString()) == [
        Pod("ml", "a", (("nvidia.com/gpu", "GPU-1"), ("nvidia.com/gpu", "GPU-2")), ()),
        Pod("ns", "b", (), ("gpu.nvidia.com",)),
        Pod("ns", "c", (), ()),
    ]


def test_devices_of_all_containers_are_the_pod_s(kubelet: Any) -> None:
    kubelet.pod("a", "GPU-1")
    second = kubelet.response.pod_resources[0].containers.add(name="side")
    second.devices.add(resource_name="amd.com/gpu", device_ids=["0000:c1:00.0"])
    (pod,) = pod_resources.pods(kubelet.response.SerializeToString())
    assert pod.devices == (("nvidia.com/gpu", "GPU-1"), ("amd.com/gpu", "0000:c1:00.0"))


def test_what_can_be_allocated_is_decoded(kubelet: Any) -> None:
    kubelet.can_allocate("GPU-1::0", "GPU-1::1")
    kubelet.allocatable.cpu_ids.extend(range(300))
    assert pod_resources.allocatable(kubelet.allocatable.SerializeToString()) == [
        ("nvidia.com/gpu", "GPU-1::0"), ("nvidia.com/gpu", "GPU-1::1"),
    ]  # fmt: skip


def test_fields_of_kubelets_to_come_are_passed_over(kubelet: Any) -> None:
    kubelet.pod("a", "GPU-1")
    more = b"\x98\x06\x07" + b"\xa1\x06" + b"8" * 8 + b"\xad\x06" + b"4444" + b"\xb2\x06\x02hi"
    message = kubelet.response.SerializeToString() + more
    assert [pod.name for pod in pod_resources.pods(message)] == ["a"]


@pytest.mark.parametrize(
    "message",
    [
        b"\x0a",
        b"\x0a\x05ab",
        b"\x0b\x0c",
        b"\xff" * 12,
        b"\x0d\x01",
        b"\x80",
        b"\x0a\xff\xff\xff\xff\x7f",
    ],
)
def test_an_answer_that_is_none_is_refused(message: bytes) -> None:
    with pytest.raises(ReadFailed, match="kubelet's answer"):
        pod_resources.pods(message)


def test_no_noise_raises_anything_else(kubelet: Any) -> None:
    kubelet.pod("a", "GPU-1", driver="x")
    good = bytearray(kubelet.response.SerializeToString())
    draw = random.Random(7)
    refused = 0
    for _ in range(2_000):
        noise = bytearray(good)
        for _ in range(draw.randint(1, 4)):
            noise[draw.randrange(len(noise))] = draw.randrange(256)
        try:
            pod_resources.pods(bytes(noise))
        except ReadFailed:
            refused += 1
    assert refused > 100


def test_text_that_is_none_stays_text(kubelet: Any) -> None:
    (pod,) = pod_resources.pods(b"\x0a\x03\x0a\x01\xff")
    assert pod.name == "\ufffd"


def test_more_pods_than_any_node_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_resources, "_MOST_PODS", 3)
    with pytest.raises(ReadFailed, match="more pods or devices"):
        pod_resources.pods(b"\x0a\x00" * 4)


def test_more_devices_than_any_node_has_are_refused(
    kubelet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_resources, "_MOST_DEVICES", 3)
    kubelet.pod("a", "1", "2", "3", "4")
    kubelet.can_allocate("1", "2", "3", "4")
    with pytest.raises(ReadFailed, match="more pods or devices"):
        pod_resources.pods(kubelet.response.SerializeToString())
    with pytest.raises(ReadFailed, match="more devices"):
        pod_resources.allocatable(kubelet.allocatable.SerializeToString())
