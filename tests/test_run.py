"""`./run`, with stand-ins for uv, Python and pip: what it calls, when, and what it says."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

STAND_IN = """#!/bin/sh
echo "${0##*/} $*" >>"$CALLS"
"""

UV = f"""{STAND_IN}
case $1 in
--version) exit ${{UV_MISSING:-0}} ;;
esac
test -z "${{UV_FAILS:-}}" || exit 2
mkdir -p "$UV_PROJECT_ENVIRONMENT/bin"
for name in python wattline pytest ruff mypy; do
    cp "$TOOL" "$UV_PROJECT_ENVIRONMENT/bin/$name"
done
"""

# Answers as Python does: its version, whether it can make environments, and making one.
PYTHON = f"""{STAND_IN}
case $1 in
--version) echo "Python 3.9.2" ;;
-c)
    case $2 in
    *version_info*) exit ${{TOO_OLD:-0}} ;;
    *ensurepip*) exit ${{NO_VENV:-0}} ;;
    esac
    ;;
-m)
    mkdir -p "$4/bin"
    for name in python wattline; do
        cp "$TOOL" "$4/bin/$name"
    done
    ;;
esac
"""

# A program of the environment: tells how it was called, and fails if told to.
TOOL = """#!/bin/sh
echo "${0##*/} $*" >>"$CALLS"
echo "in $PWD: ${0##*/} $*"
for word; do
    echo "<$word>"
done
case " ${FAILING:-} " in
*" ${0##*/} "*) exit 3 ;;
esac
"""


class Checkout:
    """A copy of what `./run` reads, and a PATH on which only stand-ins can set anything up."""

    def __init__(self, root: Path, programs: Path) -> None:
        self.root, self.calls = root, programs / "calls"
        root.mkdir()
        programs.mkdir()
        shutil.copy(ROOT / "run", root)
        for part in ("", "agents", "collector", "dashboards", "reports"):
            (root / part).mkdir(exist_ok=True)
            (root / part / "pyproject.toml").write_text("[project]\n")
        (root / "uv.lock").write_text("version = 1\n")
        for name, text in (("uv", UV), ("python3", PYTHON), ("tool", TOOL)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        self.environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "CALLS": str(self.calls),
            "TOOL": str(programs / "tool"),
        }

    def run(self, *words: str, cwd: Path | None = None, **environment: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [str(self.root / "run"), *words],
            cwd=cwd or self.root,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.returncode, done.stdout, done.stderr

    def called(self) -> list[str]:
        calls = self.calls.read_text().splitlines() if self.calls.exists() else []
        self.calls.unlink(missing_ok=True)
        return [call for call in calls if call != "uv --version"]

    def set_ups(self) -> int:
        return sum(call.startswith("uv sync") for call in self.called())


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "a checkout", tmp_path / "programs")


@pytest.mark.parametrize("words", [[], ["help"], ["--help"]])
def test_run_alone_lists_what_there_is_and_sets_nothing_up(
    checkout: Checkout, words: list[str]
) -> None:
    code, out, err = checkout.run(*words)
    assert (code, err) == (0, "")
    for command in ("demo", "test", "check", "bench", "setup", "PROGRAM"):
        assert f"./run {command}" in out
    assert checkout.called() == []


def test_the_first_run_sets_up_and_the_next_does_not(checkout: Checkout) -> None:
    code, out, err = checkout.run("wattline", "--version")
    assert code == 0
    assert "setting up" in err
    assert "wattline --version" in out
    assert checkout.set_ups() == 1
    code, _, err = checkout.run("wattline")
    assert (code, err) == (0, "")
    assert checkout.set_ups() == 0


@pytest.mark.parametrize("changed", ["pyproject.toml", "agents/pyproject.toml", "uv.lock"])
def test_a_change_of_what_is_needed_sets_up_again(checkout: Checkout, changed: str) -> None:
    checkout.run("wattline")
    checkout.called()
    (checkout.root / changed).write_text("something = 'else'\n")
    checkout.run("wattline")
    assert checkout.set_ups() == 1


def test_uv_installs_what_the_lock_names_and_keeps_what_is_there(checkout: Checkout) -> None:
    checkout.run("setup", "browser")
    (call,) = checkout.called()
    assert call.startswith(f"uv sync --project {checkout.root} --locked --inexact")
    assert call.endswith("--group dev --group browser")


def test_a_set_up_that_failed_is_tried_again(checkout: Checkout) -> None:
    code, _, err = checkout.run("wattline", UV_FAILS="yes")
    assert code == 1
    assert "run: uv could not set up" in err
    assert checkout.set_ups() == 1
    assert checkout.run("wattline")[0] == 0
    assert checkout.set_ups() == 1


def test_a_directory_that_was_moved_gets_a_new_environment(checkout: Checkout) -> None:
    checkout.run("wattline")
    (checkout.root / ".venv/left-over").touch()
    checkout.root = checkout.root.rename(checkout.root.with_name("elsewhere"))
    checkout.called()
    checkout.run("wattline")
    assert checkout.set_ups() == 1
    assert not (checkout.root / ".venv/left-over").exists()


def test_an_environment_made_by_hand_is_kept(checkout: Checkout) -> None:
    (checkout.root / ".venv").mkdir()
    (checkout.root / ".venv/mine").touch()
    checkout.run("wattline")
    assert (checkout.root / ".venv/mine").exists()


def test_words_reach_the_program_as_they_were_written(checkout: Checkout, tmp_path: Path) -> None:
    _, out, _ = checkout.run("wattline", "kpi", "a b", "", "*", cwd=tmp_path)
    assert out.splitlines() == [
        f"in {tmp_path}: wattline kpi a b  *", "<kpi>", "<a b>", "<>", "<*>",
    ]  # fmt: skip


def test_the_exit_code_is_the_programs(checkout: Checkout) -> None:
    assert checkout.run("wattline", FAILING="wattline")[0] == 3


def test_tests_run_at_the_root_from_wherever_they_are_asked_for(
    checkout: Checkout, tmp_path: Path
) -> None:
    code, out, _ = checkout.run("test", "-k", "a or b", cwd=tmp_path)
    assert code == 0
    assert out.splitlines() == [f"in {checkout.root}: pytest -k a or b", "<-k>", "<a or b>"]


def test_demo_is_the_demo_of_wattline(checkout: Checkout) -> None:
    assert "wattline demo --store x" in checkout.run("demo", "--store", "x")[1]


@pytest.mark.parametrize(("failing", "code"), [("", 0), ("ruff", 1), ("mypy", 1)])
def test_check_runs_every_check_and_fails_if_one_does(
    checkout: Checkout, failing: str, code: int
) -> None:
    assert checkout.run("check", FAILING=failing)[0] == code
    assert checkout.called()[1:] == ["ruff check .", "ruff format --check .", "mypy "]


@pytest.mark.parametrize("name", ["nothing", "../run", "/bin/sh"])
def test_what_is_no_program_of_the_environment_is_not_run(checkout: Checkout, name: str) -> None:
    code, out, err = checkout.run(name)
    assert (code, out) == (1, "")
    assert f"run: {name}" in err or f"run: no program {name}" in err


def test_without_uv_pip_installs_the_four_and_the_tools(checkout: Checkout) -> None:
    assert checkout.run("setup", "browser", UV_MISSING="127")[0] == 0
    pip = "python -m pip --quiet --disable-pip-version-check install"
    made, upgraded, installed = checkout.called()[-3:]
    assert made == f"python3 -m venv --clear {checkout.root}/.venv"
    assert upgraded == f"{pip} --upgrade pip>=25.1"
    assert installed == (
        f"{pip} -e ./agents[scrape,otlp,influx] -e ./collector -e ./dashboards -e ./reports "
        "--group dev --group browser"
    )


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"PYTHON": "python9"}, "there is no python9; on Debian or Ubuntu: apt install python3-"),
        ({"TOO_OLD": "1"}, "Python 3.9.2 is too old: 3.11 or newer is needed"),
        ({"NO_VENV": "1"}, "on Debian or Ubuntu: apt install python3-venv"),
    ],
)
def test_where_setting_up_is_impossible_one_line_says_what_helps(
    checkout: Checkout, environment: dict[str, str], said: str
) -> None:
    checkout.environment |= environment
    code, out, err = checkout.run("demo", UV_MISSING="127")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert said in err
    assert not (checkout.root / ".venv").exists()


@pytest.mark.parametrize("script", ["run", ".ci/run"])
def test_the_scripts_are_clean_and_may_be_executed(script: str) -> None:
    path = ROOT / script
    assert os.access(path, os.X_OK)
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("no shellcheck here (apt install shellcheck)")
    done = subprocess.run([shellcheck, str(path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
