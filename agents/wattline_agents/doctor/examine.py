"""All checks of one node, for what a configuration asks for."""

from __future__ import annotations

from collections.abc import Mapping

from wattline_agents.assemble import source_config
from wattline_agents.config import Settings
from wattline_agents.doctor import accelerators, exporters, extras, jobs, node, power, sending
from wattline_agents.doctor.finding import Finding, Mark, Section, missing, ok
from wattline_agents.doctor.machine import Machine
from wattline_agents.doctor.probing import Probed, Prober, probe_all

_ACCELERATORS = frozenset(accelerators.SOURCE.values())


def examine(machine: Machine, settings: Settings, prober: Prober = probe_all) -> list[Section]:
    """Look at everything.

    Args:
        machine: The node.
        settings: What the configuration asks for.
        prober: Reads the sources that are asked for.
    """
    probed = prober({choice.name: source_config(choice, settings) for choice in settings.sources})
    asked = frozenset(choice.name for choice in settings.sources if not choice.automatic)
    chosen = [choice.name for choice in settings.sources]
    sections = [
        Section("Node", node.check(machine)),
        *accelerators.check(machine, probed, asked),
        Section("Sources", sources(probed, asked)),
        Section("Node power", power.check(machine, probed, asked)),
        Section("Exporters running here", exporters.check(machine, chosen)),
        Section("Jobs", jobs.check(machine, settings)),
        Section("Sending", sending.check(machine, settings)),
        Section("Installed", extras.check(machine, settings)),
    ]
    return [section for section in sections if section.findings]


def sources(probed: Mapping[str, Probed], asked: frozenset[str]) -> list[Finding]:
    """What each source gave; accelerators have sections of their own."""
    found, absent = [], []
    for name, source in probed.items():
        is_asked = name in asked
        # What keeps RAPL from being read is told with its cure among the meters.
        reasons = {} if name == "rapl" else source.why_not.get("", {})
        if source.mistake is not None and name not in _ACCELERATORS:
            found.append(Finding(Mark.PROBLEM, source.mistake))
        elif source.unavailable is not None:
            if not is_asked:
                absent.append(name)
            elif name not in _ACCELERATORS:
                found.append(missing(f"{name}: {source.unavailable}", asked=True))
        elif source.works and (source.readings or not reasons):
            found.append(ok(f"{name}: {_told(source)}", source=name))
        elif name not in _ACCELERATORS:
            found += [
                Finding(Mark.PROBLEM, f"{name}: {text}")
                for text in (*source.failed, *(f"{part} does not answer" for part in source.hung))
            ]
        for column, reason in reasons.items():
            found.append(missing(f"{name}: {column}: {reason}", asked=is_asked))
    if absent:
        found.append(
            missing(f"nothing for {', '.join(absent)} to read here", asked=False, absent=absent)
        )
    return found


def _told(source: Probed) -> str:
    devices = len(source.readings.get("device", ()))
    if devices:
        return f"{devices} device{'s' if devices > 1 else ''}"
    meters = len(source.readings.get("meter", ()))
    if meters:
        return f"{meters} meter{'s' if meters > 1 else ''}"
    known = sum(
        1
        for rows in source.readings.values()
        for row in rows
        for value in row.values()
        if value is not None
    )
    return f"{known} value{'s' if known > 1 else ''}" if known else "answers, and says nothing"
