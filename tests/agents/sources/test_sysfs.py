from pathlib import Path

import pytest

from wattline_agents.sources.sysfs import read_bytes, read_count, read_text, reason


def test_no_more_than_a_page_is_read(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"x" * 10_000)
    assert len(read_bytes(tmp_path / "long")) == 4096


@pytest.mark.parametrize(
    ("text", "count"),
    [("12\n", 12), ("0", 0), ("-1", None), ("1.5", None), ("", None), ("\u0663", None)],
)
def test_a_count_is_digits_and_nothing_else(tmp_path: Path, text: str, count: int | None) -> None:
    (tmp_path / "count").write_text(text, encoding="utf-8")
    assert read_count(tmp_path / "count") == count


def test_what_is_not_there_is_unknown(tmp_path: Path) -> None:
    assert read_text(tmp_path / "none") is None
    assert read_count(tmp_path / "none") is None


def test_the_reason_is_for_people() -> None:
    assert reason(PermissionError(13, "Permission denied")) == "Permission denied"
    assert reason(OSError("odd")) == "odd"
