"""What a pod holds: cores, memory and accelerators, as its containers ask for them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from wattline_collector.jobs.kube_values import Json, at, items, mapping, quantity, text

_WHOLE_DEVICES = re.compile(r"(?:nvidia|amd)\.com/gpu|gpu\.intel\.com/(?:i915|xe)|habana\.ai/gaudi")
_PARTS = re.compile(
    r"nvidia\.com/(?:mig-\S+|\S+\.shared)|amd\.com/gpu_\S+|gpu\.intel\.com/\S+\.shared"
)
_PRODUCT = "nvidia.com/gpu.product"


def _amounts(container: Mapping[str, Json]) -> dict[str, float]:
    """What a container asks for, by resource; of extended ones the limit is the request."""
    found: dict[str, float] = {}
    for part in ("limits", "requests"):
        for name, value in mapping(at(container, "resources", part)).items():
            if (amount := quantity(value)) is not None:
                found[name] = amount
    return found


def most(spec: Mapping[str, Json], resource: str) -> float | None:
    """What a pod needs at once: all its containers, or one that runs before them."""
    main = [_amounts(one).get(resource) for one in items(spec.get("containers"))]
    before = [_amounts(one).get(resource) for one in items(spec.get("initContainers"))]
    together = [amount for amount in main if amount is not None]
    alone = [amount for amount in before if amount is not None]
    if not together and not alone:
        return None
    return max([sum(together), *alone])


def asked(pod: Json) -> dict[str, int]:
    """Accelerators by resource name."""
    spec = mapping(at(pod, "spec"))
    names = {
        name
        for part in ("containers", "initContainers")
        for container in items(spec.get(part))
        for name in _amounts(container)
        if _WHOLE_DEVICES.fullmatch(name) or _PARTS.fullmatch(name)
    }
    counts = {name: int(most(spec, name) or 0) for name in sorted(names)}
    return {name: count for name, count in counts.items() if count}


def claims(pod: Json) -> bool:
    """Whether devices are given to it by dynamic resource allocation."""
    return any(True for _ in items(at(pod, "spec", "resourceClaims")))


def gpus(pod: Json, devices: Mapping[str, int]) -> int | None:
    """Whole devices; None where it holds parts of some, or it is not said how many."""
    if claims(pod) or any(_PARTS.fullmatch(name) for name in devices):
        return None
    return sum(devices.values())


def gpu_type(spec: Mapping[str, Json], devices: Mapping[str, int]) -> str | None:
    """Their type: the product a pod was to get, or what the parts are of."""
    product = text(at(spec, "nodeSelector", _PRODUCT))
    parts = [name.partition("/")[2] for name in devices if _PARTS.fullmatch(name)]
    return product or (",".join(parts) or None)


def tres(cpus: float | None, memory: float | None, devices: Mapping[str, int]) -> str | None:
    """What it asks for on one line, as Slurm would write it."""
    parts = [] if cpus is None else [f"cpu={math.ceil(cpus)}"]
    parts += [] if memory is None else [f"mem={round(memory / 2**20)}M"]
    for name, count in devices.items():
        gres = "gres/gpu" if _WHOLE_DEVICES.fullmatch(name) else f"gres/{name.partition('/')[2]}"
        parts.append(f"{gres}={count}")
    return ",".join(parts) or None
