from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from wattline_agents.errors import ReadFailed
from wattline_agents.sources.serving.source import ServingSource
from wattline_agents.sources.serving.told import Place

NOW_MS = 1_793_534_400_000  # 2026-11-01T12:00Z


@dataclass
class FixedClock:
    """Stands still until told."""

    now_ms: int = NOW_MS

    def unix_ms(self) -> int:
        return self.now_ms

    def monotonic(self) -> float:
        return self.now_ms / 1000

    def sleep(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


@dataclass
class Pages:
    """Pages by address; an address without one refuses."""

    texts: dict[str, str | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    clock: FixedClock = field(default_factory=FixedClock)
    slow: dict[str, float] = field(default_factory=dict)

    def open(self, url: str, place: Place) -> _Page:
        return _Page(self, url)


@dataclass
class _Page:
    pages: Pages
    url: str

    def get(self) -> str:
        self.pages.asked.append(self.url)
        self.pages.clock.sleep(self.pages.slow.get(self.url, 0.0))
        text = self.pages.texts.get(self.url)
        if text is None:
            raise ReadFailed(f"{self.url}: Connection refused")
        if isinstance(text, Exception):
            raise text
        return text


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def pages(clock: FixedClock) -> Pages:
    return Pages(clock=clock)


@pytest.fixture
def source(pages: Pages, clock: FixedClock) -> Callable[..., ServingSource]:
    """A source of these pages, told or with what finds them."""

    def make(*places: Place, **more: object) -> ServingSource:
        return ServingSource(
            node="n01",
            pages=places,
            open_page=pages.open,
            clock=clock,
            **more,  # type: ignore[arg-type]
        )

    return make


@pytest.fixture
def page() -> Callable[..., str]:
    """A page of plain series: name or `name{labels}` -> value."""

    def text(series: Mapping[str, float] | None = None, **more: float) -> str:
        every = {**(series or {}), **more}
        return "".join(f"{name} {value}\n" for name, value in every.items())

    return text
