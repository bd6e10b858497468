"""Imports of MLPerf Training with power, on small made-up runs and on the published ones."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from wattline_agents import cli
from wattline_collector.ledger.books import Books
from wattline_collector.store.store import Store

START = 1_700_000_000_000  # 2023-11-14 22:13:20 UTC
STOP = START + 120_000
RUN = 1_000.0 * 120  # joules of one node drawing a kilowatt


def event(key: str, time_ms: int, value: object = None, **metadata: object) -> str:
    fields = {"key": key, "time_ms": time_ms, "value": value, "metadata": metadata or ""}
    return f":::MLLOG {json.dumps(fields)}\n"


def log(benchmark: str = "gpt3", status: str = "success") -> str:
    counted = "step" if benchmark == "gpt3" else "samples_count"
    key = "tracked_stats" if benchmark == "gpt3" else "block_stop"
    return "".join(
        [
            "+ echo starting\n",
            ':::SYSJSON {"accelerators_per_node":"4","accelerator_model_name":"Test 9000"}\n',
            "  0: " + event("submission_benchmark", START - 9_000, benchmark),
            event("global_batch_size", START - 9_000, 8),
            event("max_sequence_length", START - 9_000, 16),
            *(f"{rank}: " + event("run_start", START + rank) for rank in range(3)),
            event("block_start", START + 5, first_epoch_num=0, samples_count=0),
            *(event(key, START + 30_000 * i, {}, **{counted: 128 * i}) for i in range(1, 4)),
            event("tracked_stats", START + 60_000, {"throughput": 4.5}),
            "  0: a traceback, a warning, a progress bar\n",
            event("run_stop", STOP, None, status=status, samples_count=384),
        ]
    )


HOURS_BEFORE = {"begin": START - 9_000_000, "end": START - 8_000_000}


def node(watts: float = 1_000, begin: int = START - 60_000, end: int = STOP + 60_000) -> str:
    """A node that reads every two seconds, a minute longer than the run at both ends."""
    return "".join(
        [
            event("power_measurement_start", begin, "null"),
            *(event("power_reading", time, watts) for time in range(begin, end + 1, 2_000)),
            event("power_measurement_stop", begin, "null"),  # the start's time, as in real ones
        ]
    )


class Run:
    """Writes a run's files and imports them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.power, self.log = folder / "small.power.tar.gz", folder / "small.mllog.txt"
        self.store = folder / "store"
        self.capsys = capsys
        self.write_log(log())
        self.write_power({"small/node_1.txt": node(), "small/node_2.txt": node(500)})

    def write_log(self, text: str) -> None:
        self.log.write_text(text)

    def write_power(self, members: dict[str, str]) -> None:
        with tarfile.open(self.power, "w:gz") as tar:
            for name, text in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text.encode()))

    def __call__(self, *more: str) -> tuple[int, str, str]:
        words = ["import", "mlperf-training", str(self.power), "--log", str(self.log)]
        code = cli.main([*words, "--store", str(self.store), *more])
        out, err = self.capsys.readouterr()
        return code, out, err

    def fails(self, *more: str) -> str:
        """Import, expect one line on standard error and an untouched store; return the line."""
        code, out, err = self(*more)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        assert not self.store.exists()
        return err

    def job_energy(self, job: str = "small") -> float:
        entries = Books(self.store).read("node", 0, 2**41 // 60_000 * 60_000)
        return float(entries.filter(entries["job"] == job)["energy_joules"].sum())

    def rows(self, table: str) -> list[dict[str, object]]:
        store = Store.open(self.store, write=False)
        try:
            return store.read(table, 0, 2**53).to_dicts()
        finally:
            store.close()


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(tmp_path, capsys)


def test_energy_counts_inside_the_run_only(run: Run) -> None:
    code, out, _ = run()
    assert code == 0
    assert f"{RUN * 1.5 / 3.6e6:.4f} kWh  242 readings, cut at the edges of the run" in out
    assert run.job_energy() == pytest.approx(RUN * 1.5, rel=1e-6)


def test_tokens_of_a_log_that_counts_tokens_are_the_last_count(run: Run) -> None:
    _, out, _ = run()
    last = run.rows("job")[-1]
    assert (last["time_unix_ms"], last["tokens_trained_total"]) == (STOP, 384)
    assert (last["samples_total"], last["steps_total"]) == (24, 3)
    assert "  384\n" in out
    assert "3.2 tok/s  the log's last figure: 4.5" in out


def test_tokens_of_a_log_that_counts_samples_are_unknown_and_not_zero(run: Run) -> None:
    run.write_log(log("llama2_70b_lora"))
    _, out, _ = run()
    last = run.rows("job")[-1]
    assert (last["tokens_trained_total"], last["samples_total"]) == (None, 384)
    assert "not known  --tokens-per-sample N" in out


def test_tokens_of_a_log_that_counts_samples_follow_from_a_stated_length(run: Run) -> None:
    run.write_log(log("llama2_70b_lora"))
    _, out, _ = run("--tokens-per-sample", "100")
    assert run.rows("job")[-1]["tokens_trained_total"] == 38_400
    assert "38,400  booked" in out


def test_the_devices_are_installed_for_the_recording_and_held_for_the_run(run: Run) -> None:
    run()
    devices = run.rows("device_info")
    keys = {row["device"] for row in devices}
    assert keys == {f"small-node_{n}-gpu{i}" for n in (1, 2) for i in range(4)}
    assert {row["model"] for row in devices} == {"Test 9000"}
    assert {(row["installed_from_unix_ms"], row["installed_until_unix_ms"]) for row in devices} == {
        (START - 60_000, STOP + 60_000)
    }
    held = run.rows("assignment")
    assert {row["device"] for row in held} == keys
    assert {(row["start_unix_ms"], row["end_unix_ms"]) for row in held} == {(START, STOP)}
    assert {row["method"] for row in held} == {"recording"}


def test_the_sampling_period_is_what_the_readings_keep_in_spite_of_holes(run: Run) -> None:
    lines = node().splitlines(keepends=True)
    run.write_power({"node_0.txt": "".join(lines[:40] + lines[50:])})  # 20 s without a reading
    run()
    assert {row["period_ms"] for row in run.rows("node")} == {2_000}
    assert run.job_energy() == pytest.approx(RUN, rel=1e-6)


def test_an_aborted_run_is_a_failed_job(run: Run) -> None:
    run.write_log(log(status="aborted"))
    run()
    assert run.rows("job_info")[-1]["state"] == "failed"


def test_importing_the_same_run_again_changes_nothing(run: Run) -> None:
    run()
    before = {table: run.rows(table) for table in ("node", "job", "assignment", "device_info")}
    run.power.rename(run.power.with_name("small.tar.gz"))  # the content decides, not the path
    run.power = run.power.with_name("small.tar.gz")
    code, out, _ = run()
    assert code == 0
    assert out.endswith("already in the store: nothing changed\n")
    assert before == {table: run.rows(table) for table in before}


def test_an_import_that_was_broken_off_is_finished_by_the_next(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = 0

    def commit(store: Store, whole: Callable[[Store], None] = Store.commit) -> None:
        nonlocal commits
        commits += 1
        if commits == 2:
            raise KeyboardInterrupt
        whole(store)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "commit", commit)
        assert run()[0] == 130
    assert run()[0] == 0
    assert len(run.rows("node")) == 242
    assert run.job_energy() == pytest.approx(RUN * 1.5, rel=1e-6)


def test_another_run_under_the_same_system_is_refused(run: Run) -> None:
    run()
    run.write_power({"node_1.txt": node(999)})
    code, _, err = run()
    assert code == 2
    assert "already holds other data as system 'recording-small'" in err
    assert "--system NAME" in err
    assert run("--system", "other")[0] == 0


def test_published_total_and_switches_are_shown_and_not_added(run: Run) -> None:
    run.write_power(
        {
            "a/node_1.txt": node(),
            "a/total_power.txt": "Total Power Usage: 0.0333 kWh\n",
            "a/sw_0.txt": event("interconnect_power_est", 1_652_749_794_206, 300),  # years off
            "a/readme.md": "hello",
        }
    )
    _, out, _ = run()
    assert "0.0333 kWh  published in the archive; ours +0.100%" in out
    assert "0.0100 kWh  300 W estimated, not added" in out
    assert "note: 1 other files in the archive passed over" in out
    assert run.job_energy() == pytest.approx(RUN, rel=1e-6)


def test_a_conversion_efficiency_is_mentioned_and_not_applied(run: Run) -> None:
    run.write_power({"node_1.txt": node() + event("conversion_eff", START, 0.94)})
    _, out, _ = run()
    assert "note: conversion_eff 0.94: MLPerf multiplies energy by it" in out
    assert run.job_energy() == pytest.approx(RUN, rel=1e-6)


def test_a_few_malformed_lines_are_left_out_and_named(run: Run) -> None:
    broken = event("power_reading", START + 1, "a lot")
    run.write_power({"node_1.txt": node() + broken, "node_2.txt": node() + ":::MLLOG {oops\n"})
    code, out, _ = run()
    assert code == 0
    assert "note: 2 malformed of" in out
    assert f"{run.power}:node_1.txt:124: power_reading.value: 'a lot' is not a number" in out
    assert f"{run.power}:node_2.txt:124: is not JSON" in out


@pytest.mark.parametrize("value", [-1, 1e9, "null", None, True, [1]])
def test_what_is_no_power_is_not_stored(run: Run, value: object) -> None:
    run.write_power({"node_1.txt": node() + event("power_reading", START + 1, value)})
    run()
    assert START + 1 not in {row["time_unix_ms"] for row in run.rows("node")}


def test_too_many_malformed_lines_import_nothing(run: Run) -> None:
    run.write_power({"node_1.txt": node() + "rubbish\n" * 10})
    line = run.fails()
    assert f"{run.power}:node_1.txt:124: is not a line `:::MLLOG {{...}}`" in line
    assert "nothing was imported" in line


def without(key: str) -> Callable[[Run], None]:
    return lambda run: run.write_log(
        "".join(line for line in log().splitlines(keepends=True) if f'"{key}"' not in line)
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda run: run.log.unlink(), "small.mllog.txt: no such file"),
        (lambda run: run.power.unlink(), "small.power.tar.gz: no such file"),
        (lambda run: run.write_log(""), "small.mllog.txt: holds no line `:::MLLOG"),
        (without("run_start"), "small.mllog.txt: run_start: not in the log"),
        (without("run_stop"), "small.mllog.txt: run_stop: not in the log"),
        (lambda run: run.write_log(log() + log().replace(str(START), str(STOP + 60_000))),
         "run_start.time_ms: a second run begins in this log"),
        (lambda run: run.write_log(log().replace(f'"time_ms": {STOP}', f'"time_ms": {START - 1}')),
         "run_stop: is not after run_start"),
        (lambda run: run.write_power({}), "holds no file node_<i>.txt"),
        (lambda run: run.write_power({"sw_0.txt": ""}), "holds no file node_<i>.txt"),
        (lambda run: run.write_power({"node_1.txt": ""}), "holds no power reading within an hour"),
        (lambda run: run.write_power({"node_1.txt": node(**HOURS_BEFORE)}),
         "are archive and log of the same run?"),
        (lambda run: run.write_power({"a/node_1.txt": node(), "b/node_01.txt": node()}),
         "node_1 is in it twice (a/node_1.txt and b/node_01.txt)"),
        (lambda run: run.power.write_bytes(run.power.read_bytes()[:-400]), "ends early"),
        (lambda run: run.power.write_bytes(gzip.compress(b"text")), "is not a whole tar archive"),
    ],
)  # fmt: skip
def test_what_cannot_be_imported_is_said_in_one_line(
    run: Run, spoil: Callable[[Run], None], said: str
) -> None:
    spoil(run)
    assert said in run.fails()


def test_a_directory_in_place_of_the_archive_is_said(run: Run) -> None:
    run.power = run.power.parent
    code, _, err = run()
    assert code == 2
    assert err == f"wattline: {run.power}: is a directory; a file is needed\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tokens-per-sample", "0"], "'0' is not a whole number from 1"),
        (["--devices", "-3"], "'-3' is not a whole number from 1"),
        (["--system", "a b"], "'a b' is not a name"),
        (["--name", "../x"], "'../x' is not a name"),
    ],
)
def test_options_out_of_range_are_usage_errors(run: Run, words: list[str], said: str) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*words)
    assert caught.value.code == 2
    assert said in run.capsys.readouterr().err


# -- the published runs


@pytest.fixture
def recordings(shared: Path) -> Path:
    return shared / "data/02-mlperf-training-power"


@pytest.mark.recordings
def test_the_published_energy_of_512_gpus_training_gpt3_is_reproduced(
    recordings: Path, run: Run
) -> None:
    run.power = recordings / "gpt3_64x8H100_AC_run5848_2.power.tar.gz"
    run.log = recordings / "gpt3_64x8H100_AC_run5848_2.mllog.txt.gz"
    code, out, _ = run()
    assert code == 0
    assert "64 nodes x 8 NVIDIA H100-SXM5-80GB" in out
    assert "415.26 kWh  108,916 readings" in out
    assert "415.22 kWh  published in the archive; ours +0.008%" in out
    assert "56.47 kWh  59,570 W estimated, not added" in out
    assert "1,207,959,552  booked" in out
    assert "353,963 tok/s  the log's last figure: 354,044" in out
    assert "0.808 tok/J" in out
    assert "malformed" not in out
    energy = run.job_energy("gpt3_64x8H100_AC_run5848_2")
    assert energy == pytest.approx(415.2552 * 3.6e6, rel=1e-6)


@pytest.mark.recordings
def test_readings_around_a_run_of_one_node_are_cut_off(recordings: Path, run: Run) -> None:
    run.power = recordings / "llama2lora_1x8H100_AC_run4951_1.power.tar.gz"
    run.log = recordings / "llama2lora_1x8H100_AC_run4951_1.mllog.txt.gz"
    _, out, _ = run()
    # Others computed 3.3618 from the first reading inside the run to the last, as the books do;
    # 1.74 s of the run lie outside those. With all that was read it would be 3.4827.
    assert "3.3652 kWh  846 readings, cut at the edges of the run" in out
    assert "3.3618 kWh  booked, -0.10" in out
    energy = run.job_energy("llama2lora_1x8H100_AC_run4951_1")
    assert energy == pytest.approx(3.3618 * 3.6e6, rel=1e-4)
    assert run.rows("job")[-1]["samples_total"] == 3_072
