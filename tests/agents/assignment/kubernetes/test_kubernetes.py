import select
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.assignment.claim import Claim
from wattline_agents.assignment.kubelet_call import KubeletCall
from wattline_agents.assignment.kubernetes import KubernetesClaims, key_of
from wattline_agents.assignment.opening import open_assignment
from wattline_agents.assignment.pods import PodDirectories, PodGroups
from wattline_agents.config import AssignmentSettings, from_toml
from wattline_agents.errors import InputError, ReadFailed
from wattline_agents.wire import Row, checked_name

T0 = 1_790_000_000_000
UID = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"


@dataclass
class Node(PodDirectories, PodGroups):
    """What the file system of a node would show."""

    seen: dict[tuple[str, str], tuple[str, int]] | None = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def look(self) -> dict[tuple[str, str], tuple[str, int]] | None:
        return self.seen

    def is_running(self, uid: str) -> bool | None:
        return uid not in self.ended


def wait_for(call: KubeletCall) -> None:
    """Wait until something has come from the kubelet, if it is going to."""
    poll = select.poll()
    poll.register(call._socket, select.POLLIN)
    poll.poll(2_000)


class Ticks:
    """Asks at ticks of a second; each sees what has come from the kubelet by then."""

    def __init__(self, claims: KubernetesClaims) -> None:
        self.of = claims
        self.now_ms = T0

    def tick(self, seconds: int = 1) -> Sequence[Claim]:
        """So many ticks; returns what the last one says."""
        said: Sequence[Claim] = ()
        for _ in range(seconds):
            self.now_ms += 1000
            if (going := self.of._going) is not None:
                wait_for(going)
            said = self.of.claims(self.now_ms)
        return said

    def answered(self) -> Sequence[Claim]:
        """Ticks until the next list was asked for and taken in."""
        said = self.tick()
        while self.of._going is None:
            said = self.tick()
        while self.of._going is not None:
            said = self.tick()
        return said

    def back(self) -> Sequence[Claim]:
        """Ticks until the kubelet is no trouble any more."""
        for _ in range(30):
            try:
                return self.tick()
            except ReadFailed:
                continue
        raise AssertionError("still a trouble")


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def ticks(kubelet: Any, node: Node, tmp_path: Path) -> Iterator[Ticks]:
    claims = KubernetesClaims(
        str(kubelet.path), directories=node, groups=node, drm=str(tmp_path / "drm")
    )
    yield Ticks(claims)
    claims.close()


def short(claims: Sequence[Claim]) -> list[tuple[str, str, float | None]]:
    return [(claim.device, claim.job, claim.share) for claim in claims if claim.end_ms is None]


def test_a_pod_holds_what_the_kubelet_gave_it(kubelet: Any, node: Node, ticks: Ticks) -> None:
    node.seen = {("ml", "train-0"): (UID, T0 - 60_000)}
    kubelet.pod("train-0", "GPU-1", "GPU-2", namespace="ml")
    assert ticks.answered() == (
        Claim("GPU-1", UID, T0 - 60_000, None, None, "kubernetes"),
        Claim("GPU-2", UID, T0 - 60_000, None, None, "kubernetes"),
    )
    assert ticks.of.names() == (
        {"job": UID, "name": "train-0", "project": "ml", "state": "running",
         "start_unix_ms": T0 - 60_000},
    )  # fmt: skip


def test_it_is_asked_every_fifteen_seconds(kubelet: Any, ticks: Ticks) -> None:
    ticks.tick(75)
    assert kubelet.asked == ["List"] * 5


def test_the_same_answer_is_the_same_object(kubelet: Any, node: Node, ticks: Ticks) -> None:
    node.seen = {("ns", "a"): (UID, T0)}
    kubelet.pod("a", "GPU-1")
    first = ticks.answered()
    assert ticks.answered() is first


def test_a_pod_that_comes_between_two_answers_began_between_them(
    kubelet: Any, node: Node, ticks: Ticks
) -> None:
    ticks.answered()
    listed = ticks.now_ms
    kubelet.pod("a", "GPU-1")
    # Its directory is older than it was listed: of another pod's time, or by a clock set back.
    node.seen = {("ns", "a"): (UID, listed - 50_000)}
    (claim,) = ticks.answered()
    assert claim.start_ms == listed


def test_a_pod_without_a_uid_goes_by_its_name(kubelet: Any, node: Node, ticks: Ticks) -> None:
    node.seen = None
    kubelet.pod("a", "GPU-1")
    assert short(ticks.answered()) == [("GPU-1", "ns:a", None)]


def test_a_new_pod_waits_a_little_for_its_uid(kubelet: Any, node: Node, ticks: Ticks) -> None:
    kubelet.pod("a", "GPU-1")
    assert ticks.answered() == ()
    node.seen = {("ns", "a"): (UID, ticks.now_ms - 5_000)}
    began = ticks.now_ms - 5_000
    assert ticks.answered() == (Claim("GPU-1", UID, began, None, None, "kubernetes"),)


def test_a_pod_that_gets_no_uid_is_told_all_the_same(
    kubelet: Any, node: Node, ticks: Ticks
) -> None:
    kubelet.pod("a", "GPU-1")
    ticks.answered()
    first_ms = ticks.now_ms
    ticks.answered()
    (claim,) = ticks.answered()
    assert (claim.job, claim.start_ms) == ("ns:a", first_ms)


def test_a_pod_of_the_same_name_is_another_job(kubelet: Any, node: Node, ticks: Ticks) -> None:
    node.seen = {("ns", "a"): (UID, T0)}
    kubelet.pod("a", "GPU-1")
    ticks.answered()
    began = ticks.now_ms + 4_000
    node.seen = {("ns", "a"): (OTHER, began)}
    assert sorted(ticks.answered(), key=lambda claim: claim.start_ms) == [
        Claim("GPU-1", UID, T0, began, None, "kubernetes"),
        Claim("GPU-1", OTHER, began, None, None, "kubernetes"),
    ]


def test_a_pod_that_is_gone_has_ended(kubelet: Any, node: Node, ticks: Ticks) -> None:
    node.seen = {("ns", "a"): (UID, T0)}
    kubelet.pod("a", "GPU-1")
    ticks.answered()
    kubelet.clear()
    assert ticks.answered() == (Claim("GPU-1", UID, T0, ticks.now_ms, None, "kubernetes"),)
    for _ in range(6):
        last = ticks.answered()
    assert last == ()


def test_a_pod_that_is_still_listed_and_has_no_control_group_has_ended(
    kubelet: Any, node: Node, ticks: Ticks
) -> None:
    node.seen = {("ns", "done"): (UID, T0 - 3_600_000), ("ns", "next"): (OTHER, T0 - 1_000)}
    kubelet.pod("done", "GPU-1")
    kubelet.pod("next", "GPU-1")
    node.ended.add(UID)
    assert short(ticks.answered()) == [("GPU-1", OTHER, None)]


def test_a_pod_that_just_began_needs_no_control_group_yet(
    kubelet: Any, node: Node, ticks: Ticks
) -> None:
    node.seen = {("ns", "a"): (UID, T0)}
    node.ended.add(UID)
    kubelet.pod("a", "GPU-1")
    assert short(ticks.answered()) == [("GPU-1", UID, None)]


def test_replicas_of_a_device_are_parts_of_it(kubelet: Any, node: Node, ticks: Ticks) -> None:
    node.seen = None
    kubelet.can_allocate("GPU-1::0", "GPU-1::1", "GPU-1::2", "GPU-1::3", "nvidia0/vgpu0",
                         "nvidia0/vgpu1", "nvidia1/gi3/vgpu0", "nvidia1/gi3/vgpu1")  # fmt: skip
    kubelet.pod("a", "GPU-1::2", resource="nvidia.com/gpu.shared")
    kubelet.pod("b", "nvidia0/vgpu1", "nvidia1/gi3/vgpu0")
    assert short(ticks.answered()) == [
        ("GPU-1::2", "ns:a", 0.25),
        ("nvidia0/vgpu1", "ns:b", 0.5),
        ("nvidia1/gi3/vgpu0", "ns:b", 0.5),
    ]  # fmt: skip
    ticks.tick(60)
    assert kubelet.asked.count("GetAllocatableResources") == 1


def test_a_kubelet_that_does_not_tell_replicas_is_enough(
    kubelet: Any, node: Node, ticks: Ticks
) -> None:
    node.seen, kubelet.knows_allocatable = None, False
    kubelet.pod("a", "GPU-1::2")
    assert short(ticks.answered()) == [("GPU-1::2", "ns:a", None)]
    assert "how many share a device is not known" in ticks.of.why_not()["kubernetes.replicas"]


@pytest.mark.parametrize(
    ("resource", "device", "held"),
    [
        ("nvidia.com/gpu", "GPU-1", True),
        ("nvidia.com/mig-3g.40gb", "MIG-aaaa", True),
        ("nvidia.com/gpu", "nvidia0", True),
        ("nvidia.com/gpu", "nvidia0/gi3", True),
        ("amd.com/gpu", "0000:c1:00.0", True),
        ("amd.com/gpu_spx_nps1", "0000:c1:00.0", True),
        ("gpu.intel.com/i915", "card7-0", True),
        ("gpu.intel.com/i915_monitoring", "all", False),
        ("example.com/fpga", "x", False),
        ("rdma/hca", "mlx5_0", False),
        ("nvidia.com/gpu", "../../etc", False),
        ("nvidia.com/gpu", "a\nb", False),
        ("nvidia.com/gpu", "x" * 1_000_000, False),
    ],
)
def test_only_accelerators_are_devices(
    kubelet: Any, node: Node, ticks: Ticks, resource: str, device: str, held: bool
) -> None:
    node.seen = None
    kubelet.pod("a", device, resource=resource)
    assert short(ticks.answered()) == ([(device, "ns:a", None)] if held else [])


def test_intel_s_cards_are_known_by_their_address(
    kubelet: Any, node: Node, ticks: Ticks, tmp_path: Path
) -> None:
    node.seen = None
    (tmp_path / "drm/card1").mkdir(parents=True)
    (tmp_path / "drm/card1/device").symlink_to("../../../0000:3a:00.0")
    kubelet.pod("a", "card1-0", resource="gpu.intel.com/xe")
    assert short(ticks.answered()) == [("0000:3a:00.0", "ns:a", None)]


def test_devices_by_dynamic_allocation_are_said_to_be_unknown(
    kubelet: Any, node: Node, ticks: Ticks
) -> None:
    kubelet.pod("a", driver="gpu.nvidia.com")
    assert ticks.answered() == ()
    reason = ticks.of.why_not()["kubernetes.dra"]
    assert reason.startswith("1 pods hold devices by dynamic resource allocation (gpu.nvidia.com)")
    assert len(reason) < 256
    kubelet.clear()
    ticks.answered()
    assert ticks.of.why_not() == {}


def test_names_that_no_pod_can_have_are_left_out_and_counted(
    kubelet: Any, node: Node, ticks: Ticks
) -> None:
    node.seen = None
    for name in ("../../x", "A", "a\x1b[2J", "a" * 300, ""):
        kubelet.pod(name, "GPU-1")
    kubelet.pod("good", "GPU-2", namespace="x" * 64)
    kubelet.pod("good", "GPU-3")
    assert short(ticks.answered()) == [("GPU-3", "ns:good", None)]
    assert "6 pods have names" in ticks.of.why_not()["kubernetes.names"]


def test_every_key_is_one_that_travels() -> None:
    long = key_of("n" * 63, "p" * 253)
    assert len(long) == 128
    assert long != key_of("n" * 63, "p" * 252 + "q")
    for key in (long, key_of("ns", "a.b-0")):
        assert checked_name(key, "job") == key


def test_a_kubelet_that_restarts_is_a_trouble_until_it_is_back(
    kubelet: Any, node: Node, ticks: Ticks
) -> None:
    node.seen = {("ns", "a"): (UID, T0)}
    kubelet.pod("a", "GPU-1")
    first = ticks.answered()
    kubelet.stop()
    kubelet.path.unlink(missing_ok=True)
    assert ticks.tick() is first  # nothing was asked yet
    with pytest.raises(ReadFailed, match="is the kubelet's directory mounted"):
        ticks.tick(16)
    with pytest.raises(ReadFailed):
        ticks.tick()
    kubelet.start()
    ticks.now_ms += 60_000
    assert ticks.back() is first


def test_a_kubelet_that_hangs_is_given_up_and_asked_again(
    kubelet: Any, node: Node, ticks: Ticks
) -> None:
    node.seen = None
    kubelet.may_answer.clear()
    ticks.of.claims(T0 + 1)
    assert ticks.of.claims(T0 + 9_000) == ()
    with pytest.raises(ReadFailed, match="did not answer in 10 s"):
        ticks.of.claims(T0 + 10_002)
    kubelet.may_answer.set()
    kubelet.pod("a", "GPU-1")
    ticks.now_ms = T0 + 30_000
    assert short(ticks.back()) == [("GPU-1", "ns:a", None)]


def test_where_no_kubelet_is_nothing_is_said(tmp_path: Path) -> None:
    claims = KubernetesClaims(str(tmp_path / "none.sock"))
    assert claims.claims(T0) == ()
    assert claims.claims(T0 + 1000) == ()


def test_a_socket_that_was_told_must_be_there(tmp_path: Path) -> None:
    claims = KubernetesClaims(str(tmp_path / "none.sock"), expected=True)
    with pytest.raises(ReadFailed, match=r"no .*none\.sock"):
        claims.claims(T0)


def test_a_socket_that_comes_later_is_found(kubelet: Any, node: Node, ticks: Ticks) -> None:
    node.seen = None
    kubelet.pod("a", "GPU-1")
    hidden = kubelet.path.with_name("hidden")
    kubelet.path.rename(hidden)
    assert ticks.tick(30) == ()
    hidden.rename(kubelet.path)
    assert short(ticks.answered()) == [("GPU-1", "ns:a", None)]
    assert ticks.now_ms <= T0 + 65_000


def test_a_clock_that_is_set_back_does_not_stop_the_questions(
    kubelet: Any, node: Node, ticks: Ticks
) -> None:
    node.seen = None
    ticks.answered()
    kubelet.pod("a", "GPU-1")
    ticks.now_ms -= 3_600_000
    assert [claim.start_ms for claim in ticks.answered()] == [ticks.now_ms]


def test_a_call_that_fails_at_once_is_a_trouble(tmp_path: Path) -> None:
    (tmp_path / "kubelet.sock").write_text("no socket")

    def call(path: str, method: str) -> KubeletCall:
        return KubeletCall(path, method)

    claims = KubernetesClaims(str(tmp_path / "kubelet.sock"), call=call)
    with pytest.raises(ReadFailed, match="Connection refused"):
        claims.claims(T0)


# Through the whole source


def test_an_agent_tells_assignments_of_pods(kubelet: Any, tmp_path: Path) -> None:
    (tmp_path / "cgroup").mkdir()
    settings = AssignmentSettings(kubernetes=kubelet.path, records=tmp_path / "records")
    source = open_assignment(settings, 1.0, {}, cgroup=str(tmp_path / "cgroup"))
    info: Row = {
        "device": "GPU-1",
        "index": 0,
        "minor": 3,
        "pci": "0000:3a:00.0",
        "vendor": "nvidia",
    }
    source.on_readings("device_info", [info])
    kubelet.pod("a", "nvidia3", namespace="ml")
    rows: list[Any] = []
    now_ms = T0
    while not rows:
        now_ms += 100
        assert now_ms < T0 + 10_000
        if (going := source._claimants["kubernetes"]._going) is not None:  # type: ignore[attr-defined]
            wait_for(going)
        rows = source.read(now_ms).get("assignment", [])
    source.close()
    assert [(row["device"], row["job"], row["method"]) for row in rows] == [
        ("GPU-1", "ml:a", "kubernetes")
    ]


@pytest.mark.parametrize("told", [False, True])
def test_without_a_kubelet_its_code_is_not_loaded(
    told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setattr("wattline_agents.assignment.opening._KUBELET", str(tmp_path / "none"))
    monkeypatch.delitem(sys.modules, "wattline_agents.assignment.kubernetes")
    open_assignment(AssignmentSettings(kubernetes=told), 1.0, {})
    assert "wattline_agents.assignment.kubernetes" not in sys.modules


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ('"auto"', True),
        ("true", True),
        ("false", False),
        ('"/run/kubelet.sock"', Path("/run/kubelet.sock")),
        ('"unix:///run/kubelet.sock"', Path("/run/kubelet.sock")),
    ],
)
def test_whom_to_ask_stands_in_the_configuration(
    tmp_path: Path, told: str, meant: Path | bool
) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(f"[assignment]\nkubernetes = {told}\n")
    assert from_toml(file).assignment.kubernetes == meant


def test_a_number_names_no_socket(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text("[assignment]\nkubernetes = 1\n")
    with pytest.raises(InputError, match=r"agent\.toml:2: assignment\.kubernetes: not text"):
        from_toml(file)
