"""Which devices this process was given, by what its environment says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_OF_JOB, _OF_STEP = "SLURM_JOB_GPUS", "SLURM_STEP_GPUS"
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


def held_devices(environment: Mapping[str, str]) -> tuple[str, ...] | None:
    """UUIDs or ordinals as text; None where nothing is said.

    Slurm's own variables come first: where it confines a job to its devices, the numbers in
    CUDA_VISIBLE_DEVICES begin again at 0 and say nothing about the node.
    """
    for variable in _of_slurm(environment):
        if devices := _expanded(environment.get(variable, "")):
            return devices
    for variable in _VISIBLE:
        if (value := environment.get(variable)) is not None:
            return _visible(value)
    return None


def _of_slurm(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Slurm's variables that speak of this node, the surest first.

    The job's are all it holds, and those of a step have been wrong (seen with 23.11). But they are
    set for the batch script, on the job's first node, and its steps inherit them as they are: on
    another node, or in another part of a heterogeneous job, they are another node's numbers (seen
    with 22.05), and only the step's are of this one.
    """
    is_one = environment.get("SLURM_JOB_NUM_NODES") == "1" and "SLURM_HET_SIZE" not in environment
    if is_one:
        return _OF_JOB, _OF_STEP
    return (_OF_STEP,) if "SLURM_STEP_ID" in environment else (_OF_STEP, _OF_JOB)


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
