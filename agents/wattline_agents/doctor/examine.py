"""All checks of one node, for what a configuration asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from shlex import quote

from wattline_agents.assemble import mistake, source_config
from wattline_agents.config import Settings, SourceChoice
from wattline_agents.doctor import (
    accelerators,
    exporters,
    extras,
    jobs,
    node,
    power,
    sending,
    serving,
)
from wattline_agents.doctor.finding import Finding, Mark, Section, missing, ok
from wattline_agents.doctor.machine import Machine
from wattline_agents.doctor.probing import Probed, Prober, probe_all
from wattline_agents.telling import named

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
        Section("Node", [*node.check(machine), *node.processors(machine, settings)]),
        *accelerators.check(machine, probed, asked),
        Section("Sources", sources(probed, asked, settings.sources)),
        Section("Node power", power.check(machine, probed, asked)),
        Section("Exporters running here", exporters.check(machine, chosen)),
        Section("Jobs", jobs.check(machine, settings)),
        Section("Inference engines", serving.check(machine, settings)),
        Section("Sending", sending.check(machine, settings)),
        Section("Installed", extras.check(machine, settings)),
    ]
    return [section for section in sections if section.findings]


def sources(
    probed: Mapping[str, Probed], asked: frozenset[str], choices: Iterable[SourceChoice] = ()
) -> list[Finding]:
    """What each source gave; accelerators have sections of their own.

    Args:
        probed: What reading each source gave.
        asked: Those that were asked for by name.
        choices: What they were told.
    """
    found, absent = [], []
    chosen = {choice.name: choice for choice in choices}
    for name, source in probed.items():
        choice = chosen.get(name, SourceChoice(name))
        cure = next_step(choice)
        is_asked = name in asked
        # What keeps RAPL from being read is told with its cure among the meters.
        reasons = {} if name == "rapl" else source.why_not.get("", {})
        if source.mistake is not None and name not in _ACCELERATORS:
            found.append(Finding(Mark.PROBLEM, mistake(choice, source.mistake)))
        elif source.unavailable is not None:
            if not is_asked:
                absent.append(name)
            elif name not in _ACCELERATORS:
                found.append(missing(named(name, source.unavailable), cure, asked=True))
        elif source.works and (source.readings or not reasons):
            found.append(ok(f"{name}: {_told(source)}", source=name))
        elif name not in _ACCELERATORS:
            found += [
                Finding(Mark.PROBLEM, named(name, text), cure)
                for text in (*source.failed, *(f"{part} does not answer" for part in source.hung))
            ]
        for column, reason in reasons.items():
            found.append(missing(f"{name}: {column}: {reason}", cure, asked=is_asked))
    if absent:
        found.append(
            missing(f"nothing for {', '.join(absent)} to read here", asked=False, absent=absent)
        )
    return found


def next_step(choice: SourceChoice) -> str | None:
    """What a person does to find out why a source cannot be read; None where there is no such."""
    name, url = choice.name, choice.options.get("url")
    if name == "redfish":
        if url is None:
            return '[source.redfish] url = "https://ADDRESS", login_file = "FILE"'
        address = quote(f"{url.rstrip('/')}/redfish/v1/")
        return f"curl -kv {address}; then look at [source.redfish] url, login_file and ca_file"
    if name == "ipmi":
        return "ipmi-dcmi --get-system-power-statistics, or ipmitool dcmi power reading, as root"
    exporter = next((one for one in exporters.EXPORTERS if one.source == name), None)
    if exporter is not None:
        address = quote(url or f"http://127.0.0.1:{exporter.port}/metrics")
        return f"start {exporter.name}, or set [source.{name}] url; curl -v {address}"
    return None


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
