"""Which devices this process was given, by what its environment says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Slurm's own variables first: where it confines a job to its devices, the numbers in
# CUDA_VISIBLE_DEVICES begin again at 0 and say nothing about the node.
_NODE_WIDE = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


def held_devices(environment: Mapping[str, str]) -> tuple[str, ...] | None:
    """UUIDs or ordinals as text; None where nothing is said."""
    for variable in (*_NODE_WIDE, *_VISIBLE):
        value = environment.get(variable)
        if value is None:
            continue
        if variable not in _NODE_WIDE:
            return _visible(value)
        if devices := _expanded(value):
            return devices
    return None


def as_texts(devices: Sequence[int | str]) -> tuple[str, ...]:
    """Devices as an owner may name them: ordinals or UUIDs."""
    return tuple(dict.fromkeys(str(device) for device in devices))


def _visible(value: str) -> tuple[str, ...]:
    found = []
    for part in value.split(","):
        device = part.strip()
        if not device or device == "-1":
            break  # CUDA, too, stops at the first that is none
        found.append(device)
    return tuple(dict.fromkeys(found))


def _expanded(value: str) -> tuple[str, ...]:
    """`0,2-3` as Slurm writes it."""
    found: list[str] = []
    for part in value.split(","):
        first, dash, last = part.strip().partition("-")
        if dash and first.isdecimal() and last.isdecimal() and int(last) - int(first) < 128:
            found += [str(number) for number in range(int(first), int(last) + 1)]
        elif part.strip():
            found.append(part.strip())
    return tuple(dict.fromkeys(found))
