from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wattline_agents.catalogue import TABLES
from wattline_agents.errors import InputError, UsageError, WireError
from wattline_agents.wire import Header
from wattline_collector.receive.intake import Batch, Intake
from wattline_collector.store import log, manifest, segments, window
from wattline_collector.store import store as store_module
from wattline_collector.store.store import Store

NOW_MS = 1_793_534_400_000
HOUR_MS = 3_600_000

Opened = Callable[..., Store]
Everything = Callable[[Store, str], pl.DataFrame]


@pytest.fixture
def filled(open_store: Opened, sender: Any) -> Store:
    """A store with three sealed ticks, and two that are not."""
    store = open_store()
    intake = Intake(store)
    for tick in range(5):
        if tick == 3:
            store.seal()
        batch = sender.devices(NOW_MS + tick * 1000)
        intake.accept(batch.table, batch.header, batch.body)
    store.commit()
    return store


def test_rows_have_the_catalogues_columns_and_who_sent_them(
    filled: Store, everything: Everything
) -> None:
    rows = everything(filled, "device")
    assert rows.columns == ["system", "node", "period_ms", *TABLES["device"].columns]
    assert rows.dtypes[:5] == [pl.String, pl.String, pl.Int64, pl.Int64, pl.String]
    assert rows.row(0, named=True) | {} == {
        **dict.fromkeys(rows.columns),
        "system": "sys",
        "node": "n01",
        "period_ms": 1000,
        "time_unix_ms": NOW_MS,
        "device": "GPU-n01-0",
        "up": 1,
        "power_watts": 100.0,
    }


def test_sealed_and_unsealed_rows_are_read_as_one(filled: Store, everything: Everything) -> None:
    rows = everything(filled, "device")
    ticks = [NOW_MS + tick * 1000 for tick in range(5)]
    assert rows["time_unix_ms"].to_list() == ticks * 2
    assert rows["device"].to_list() == ["GPU-n01-0"] * 5 + ["GPU-n01-1"] * 5


def test_a_period_includes_its_start_and_not_its_end(filled: Store) -> None:
    rows = filled.read("device", NOW_MS + 1000, NOW_MS + 4000)
    assert rows["time_unix_ms"].unique().sort().to_list() == [NOW_MS + s * 1000 for s in (1, 2, 3)]


def test_a_table_without_rows_reads_as_an_empty_frame_with_its_columns(filled: Store) -> None:
    rows = filled.read("job", 0, 2**62)
    assert rows.is_empty()
    assert rows.columns[:5] == ["system", "node", "period_ms", "time_unix_ms", "job"]
    assert filled.span("job") is None


def test_the_span_covers_sealed_and_unsealed_rows(filled: Store) -> None:
    assert filled.span("device") == (NOW_MS, NOW_MS + 4000)


@pytest.mark.parametrize("gathered", [False, True], ids=["few batches", "many batches"])
def test_rows_of_a_node_that_wait_are_found_among_those_of_all(
    open_store: Opened, new_sender: Any, gathered: bool
) -> None:
    store = open_store()
    intake = Intake(store)
    senders = [new_sender(node=node) for node in ("n01", "n02", "n03")]
    senders.append(new_sender(node="n02", system="other"))
    for tick in range(window.GATHER if gathered else 3):
        for sender in senders:
            batch = sender.devices(NOW_MS + tick * 1000)
            intake.accept(batch.table, batch.header, batch.body)
    asked = ("device", 0, 2**62, ["system", "node", "time_unix_ms", "device", "power_watts"])
    mine = (pl.col("system") == "sys") & (pl.col("node") == "n02")
    found = store.rows(*asked, mine, {("sys", "n02")})
    assert found.height and found["node"].unique().to_list() == ["n02"]
    assert_frame_equal(found, store.rows(*asked, mine))
    several = store.rows(*asked, sent_by={("sys", "n01"), ("other", "n02"), ("sys", "n04")})
    either = (pl.col("node") == "n01") | (pl.col("system") == "other")
    assert_frame_equal(several, store.rows(*asked).filter(either))
    assert store.rows(*asked, sent_by=set()).is_empty()


def test_a_table_that_is_none_is_named(filled: Store) -> None:
    with pytest.raises(WireError, match="no table 'gpu'"):
        filled.read("gpu", 0, 1)


def test_rows_survive_a_restart(filled: Store, open_store: Opened, everything: Everything) -> None:
    before = everything(filled, "device")
    filled.close()
    assert_frame_equal(everything(open_store(), "device"), before)


def test_a_reader_needs_no_lock_and_sees_what_is_committed(
    filled: Store, open_store: Opened, everything: Everything
) -> None:
    reader = open_store(write=False)
    assert_frame_equal(everything(reader, "device"), everything(filled, "device"))
    assert not reader.writable


def test_a_reader_goes_on_when_the_writer_seals_and_merges(
    filled: Store, open_store: Opened, everything: Everything
) -> None:
    reader = open_store(write=False)
    before = everything(filled, "device")
    filled.seal()
    filled.merge(least=2)
    assert len(files(filled)) == 1
    assert_frame_equal(everything(reader, "device"), before)


def test_a_reader_may_not_append(filled: Store, open_store: Opened, sender: Any) -> None:
    batch = sender.devices(NOW_MS)
    with pytest.raises(UsageError, match="opened to read"):
        Intake(open_store(write=False)).accept(batch.table, batch.header, batch.body)


def test_only_one_process_may_write(filled: Store, open_store: Opened) -> None:
    with pytest.raises(UsageError, match=r"is being written by process \d+; end it first"):
        open_store()


def test_reading_a_directory_that_holds_no_store_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no store; `wattline import` or `wattline up`"):
        Store.open(tmp_path, write=False)


def test_a_store_of_a_newer_program_is_left_alone(filled: Store, open_store: Opened) -> None:
    filled.close()
    (filled.path / "format").write_text("wattline store 2\n")
    for write in (True, False):
        with pytest.raises(UsageError, match="knows only 'wattline store 1'"):
            open_store(write=write)


def test_a_damaged_manifest_is_named_by_its_line(filled: Store, open_store: Opened) -> None:
    filled.close()
    path = filled.path / "manifest.jsonl"
    path.write_text("{broken\n" + path.read_text())
    with pytest.raises(InputError, match=r"manifest\.jsonl:1: damaged"):
        open_store()


def test_a_manifest_line_cut_short_was_never_written(
    filled: Store, open_store: Opened, everything: Everything
) -> None:
    before = everything(filled, "device")
    filled.close()
    path = filled.path / "manifest.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"seal":2,"segm')
    assert_frame_equal(everything(open_store(), "device"), before)
    assert path.read_bytes() == whole


# Dedupe


def test_a_batch_sent_again_has_no_second_effect(
    filled: Store, open_store: Opened, new_sender: Any
) -> None:
    for _ in range(2):  # as it is, and after a restart
        intake = Intake(filled)
        again = new_sender()
        for tick in range(5):
            batch = again.devices(NOW_MS + tick * 1000, power_watts=999.0)
            assert intake.accept(batch.table, batch.header, batch.body) is False
        assert intake.duplicate_batches == 5
        assert filled.read("device", 0, 2**62)["power_watts"].max() == 101.0
        filled.close()
        filled = open_store()


def test_batches_may_come_in_any_order(open_store: Opened, new_sender: Any) -> None:
    store = open_store()
    intake = Intake(store)
    batches = [new_sender(sequence=number).devices(NOW_MS + number) for number in range(9)]
    for place in (4, 8, 0, 2, 7, 3, 1, 6, 5):
        batch = batches[place]
        assert intake.accept(batch.table, batch.header, batch.body) is True
        assert intake.accept(batch.table, batch.header, batch.body) is False
    store.seal()
    seen = json.loads((store.path / "manifest.jsonl").read_text())["seen"]
    assert seen == [["sys", "n01", "boot-1", [[1, 9]]]]


def test_the_same_batch_twice_in_one_group_is_taken_once(open_store: Opened, sender: Any) -> None:
    store = open_store()
    batch, other = sender.devices(NOW_MS), sender.devices(NOW_MS + 1)
    assert Intake(store).accept_many([batch, batch, other]) == [True, False, True]
    assert store.read("device", 0, 2**62).height == 4


def test_a_new_boot_counts_anew(open_store: Opened, new_sender: Any) -> None:
    intake = Intake(open_store())
    for boot in ("a", "b"):
        batch = new_sender(boot=boot).devices(NOW_MS)
        assert intake.accept(batch.table, batch.header, batch.body) is True


def test_of_two_rows_with_one_key_and_time_the_first_is_kept(
    open_store: Opened, new_sender: Any, everything: Everything
) -> None:
    store = open_store()
    intake = Intake(store)
    for number, watts in enumerate((1.0, 2.0, 3.0)):
        batch = new_sender(boot=f"b{number}").devices(NOW_MS, 1, power_watts=watts)
        intake.accept(batch.table, batch.header, batch.body)
        assert everything(store, "device")["power_watts"].to_list() == [1.0]
        store.seal()
    assert everything(store, "device")["power_watts"].to_list() == [1.0]
    store.merge()
    assert everything(store, "device")["power_watts"].to_list() == [1.0]


def test_a_node_with_a_name_that_is_none_is_refused(open_store: Opened, sender: Any) -> None:
    batch = sender.devices(NOW_MS)
    header = Header("sys", "../../etc", "boot", 1, 1000)
    with pytest.raises(WireError, match="is not a name"):
        Intake(open_store()).accept("device", header, batch.body)


# Recovery


def log_of(store: Store) -> Path:
    (path,) = (store.path / "log").iterdir()
    return path


def test_a_tail_torn_at_any_byte_loses_only_what_was_not_committed(
    open_store: Opened, new_sender: Any, tmp_path: Path
) -> None:
    store = open_store()
    intake = Intake(store)
    agent = new_sender()
    sizes = []
    for tick in range(3):
        batch = agent.devices(NOW_MS + tick * 1000)
        intake.accept(batch.table, batch.header, batch.body)
        store.commit()
        sizes.append(log_of(store).stat().st_size)
    store.close()
    data = log_of(store).read_bytes()
    for size in range(sizes[1], sizes[2], 97):
        log_of(store).write_bytes(data[:size])
        shutil.copytree(store.path, tmp_path / "torn", dirs_exist_ok=False)
        torn = open_store(tmp_path / "torn")
        assert torn.read("device", 0, 2**62).height == 4
        assert torn.problems == []
        torn.seal()
        torn.close()
        assert open_store(tmp_path / "torn", write=False).read("device", 0, 2**62).height == 4
        shutil.rmtree(tmp_path / "torn")


def test_a_damaged_record_is_set_aside_and_reported_and_the_others_live(
    open_store: Opened, new_sender: Any
) -> None:
    store = open_store()
    intake = Intake(store)
    agent = new_sender()
    sizes = [0]
    for tick in range(3):
        batch = agent.devices(NOW_MS + tick * 1000)
        intake.accept(batch.table, batch.header, batch.body)
        store.commit()
        sizes.append(log_of(store).stat().st_size)
    store.close()
    path = log_of(store)
    data = bytearray(path.read_bytes())
    data[sizes[1] + 700] ^= 0x40
    path.write_bytes(data)

    store = open_store()
    assert store.read("device", 0, 2**62)["time_unix_ms"].unique().sort().to_list() == [
        NOW_MS,
        NOW_MS + 2000,
    ]
    (problem,) = store.problems
    assert problem.startswith("log 1: ") and f"at {sizes[1]}: failed its checksum" in problem
    (kept,) = (store.path / "corrupt").iterdir()
    assert kept.read_bytes() == data[sizes[1] : sizes[2]]


def test_a_damaged_length_costs_one_record_only(open_store: Opened, new_sender: Any) -> None:
    store = open_store()
    intake = Intake(store)
    agent = new_sender()
    for tick in range(3):
        batch = agent.devices(NOW_MS + tick * 1000)
        intake.accept(batch.table, batch.header, batch.body)
    store.close()
    path = log_of(store)
    data = bytearray(path.read_bytes())
    data[4:8] = b"\xff\xff\xff\x7f"
    path.write_bytes(data)
    store = open_store()
    assert store.read("device", 0, 2**62).height == 4
    assert len(store.problems) == 1


def test_killed_at_any_step_of_sealing_each_batch_is_there_once(
    filled: Store,
    open_store: Opened,
    everything: Everything,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = everything(filled, "device")
    steps: list[str] = []

    def remember(step: str) -> None:
        steps.append(step)
        shutil.copytree(filled.path, tmp_path / f"killed-{step}")

    write, append = segments.write, manifest.append

    def writing(*arguments: Any, **more: Any) -> list[manifest.Segment]:
        remember("before-segments")
        made = write(*arguments, **more)
        remember("before-manifest")
        return made

    def appending(path: Path, line: manifest.Line) -> None:
        append(path, line)
        remember("before-removal")

    monkeypatch.setattr(segments, "write", writing)
    monkeypatch.setattr(manifest, "append", appending)
    filled.seal()
    monkeypatch.undo()
    assert steps == ["before-segments", "before-manifest", "before-removal"]
    for step in steps:
        reader = open_store(tmp_path / f"killed-{step}", write=False)
        assert_frame_equal(everything(reader, "device"), before)
        again = open_store(tmp_path / f"killed-{step}")
        assert_frame_equal(everything(again, "device"), before)
        again.seal()
        assert_frame_equal(everything(again, "device"), before)
        assert held(again) == before.height
        assert files(again) == named(again)


def held(store: Store) -> int:
    """Rows on disk, counted before any dedupe."""
    return sum(pl.read_parquet(path).height for path in (store.path / "raw").rglob("*.parquet"))


def files(store: Store) -> set[str]:
    raw = store.path / "raw"
    return {path.relative_to(store.path).as_posix() for path in raw.rglob("*") if path.is_file()}


def named(store: Store) -> set[str]:
    return {s.file for s in manifest.load(store.path / "manifest.jsonl", repair=False).segments}


def test_a_disk_that_is_full_while_sealing_leaves_the_log(
    filled: Store, everything: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(filled, "device")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(segments, "write", full)
        with pytest.raises(log.NotDurable, match="No space left on device"):
            filled.seal()
    assert_frame_equal(everything(filled, "device"), before)
    filled.seal()
    assert_frame_equal(everything(filled, "device"), before)


def test_a_disk_that_is_full_at_the_manifest_leaves_it_whole(
    filled: Store, open_store: Opened, everything: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(filled, "device")
    path = filled.path / "manifest.jsonl"

    def torn(file: int) -> None:
        path.write_bytes(path.read_bytes()[:-20])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("wattline_collector.store.manifest.os.fsync", torn)
        # Segments are made durable by the same call, so they are written beforehand.
        line = manifest.booked_line([("sys", 0)])
        with pytest.raises(log.NotDurable):
            manifest.append(path, line)
    assert not path.read_bytes().endswith(b"\n")
    filled.seal()
    filled.close()
    assert_frame_equal(everything(open_store(), "device"), before)
    assert [set(json.loads(line)) >= {"seal"} for line in path.read_text().splitlines()] == [
        True,
        True,
    ]


def test_a_log_that_cannot_be_started_leaves_the_old_one_in_use(
    filled: Store, sender: Any, monkeypatch: pytest.MonkeyPatch, everything: Everything
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(log, "LogFile", full)
        with pytest.raises(log.NotDurable, match="cannot be made"):
            filled.seal()
    batch = sender.devices(NOW_MS + 60_000)
    Intake(filled).accept(batch.table, batch.header, batch.body)
    filled.commit()
    filled.seal()
    assert everything(filled, "device").height == 12


def test_what_a_full_disk_did_not_take_is_written_by_the_next_commit(
    filled: Store, open_store: Opened, sender: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = sender.devices(NOW_MS + 60_000)
    Intake(filled).accept(batch.table, batch.header, batch.body)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", full)
        for _ in range(2):
            with pytest.raises(log.NotDurable):
                filled.commit()
    assert filled.uncommitted_bytes > 0
    filled.commit()
    assert filled.uncommitted_bytes == 0
    assert open_store(write=False).span("device") == (NOW_MS, NOW_MS + 60_000)


def test_reading_while_others_append_seal_and_merge_misses_nothing(
    open_store: Opened, sender: Any
) -> None:
    store = open_store()
    intake = Intake(store)
    ended = threading.Event()
    failures: list[BaseException] = []

    def keep(doing: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                while not ended.is_set():
                    doing()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def read() -> None:
        least = intake.accepted_rows
        rows = store.read("device", 0, 2**62)
        assert rows.height >= least
        assert rows.select("device", "time_unix_ms").n_unique() == rows.height

    def seal() -> None:
        store.seal()
        store.merge(least=3)

    threads = [keep(read), keep(read), keep(seal), keep(store.commit)]
    for tick in range(300):
        batch = sender.devices(NOW_MS + tick)
        assert intake.accept(batch.table, batch.header, batch.body) is True
    ended.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.read("device", 0, 2**62).height == 600


# Segments


def test_a_segment_is_written_per_day(
    open_store: Opened, sender: Any, everything: Everything
) -> None:
    store = open_store()
    intake = Intake(store)
    midnight = NOW_MS - NOW_MS % 86_400_000
    batch = sender.batch(
        "device",
        [
            {"time_unix_ms": midnight + offset, "device": "GPU-0", "up": 1}
            for offset in (-1, 0, 86_400_000 - 1)
        ],
    )
    intake.accept(batch.table, batch.header, batch.body)
    store.seal()
    assert sorted(files(store)) == [
        "raw/device/2026-10-31/00000001.parquet",
        "raw/device/2026-11-01/00000001.parquet",
    ]
    assert everything(store, "device").height == 3


@pytest.mark.parametrize(
    "values",
    [
        [0.1, 1 / 3, 1e-300, 123456.789, 5e17, 0.0, None],
        [0.1, 0.2, 700.3, 0.30000000000000004, None],
        [0.123456, 0.654321, None, 123456789012.654321],
        [1.0, 2.0, 3e17, 9e17],
        [None, None],
        [float(number) for number in range(600)] + [0.5],
    ],
    ids=["noise", "almost-decimal", "millionths", "large", "null", "sample-misleads"],
)
def test_values_come_back_from_segments_exactly(
    open_store: Opened, new_sender: Any, everything: Everything, values: list[float | None]
) -> None:
    store = open_store()
    rows = [
        {
            "time_unix_ms": NOW_MS + place,
            "device": "GPU-0",
            "power_watts": value,
            "temperature_celsius": -value if value else value,
            "memory_used_bytes": None if value is None else 2**40 + place,
        }
        for place, value in enumerate(values)
    ]
    batch = new_sender().batch("device", rows)
    Intake(store).accept(batch.table, batch.header, batch.body)
    before = everything(store, "device")
    store.seal()
    after = everything(store, "device")
    assert_frame_equal(after, before, check_exact=True)
    assert after["power_watts"].to_list() == values


def test_numbers_with_few_decimals_are_stored_as_decimals(
    open_store: Opened, new_sender: Any
) -> None:
    store = open_store()
    for tick in range(3):
        batch = new_sender(sequence=tick).devices(
            NOW_MS + tick, power_watts=123.5, busy_ratio=0.25, sm_active_ratio=1 / 3
        )
        Intake(store).accept(batch.table, batch.header, batch.body)
    store.seal()
    (file,) = (store.path / "raw").rglob("*.parquet")
    kinds = pl.read_parquet_schema(file)
    assert kinds["power_watts"] == pl.Decimal(18, 1)
    assert kinds["busy_ratio"] == pl.Decimal(18, 2)
    assert kinds["sm_active_ratio"] == pl.Float64
    assert kinds["time_unix_ms"] == pl.Int64


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([9.2999e-05, 4.62e-05, 0.000196495] * 500, 9),
        ([182.0] * 900 + [190.123456789] * 100, 9),
        ([60.0] * 5001 + [60.5] + [61.0] * 5000, 1),
        ([60.0] * 700 + [60.5] * 50 + [60.123] * 700, 3),
    ],
    ids=["nanoseconds", "a quiet device first", "one that no sample has", "three paces"],
)
def test_a_quiet_beginning_does_not_hide_the_decimals_of_the_others(
    open_store: Opened, new_sender: Any, values: list[float], places: int
) -> None:
    store = open_store()
    rows = [
        {"time_unix_ms": NOW_MS + tick, "device": "GPU-0", "read_seconds": value}
        for tick, value in enumerate(values)
    ]
    batch = new_sender().batch("device", rows)
    Intake(store).accept(batch.table, batch.header, batch.body)
    store.seal()
    (file,) = (store.path / "raw").rglob("*.parquet")
    assert pl.read_parquet_schema(file)["read_seconds"] == pl.Decimal(18, places)
    assert store.read("device", 0, 2**62)["read_seconds"].to_list() == values


def test_segments_from_before_a_column_was_known_are_read_and_merged_with_later_ones(
    open_store: Opened, sender: Any
) -> None:
    store = open_store()
    intake = Intake(store)
    old = sender.devices(NOW_MS)
    intake.accept(old.table, old.header, old.body)
    store.seal()
    (file,) = (store.path / "raw").rglob("*.parquet")
    known = ["system", "node", "period_ms", "time_unix_ms", "device", "up", "power_watts"]
    pl.read_parquet(file).select(known).write_parquet(file)
    new = sender.devices(NOW_MS + 1000, temperature_margin_celsius=-2.0, fp64_active_ratio=0.25)
    intake.accept(new.table, new.header, new.body)

    def both() -> None:
        rows = store.read("device", 0, 2**62).filter(pl.col("device") == "GPU-n01-0")
        assert rows["power_watts"].to_list() == [100.0, 100.0]
        assert rows["temperature_margin_celsius"].to_list() == [None, -2.0]
        narrow = store.rows("device", 0, 2**62, ("time_unix_ms", "fp64_active_ratio"))
        assert sorted(narrow.rows()) == [(NOW_MS, None)] * 2 + [(NOW_MS + 1000, 0.25)] * 2

    both()
    store.seal()
    both()
    store.merge(2)
    assert len(files(store)) == 1
    both()


def test_a_damaged_or_missing_segment_is_named(filled: Store) -> None:
    (name,) = files(filled)
    path = filled.path / name
    path.write_bytes(path.read_bytes()[:-9] + b"123456789")
    with pytest.raises(InputError, match=f"{name}: damaged segment"):
        filled.read("device", 0, 2**62)
    path.unlink()
    with pytest.raises(InputError, match=r"manifest\.jsonl: the manifest lists a segment"):
        filled.read("device", 0, 2**62)


def test_sealing_an_empty_log_makes_nothing(open_store: Opened) -> None:
    store = open_store()
    store.seal()
    assert files(store) == set()
    assert (store.path / "manifest.jsonl").read_text() == ""


def test_restarts_leave_no_empty_logs_behind(open_store: Opened) -> None:
    for _ in range(3):
        open_store().close()
    assert len(list((open_store().path / "log").iterdir())) == 1


def test_merging_keeps_every_row_and_leaves_one_file_a_day(
    open_store: Opened, new_sender: Any, everything: Everything
) -> None:
    store = open_store()
    intake = Intake(store)
    agent = new_sender()
    for tick in range(6):
        batch = agent.devices(NOW_MS + tick * 1000)
        intake.accept(batch.table, batch.header, batch.body)
        store.seal()
    before = everything(store, "device")
    assert len(files(store)) == 6
    store.merge(least=6)
    assert len(files(store)) == 1
    assert files(store) == named(store)
    assert_frame_equal(everything(store, "device"), before)
    store.close()
    assert_frame_equal(everything(open_store(), "device"), before)


def test_a_long_manifest_is_written_anew(
    filled: Store, open_store: Opened, everything: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.seal()
    filled.take_dirty()
    before = everything(filled, "device")
    filled.close()
    monkeypatch.setattr(store_module, "_MANIFEST_BYTES", 1)
    store = open_store()
    assert len((store.path / "manifest.jsonl").read_text().splitlines()) == 1
    assert store.take_dirty()
    store.close()
    store = open_store()
    assert_frame_equal(everything(store, "device"), before)
    assert store.seen(Header("sys", "n01", "boot-1", 5, 1000))
    assert not store.seen(Header("sys", "n01", "boot-1", 6, 1000))


def test_only_small_neighbours_are_merged() -> None:
    def segment(order: int, rows: int) -> manifest.Segment:
        return manifest.Segment(f"{order}", "device", "2026-11-01", rows, 0, 0, 0, "", order)

    sizes = [10, 10, 2_000_000, 10, 250_000, 250_000, 250_001, 5]
    runs = segments.mergeable([segment(order, rows) for order, rows in enumerate(sizes)])
    assert [[s.order for s in run] for run in runs] == [[0, 1], [3, 4, 5]]
    many = [segment(order, 250_000) for order in range(20)]
    assert [len(run) for run in segments.mergeable(many)] == [8, 8, 4]


def test_few_segments_are_not_merged(filled: Store) -> None:
    filled.seal()
    before = files(filled)
    filled.merge(least=3)
    assert files(filled) == before


# Hours to book


def test_the_hours_of_new_rows_are_dirty_once(open_store: Opened, sender: Any) -> None:
    store = open_store()
    intake = Intake(store)
    hour = NOW_MS - NOW_MS % HOUR_MS
    for batch in (
        sender.devices(hour + 1),
        sender.batch("agent", [{"time_unix_ms": hour - HOUR_MS * 5}]),
        sender.batch("device", [{"time_unix_ms": hour - HOUR_MS * 9, "device": "GPU-9"}]),
    ):
        intake.accept(batch.table, batch.header, batch.body)
    assert store.take_dirty() == {("sys", hour), ("sys", hour - HOUR_MS * 9)}
    assert store.take_dirty() == set()


def test_each_system_has_hours_of_its_own(open_store: Opened, new_sender: Any) -> None:
    store = open_store()
    hour = NOW_MS - NOW_MS % HOUR_MS
    batches = [
        new_sender(system="a").batch(
            "device",
            [{"time_unix_ms": hour - n * HOUR_MS, "device": "GPU-9"} for n in (0, 2)],
        ),
        new_sender(system="b").batch("device", [{"time_unix_ms": hour, "device": "GPU-9"}]),
    ]
    Intake(store).accept_many(batches)
    assert store.take_dirty() == {("a", hour), ("a", hour - 2 * HOUR_MS), ("b", hour)}


@pytest.mark.parametrize("sealed", [False, True])
def test_hours_that_were_not_booked_are_dirty_after_a_restart(
    open_store: Opened, sender: Any, sealed: bool
) -> None:
    hour = NOW_MS - NOW_MS % HOUR_MS
    store = open_store()
    batch = sender.devices(hour + 1)
    Intake(store).accept(batch.table, batch.header, batch.body)
    if sealed:
        store.seal()
    store.take_dirty()  # and killed before it could say that they are booked
    store.close()
    store = open_store()
    assert store.take_dirty() == {("sys", hour)}
    store.confirm_booked()
    store.seal()
    store.take_dirty()
    store.confirm_booked()
    store.close()
    assert open_store().take_dirty() == set()


def test_hours_sealed_while_they_are_booked_are_not_booked_again(
    open_store: Opened, sender: Any
) -> None:
    store = open_store()
    first, second = NOW_MS, NOW_MS - 5 * HOUR_MS
    for time_ms in (first, second):
        batch = sender.devices(time_ms)
        Intake(store).accept(batch.table, batch.header, batch.body)
    store.take_dirty()
    store.seal()
    batch = sender.devices(second + 1)  # and this comes while the hours taken are being booked
    Intake(store).accept(batch.table, batch.header, batch.body)
    store.confirm_booked()
    store.commit()
    store.close()
    assert open_store().take_dirty() == {("sys", second - second % HOUR_MS)}


def test_an_hour_that_waits_is_said_once_however_often_something_is_sealed(
    open_store: Opened, sender: Any
) -> None:
    hour = NOW_MS - NOW_MS % HOUR_MS
    store = open_store()
    for step in range(3):
        for batch in (sender.devices(hour - step * HOUR_MS), sender.devices(hour + step + 1)):
            Intake(store).accept(batch.table, batch.header, batch.body)
        store.seal()
    store.take_dirty()
    store.confirm_booked()
    batch = sender.devices(hour + 9)
    Intake(store).accept(batch.table, batch.header, batch.body)
    store.seal()
    store.close()
    lines = list(map(json.loads, (store.path / "manifest.jsonl").read_text().splitlines()))
    hours = [[time for _, time in line.get("touched", [])] for line in lines]
    assert hours == [[hour], [hour - HOUR_MS], [hour - 2 * HOUR_MS], [], [hour]]
    booked = [["sys", hour - step * HOUR_MS] for step in (2, 1, 0)]
    assert [line["booked"] for line in lines if "booked" in line] == [booked]
    assert open_store().take_dirty() == {("sys", hour)}


def test_what_an_earlier_program_said_of_waiting_hours_still_holds(
    filled: Store, open_store: Opened
) -> None:
    filled.seal()
    filled.close()
    with (filled.path / "manifest.jsonl").open("a") as file:
        file.write('{"unbooked":[["sys",7200000],["sys",3600000]]}\n{"booked":[["sys",3600000]]}\n')
    assert open_store().take_dirty() == {("sys", 7200000)}


def test_hours_whose_booking_failed_are_dirty_again(open_store: Opened, sender: Any) -> None:
    store = open_store()
    batch = sender.devices(NOW_MS)
    Intake(store).accept(batch.table, batch.header, batch.body)
    taken = store.take_dirty()
    store.give_back_dirty()
    assert store.take_dirty() == taken != set()


# Refused batches


def test_few_refused_batches_are_kept_and_all_counted(open_store: Opened) -> None:
    store = open_store()
    for number in range(100):
        store.quarantine(f"header {number}", b"x" * 100_000, "not Arrow")
    assert store.refused_total == 100
    kept = list((store.path / "refused").iterdir())
    assert len(kept) == 128
    assert sum(path.stat().st_size for path in kept) < 5_000_000


def test_batches_of_other_tables_lie_in_files_of_their_own(open_store: Opened, sender: Any) -> None:
    store = open_store()
    intake = Intake(store)
    batches: list[Batch] = [
        sender.devices(NOW_MS),
        sender.batch("node", [{"time_unix_ms": NOW_MS, "power_watts": 1000.0}]),
        sender.batch("job", [{"time_unix_ms": NOW_MS, "job": "1", "tokens_trained_total": 5}]),
        sender.batch("device_info", [{"time_unix_ms": NOW_MS, "device": "GPU-0", "index": 0}]),
    ]
    assert intake.accept_many(batches) == [True] * 4
    store.seal()
    assert {path.split("/")[1] for path in files(store)} == {"device", "node", "job", "device_info"}
    assert store.read("job", 0, 2**62)["tokens_trained_total"].to_list() == [5]


def test_rows_of_one_device_are_read_without_the_others_sealed_or_not(
    open_store: Opened, sender: Any
) -> None:
    store = open_store()
    intake = Intake(store)
    for at_ms in (NOW_MS, NOW_MS + 1000):
        batch = sender.devices(at_ms)
        intake.accept(batch.table, batch.header, batch.body)
        if at_ms == NOW_MS:
            store.seal()
    mine = pl.col("device") == "GPU-n01-1"
    rows = store.rows("device", 0, 2**62, ("time_unix_ms", "power_watts"), mine)
    assert rows["time_unix_ms"].to_list() == [NOW_MS, NOW_MS + 1000]
    assert "device" not in rows.columns
