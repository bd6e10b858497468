"""What tests need beyond Python: where it is missing they are left out, and it is said at the end.

With WATTLINE_CI=1 nothing may be left out: a test that is skipped there makes the run fail.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
CHROMIUM = "/usr/bin/chromium"
SLURM = (
    ("slurmctld", "slurm-wlm"),
    ("slurmdbd", "slurmdbd"),
    ("slurmrestd", "slurmrestd"),
    ("munged", "munge"),
    ("mariadbd", "mariadb-server"),
)
TRAINING = (
    ("torch", "torch"),
    ("transformers", "'transformers[torch]'"),
    ("lightning", "lightning"),
)


def _recordings() -> str | None:
    shared = Path(os.environ.get("WATTLINE_SHARED", ROOT.parent / "shared"))
    if (shared / "data").is_dir():
        return None
    return "the recordings are not here: set WATTLINE_SHARED to the directory that holds data/"


def _browser() -> str | None:
    if not Path(CHROMIUM).exists():
        return "no Chromium: apt install chromium fonts-dejavu-core"
    if importlib.util.find_spec("playwright") is None:
        return "no Playwright: ./run setup browser"
    return None


def _program(name: str, package: str) -> str | None:
    return None if shutil.which(name) else f"no {name}: apt install {package}"


def _missing(marker: str) -> str | None:
    """Why tests with that marker cannot run here."""
    match marker:
        case "recordings":
            return _recordings()
        case "browser":
            return _browser()
        case "pdftools":
            return _program("pdftoppm", "poppler-utils")
        case "systemd":
            return _program("systemd-analyze", "systemd")
        case "openssl":
            return _program("openssl", "openssl")
        case "prometheus":
            return _program("prometheus", "prometheus") or _program("promtool", "prometheus")
        case "victoriametrics":
            return _program("victoria-metrics", "victoria-metrics")
        case "alertmanager":
            return _program("prometheus-alertmanager", "prometheus-alertmanager")
        case "slurm":
            for program, package in SLURM:
                if missing := _program(program, package):
                    return missing
            return None if os.getuid() == 0 else "not root: only root may start Slurm's daemons"
        case "training":
            for module, package in TRAINING:
                if importlib.util.find_spec(module) is None:
                    return f"no {package}: .venv/bin/python -m pip install {package}"
            return None
        case "gpu":
            return _program("nvidia-smi", "nvidia-driver, on a machine with a GPU")
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    markers = (
        "recordings", "browser", "pdftools", "systemd", "openssl", "prometheus",
        "victoriametrics", "alertmanager", "slurm", "training", "gpu",
    )  # fmt: skip
    reasons = {marker: _missing(marker) for marker in markers}
    for item in items:
        for marker, reason in reasons.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def _left_out(reporter: pytest.TerminalReporter) -> Counter[str]:
    reasons: Counter[str] = Counter()
    for report in reporter.stats.get("skipped", []):
        where = report.longrepr
        reason = where[2] if isinstance(where, tuple) else str(where)
        reasons[reason.removeprefix("Skipped: ")] += 1
    return reasons


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = _left_out(terminalreporter)
    if not reasons:
        return
    terminalreporter.section("left out")
    for reason, count in sorted(reasons.items()):
        terminalreporter.line(f"{count:4} test{'s' if count > 1 else ' '}  {reason}")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("WATTLINE_CI") != "1" or reporter is None:
        return
    if exitstatus == pytest.ExitCode.OK and _left_out(reporter):
        reporter.line("")
        reporter.line("WATTLINE_CI=1: nothing may be left out, and something was", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def shared() -> Path:
    """The directory of recordings; only for tests marked `recordings`."""
    return Path(os.environ.get("WATTLINE_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def chromium() -> str:
    """The system's Chromium; only for tests marked `browser`."""
    return CHROMIUM


@dataclass(frozen=True)
class NvmlStandIn:
    """A `libnvidia-ml.so.1` that needs no GPU; see nvml_stand_in/nvml.c for what it can do.

    Attributes:
        library: The directory it is in.
        control: The file by which a test makes it fail.
    """

    library: Path
    control: Path

    def environment(self, *, devices: int = 2, model: str = "h100") -> dict[str, str]:
        """What a process needs so that it finds these GPUs."""
        return os.environ | {
            "LD_LIBRARY_PATH": str(self.library),
            "NVML_STAND_IN_CONTROL": str(self.control),
            "NVML_STAND_IN_DEVICES": str(devices),
            "NVML_STAND_IN_MODEL": model,
        }

    def plant(self, *lines: str) -> None:
        """Let these faults, and no others, be there from now on."""
        replacement = self.control.with_suffix(".new")
        replacement.write_text("".join(f"{line}\n" for line in lines))
        replacement.replace(self.control)


@pytest.fixture(scope="session")
def nvml_stand_in_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the compiled stand-in."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler: apt install gcc libc6-dev")
    library = tmp_path_factory.mktemp("nvml")
    subprocess.run(
        ["cc", "-std=gnu11", "-O1", "-fvisibility=hidden", "-shared", "-fPIC",
         "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror",
         "-o", str(library / "libnvidia-ml.so.1"),
         *map(str, sorted((ROOT / "tests/nvml_stand_in").glob("*.c"))), "-lm"],
        check=True,
    )  # fmt: skip
    return library


@pytest.fixture
def nvml_stand_in(nvml_stand_in_library: Path, tmp_path: Path) -> NvmlStandIn:
    """GPUs for processes that are started with its `environment()`."""
    return NvmlStandIn(nvml_stand_in_library, tmp_path / "nvml-control")


@cache
def _beside(name: str) -> Any:
    """A module of this folder: test files are no packages, what they share is loaded from there."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def mailbox() -> Iterator[Any]:
    """A mail server of this machine and what it took, `mail_server.Mailbox`."""
    with _beside("mail_server").mail_server() as server:
        yield server


@pytest.fixture(scope="session")
def start_slurm() -> Callable[..., AbstractContextManager[Any]]:
    """`slurm_cluster.cluster`, to start a cluster of one's own; marker `slurm`."""
    start: Callable[..., AbstractContextManager[Any]] = _beside("slurm_cluster").cluster
    return start


@pytest.fixture(scope="session")
def slurm(start_slurm: Callable[..., AbstractContextManager[Any]]) -> Iterator[Any]:
    """A real Slurm of four nodes with four devices each, shared by all tests; marker `slurm`.

    What a test does to a node it must undo; jobs are told apart by their ids.
    """
    with start_slurm(4, 4) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of four weeks of a small factory with registers, profile and a plan that knows all.

    For reading alone: who opens it for writing, or changes it, copies it first. One that was made
    before is taken from WATTLINE_PLANTED, so that a single test need not wait for it.
    """
    if made_before := os.environ.get("WATTLINE_PLANTED"):
        return Path(made_before)
    store = tmp_path_factory.mktemp("planted") / "store"
    program = Path(sys.executable).with_name("wattline")
    size = ("--nodes", "6", "--devices", "2", "--days", "28")
    made = subprocess.run(
        [program, "simulate", "--year", store, *size], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return store


@pytest.fixture(scope="session")
def planted_house(planted: Path) -> Any:
    """Where the pages' answers come from, over the planted store at the end of its last day."""
    from wattline_agents.clock import SystemClock
    from wattline_collector.ledger.books import Books
    from wattline_collector.pages.read import House
    from wattline_collector.store.latest import Latest
    from wattline_collector.store.store import Store

    span = Books(planted).span()
    assert span is not None
    end_ms = span[1]

    class Standing(SystemClock):
        def unix_ms(self) -> int:
            return end_ms

    clock = Standing()
    store = Store.open(planted, write=False, clock=clock)
    latest = Latest(clock)
    latest.fill(store)
    return House(store, latest)


@pytest.fixture(scope="session")
def ask_planted(planted_house: Any) -> Callable[..., Any]:
    """Ask as the API would: `ask_planted("/v1/site", [("system", "a")], viewer)`; gives JSON back.

    Raises PermissionError where the viewer's sights do not open that question.
    """
    from datetime import UTC, datetime

    from starlette.routing import compile_path

    from wattline_collector.access import STAFF, sees_any
    from wattline_collector.kpi.figure import Period
    from wattline_collector.kpi.period import parse_time
    from wattline_collector.pages import READS
    from wattline_collector.pages.read import Question, checked

    routes = [(compile_path(read.path)[0], read) for read in READS]
    now = datetime.fromtimestamp(planted_house.store.clock.unix_ms() / 1000, UTC)

    def asked(path: str, query: Iterable[tuple[str, str]] = (), viewer: Any = STAFF) -> Any:
        found, read = next((m, read) for regex, read in routes if (m := regex.match(path)))
        if not sees_any(viewer, read.sights):
            raise PermissionError(path)
        lists: dict[str, list[str]] = {}
        for name, value in query:
            lists.setdefault(name, []).append(value)
        bounds = [lists.get(name, [None])[0] for name in ("from", "to")]
        start = None if bounds[0] is None else parse_time(bounds[0], "from")
        end = now if bounds[1] is None else parse_time(bounds[1], "to")
        period = None if start is None else Period(start, end)
        question = Question(viewer, now, period, checked(read, lists), found.groupdict())
        return json.loads(json.dumps(read.answer(planted_house, question)))

    return asked
