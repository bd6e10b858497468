"""Exporters that already run on this node: what they read need not be read twice."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from wattline_agents.doctor.finding import Finding, missing, ok
from wattline_agents.doctor.machine import CONNECT_SECONDS, Machine


@dataclass(frozen=True, slots=True)
class Exporter:
    """One kind of exporter.

    Attributes:
        source: The source that reads it.
        name: What it is called.
        port: Where it answers by convention.
        signs: How names of its metrics begin.
    """

    source: str
    name: str
    port: int
    signs: tuple[str, ...]


EXPORTERS = (
    Exporter("dcgm", "dcgm-exporter", 9400, ("DCGM_FI_",)),
    Exporter("amd-exporter", "AMD device-metrics-exporter", 5000, ("gpu_", "amd_gpu_")),
    Exporter("nvidia-gpu-exporter", "nvidia_gpu_exporter", 9835, ("nvidia_smi_",)),
    Exporter("node-exporter", "node_exporter", 9100, ("node_",)),
    Exporter("xpumd", "xpumd", 8080, ("hw_gpu_", "hw_energy_", "hw_power_")),
)


def check(
    machine: Machine, chosen: Iterable[str], exporters: Iterable[Exporter] = EXPORTERS
) -> list[Finding]:
    """Look for each at its usual port on this node.

    Args:
        machine: The node.
        chosen: Sources that are read already.
        exporters: Those to look for.
    """
    known, read = list(exporters), set(chosen)
    with ThreadPoolExecutor(max(1, len(known))) as pool:
        there = list(pool.map(lambda one: _answers(machine, one), known))
    found = []
    for exporter, is_there in zip(known, there, strict=True):
        if not is_there:
            continue
        hint = (
            "read by source" if exporter.source in read else "can be read: --source auto --source"
        )
        found.append(
            ok(
                f"{exporter.name} answers at :{exporter.port} ({hint} {exporter.source})",
                exporter=exporter.name,
                port=exporter.port,
                source=exporter.source,
            )
        )
    if not found:
        ports = ", ".join(f":{one.port}" for one in known)
        return [missing(f"none at {ports}", asked=False, exporters=[])]
    return found


def _answers(machine: Machine, exporter: Exporter) -> bool:
    """Whether what answers there is that exporter, and no other program at its port."""
    url = f"http://127.0.0.1:{exporter.port}/metrics"
    try:
        answer = machine.fetch("GET", url, {}, CONNECT_SECONDS)
    except OSError:
        return False
    lines = answer.body.decode(errors="replace").splitlines()
    return answer.status == 200 and any(line.startswith(exporter.signs) for line in lines)
