from __future__ import annotations

from pathlib import Path

import pytest

from wattline_agents import cli


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--slurm"], "--slurm-system NAME is needed"),
        (["--slurm-rest", "unix:/s"], "--slurm-system NAME is needed"),
        (["--slurm", "--slurm-rest", "unix:/s", "--slurm-system", "x"], "choose one"),
        (["--slurm-rest", "slurm.example", "--slurm-system", "x"], "is not http://HOST:PORT"),
        (["--slurm-rest", "unix:/s", "--slurm-system", "x", "--slurm-every", "1"], "at least 5"),
        (["--slurm-rest", "unix:/s", "--slurm-system", "../x"], "is not a name"),
        (
            ["--slurm-rest", "http://slurm.example:6820", "--slurm-token-file", "/t",
             "--slurm-system", "x"],
            "a token travels by https only",
        ),
    ],
)  # fmt: skip
def test_slurm_is_not_asked_in_a_way_that_cannot_work(
    options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["collector", "--store", str(tmp_path / "store"), "--listen", "127.0.0.1:0", *options]
    try:
        code = cli.main(words)
    except SystemExit as error:
        code = int(error.code or 0)
    err = capsys.readouterr().err
    assert code == 2
    assert says in err
    assert not (tmp_path / "store").exists()


def test_slurms_commands_that_are_not_there_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ["collector", "--store", str(tmp_path / "store"), "--slurm", "--slurm-system", "x"]
    assert cli.main(words) == 2
    assert "there is no sacct here" in capsys.readouterr().err
