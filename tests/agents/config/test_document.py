from __future__ import annotations

from pathlib import Path

import pytest

from wattline_agents.config.document import MOST_BYTES, parsed, read
from wattline_agents.errors import InputError


def test_what_a_file_holds_comes_with_the_lines_it_stands_on(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_bytes(b'\xef\xbb\xbfa = 1\r\n[b]\r\nc = "x"\r\n')
    document = read(path, "a file")
    assert document.content == {"a": 1, "b": {"c": "x"}}
    assert document.lines[("b", "c")] == 3


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a = 1\nb = ", "f:2: not TOML: Invalid value"),
        (b"a = 1\na = 2\n", "f:2: not TOML: Cannot overwrite a value"),
        (b"a = 1\nb = '\xff'\n", "f:2: not TOML: not UTF-8"),
        (b"a = " + b"[" * 100_000, "f: not a file: nested too deep"),
        (b"a = " + b"1" * 10_000, "f: not a file: a number of too many digits"),
        (b"#" * (MOST_BYTES + 1), "f: over 1 MiB: not a file"),
        (b"[" + b"k" * 5000 + b"]\n[" + b"k" * 5000 + b"]\n", "f:2: not TOML: Cannot declare"),
    ],
)
def test_what_is_no_toml_is_one_short_line_that_names_the_place(data: bytes, said: str) -> None:
    with pytest.raises(InputError) as refused:
        parsed(data, "f", "a file")
    assert str(refused.value).startswith(said)
    assert len(str(refused.value)) < 300 and "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: cannot be read: No such file"):
        read(tmp_path / "none.toml", "a file")
