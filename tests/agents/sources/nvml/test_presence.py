"""Whether there is a driver at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from wattline_agents.sources.nvml.presence import library_is_here

NAME = "libnvidia-ml.so.1"


def test_a_library_in_the_path_is_found(tmp_path: Path) -> None:
    environment = {"LD_LIBRARY_PATH": f"/none:{tmp_path}"}
    assert not library_is_here(environment, str(tmp_path / "none"), ())
    (tmp_path / NAME).touch()
    assert library_is_here(environment, str(tmp_path / "none"), ())
    assert library_is_here({}, str(tmp_path / "none"), (str(tmp_path),))
    assert not library_is_here({}, str(tmp_path / "none"), ())


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"glibc-ld.so.cache1.1\0" + NAME.encode() + b"\0/usr/lib/x\0", True),
        (b"glibc-ld.so.cache1.1\0libnvidia-ml.so.10\0", False),
        (b"", False),
    ],
)
def test_a_library_in_the_loaders_cache_is_found(
    tmp_path: Path, content: bytes, found: bool
) -> None:
    cache = tmp_path / "ld.so.cache"
    cache.write_bytes(content)
    assert library_is_here({}, str(cache), ()) is found
