import subprocess
import sys

import pytest

from wattline_agents.parser import in_english, one_line_parser


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--period", "x"], "--period: not a number: 'x'"),
        (["--devices", "1.5"], "--devices: not a whole number: '1.5'"),
        (["--period"], "--period: expected one argument"),
        (["--what"], "unrecognized arguments: --what"),
    ],
)
def test_a_mistake_is_one_line_that_names_its_argument(
    capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    parser = one_line_parser(prog="wattline agent")
    parser.add_argument("--period", type=float)
    parser.add_argument("--devices", type=int)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"wattline agent: {line}; `wattline agent --help` explains\n"


def test_a_subcommand_does_so_too(capsys: pytest.CaptureFixture[str]) -> None:
    parser = one_line_parser(prog="wattline import")
    kinds = parser.add_subparsers()
    kinds.add_parser("smi").add_argument("--node", required=True)
    with pytest.raises(SystemExit):
        parser.parse_args(["smi"])
    assert capsys.readouterr().err == (
        "wattline import smi: the following arguments are required: --node; "
        "`wattline import smi --help` explains\n"
    )


def test_what_is_imported_in_english_looks_for_no_other_language() -> None:
    code = """
import sys
from wattline_agents.parser import in_english
with in_english():
    import argparse
print("gettext" in sys.modules, "locale" in sys.modules)
argparse.ArgumentParser(prog="p").parse_args(["--help"])
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("False False\nusage: p [-h]\n\noptions:")


def test_who_has_another_language_loaded_keeps_it() -> None:
    import gettext

    with in_english():
        assert sys.modules["gettext"] is gettext
    assert sys.modules["gettext"] is gettext
