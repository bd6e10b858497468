"""A configuration file, checked: every mistake is named by file, line and key.

The keys are a table (`TOP`, `SECTIONS`), so that what is read, what is refused and what the example
shows cannot drift apart.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from wattline_agents.config import address
from wattline_agents.config.document import read as read_document
from wattline_agents.config.lines import line_of
from wattline_agents.config.settings import (
    AUTOMATIC,
    LEAST_PERIOD_SECONDS,
    LEAST_PUSH_SECONDS,
    LEAST_SPOOL_BYTES,
    MOST_PERIOD_SECONDS,
    MOST_PUSH_SECONDS,
    MOST_SPOOL_BYTES,
    AgentConfig,
    AssignmentSettings,
    InfluxSettings,
    OtlpSettings,
    Settings,
    SourceChoice,
    cpu_set,
    default_node,
    rack_complaint,
)
from wattline_agents.errors import InputError, UsageError, WireError
from wattline_agents.nearest import instead

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Key:
    """What may stand behind one key.

    Attributes:
        type: `str`, `int`, `float` (whole numbers too), `bool` or `list`.
        least: The least number.
        most: The largest number.
        check: Says in words what is wrong with a text, or raises a `UsageError` that does.
        or_bool: Whether true or false may stand there instead.
    """

    type: type
    least: float = 0.0
    most: float = float(2**62)
    check: Callable[[str], str | None] | None = None
    or_bool: bool = False


def _name(text: str) -> str | None:
    from wattline_agents.wire import checked_name

    try:
        checked_name(text, "name")
    except WireError as error:
        return str(error).removeprefix("name: ")
    return None


def _numbers(text: str) -> str | None:
    return None if text in ("auto", "index", "minor") else f"not auto, index or minor: {text!r}"


def _cpus(text: str) -> str | None:
    cpu_set(text)
    return None


_EVERY = Key(float, 1.0, 3600.0)
_TARGET = Key(float, 1e-6, 3600.0)
_FILE = Key(str)
_URL = Key(str, check=address.complaint)
_OTLP_URL = Key(str, check=lambda text: address.complaint(text, "headers_file"))

TOP: Mapping[str, Key] = MappingProxyType(
    {
        "system": Key(str, check=_name),
        "node": Key(str, check=_name),
        "rack": Key(str, check=rack_complaint),
        "period_seconds": Key(float, LEAST_PERIOD_SECONDS, MOST_PERIOD_SECONDS),
        "sources": Key(list),
        "record": _FILE,
        "nice": Key(int, 0, 19),
        "cpus": Key(str, check=_cpus),
    }
)
SECTIONS: Mapping[str, Mapping[str, Key]] = MappingProxyType(
    {
        "push": {
            "url": _URL,
            "token_file": _FILE,
            "every_seconds": Key(float, LEAST_PUSH_SECONDS, MOST_PUSH_SECONDS),
            "spool": _FILE,
            "spool_bytes": Key(int, LEAST_SPOOL_BYTES, MOST_SPOOL_BYTES),
        },
        "prometheus": {"listen": Key(str, check=address.listen_complaint)},
        "otlp": {
            "endpoint": _OTLP_URL,
            "every_seconds": _EVERY,
            "headers_file": _FILE,
            "gzip": Key(bool),
        },
        "influx": {
            "url": _URL,
            "bucket": Key(str),
            "org": Key(str),
            "token_file": _FILE,
            "every_seconds": _EVERY,
        },
        "job": {"socket": _FILE, "directory": _FILE, "enabled": Key(bool)},
        "assignment": {
            "enabled": Key(bool),
            "records": _FILE,
            "jobstats": _FILE,
            "dcgm": _FILE,
            "amd": _FILE,
            "numbers": Key(str, check=_numbers),
            "shards_per_device": Key(int, 1, 100_000),
            "kubernetes": Key(str, or_bool=True),
        },
        "serving": {
            "pages": Key(list),
            "discover": Key(bool),
            "kubernetes": Key(bool),
            "kubernetes_node": Key(str, check=_name),
            "every_seconds": _EVERY,
            "token_file": _FILE,
            "first_token_target_seconds": _TARGET,
            "per_token_target_seconds": _TARGET,
        },
    }
)

_NEEDED = {"prometheus": "listen", "otlp": "endpoint", "influx": "url"}
"""Without this key a section says nothing; that of [push] may also come from the command line."""

_TYPE_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
}


def read(path: Path) -> Settings:
    """Read a configuration file.

    Raises:
        InputError: It is not there, not TOML, or a key is unknown or not what it should be.
    """
    document = read_document(path, "a configuration")
    return _Reader(path, document.lines).settings(document.content)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns one document into settings; knows where each key stands."""

    path: Path
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)

    def settings(self, document: Mapping[str, Any]) -> Settings:
        """All of it.

        Raises:
            InputError: Names the first key that is not what it should be.
        """
        known = (*TOP, *SECTIONS, "source")
        for key in document:
            if key not in known:
                self._refuse((key,), f"no such key; {instead(key, known)}")
        for key, value in document.items():
            if key in TOP:
                self._check(value, TOP[key], (key,))
        sections = {name: self._section(document, name) for name in SECTIONS}
        push, job = sections["push"], sections["job"]
        settings = Settings(
            agent=AgentConfig(
                system=document.get("system", "local"),
                node=document.get("node", default_node()),
                rack=document.get("rack"),
                period_seconds=float(document.get("period_seconds", 1.0)),
            ),
            sources=self._with_serving(
                self._sources(document.get("sources", [AUTO]), document.get("source", {})),
                sections["serving"] if "serving" in document else None,
            ),
            push=push.get("url"),
            token_file=_as_path(push.get("token_file")),
            spool=_as_path(push.get("spool")),
            prometheus=sections["prometheus"].get("listen"),
            otlp=_otlp(sections["otlp"]),
            influx=_influx(sections["influx"]),
            nice=document.get("nice"),
            cpus=document.get("cpus"),
            job_socket=_as_path(job.get("socket")),
            job_directory=_as_path(job.get("directory")),
            jobs=job.get("enabled", True),
            record=_as_path(document.get("record")),
            assignment=_assignment(sections["assignment"]),
        )
        if "every_seconds" in push:
            settings = replace(settings, push_every_seconds=float(push["every_seconds"]))
        if "spool_bytes" in push:
            settings = replace(settings, spool_bytes=push["spool_bytes"])
        return settings

    def _section(self, document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        section = document.get(name)
        if section is None:
            return {}
        if not isinstance(section, dict):
            self._refuse((name,), f"not a section [{name}]")
        known = SECTIONS[name]
        for key, value in section.items():
            if key not in known:
                reason = f"no such key in [{name}]; {instead(key, known)}"
                self._refuse((name, key), reason)
            self._check(value, known[key], (name, key))
        needed = _NEEDED.get(name)
        if needed is not None and needed not in section:
            self._refuse((name,), f"without `{needed}`, which [{name}] needs")
        return section

    def _sources(self, chosen: list[Any], options: Any) -> tuple[SourceChoice, ...]:
        choices: dict[str, bool] = {}
        for name in chosen:
            if not isinstance(name, str):
                self._refuse(("sources",), f"not text: {str(name)[:40]!r}")
            if name == AUTO:
                choices = dict.fromkeys(AUTOMATIC, True) | choices
                continue
            self._check_source(name, ("sources",))
            if choices.get(name) is False:
                self._refuse(("sources",), f"{name!r} is named twice")
            choices[name] = False
        if not choices:
            self._refuse(("sources",), "names no source; leave it out to read what there is")
        if not isinstance(options, dict):
            self._refuse(("source",), "not a section [source.NAME]")
        for name, section in options.items():
            if not isinstance(section, dict):
                self._refuse(("source", name), f"not a section [source.{name}]")
            self._check_source(name, ("source", name))
            if name not in choices:
                self._refuse(("source", name), "has options and is not in `sources`")
        return tuple(
            self._choice(name, automatic, options.get(name, {}))
            for name, automatic in choices.items()
        )

    def _with_serving(
        self, sources: tuple[SourceChoice, ...], section: Mapping[str, Any] | None
    ) -> tuple[SourceChoice, ...]:
        """The sources, and engines' pages with them if there is a section for those."""
        if section is None:
            return sources
        from wattline_agents.config import serving

        try:
            serving.check_pages(section.get("pages", []))
        except UsageError as error:
            self._refuse(("serving", "pages"), str(error))
        others = (one for one in sources if one.name != serving.NAME)
        return (*others, serving.choice(section, self._place))

    def _choice(self, name: str, automatic: bool, section: Mapping[str, Any]) -> SourceChoice:
        options: dict[str, str] = {}
        for key, value in section.items():
            where = ("source", name, key)
            if not isinstance(value, str | int | float | bool):
                self._refuse(where, "not text, a number, or true or false")
            options[key] = str(value).lower() if isinstance(value, bool) else str(value)
        if (wrong := address.secret_complaint(name, options.get("url", ""))) is not None:
            self._refuse(("source", name, "url"), wrong)
        places = {key: self._place(("source", name, key)) for key in options}
        if section:
            places[""] = self._place(("source", name))
        return SourceChoice(name, options, automatic, places)

    def _check_source(self, name: str, key: tuple[str, ...]) -> None:
        from wattline_agents.sources.registry import SOURCES

        if name not in SOURCES:
            self._refuse(key, f"no source {name[:40]!r}; {instead(name, [AUTO, *SOURCES])}")

    def _check(self, value: object, key: Key, where: tuple[str, ...]) -> None:
        if key.or_bool and isinstance(value, bool):
            return
        # In Python true is a number; in a configuration it is a slip.
        wrong_bool = isinstance(value, bool) and key.type is not bool
        right = int | float if key.type is float else key.type
        if wrong_bool or not isinstance(value, right):
            hint = f'; write ["{value}"]' if where == ("sources",) and value == AUTO else ""
            self._refuse(where, f"not {_TYPE_NAMES[key.type]}: {str(value)[:40]!r}{hint}")
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not key.least <= value <= key.most:
                told = str(value)[:40]
                self._refuse(where, f"not from {key.least:g} to {key.most:g}: {told}")
        if isinstance(value, str):
            self._check_text(value, key, where)

    def _check_text(self, value: str, key: Key, where: tuple[str, ...]) -> None:
        if not value or not value.isprintable():
            self._refuse(where, f"not a line of text: {value[:40]!r}")
        if key.check is None:
            return
        try:
            reason = key.check(value)
        except UsageError as error:
            reason = str(error)
        if reason is not None:
            self._refuse(where, reason)

    def _place(self, key: tuple[str, ...]) -> str:
        line = line_of(self.lines, key)
        return str(self.path) if line is None else f"{self.path}:{line}"

    def _refuse(self, key: tuple[str, ...], reason: str) -> NoReturn:
        line = line_of(self.lines, key)
        raise InputError(reason, path=self.path, line=line, field=".".join(key))


def _assignment(section: Mapping[str, Any]) -> AssignmentSettings:
    places = {key: _as_path(section.get(key)) for key in ("records", "jobstats", "dcgm", "amd")}
    return AssignmentSettings(
        enabled=section.get("enabled", True),
        **places,
        numbers=section.get("numbers", "auto"),
        shards_per_device=section.get("shards_per_device"),
        kubernetes=_kubernetes(section.get("kubernetes", AUTO)),
    )


def _kubernetes(told: str | bool) -> Path | bool:
    if isinstance(told, bool) or told == AUTO:
        return bool(told)
    return Path(told.removeprefix("unix://"))


def _otlp(section: Mapping[str, Any]) -> OtlpSettings | None:
    if not section:
        return None
    return OtlpSettings(
        endpoint=section["endpoint"],
        every_seconds=float(section.get("every_seconds", 10.0)),
        headers_file=_as_path(section.get("headers_file")),
        gzip=section.get("gzip", False),
    )


def _influx(section: Mapping[str, Any]) -> InfluxSettings | None:
    if not section:
        return None
    known = {key: section[key] for key in ("bucket", "org") if key in section}
    return InfluxSettings(
        url=section["url"],
        token_file=_as_path(section.get("token_file")),
        every_seconds=float(section.get("every_seconds", 10.0)),
        **known,
    )


def _as_path(text: str | None) -> Path | None:
    # What `Path.expanduser` does not know it raises; here `~nobody/x` stays what it is.
    return None if text is None else Path(os.path.expanduser(text))
