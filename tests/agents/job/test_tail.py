from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from wattline_agents.job.tail import Lines, Tail


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "train.log"


@pytest.fixture
def open_tail() -> Iterator[Callable[..., Tail]]:
    with ExitStack() as stack:

        def made(*, from_end: bool = False) -> Tail:
            return stack.enter_context(closing(Tail(from_end=from_end)))

        yield made


def add(log: Path, data: bytes) -> None:
    with log.open("ab") as file:
        file.write(data)


def test_lines_come_when_they_are_whole(log: Path, open_tail: Callable[..., Tail]) -> None:
    tail = open_tail()
    assert list(tail.read(log)) == [], "not there yet"
    add(log, b"one\ntw")
    assert list(tail.read(log)) == ["one"]
    add(log, b"o\n\nthree")
    assert list(tail.read(log)) == ["two"]
    assert list(tail.rest()) == ["three"]
    assert list(tail.rest()) == []


def test_a_file_that_is_moved_away_is_read_to_its_end_and_then_the_new_one(
    log: Path, open_tail: Callable[..., Tail]
) -> None:
    tail = open_tail()
    add(log, b"one\n")
    assert list(tail.read(log)) == ["one"]
    old = log.rename(log.with_suffix(".1"))
    add(old, b"two\n")
    assert list(tail.read(log)) == ["two"], "no new one yet"
    add(old, b"three")
    add(log, b"four\n")
    assert list(tail.read(log)) == ["three", "four"]


def test_a_file_that_is_cut_short_begins_again(log: Path, open_tail: Callable[..., Tail]) -> None:
    tail = open_tail()
    add(log, b"one\ntwo\nhal")
    assert list(tail.read(log)) == ["one", "two"]
    log.write_bytes(b"three\n")
    assert list(tail.read(log)) == ["three"]


def test_what_a_file_already_holds_can_be_left_out(
    log: Path, open_tail: Callable[..., Tail]
) -> None:
    add(log, b"one\n")
    tail = open_tail(from_end=True)
    assert list(tail.read(log)) == []
    add(log, b"two\n")
    assert list(tail.read(log)) == ["two"]


def test_a_file_that_comes_later_is_read_whole_also_from_its_end(
    log: Path, open_tail: Callable[..., Tail]
) -> None:
    tail = open_tail(from_end=True)
    assert list(tail.read(log)) == []
    add(log, b"one\n")
    assert list(tail.read(log)) == ["one"]


def test_a_progress_bars_states_are_lines() -> None:
    assert list(Lines().take(b"1%\r2%\r\n3%\n")) == ["1%", "2%", "3%"]


def test_a_line_without_an_end_is_not_kept_whole() -> None:
    lines = Lines()
    for _ in range(200):
        assert list(lines.take(b"x" * 65_536)) == []
    (line,) = lines.take(b"\n")
    assert len(line) <= 16_384


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert list(Lines().take(b"\xff\xfe\n")) == ["\ufffd\ufffd"]
