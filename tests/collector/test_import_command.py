import io

import pytest

from wattline_agents import cli
from wattline_collector.commands.import_ import Progress
from wattline_collector.imports.registry import FORMATS


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def unix_ms(self) -> int:
        return int(self.now * 1000)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_help_lists_the_formats_and_shows_how(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["import", "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    for name in FORMATS:
        assert f"\n    {name}" in out
        assert f"  wattline import {name} " in out


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["import", name, "--help"])
    assert caught.value.code == 0
    assert f"  wattline import {name} " in capsys.readouterr().out


def test_an_unknown_format_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["import", "punch-cards", "x"])
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert "punch-cards" in err
    assert all(name in err for name in FORMATS)


def test_a_short_import_says_nothing_of_its_progress() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, clock)
    progress("reading")
    progress("writing")
    progress.clear()
    assert stream.getvalue() == ""


def test_a_long_import_says_a_line_every_few_seconds() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, clock)
    for second in range(12):
        clock.now = second
        progress(f"node {second}")
    assert stream.getvalue() == "import: node 5\nimport: node 10\n"


def test_on_a_terminal_one_line_is_rewritten_and_taken_away() -> None:
    stream, clock = Terminal(), Clock()
    progress = Progress(stream, clock)
    for second in (1, 2):
        clock.now = second
        progress(f"node {second}")
    progress.clear()
    assert stream.getvalue() == "\r\033[Kimport: node 1\r\033[Kimport: node 2\r\033[K"
