"""What the kubelet says of pods and devices: its messages, decoded as far as they are needed.

Field numbers are those of `v1.PodResourcesLister` (k8s.io/kubelet/pkg/apis/podresources/v1):

```
ListPodResourcesResponse      1 pod_resources
AllocatableResourcesResponse  1 devices
PodResources                  1 name  2 namespace  3 containers
ContainerResources            1 name  2 devices  5 dynamic_resources
ContainerDevices              1 resource_name  2 device_ids
DynamicResource               4 claim_resources
ClaimResource                 2 driver_name  3 pool_name  4 device_name
```

Decoded by hand: the library for it costs 6 MiB, and these are strings in strings. Other fields are
passed over, as newer kubelets add some.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wattline_agents.errors import ReadFailed

LIST = "/v1.PodResourcesLister/List"
ALLOCATABLE = "/v1.PodResourcesLister/GetAllocatableResources"

_MOST_PODS = 4_096
_MOST_DEVICES = 65_536
"""Of all pods together; each replica of a shared device counts."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod and what it holds.

    Attributes:
        namespace: Where it lives.
        name: Its name there.
        devices: Resource name and device id of what its containers hold through device plugins.
        drivers: Drivers of devices it holds by dynamic resource allocation, which names them in a
            way of its own.
    """

    namespace: str
    name: str
    devices: tuple[tuple[str, str], ...]
    drivers: tuple[str, ...]


def pods(message: bytes) -> list[Pod]:
    """The pods of a `ListPodResourcesResponse`.

    Raises:
        ReadFailed: It is none, or holds more than any node has.
    """
    found: list[Pod] = []
    devices = 0
    for number, body in _parts(message):
        if number != 1:
            continue
        pod = _pod(body)
        devices += len(pod.devices)
        if len(found) >= _MOST_PODS or devices > _MOST_DEVICES:
            raise ReadFailed("the kubelet names more pods or devices than any node has")
        found.append(pod)
    return found


def allocatable(message: bytes) -> list[tuple[str, str]]:
    """Resource name and device id of all devices of an `AllocatableResourcesResponse`.

    Raises:
        ReadFailed: It is none, or holds more than any node has.
    """
    found: list[tuple[str, str]] = []
    for number, body in _parts(message):
        if number == 1:
            found += _devices(body)
            if len(found) > _MOST_DEVICES:
                raise ReadFailed("the kubelet names more devices than any node has")
    return found


def _pod(message: bytes) -> Pod:
    name = namespace = ""
    devices: list[tuple[str, str]] = []
    drivers: dict[str, None] = {}
    for number, body in _parts(message):
        if number == 1:
            name = _text(body)
        elif number == 2:
            namespace = _text(body)
        elif number == 3:
            for part, inner in _parts(body):
                if part == 2 and len(devices) <= _MOST_DEVICES:
                    devices += _devices(inner)
                elif part == 5:
                    drivers.update(dict.fromkeys(_drivers(inner)))
    return Pod(namespace, name, tuple(devices), tuple(drivers))


def _devices(message: bytes) -> list[tuple[str, str]]:
    resource = ""
    ids: list[str] = []
    for number, body in _parts(message):
        if number == 1:
            resource = _text(body)
        elif number == 2 and len(ids) <= _MOST_DEVICES:  # one more is enough to be too many
            ids.append(_text(body))
    return [(resource, one) for one in ids]


def _drivers(message: bytes) -> Iterator[str]:
    for number, body in _parts(message):
        if number == 4:
            yield from (_text(inner) for part, inner in _parts(body) if part == 2)


def _parts(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of every field that holds bytes.

    Raises:
        ReadFailed: The message is not one.
    """
    at, size = 0, len(message)
    while at < size:
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            _, at = _varint(message, at)
        elif kind == _BYTES:
            length, at = _varint(message, at)
            end = at + length
            if end > size:
                raise ReadFailed("the kubelet's answer breaks off")
            yield tag >> 3, message[at:end]
            at = end
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise ReadFailed("the kubelet's answer is none")
    if at != size:
        raise ReadFailed("the kubelet's answer breaks off")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ReadFailed("the kubelet's answer breaks off")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ReadFailed("the kubelet's answer is none")


def _text(body: bytes) -> str:
    return body.decode("utf-8", errors="replace")
