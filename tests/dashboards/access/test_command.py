from __future__ import annotations

import hashlib
import tomllib
from argparse import ArgumentParser
from pathlib import Path

import pytest

from wattline_agents.errors import InputError, UsageError
from wattline_dashboards.commands.dashboards import COMMAND


def run(*words: str) -> int:
    parser = ArgumentParser()
    COMMAND.configure(parser)
    return COMMAND.run(parser.parse_args(words))


def test_the_template_is_printed_and_is_toml(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--access-template") == 0
    assert tomllib.loads(capsys.readouterr().out)["site"]["url"].startswith("https://")


def test_a_new_token_is_printed_with_its_digest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--new-token") == 0
    first, second = capsys.readouterr().out.splitlines()
    digest = hashlib.sha256(first.split()[-1].encode()).hexdigest()
    assert second.endswith(f'sha256 = "{digest}"')


def test_two_who_sign_people_in_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leave one out"):
        run("--access", str(tmp_path / "a.toml"), "--behind-proxy", "--listen", "127.0.0.1:0")


def test_a_mistake_in_the_file_is_told_before_anything_is_served(
    tmp_path: Path, token_file: Path
) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[site]\nurl = 7\n")
    with pytest.raises(InputError, match=r"a\.toml:2: site\.url: not a text"):
        run("--access", str(path), "--listen", "0.0.0.0:0", "--token-file", str(token_file))
