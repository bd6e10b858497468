from __future__ import annotations

from pathlib import Path

import pytest

from wattline_agents import cli


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--push", "http://127.0.0.1:1"], "give one of them"),
        (["--nodes", "3"], "6 nodes or more"),
        (["--every", "15"], "every 1m, 2m, 5m, 10m, not 15m"),
        (["--days", "3"], "from 28 to"),
        (["--since", "spring"], "--since: not a time"),
        (["--since", "2090-01-01"], "lies in the past"),
        (["--profile", "mi250x"], "not mi250x"),
    ],
)
def test_what_cannot_be_made_into_a_year_is_said_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    store = tmp_path / "year"
    assert cli.main(["simulate", "--year", str(store), *words]) == 2
    assert says in capsys.readouterr().err
    assert not store.exists()


def test_a_year_is_not_written_over_something_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    assert cli.main(["simulate", "--year", str(tmp_path)]) == 2
    assert "name a new directory" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
