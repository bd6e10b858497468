import subprocess
import sys

import pytest

PROGRAM = """
import sys
from wattline_agents.output import guarded
sys.exit(guarded("wattline", lambda: print({text}) or {code}))
"""


def ran(code: str, *, to: str = "/dev/full") -> tuple[int, str]:
    with open(to, "w") as out:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=out, stderr=subprocess.PIPE, text=True, timeout=60
        )
    return done.returncode, done.stderr


@pytest.mark.parametrize("text", ["'short'", "'long' * 100_000"])
def test_what_cannot_be_written_is_one_line_and_exit_code_one(text: str) -> None:
    code, said = ran(PROGRAM.format(text=text, code=0))
    assert (code, said) == (1, "wattline: standard output: No space left on device\n")


def test_what_can_be_written_leaves_the_exit_code_as_it_is() -> None:
    assert ran(PROGRAM.format(text="'a'", code=3), to="/dev/null") == (3, "")


def test_a_reader_that_has_gone_is_no_failure() -> None:
    command = [sys.executable, "-c", PROGRAM.format(text="'long' * 100_000", code=0)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_another_file_that_cannot_be_written_is_not_called_standard_output() -> None:
    code = """
from wattline_agents.output import guarded
def work():
    with open("/dev/full", "w", buffering=1) as file:
        file.write("x\\n")
guarded("wattline", work)
"""
    status, said = ran(code, to="/dev/null")
    assert status == 1
    assert "standard output" not in said
    assert said.endswith("OSError: [Errno 28] No space left on device\n")


@pytest.mark.parametrize("words", ["wattline_agents.cli doctor --source host --no-jobs",
                                   "wattline_agents.cli --help",
                                   "wattline_agents.cli agent --metrics",
                                   "wattline_agents.agent_main --metrics"])  # fmt: skip
def test_no_command_ends_with_a_traceback_on_a_full_disk(words: str) -> None:
    code = "import runpy, sys; sys.argv[1:] = {}; runpy.run_module({!r}, run_name='__main__')"
    module, *arguments = words.split()
    status, said = ran(code.format(arguments, module))
    assert status == 1
    assert said.count("\n") == 1
    assert "standard output: No space left on device" in said
