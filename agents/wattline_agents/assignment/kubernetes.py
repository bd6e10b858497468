"""Which pod holds which device, by the kubelet's own list.

The kubelet knows which device ids it gave to which container (`v1.PodResourcesLister`, a gRPC
service on a Unix socket). It is asked every 15 seconds and never waited for: a call is sent at one
tick and its answer taken in at a later one.

A job here is a pod. Its key is the pod's uid, as everywhere in Kubernetes; where that cannot be
found out, `NAMESPACE:NAME`. A pod's devices count as held from its first container's start to when
the kubelet no longer lists it, or its control group is gone: older kubelets list pods that have
ended until they are deleted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from wattline_agents.assignment import pod_resources
from wattline_agents.assignment.claim import Claim
from wattline_agents.assignment.kubelet_call import KubeletCall
from wattline_agents.assignment.pod_resources import ALLOCATABLE, LIST, Pod
from wattline_agents.assignment.pods import PodDirectories, PodGroups
from wattline_agents.errors import ReadFailed
from wattline_agents.wire import Row

SOCKET = "/var/lib/kubelet/pod-resources/kubelet.sock"
METHOD = "kubernetes"
EVERY_MS = 15_000
DEADLINE_MS = 10_000
LOOK_MS = 60_000
"""How often a socket that is not there is looked for."""
_ALLOCATABLE_MS = 600_000
_ENDED_MS = 60_000
"""How long the end of a claim is told."""
_SETTLED_MS = 60_000
"""A pod younger than this may not have its control group yet."""
_WAITS = 2
"""Answers for which a new pod may be without a directory of logs before it goes without a uid."""

_RESOURCES = re.compile(r"nvidia\.com/\S+|amd\.com/gpu\S*|gpu\.intel\.com/\S+")
_MONITORING = "_monitoring"
"""Intel's resources of this kind see all devices and hold none."""
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_POD_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_REPLICA = re.compile(r"(.+)(?:::[0-9]{1,4}|/vgpu[0-9]{1,4})")
_CARD = re.compile(r"card([0-9]{1,3})(?:-[0-9]{1,3})?")
_MOST_KEY = 128

Call = Callable[[str, str], KubeletCall]
"""Begins a call: socket and method."""


class KubernetesClaims:
    """Claims of pods, as the kubelet lists them."""

    def __init__(
        self,
        path: str = SOCKET,
        *,
        directories: PodDirectories | None = None,
        groups: PodGroups | None = None,
        drm: str = "/sys/class/drm",
        call: Call = KubeletCall,
        expected: bool = False,
    ) -> None:
        """Ask nobody yet.

        Args:
            path: The kubelet's socket.
            directories: Where pods' uids are found.
            groups: Whether pods still run.
            drm: Where cards are described.
            call: Begins a call.
            expected: Whether a socket that is not there is a failure: it was told.
        """
        self._path, self._call, self._drm = path, call, drm
        self._directories = directories or PodDirectories()
        self._groups = groups or PodGroups()
        self._expected = expected
        self._going: KubeletCall | None = None
        self._method = LIST
        self._asked_ms: int | None = None
        self._due_ms: int | None = None
        self._listed_ms: int | None = None
        self._trouble: str | None = None
        self._pods: dict[tuple[str, str], _Known] = {}
        self._replicas: Mapping[str, int] | None = None
        self._replicas_ms: int | None = None
        self._claims: tuple[Claim, ...] = ()
        self._ended: dict[Claim, int] = {}
        self._names: tuple[Row, ...] = ()
        self._missing: dict[str, str] = {}

    def claims(self, now_ms: int) -> Sequence[Claim]:
        """What pods hold, as of the newest answer.

        Raises:
            ReadFailed: The kubelet does not answer; until it does.
        """
        try:
            self._go_on(now_ms)
        except ReadFailed as error:
            self._give_up(str(error), now_ms)
        if self._trouble is not None:
            raise ReadFailed(self._trouble)
        return self._claims

    def names(self) -> Sequence[Row]:
        """Name and namespace of the pods."""
        return self._names

    def why_not(self) -> Mapping[str, str]:
        """What of the answer could not be used, and why."""
        return {f"kubernetes.{key}": why for key, why in self._missing.items()}

    def close(self) -> None:
        """Hang up."""
        if self._going is not None:
            self._going.close()
            self._going = None

    def _go_on(self, now_ms: int) -> None:
        if self._asked_ms is not None and now_ms < self._asked_ms:  # the clock was set back
            self.close()
            self._due_ms = self._listed_ms = None
        if self._going is not None:
            answer = self._going.step()
            if answer is not None:
                self.close()
                self._take(answer, now_ms)
            elif self._asked_ms is not None and now_ms - self._asked_ms > DEADLINE_MS:
                raise ReadFailed(f"the kubelet did not answer in {DEADLINE_MS // 1000} s")
        elif self._due_ms is None or now_ms >= self._due_ms:
            self._ask(LIST, now_ms)

    def _ask(self, method: str, now_ms: int) -> None:
        if method == LIST and not os.path.exists(self._path):
            self._due_ms = now_ms + LOOK_MS
            if self._expected:
                self._trouble = f"no {self._path}: is the kubelet's directory mounted here?"
            return
        # From the first look on, its going away is a failure: a kubelet restarts in seconds.
        self._expected = True
        self._method, self._asked_ms = method, now_ms
        self._due_ms = now_ms + EVERY_MS
        self._going = self._call(self._path, method)

    def _give_up(self, reason: str, now_ms: int) -> None:
        self.close()
        if self._method == ALLOCATABLE:
            # Older kubelets do not know this question; all else holds without it.
            self._replicas, self._replicas_ms = None, now_ms
            self._missing["replicas"] = f"how many share a device is not known: {reason}"
            self._tell(now_ms)
            return
        self._trouble = reason
        self._due_ms = now_ms + EVERY_MS

    def _take(self, answer: bytes, now_ms: int) -> None:
        if self._method == ALLOCATABLE:
            counts: dict[str, int] = {}
            for _resource, device in pod_resources.allocatable(answer):
                if (match := _REPLICA.fullmatch(device)) is not None:
                    counts[match[1]] = counts.get(match[1], 0) + 1
            self._replicas, self._replicas_ms = counts, now_ms
            self._missing.pop("replicas", None)
            self._tell(now_ms)
            return
        listed = pod_resources.pods(answer)
        self._trouble = None
        self._missing = {
            key: why for key, why in self._missing.items() if key == "replicas"
        } | _missing(listed)
        self._note(listed, now_ms)
        self._listed_ms = now_ms
        if self._needs_replicas(now_ms):
            self._ask(ALLOCATABLE, now_ms)
        else:
            self._tell(now_ms)

    def _note(self, listed: Iterable[Pod], now_ms: int) -> None:
        """Join what is listed with what is known of the pods."""
        seen = self._directories.look()
        known: dict[tuple[str, str], _Known] = {}
        for pod in listed:
            devices = self._devices(pod)
            if not devices or not _is_named(pod):
                continue
            place = pod.namespace, pod.name
            before = self._pods.get(place)
            uid, made_ms = (None, None) if seen is None else seen.get(place, (None, None))
            if before is None or (before.uid is not None and uid not in (None, before.uid)):
                before = _Known(now_ms, earliest_ms=self._listed_ms or 0)
            if seen is None:
                before.start_ms = before.start_ms or before.first_ms
            elif uid is not None and made_ms is not None and before.uid is None:
                before.uid = uid
                before.start_ms = max(before.earliest_ms, min(made_ms, now_ms))
            elif before.start_ms is None:
                before.waited += 1
                if before.waited > _WAITS:
                    before.start_ms = before.first_ms
            before.devices = devices
            known[place] = before
        self._pods = known

    def _tell(self, now_ms: int) -> None:
        """Make claims of what is known; the same object as before where they are the same."""
        claims: list[Claim] = []
        names: list[Row] = []
        for (namespace, name), pod in self._pods.items():
            if pod.start_ms is None or self._is_over(pod, now_ms):
                continue
            job = pod.uid or key_of(namespace, name)
            for device in pod.devices:
                share = self._share(device)
                claims.append(Claim(device, job, pod.start_ms, None, share, METHOD))
            names.append(
                {
                    "job": job,
                    "name": name,
                    "project": namespace,
                    "state": "running",
                    "start_unix_ms": pod.start_ms,
                }
            )
        self._end(claims, now_ms)
        told = (*claims, *self._ended)
        if told != self._claims:
            self._claims, self._names = told, tuple(names)

    def _end(self, claims: Sequence[Claim], now_ms: int) -> None:
        """End what is no longer held: when the next pod's time on the device began, or now."""
        open_now = set(claims)
        self._ended = {
            claim: at for claim, at in self._ended.items() if 0 <= now_ms - at < _ENDED_MS
        }
        held = {(claim.device, claim.job, claim.start_ms) for claim in claims}
        for old in self._claims:
            if old.end_ms is not None or old in open_now:
                continue
            if (old.device, old.job, old.start_ms) in held:  # another share of the same
                continue
            ends = [c.start_ms for c in claims if c.device == old.device]
            end_ms = min((at for at in ends if at > old.start_ms), default=now_ms)
            ended = Claim(old.device, old.job, old.start_ms, end_ms, old.share, old.method)
            self._ended[ended] = now_ms

    def _is_over(self, pod: _Known, now_ms: int) -> bool:
        if pod.uid is None or pod.start_ms is None or now_ms - pod.start_ms < _SETTLED_MS:
            return False
        return self._groups.is_running(pod.uid) is False

    def _devices(self, pod: Pod) -> tuple[str, ...]:
        return tuple(
            self._by_card(device)
            for resource, device in pod.devices
            if _is_device(resource, device)
        )

    def _by_card(self, device: str) -> str:
        """Intel's plugin names DRM cards; their PCI address is known to the agent, too."""
        match = _CARD.fullmatch(device)
        if match is None:
            return device
        try:
            return os.path.basename(os.readlink(f"{self._drm}/card{match[1]}/device"))
        except OSError:
            return device

    def _share(self, device: str) -> float | None:
        match = _REPLICA.fullmatch(device)
        if match is None or self._replicas is None:
            return None
        count = self._replicas.get(match[1])
        return None if not count else 1.0 / count

    def _needs_replicas(self, now_ms: int) -> bool:
        """Whether it must be asked how many replicas a device has: what is held is one of them."""
        bases = {
            match[1]
            for pod in self._pods.values()
            for device in pod.devices
            if (match := _REPLICA.fullmatch(device)) is not None
        }
        if not bases:
            return False
        age_ms = None if self._replicas_ms is None else now_ms - self._replicas_ms
        if age_ms is None or not 0 <= age_ms < _ALLOCATABLE_MS:
            return True
        return age_ms >= LOOK_MS and not bases <= set(self._replicas or ())


class _Known:
    """A pod, as far as it is known."""

    __slots__ = ("devices", "earliest_ms", "first_ms", "start_ms", "uid", "waited")

    def __init__(self, first_ms: int, earliest_ms: int) -> None:
        """First listed then; not yet at the answer before, if there was one."""
        self.uid: str | None = None
        self.start_ms: int | None = None
        self.first_ms, self.earliest_ms = first_ms, earliest_ms
        self.waited = 0
        self.devices: tuple[str, ...] = ()


def key_of(namespace: str, name: str) -> str:
    """The key of a pod whose uid is not known: one that `wire.checked_name` lets pass."""
    key = f"{namespace}:{name}"
    if len(key) <= _MOST_KEY:
        return key
    from hashlib import blake2s  # for names that nobody has

    digest = blake2s(key.encode(), digest_size=8).hexdigest()
    return f"{key[: _MOST_KEY - len(digest) - 1]}:{digest}"


def _is_named(pod: Pod) -> bool:
    return bool(_NAMESPACE.fullmatch(pod.namespace) and _POD_NAME.fullmatch(pod.name))


def _is_device(resource: str, device: str) -> bool:
    return (
        _RESOURCES.fullmatch(resource) is not None
        and not resource.endswith(_MONITORING)
        and _DEVICE.fullmatch(device) is not None
    )


def _missing(listed: Sequence[Pod]) -> dict[str, str]:
    """What of an answer cannot be used."""
    reasons = {}
    drivers = sorted({driver for pod in listed for driver in pod.drivers if driver.isprintable()})
    if drivers:
        count = sum(bool(pod.drivers) for pod in listed)
        named = ", ".join(driver[:60] for driver in drivers[:3])
        reasons["dra"] = (
            f"{count} pods hold devices by dynamic resource allocation ({named}), whose names are "
            "known to the cluster's ResourceSlices alone: use the device plugin, or processes tell"
        )
    unnamed = sum(not _is_named(pod) for pod in listed)
    if unnamed:
        reasons["names"] = f"{unnamed} pods have names that no pod can have: left out"
    return reasons
