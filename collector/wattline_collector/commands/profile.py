"""`wattline profile`: what a factory is, owes, pays and measures, in one file."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_agents.command import Command
from wattline_agents.errors import UsageError
from wattline_collector.default_store import HELP, default_store

if TYPE_CHECKING:
    from wattline_collector.profile.parse import Read
    from wattline_collector.profile.schema import FactoryProfile

_LONG = 8
"""Missing keys that are not said twice."""

_DESCRIPTION = """\
The profile of a factory: its systems and their peaks, whose time it is, service levels, tariffs,
calendars, meters. One TOML file; figures and reports take from it what no sensor tells.

examples:
  wattline profile template -o factory.toml       every key, explained, to fill in
  wattline profile check factory.toml             what is wrong, and what is missing for which KPI
  wattline profile use factory.toml --store DIR   let it hold from now on; the one before is kept
  wattline profile show --store DIR --json        the one that holds, in base units
  wattline profile factories --country PL         the AI Factories and Antennas there are"""


def _configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    template = actions.add_parser(
        "template", help="print a profile with every key explained",
        epilog="example: wattline profile template -o factory.toml",
    )  # fmt: skip
    template.add_argument("-o", dest="output", type=Path, metavar="FILE", help="write it there")
    template.add_argument(
        "--table", action="store_true", help="print the documentation's tables of keys instead"
    )
    check = actions.add_parser(
        "check", help="say what is wrong, and what is missing",
        epilog="example: wattline profile check factory.toml",
    )  # fmt: skip
    _add_place(check)
    check.add_argument("--json", action="store_true", help="print it as JSON")
    show = actions.add_parser(
        "show", help="print what a profile says",
        epilog="example: wattline profile show --store DIR --json",
    )  # fmt: skip
    _add_place(show)
    show.add_argument("--json", action="store_true", help="all of it, in base units")
    show.add_argument(
        "--persons", action="store_true", help="with keys that may name a person (JSON)"
    )
    use = actions.add_parser(
        "use", help="let a profile hold for a store",
        epilog="example: wattline profile use factory.toml --store DIR",
    )  # fmt: skip
    use.add_argument("file", type=Path, metavar="FILE")
    use.add_argument("--store", type=Path, metavar="DIR", help=HELP)
    factories = actions.add_parser(
        "factories", help="list the AI Factories and Antennas",
        epilog="example: wattline profile factories --country PL",
    )  # fmt: skip
    factories.add_argument("--country", metavar="XX", help="of one State, ISO 3166-1 alpha-2")
    factories.add_argument("--file", type=Path, metavar="CSV", help="a corrected copy of the list")
    factories.add_argument("--json", action="store_true", help="print them as JSON")


def _add_place(parser: ArgumentParser) -> None:
    place = parser.add_mutually_exclusive_group()
    place.add_argument("file", type=Path, nargs="?", metavar="FILE", help="the profile")
    place.add_argument("--store", type=Path, metavar="DIR", help=f"of which store; {HELP}")


def _run(arguments: Namespace) -> int:
    match arguments.action:
        case "template":
            return _template(arguments)
        case "check":
            return _check(arguments)
        case "show":
            return _show(arguments)
        case "use":
            return _use(arguments)
        case _:
            return _factories(arguments)


def _template(arguments: Namespace) -> int:
    from wattline_collector.profile.template import page, template

    text = page() if arguments.table else template()
    output: Path | None = arguments.output
    if output is None:
        print(text, end="")
        return 0
    try:
        # Never over a file that somebody has filled in.
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(f"{output}: is there already; choose another name") from error
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from error
    print(f"{output} written; fill it in, then: wattline profile check {output}")
    return 0


def _read(arguments: Namespace) -> Read:
    from wattline_collector.profile.parse import read_profile
    from wattline_collector.store.filenames import PROFILE

    if arguments.file is not None:
        return read_profile(arguments.file)
    path = (arguments.store or default_store()) / PROFILE
    if not path.exists():
        raise UsageError(f"{path}: not there; wattline profile use FILE puts one there")
    return read_profile(path)


def _check(arguments: Namespace) -> int:
    from wattline_collector.profile.gaps import gaps
    from wattline_collector.profile.parse import Severity

    read = _read(arguments)
    missing = {} if read.profile is None else gaps(read.profile)
    if arguments.json:
        complaints = [
            {"severity": one.severity, "line": one.line, "key": one.key, "reason": one.reason}
            for one in read.complaints
        ]
        print(json.dumps({"complaints": complaints, "missing": missing}, indent=1))
        return 0 if read.profile is not None else 2
    for one in read.of(Severity.ERROR):
        print(f"error: {one}", file=sys.stderr)
    for one in read.of(Severity.WARNING):
        print(f"warning: {one}", file=sys.stderr)
    if read.profile is None:
        return 2
    _print_summary(read.profile)
    _print_gaps(read.profile, missing)
    return 0


def _print_summary(profile: FactoryProfile) -> None:
    from wattline_collector.imports.summary import counted

    track = f", track {profile.track}" if profile.track is not None else ""
    print(f"{profile.name} ({profile.id}), {profile.country}{track}")
    for system in profile.systems.values():
        devices = ", ".join(f"{d.count:,} {d.model}" for d in system.devices.values())
        print(f"  system {system.id}: {devices or 'no devices told'}")
    tables = {
        "meter": profile.meters, "measurement point": profile.points,
        "tariff": profile.tariffs, "service level": profile.sla, "target": profile.targets,
        "calendar": profile.calendars, "contract": profile.contracts,
    }  # fmt: skip
    told = [counted(len(entries), name) for name, entries in tables.items() if entries]
    print(f"  {', '.join(told) or 'no meters, tariffs, service levels or calendars'}")


def _print_gaps(profile: FactoryProfile, missing: dict[str, list[str]]) -> None:
    from wattline_collector.profile import law

    if law.must_report_energy(profile) is False:
        print("Rated IT load under 500 kW: not obliged to report under the EED.")
    if not missing:
        print("Nothing is missing.")
        return
    print("Missing, by the KPI or report that waits for it:")
    said: dict[str, list[str]] = {}
    for id, keys in missing.items():
        first, *others = _shortened(keys, said)
        print(f"  {id:<20} {first}")
        for key in others:
            print(f"  {'':<20} {key}")
        said[id] = keys


def _shortened(keys: list[str], said: dict[str, list[str]]) -> list[str]:
    """Keys, but in place of a long list that was said already the id it was said for."""
    for id, before in said.items():
        if len(before) > _LONG and set(before) <= set(keys):
            return [f"what {id} lacks", *(key for key in keys if key not in before)]
    return keys


def _show(arguments: Namespace) -> int:
    from wattline_collector.profile.as_json import to_json
    from wattline_collector.profile.parse import must

    profile = must(_read(arguments))
    if arguments.json:
        text = to_json(profile, with_persons=arguments.persons)
        print(json.dumps(text, indent=1, allow_nan=False))
    else:
        _print_summary(profile)
    return 0


def _use(arguments: Namespace) -> int:
    from datetime import UTC, datetime

    from wattline_collector.profile.kept import use
    from wattline_collector.profile.parse import Severity, read_profile

    for one in read_profile(arguments.file).of(Severity.WARNING):
        print(f"warning: {one}", file=sys.stderr)
    store: Path = arguments.store or default_store()
    used = use(arguments.file, store, datetime.now(UTC))
    if not used.is_new:
        print(f"{used.path}: is this one already")
    elif not used.holds:
        print(f"{used.path} kept for figures of its time; a later one holds")
    else:
        print(f"{used.path} holds from now on")
        if used.replaced is not None:
            print(f"the one before it is kept: {used.replaced}")
    return 0


def _factories(arguments: Namespace) -> int:
    from wattline_collector.profile.factories import load_factories
    from wattline_collector.registers.words import STATES

    found = load_factories(arguments.file)
    country: str | None = arguments.country
    if country is not None:
        country = country.upper()
        if country not in STATES:
            raise UsageError(f"--country: {country[:20]!r} is no State of ISO 3166-1, such as FI")
        found = tuple(one for one in found if one.country == country)
    if arguments.json:
        from dataclasses import asdict

        rows = [asdict(one) | {"wave": one.wave.isoformat()} for one in found]
        print(json.dumps(rows, indent=1))
        return 0
    header = ("id", "country", "kind", "track", "selected", "host", "system")
    table = [
        (
            one.id, one.country, one.kind,
            "" if one.track is None else f"{one.track}{'?' * (one.track_basis == 'press')}",
            one.wave.isoformat(), one.host or "", one.system or "",
        )
        for one in found
    ]  # fmt: skip
    widths = [max(len(row[i]) for row in (header, *table)) for i in range(len(header))]
    for row in (header, *table):
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    if any(one.track_basis == "press" for one in found):
        print("? as press has it, not verified; --json has sources and dates")
    return 0


COMMAND = Command(
    "profile", "what a factory is, owes, pays and measures", _DESCRIPTION, _configure, _run
)
