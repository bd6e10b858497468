"""How the source is opened, and what that costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import SourceUnavailable, UsageError
from wattline_agents.sources import nvml
from wattline_agents.sources.nvml import NvmlSource, source
from wattline_agents.sources.registry import open_source
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.source import ReadsInParts, SaysWhyNot

CONFIG = SourceConfig("s", "n")


def test_without_a_library_there_is_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "library_is_here", lambda: False)
    with pytest.raises(SourceUnavailable, match="no NVIDIA driver on this node"):
        NvmlSource.from_config(CONFIG)


def test_with_a_library_there_is_one_and_the_driver_is_not_touched(bench: Any) -> None:
    bench.begin()
    bench.patch.setenv("LD_LIBRARY_PATH", str(bench.library))
    opened = open_source("nvml", CONFIG)
    assert isinstance(opened, ReadsInParts)
    assert isinstance(opened, SaysWhyNot)
    assert opened.describe(0) == {"device_info": []}
    opened.close()
    assert not (bench.folder / "counters").exists(), "nothing was called"


def test_it_has_no_options(bench: Any) -> None:
    with pytest.raises(UsageError, match="no option 'x'"):
        NvmlSource.from_config(SourceConfig("s", "n", options={"x": "1"}))


def test_what_only_asks_for_it_stays_small(nvml_stand_in: Any) -> None:
    code = """
import sys
from wattline_agents.sources.nvml import NvmlSource
from wattline_agents.sources.settings import SourceConfig
NvmlSource.from_config(SourceConfig("s", "n")).close()
print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE, text=True, check=True, env=nvml_stand_in.environment(),
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert not loaded & {"pynvml", "ctypes", "wattline_agents.sources.nvml.fleet"}


def test_the_process_that_reads_imports_nothing_heavy(nvml_stand_in: Any) -> None:
    # No site, as the process itself is started: that loads some of it, here and there.
    code = (
        f"import sys; sys.path[:] = {sys.path!r}"
        + """
from wattline_agents.sources.nvml import NvmlSource
before = set(sys.modules)
source = NvmlSource()
source.read(1_790_000_000_000)
told = set(sys.modules) - before
import pynvml
from ctypes import util
assert util.find_library is not pynvml.find_library
assert util.find_library("c") == pynvml.find_library("c")
import string
assert pynvml.string.capwords("NO_PERMISSION", "_") == string.capwords("NO_PERMISSION", "_")
assert pynvml.string.digits == string.digits
print(*told)
"""
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        stdout=subprocess.PIPE, text=True, check=True, env=nvml_stand_in.environment(),
    )  # fmt: skip
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    heavy = {"asyncio", "concurrent", "email", "hashlib", "http", "json", "logging", "lzma",
             "multiprocessing", "psutil", "random", "re", "shutil", "socket", "ssl", "string",
             "subprocess", "tempfile", "urllib"}  # fmt: skip
    assert "pynvml" in loaded
    assert not loaded & heavy


def test_closing_detaches_from_the_driver(bench: Any) -> None:
    opened = bench.begin()
    bench.read(0)
    bench.read(1)
    opened.close()
    calls = bench.calls()
    assert calls["nvmlShutdown"] == calls["nvmlInitWithFlags"] == 1
    assert calls["nvmlGpmSampleFree"] == calls["nvmlGpmSampleAlloc"] == 4


def test_nothing_is_imported_to_run_that_only_types_need() -> None:
    """Each costs the process that reads a mebibyte or more."""
    costly = {"dataclasses", "enum", "pathlib", "typing", "wattline_agents.catalogue",
              "wattline_agents.sources.source", "wattline_agents.wire"}  # fmt: skip
    for path in sorted(Path(nvml.__file__ or "").parent.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            assert not (isinstance(node, ast.ImportFrom) and node.module in costly), path.name
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            assert not costly & set(names), path.name
