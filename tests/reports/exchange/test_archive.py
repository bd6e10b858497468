from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from wattline_reports.exchange import archive
from wattline_reports.exchange.refused import Reason, Refused

FILES = {"manifest.json": b"{}", "signatures.json": b"[]", "cubes/access.csv": b"a,b\n1,2\n"}


def _zip(*entries: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as out:
        for name, data in entries:
            out.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, method)
    return buffer.getvalue()


def test_the_same_files_in_any_order_make_the_same_bytes() -> None:
    names = list(FILES)
    for seed in range(5):
        random.Random(seed).shuffle(names)
        assert archive.pack({name: FILES[name] for name in names}) == archive.pack(FILES)


def test_what_was_packed_is_unpacked() -> None:
    assert archive.unpack(archive.pack(FILES), "x") == FILES


def test_any_changed_byte_is_seen_or_changes_a_file() -> None:
    data = archive.pack(FILES)
    for place in range(len(data)):
        for change in (0x01, 0x80, 0xFF):
            altered = bytearray(data)
            altered[place] ^= change
            try:
                found = archive.unpack(bytes(altered), "x")
            except Refused:
                continue
            assert found != FILES


@given(some.binary(max_size=400))
def test_bytes_of_any_kind_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(Refused):
        archive.unpack(data, "x")


@settings(max_examples=300)
@given(some.integers(0), some.integers(0), some.binary(max_size=6), some.booleans())
def test_pieces_put_in_or_taken_out_are_refused(
    place: int, size: int, piece: bytes, cuts: bool
) -> None:
    data = archive.pack(FILES)
    place %= len(data)
    altered = data[:place] + piece + data[place + (size % 8 if cuts else 0) :]
    if altered != data:
        with pytest.raises(Refused):
            archive.unpack(altered, "x")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (_zip(("../manifest.json", b"")), Reason.NAME),
        (_zip(("/etc/passwd", b"")), Reason.NAME),
        (_zip(("cubes/../../x.csv", b"")), Reason.NAME),
        (_zip(("cubes\\access.csv", b"")), Reason.NAME),
        (archive.pack(FILES).replace(b"access.csv", b"acce\0s.csv"), Reason.NAME),
        (_zip(("users.csv", b"")), Reason.NAME),
        (_zip(("cubes/", b"")), Reason.NAME),
        (_zip(("kpis.json", b"0" * 10**6), method=zipfile.ZIP_DEFLATED), Reason.COMPRESSED),
        (_zip(("kpis.json", b"0" * 10**4), method=zipfile.ZIP_LZMA), Reason.COMPRESSED),
        (b"#!/bin/sh\n" + archive.pack(FILES), Reason.ALTERED_ARCHIVE),
        (archive.pack(FILES) + b"\0", Reason.ALTERED_ARCHIVE),
        (b"", Reason.UNREADABLE),
        (b"PK", Reason.UNREADABLE),
    ],
)
def test_each_hostile_archive_is_refused_with_its_own_reason(
    data: bytes, code: Reason, refused: Callable[..., Any]
) -> None:
    refused(code, lambda: archive.unpack(data, "x"))


def test_an_entry_that_stands_twice_is_refused(refused: Callable[..., Any]) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        data = _zip(("kpis.json", b"1"), ("kpis.json", b"2"))
    refused(Reason.DUPLICATE, lambda: archive.unpack(data, "x"))


def test_a_file_that_is_not_there_or_too_large_is_refused(
    tmp_path: Path, refused: Callable[..., Any]
) -> None:
    refused(Reason.UNREADABLE, lambda: archive.read(tmp_path / "none.zip"))
    refused(Reason.UNREADABLE, lambda: archive.read(tmp_path))
    large = tmp_path / "large.zip"
    with large.open("wb") as file:
        file.truncate(archive.MOST_BYTES + 1)
    assert "larger" in refused(Reason.UNREADABLE, lambda: archive.read(large))


def test_no_more_entries_are_read_than_a_bundle_holds(refused: Callable[..., Any]) -> None:
    data = _zip(*((f"cubes/c{number}.csv", b"") for number in range(archive.MOST_ENTRIES + 1)))
    assert "entries" in refused(Reason.UNREADABLE, lambda: archive.unpack(data, "x"))


def test_entries_that_lie_in_one_another_are_refused_before_they_are_read(
    refused: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = _zip(("cubes/b.csv", b"0" * 1000))
    outer = _zip(("cubes/a.csv", inner[: inner.index(b"PK\x01\x02")]))
    # The directory names the entry inside as well, which begins where the outer's contents do.
    place = outer.index(b"cubes/a.csv") + len(b"cubes/a.csv")
    own = outer[outer.rindex(b"PK\x01\x02") : outer.rindex(b"PK\x05\x06")]
    inside = inner[inner.index(b"PK\x01\x02") : inner.index(b"PK\x05\x06")]
    inside = inside[:42] + place.to_bytes(4, "little") + inside[46:]
    end = bytearray(outer[outer.rindex(b"PK\x05\x06") :])
    end[8:12] = (2).to_bytes(2, "little") * 2
    end[12:16] = (len(own) + len(inside)).to_bytes(4, "little")
    data = outer[: outer.rindex(b"PK\x01\x02")] + own + inside + bytes(end)
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("was read"))
    words = refused(Reason.COMPRESSED, lambda: archive.unpack(data, "x"))
    assert "larger than the file" in words
