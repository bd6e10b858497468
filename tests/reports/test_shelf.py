"""The shelf of made reports: whole or not at all, bounded, and believed by digest alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wattline_agents.errors import InputError, UsageError
from wattline_reports.made_file import Key
from wattline_reports.shelf import New, Shelf, of_store

NOW = datetime(2026, 12, 6, 6, 10, tzinfo=UTC)
KEY = Key("review", "2026-11", options={"variant": "public"})
FILES = {"html": b"<p>report</p>", "pdf": b"%PDF-1.7"}


def new(
    code: str = "0a1b 2c3d", key: Key = KEY, files: Mapping[str, bytes] = FILES, by: str = ""
) -> New:
    return New(key, "Review", f"{key.kind}_{key.period}", code, "hand", by, True, 2.5, files)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(of_store(tmp_path))


def test_what_is_put_there_is_found_again_with_all_that_is_known_of_it(shelf: Shelf) -> None:
    made, is_new = shelf.put(new(by="manager"), NOW)
    assert is_new
    assert shelf.find(made.id) == made == shelf.newest(KEY)
    assert (made.key, made.code, made.by, made.why) == (KEY, "0a1b 2c3d", "manager", "hand")
    assert made.made_at == "2026-12-06T06:10:00Z"
    assert [file.form for file in made.files] == ["html", "pdf"]
    assert shelf.content(made, "pdf") == FILES["pdf"]
    assert [path.read_bytes() for path in shelf.paths(made)] == list(FILES.values())
    with pytest.raises(UsageError, match="not made as 'xlsx'; there are html, pdf"):
        shelf.content(made, "xlsx")


def test_an_empty_shelf_is_no_mistake(shelf: Shelf) -> None:
    assert shelf.ids() == []
    assert shelf.newest(KEY) is None
    assert shelf.find("../../etc") is None


def test_the_same_figures_are_not_kept_twice_but_written_down_as_checked(shelf: Shelf) -> None:
    first, _ = shelf.put(new(), NOW)
    again, is_new = shelf.put(new(files={"html": b"other words"}), NOW + timedelta(days=1))
    assert not is_new
    assert shelf.ids() == [first.id]
    assert (again.checked, again.checked_at) == (1, "2026-12-07T06:10:00Z")
    assert again.made_at == first.made_at
    assert shelf.content(again, "html") == FILES["html"]


def test_a_form_that_was_not_made_before_joins_the_others(shelf: Shelf) -> None:
    shelf.put(new(), NOW)
    made, is_new = shelf.put(new(files={"json": b"{}"}), NOW)
    assert not is_new
    assert [file.form for file in made.files] == ["html", "pdf", "json"]
    assert shelf.content(made, "json") == b"{}"


def test_other_figures_are_another_report(shelf: Shelf) -> None:
    old, _ = shelf.put(new(), NOW)
    made, is_new = shelf.put(new("ffff"), NOW)
    assert is_new
    assert shelf.ids() == [made.id, old.id]
    assert shelf.newest(KEY) == made


def test_what_differs_in_anything_asked_for_is_told_apart(shelf: Shelf) -> None:
    keys = [
        KEY,
        replace(KEY, options={"variant": "restricted"}),
        replace(KEY, period="2026-10"),
        replace(KEY, as_of="2026-12-01T00:00:00Z"),
        replace(KEY, kind="project", of=("P1",)),
        replace(KEY, kind="project", of=("P2",)),
    ]
    made = [shelf.put(new(key=key), NOW)[0] for key in keys]
    assert len(shelf.ids()) == len(keys)
    assert [shelf.newest(key) for key in keys] == made


def test_the_newest_stay_and_the_oldest_go(shelf: Shelf, tmp_path: Path) -> None:
    small = Shelf(shelf.directory, keep=3)
    other, _ = small.put(new(key=replace(KEY, period="2020-01")), NOW)
    made = [small.put(new(f"{n:04x}"), NOW + timedelta(days=n))[0].id for n in range(5)]
    assert small.ids() == [*reversed(made[2:]), other.id]
    none = Shelf(shelf.directory, keep=0)
    last, _ = none.put(new("beef"), NOW + timedelta(days=9))
    assert last.id in none.ids()


def test_a_clock_that_went_back_does_not_make_the_newest_old(shelf: Shelf) -> None:
    shelf.put(new("aaaa"), NOW)
    last, _ = shelf.put(new("bbbb"), NOW - timedelta(days=400))
    assert shelf.newest(KEY) == last
    assert last.made_at == "2025-11-01T06:10:00Z"


def test_a_full_shelf_says_so_and_empties_nothing(shelf: Shelf) -> None:
    full = Shelf(shelf.directory, most=1)
    kept, _ = full.put(new(), NOW)
    with pytest.raises(UsageError, match="1 reports are kept there, and more are not taken"):
        full.put(new(key=replace(KEY, period="2026-10")), NOW)
    assert full.ids() == [kept.id]


def test_what_a_process_left_half_done_is_not_seen_and_goes(shelf: Shelf) -> None:
    shelf.put(new(), NOW)
    for name in (".x.partial", ".y.gone"):
        (shelf.directory / name).mkdir()
        (shelf.directory / name / "made.json").write_text("{}")
    assert len(shelf.ids()) == 1
    shelf.put(new("cccc"), NOW)
    assert sorted(path.name for path in shelf.directory.glob(".*")) == []


def test_a_file_that_was_changed_is_not_handed_out(shelf: Shelf) -> None:
    made, _ = shelf.put(new(), NOW)
    path = shelf.paths(made)[0]
    path.write_bytes(b"<p>forged</p>")
    with pytest.raises(InputError, match="not the file that was made; make the report again"):
        shelf.content(made, "html")
    path.unlink()
    path.symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="cannot be read"):
        shelf.content(made, "html")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", "other"), ("kind", "../x"), ("of", "P1"), ("options", {"a": 1}),
        ("made_at", "yesterday"), ("made_at", "2026-01-01T00:00:00"), ("why", "wish"),
        ("by", "anna"), ("good", 1), ("seconds", -1), ("seconds", "2"), ("files", []),
        ("checked", -1), ("checked", True), ("title", "x" * 401), ("delivered", ["x"] * 65),
        ("files", [{"form": "html", "name": "../made.html", "bytes": 1, "sha256": "0" * 64}]),
        ("files", [{"form": "html", "name": ".x.html", "bytes": 1, "sha256": "0" * 64}]),
        ("files", [{"form": "exe", "name": "x.exe", "bytes": 1, "sha256": "0" * 64}]),
        ("files", [{"form": "html", "name": "x.html", "bytes": 1, "sha256": "0"}]),
        ("files", ["x"]),
    ],
)  # fmt: skip
def test_what_is_known_of_a_report_is_not_believed_blindly(
    shelf: Shelf, key: str, value: object
) -> None:
    made, _ = shelf.put(new(), NOW)
    path = shelf.directory / made.id / "made.json"
    said = json.loads(path.read_bytes())
    path.write_text(json.dumps(said | {key: value}))
    assert shelf.find(made.id) is None
    assert shelf.newest(KEY) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{" * 70_000, b"\xff", b"[" * 30_000])
def test_a_file_of_nonsense_is_no_report(shelf: Shelf, content: bytes) -> None:
    made, _ = shelf.put(new(), NOW)
    (shelf.directory / made.id / "made.json").write_bytes(content)
    assert shelf.find(made.id) is None
    assert shelf.put(new(), NOW)[1]


def test_it_is_written_down_once_to_whom_a_report_went(shelf: Shelf) -> None:
    made, _ = shelf.put(new(), NOW)
    for to in ("folder /x", "mail 00", "folder /x"):
        made = shelf.delivered(made, to)
    assert made.delivered == ("folder /x", "mail 00")
    assert shelf.find(made.id) == made


def test_many_at_once_lose_nothing(shelf: Shelf) -> None:
    def put(number: int) -> None:
        shelf.put(new(key=replace(KEY, of=(f"P{number}",))), NOW)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shelf.ids()) == 12
    assert all(shelf.find(id) is not None for id in shelf.ids())


def test_nobody_else_reads_what_is_kept(shelf: Shelf) -> None:
    made, _ = shelf.put(new(), NOW)
    folder = shelf.directory / made.id
    for path in (shelf.directory, folder, *folder.iterdir()):
        assert path.stat().st_mode & 0o007 == 0, path


def test_what_root_makes_belongs_to_the_owner_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, tuple[int, int]] = {}

    def chown(path: Path, user: int, group: int, **_: object) -> None:
        given[path.name.removesuffix(".partial").lstrip(".")] = (user, group)

    monkeypatch.setattr(os, "chown", chown)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    made, _ = Shelf(of_store(tmp_path)).put(new(), NOW)
    owner = (tmp_path.stat().st_uid, tmp_path.stat().st_gid)
    names = {"reports", "lock", made.id, "made.json", *(file.name for file in made.files)}
    assert given == dict.fromkeys(names, owner)
    given.clear()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    Shelf(of_store(tmp_path)).put(new("ffff"), NOW)
    assert given == {}


def test_a_place_that_takes_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write there: Not a directory"):
        Shelf(tmp_path / "file" / "shelf").put(new(), NOW)


def test_a_shelf_is_read_without_books() -> None:
    code = "import sys, wattline_reports.shelf\nprint({'polars', 'pyarrow'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False,
        env=os.environ.copy(),
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, "set()"), done.stderr
