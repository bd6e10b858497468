"""Libraries that are installed, and those a configuration asks for."""

from __future__ import annotations

import sys

from wattline_agents.config import Settings
from wattline_agents.doctor.finding import Finding, missing, ok
from wattline_agents.doctor.machine import Machine

BASE = {"pynvml": "nvidia-ml-py"}
if sys.platform != "linux":
    BASE["psutil"] = "psutil"
EXTRAS = {
    "scrape": ("prometheus_client",),
    "otlp": ("opentelemetry.proto",),
    "influx": ("influxdb_client",),
}
_SCRAPED = frozenset({"dcgm", "amd-exporter", "nvidia-gpu-exporter", "node-exporter", "xpumd"})


def wanted(settings: Settings) -> dict[str, str]:
    """The extras that a configuration asks for, and the key that does."""
    found = {}
    scraped = [choice.name for choice in settings.sources if choice.name in _SCRAPED]
    if scraped:
        found["scrape"] = f"source {scraped[0]}"
    if settings.otlp is not None:
        found["otlp"] = "[otlp]"
    if settings.influx is not None:
        found["influx"] = "[influx]"
    return found


def check(machine: Machine, settings: Settings) -> list[Finding]:
    """What is installed, and what the configuration lacks."""
    found = [
        missing(f"{package} is not installed", f"pip install {package}", asked=True)
        for module, package in BASE.items()
        if not machine.has_module(module)
    ]
    needs = wanted(settings)
    there, absent = [], []
    for extra, modules in EXTRAS.items():
        if all(machine.has_module(module) for module in modules):
            there.append(extra)
        elif extra in needs:
            found.append(
                missing(
                    f"extra `{extra}` is not installed, and {needs[extra]} needs it",
                    f"pip install 'wattline-agents[{extra}]'",
                    asked=True,
                )
            )
        else:
            absent.append(extra)
    found.append(ok(f"installed: {', '.join(there) or 'no extras'}", extras=there))
    if absent:
        found.append(
            missing(
                f"not installed, and not asked for: {', '.join(absent)}",
                f"pip install 'wattline-agents[{','.join(absent)}]'",
                asked=False,
            )
        )
    return found
