import os
import stat
from functools import partial
from pathlib import Path
from threading import Thread

import polars as pl
import pytest

from wattline_agents.errors import InputError, UsageError
from wattline_collector import registers
from wattline_collector.registers import kept
from wattline_collector.registers.declare import Register
from wattline_collector.registers.schema import METERS, OUTAGES, PROJECTS, REGISTERS
from wattline_collector.store.store import Store


def project(name: str, **more: object) -> pl.DataFrame:
    values = {"project": name, "account": name, **more}
    return pl.DataFrame([values], schema=PROJECTS.schema, orient="row")


def update(store: Path, rows: pl.DataFrame, now_ms: int = 1) -> None:
    kept.update(store, PROJECTS, rows, origin="csv", source="s", now_ms=now_ms)


@pytest.mark.parametrize("register", REGISTERS.values(), ids=list(REGISTERS))
def test_a_store_without_a_register_has_an_empty_typed_one(register: Register, store: Path) -> None:
    frame = kept.current(store, register)
    assert frame.is_empty()
    assert dict(frame.schema) == {
        **register.schema,
        "origin": pl.String(),
        "source": pl.String(),
        "imported_ms": pl.Int64(),
    }


def test_each_reader_reads_its_own_register(store: Path) -> None:
    assert "project" in registers.projects(store).columns
    assert "scheduled" in registers.outages(store).columns
    assert "participants" in registers.activities(store).columns
    assert "eed" in registers.meters(store).columns


def test_a_register_is_read_as_it_was_at_any_moment(store: Path) -> None:
    for now_ms, title in ((10, "x"), (20, "y"), (30, "z")):
        update(store, project("a", title=title), now_ms)
    told = {
        when: registers.projects(store, when)["title"].to_list() for when in (9, 10, 19, 20, 29, 31)
    }
    assert told == {9: [], 10: ["x"], 19: ["x"], 20: ["y"], 29: ["y"], 31: ["z"]}


def test_what_was_imported_is_read_back(store: Path) -> None:
    update(store, project("a", title="x", gpu_hours_granted=5.0))
    row = registers.projects(store).row(0, named=True)
    assert (row["project"], row["title"], row["gpu_hours_granted"]) == ("a", "x", 5.0)
    assert (row["source"], row["imported_ms"]) == ("s", 1)


def test_only_what_holds_is_current_and_all_is_history(store: Path) -> None:
    update(store, project("a", title="x"))
    update(store, project("a", title="y"), 2)
    assert registers.projects(store)["title"].to_list() == ["y"]
    assert kept.history(store, PROJECTS).sort("imported_ms")["title"].to_list() == ["x", "y"]


def test_registers_are_readable_by_their_owner_alone(store: Path) -> None:
    before = os.umask(0)
    try:
        update(store, project("a", lead="Ana Novak"))
    finally:
        os.umask(before)
    path = kept.path_of(store, PROJECTS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give files away")
def test_what_the_superuser_imports_belongs_to_the_store_s_owner(store: Path) -> None:
    os.chown(store, 12345, 12346)
    update(store, project("a"))
    path = kept.path_of(store, PROJECTS)
    for made in (path, path.parent, path.parent / "lock"):
        assert (made.stat().st_uid, made.stat().st_gid) == (12345, 12346)


def test_an_import_that_changes_nothing_writes_nothing(store: Path) -> None:
    update(store, project("a"))
    before = kept.path_of(store, PROJECTS).stat()
    update(store, project("a"), 2)
    after = kept.path_of(store, PROJECTS).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_an_import_works_beside_a_running_collector(store: Path) -> None:
    running = Store.open(store, write=True)
    try:
        update(store, project("a"))
        kept.made(store)
    finally:
        running.close()
    assert registers.projects(store).height == 1


def test_imports_at_the_same_time_lose_nothing(store: Path) -> None:
    threads = [Thread(target=update, args=(store, project(f"p{n}"))) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert registers.projects(store).height == 12


def test_a_disk_that_is_full_leaves_what_was_there(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update(store, project("a"))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UsageError, match="No space left"):
            update(store, project("b"), 2)
    assert registers.projects(store)["project"].to_list() == ["a"]
    assert sorted(path.name for path in (store / "registers").iterdir()) == [
        "lock", "projects.parquet",
    ]  # fmt: skip


def test_a_damaged_register_is_named_with_what_to_do(store: Path) -> None:
    update(store, project("a"))
    kept.path_of(store, PROJECTS).write_bytes(b"PAR1 and nothing else")
    with pytest.raises(InputError, match=r"projects\.parquet: damaged; move it away"):
        registers.projects(store)


def test_columns_an_earlier_program_did_not_know_are_null(store: Path) -> None:
    update(store, project("a", title="x"))
    path = kept.path_of(store, PROJECTS)
    pl.read_parquet(path).drop("share", "sector").write_parquet(path)
    row = registers.projects(store).row(0, named=True)
    assert (row["title"], row["share"], row["sector"]) == ("x", None, None)


def test_a_register_does_not_grow_beyond_reason(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MOST_KEPT", 1)
    update(store, project("a"))
    with pytest.raises(UsageError, match="more than 1 rows"):
        update(store, project("b"), 2)


def test_a_store_is_made_where_there_is_nothing(tmp_path: Path) -> None:
    kept.made(tmp_path / "new")
    assert (tmp_path / "new/format").exists()


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("x")
    with pytest.raises(UsageError, match="holds something that is no store"):
        kept.made(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_registers_do_not_touch_one_another(store: Path) -> None:
    update(store, project("a"))
    assert kept.current(store, OUTAGES).is_empty()
    assert kept.current(store, METERS).is_empty()


def test_what_may_not_be_read_is_told_from_what_is_damaged(tmp_path: Path) -> None:
    def refused(cause: OSError | None) -> pl.DataFrame:
        raise InputError("cannot be read", path=tmp_path / "projects.parquet") from cause

    assert kept.readable(partial(refused, PermissionError(13, "Permission denied"))) is None
    for cause in (OSError(5, "Input/output error"), None):
        with pytest.raises(InputError, match=r"projects\.parquet"):
            kept.readable(partial(refused, cause))
