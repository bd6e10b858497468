from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from wattline_agents import cli
from wattline_collector.store.store import Store


@dataclass
class Importing:
    """Runs `wattline import` on files of a test, and looks at what is in the store then."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, format: str, path: Path, *more: str) -> tuple[int, str, str]:
        words = ["import", format, str(path), "--store", str(self.store), *more]
        try:
            code = cli.main(words)
        except SystemExit as error:
            code = int(error.code or 0)
        out = self.capsys.readouterr()
        return code, out.out, out.err

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, without what is null, in the order of time."""
        store = Store.open(self.store, write=False)
        try:
            frame = store.read(table, 0, 2**62)
        finally:
            store.close()
        return [
            {name: value for name, value in row.items() if value is not None}
            for row in frame.sort("time_unix_ms", maintain_order=True).to_dicts()
        ]


@pytest.fixture
def importing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Importing:
    return Importing(tmp_path, capsys)


@pytest.fixture
def row_of() -> Callable[..., dict[str, Any]]:
    """A row of `device` at so many seconds after 2023-11-14T22:13:20Z."""

    def make(seconds: float, watts: float | None, **more: Any) -> dict[str, Any]:
        time_ms = 1_700_000_000_000 + round(seconds * 1000)
        return {"time_unix_ms": time_ms, "device": "GPU-1", "up": 1, "power_watts": watts, **more}

    return make
