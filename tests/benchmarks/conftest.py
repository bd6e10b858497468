from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Its modules by name."""
    monkeypatch.syspath_prepend(ROOT)

    class Modules:
        def __getattr__(self, name: str) -> Any:
            return importlib.import_module(f"benchmarks.agent.{name}")

    return Modules()
