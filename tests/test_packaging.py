"""What the four distributions promise each other, and those who install them."""

import re
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
MEMBERS = ("agents", "collector", "dashboards", "reports")
HEAVY = ("polars", "pyarrow", "dash", "plotly", "jinja2", "numpy", "starlette", "uvicorn", "typst")


def project(member: str = "") -> dict[str, Any]:
    found = tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]
    assert isinstance(found, dict)
    return found


def command_modules() -> list[str]:
    return sorted(point.module for point in entry_points(group="wattline.commands"))


def test_all_four_and_the_workspace_have_one_version() -> None:
    stated = {project(member)["version"] for member in ("", *MEMBERS)}
    stated |= {import_module(f"wattline_{member}").__version__ for member in MEMBERS}
    assert len(stated) == 1


def test_they_need_each_other_in_exactly_that_version() -> None:
    version = project()["version"]
    for member in MEMBERS:
        for need in project(member)["dependencies"]:
            if need.startswith("wattline-"):
                assert need.partition("==")[2] == version, f"{member} needs {need}"


def test_the_agent_needs_none_of_the_others_and_nothing_heavy() -> None:
    names = [re.split(r"[^\w-]", need)[0] for need in project("agents")["dependencies"]]
    assert not [name for name in names if name.startswith("wattline") or name in HEAVY]


@pytest.mark.parametrize("member", MEMBERS)
def test_each_brings_its_readme_licence_and_types(member: str) -> None:
    for name in ("README.md", "LICENSE", f"wattline_{member}/py.typed"):
        assert (ROOT / member / name).is_file(), name
    assert project(member)["license"] == "Apache-2.0"


def loaded_by(module: str) -> set[str]:
    """What of the heavy packages a fresh Python holds after importing a module."""
    code = f"import sys, {module}\nprint(*(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["wattline_agents.cli", "wattline_agents.agent_main"])
def test_the_command_starts_without_anything_heavy(module: str) -> None:
    assert loaded_by(module) == set()


def test_no_subcommand_loads_anything_heavy_before_it_runs() -> None:
    assert loaded_by(", ".join(command_modules())) == set()


@pytest.mark.parametrize(
    "point", entry_points(group="wattline.commands"), ids=lambda point: point.name
)
def test_every_subcommand_is_there_and_has_its_name(point: Any) -> None:
    command = point.load()
    assert command.name == point.name
    assert command.help
    assert not command.help.endswith(".")
    assert f"wattline {point.name}" in command.description, "its description shows no example"


@pytest.mark.parametrize("name", ["wattline", "wattline-agent"])
def test_every_script_is_there(name: str) -> None:
    (point,) = entry_points(group="console_scripts", name=name)
    assert callable(point.load())


def text_files() -> list[Path]:
    """Files of the repository that people read."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    if listed.returncode != 0:
        pytest.skip("not in a git repository")
    files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in files if path.is_file() and b"\0" not in path.read_bytes()[:8192]]


def test_no_file_names_a_place_on_the_machine_it_was_written_on() -> None:
    # A place that is everybody's, like /tmp or /var/lib/wattline, may be named.
    machine = re.compile(r"(?<![\w.~-])/(?:work|home|Users|root)/\w+")
    found = []
    for path in text_files():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
            if path != Path(__file__) and machine.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert found == []
