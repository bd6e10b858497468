"""What all sources do alike that read an exporter's page."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Protocol, Self

from wattline_agents.errors import ReadFailed, SourceUnavailable, UsageError
from wattline_agents.sources.scraped import fetch
from wattline_agents.sources.scraped.page import MISSING_PARSER, Page, has_parser, parse
from wattline_agents.sources.scraped.values import trimmed
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.source import Readings
from wattline_agents.wire import MAX_TEXT_BYTES, Row

EVERY_SECONDS = 15.0
"""Exporters renew their figures every 10 to 30 seconds; asking more often repeats them."""
_MOST_REMEMBERED = 1_024
_GONE_MS = 3_600_000
"""How long a device that left the page is called down before it is forgotten."""


class Address(Protocol):
    """Gives pages."""

    url: str

    def get(self) -> str:
        """The page as it is now.

        Raises:
            ReadFailed: There is none.
        """
        ...


class ScrapedSource(ABC):
    """One exporter on this node, or one that was told by its address.

    Attributes:
        name: The word people choose it by.
        default_url: Where the exporter is if nobody says otherwise.
        names: The metrics that matter.
        hints: Column -> the name on the page that would fill it, for columns worth asking for.
        may_block: The page comes over a network; the agent reads it with a deadline.
    """

    name: ClassVar[str]
    default_url: ClassVar[str]
    names: ClassVar[frozenset[str]]
    hints: ClassVar[Mapping[str, str]] = MappingProxyType({})
    may_block: ClassVar[bool] = True

    def __init__(self, address: Address, *, every_seconds: float = EVERY_SECONDS) -> None:
        """Read nothing yet.

        Args:
            address: Where the page is.
            every_seconds: How far apart readings should be.
        """
        self.every_seconds = every_seconds
        self._address = address
        self._infos: dict[str, list[Row]] = {}
        self._devices: dict[str, int] = {}
        self._why_not: dict[str, dict[str, str]] = {}

    @classmethod
    def from_config(cls, config: SourceConfig) -> Self:
        """Open it; options `url`, `every` (seconds) and `token_file`.

        At an address nobody told an exporter is either there now or not at all; one that was told
        may still be starting, and is asked again later.

        Raises:
            SourceUnavailable: Nobody listens at the usual address.
            UsageError: An option is not what it should be, or the parser is not installed.
        """
        config.check_options(cls.name, ("url", "every", "token_file"))
        every = config.number(cls.name, "every", EVERY_SECONDS, 0.1, 3600)
        told, token = config.options.get("url"), config.options.get("token_file")
        try:
            address = fetch.Page(told or cls.default_url, Path(token) if token else None)
        except UsageError as error:
            raise UsageError(f"source {cls.name}: {error}") from error
        source = cls(address, every_seconds=max(every, config.period_seconds))
        if told is not None:
            if not has_parser():
                raise UsageError(f"source {cls.name}: {MISSING_PARSER}")
            return source
        try:
            text = address.get()
        except ReadFailed as error:
            raise SourceUnavailable(f"no exporter: {error}") from error
        if not has_parser():
            raise SourceUnavailable(f"{address.url} answers; {MISSING_PARSER}")
        if not source._sorted_out(source._page(text), 0):
            raise SourceUnavailable(f"{address.url} is another exporter's page")
        return source

    def read(self, now_ms: int) -> Readings:
        """The rows of the page as it is now.

        Raises:
            ReadFailed: There is no page, or nothing on it is known.
        """
        page = self._page(self._address.get())
        found = self._sorted_out(page, now_ms)
        if not found:
            reason = f"; {page.first_bad}" if page.first_bad else ""
            raise ReadFailed(f"{self._address.url}: nothing of {self.name} on the page{reason}")
        return found

    def describe(self, now_ms: int) -> Readings:
        """Who is on the page that was read last."""
        return {
            table: [{**row, "time_unix_ms": now_ms} for row in rows]
            for table, rows in self._infos.items()
        }

    def why_not(self) -> Mapping[str, Mapping[str, str]]:
        """What the page lacks, and which lines of it could not be read."""
        return self._why_not

    def close(self) -> None:  # noqa: B027  those that hold nothing need not say so
        """Nothing is held."""

    @abstractmethod
    def rows(self, page: Page, now_ms: int) -> Readings:
        """The rows of one page; what each exporter does in its own way."""

    def _page(self, text: str) -> Page:
        return parse(text, self.names.__contains__)

    def _sorted_out(self, page: Page, now_ms: int) -> Readings:
        """The rows to send now; those that say who is who are kept for `describe`."""
        found = self.rows(page, now_ms)
        if not found:
            return {}
        self._infos.clear()
        for table in ("device_info", "node_info"):
            if table in found:
                self._infos[table] = found.pop(table)
        gone = self._note_devices(found.get("device", []), now_ms)
        self._why_not = self._missing(found.get("device", []))
        if page.bad_lines:
            lines = "1 line" if page.bad_lines == 1 else f"{page.bad_lines} lines"
            said = f"{lines} of {self._address.url} left out; {page.first_bad}"
            self._why_not[""] = {"page": trimmed(said, MAX_TEXT_BYTES)}
        for device in gone:
            found["device"].append({"time_unix_ms": now_ms, "device": device, "up": 0})
        return found

    def _note_devices(self, rows: list[Row], now_ms: int) -> list[str]:
        """Devices that were on the page within the hour and are no more, while others are."""
        here = {str(row["device"]) for row in rows}
        if not here:
            return []
        self._devices |= dict.fromkeys(here, now_ms)
        gone = [
            device
            for device, seen_ms in self._devices.items()
            if device not in here and 0 <= now_ms - seen_ms <= _GONE_MS
        ][:_MOST_REMEMBERED]
        self._devices = {device: self._devices[device] for device in (*here, *gone)}
        return gone

    def _missing(self, rows: list[Row]) -> dict[str, dict[str, str]]:
        reasons = {
            column: f"{name} is not on the exporter's page" for column, name in self.hints.items()
        }
        found: dict[str, dict[str, str]] = {}
        for row in rows:
            missing = {
                column: reason for column, reason in reasons.items() if row.get(column) is None
            }
            if missing:
                found[str(row["device"])] = missing
        return found
