"""Imports of MLPerf Inference with power, on a small made-up run and on the published ones."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wattline_agents import cli
from wattline_collector.ledger.books import Books
from wattline_collector.store.store import Store

BEGIN = 1_700_000_000_500
END = BEGIN + 100_000


def moment(time_ms: int) -> str:
    time = datetime.fromtimestamp(time_ms / 1000, UTC)
    return time.strftime("%m-%d-%Y %H:%M:%S.") + f"{time_ms % 1000:03}"


def spl() -> str:
    """A node that idles at 100 W and draws 1000 W in the window, read once a second."""
    return "".join(
        f"Time,{moment(time)},Watts,{1000 if BEGIN <= time <= END else 100}.000000,Volts,240.0,"
        "Amps,4.1,PF,0.96,Mark,x,Ch1,Watts,300.0\n"
        for time in range(BEGIN - 30_500, END + 30_000, 1_000)
    )


def detail(**changes: object) -> str:
    values: dict[str, object] = {
        "effective_scenario": "Offline",
        "loaded_qsl_set": list(range(500)),
        "power_begin": moment(BEGIN),
        "power_end": moment(END),
        "result_validity": "VALID",
        "result_samples_per_second": 2.0,
        "result_max_latency_ns": 100_000_000_000,
        "result_tokens_per_second": 500.0,
    } | changes
    return "".join(
        f":::MLLOG {json.dumps({'key': key, 'value': value, 'time_ms': 1.5})}\n"
        for key, value in values.items()
        if value is not None
    )


class Run:
    """Writes a run's folder and imports it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.store, self.capsys = folder / "small", folder / "store", capsys
        self.folder.mkdir()
        self.write("spl.txt", spl())
        self.write("mlperf_log_detail.txt", detail())

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def __call__(self, *more: str) -> tuple[int, str, str]:
        words = ["import", "mlperf-inference", str(self.folder), "--store", str(self.store)]
        code = cli.main([*words, *more])
        out, err = self.capsys.readouterr()
        return code, out, err

    def last_count(self) -> dict[str, object]:
        store = Store.open(self.store, write=False)
        try:
            return store.read("job", 0, 2**53).to_dicts()[-1]
        finally:
            store.close()


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(tmp_path, capsys)


def test_mean_power_is_that_of_the_window_and_idle_around_it_does_not_count(run: Run) -> None:
    code, out, _ = run()
    assert code == 0
    assert "1,000.000 W  MLPerf's rule" in out
    assert "0.5000 tok/J  MLPerf's rule" in out


def test_tokens_are_the_stated_rate_over_the_time_of_the_test_and_said_to_be_derived(
    run: Run,
) -> None:
    _, out, _ = run()
    assert "50,000  derived: that rate over 100.000 s" in out
    last = run.last_count()
    assert (last["time_unix_ms"], last["tokens_generated_total"]) == (END, 50_000)
    assert last["requests_total"] == 200
    assert last["tokens_trained_total"] is None


def test_tokens_are_spread_evenly_over_the_window(run: Run) -> None:
    run()
    store = Store.open(run.store, write=False)
    rows = store.read("job", 0, 2**53)
    store.close()
    assert rows["tokens_generated_total"].to_list() == [5_000 * i for i in range(11)]


def test_the_books_hold_the_run_and_the_idle_time_around_it_apart(run: Run) -> None:
    run()
    entries = Books(run.store).read("node", BEGIN // 60_000 * 60_000 - 60_000, END + 60_000)
    mine = entries.filter(entries["job"] == "small")
    assert mine["energy_joules"].sum() == pytest.approx(100_000, rel=0.01)
    assert mine["duration_ms"].sum() == pytest.approx(100_000)
    assert entries["duration_ms"].sum() > 150_000


def test_a_log_without_token_rates_leaves_tokens_unknown(run: Run) -> None:
    run.write("mlperf_log_detail.txt", detail(result_tokens_per_second=None))
    code, out, _ = run()
    assert code == 0
    assert "tok/J" not in out
    assert run.last_count()["tokens_generated_total"] is None


def test_outside_the_offline_scenario_the_rate_is_taken_over_the_window(run: Run) -> None:
    run.write(
        "mlperf_log_detail.txt",
        detail(effective_scenario="Server", result_max_latency_ns=2_000_000_000),
    )
    run()
    assert run.last_count()["tokens_generated_total"] == 50_000


def test_an_invalid_result_is_said(run: Run) -> None:
    run.write("mlperf_log_detail.txt", detail(result_validity="INVALID"))
    assert "note: MLPerf calls the result of this run INVALID" in run()[1]


def test_importing_the_same_run_again_changes_nothing(run: Run) -> None:
    run()
    assert run()[1].endswith("already in the store: nothing changed\n")


def test_a_malformed_line_is_left_out_and_named(run: Run) -> None:
    run.write("spl.txt", spl() + "Time,yesterday,Watts,1.0\n")
    code, out, _ = run()
    assert code == 0
    assert "spl.txt:162: Time: 'yesterday' is not MM-DD-YYYY HH:MM:SS.mmm" in out


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda run: (run.folder / "spl.txt").unlink(), "small: holds no spl.txt or spl.txt.gz"),
        (lambda run: (run.folder / "mlperf_log_detail.txt").unlink(), "holds no mlperf_log_det"),
        (lambda run: run.write("mlperf_log_detail.txt", ""), "holds no line `:::MLLOG"),
        (lambda run: run.write("mlperf_log_detail.txt", detail(power_begin=None)),
         "mlperf_log_detail.txt: power_begin: not in the log: no power was measured"),
        (lambda run: run.write("mlperf_log_detail.txt", detail(power_begin="noon")),
         "mlperf_log_detail.txt:3: power_begin.value: 'noon' is not MM-DD-YYYY"),
        (lambda run: run.write("mlperf_log_detail.txt", detail(power_end=moment(BEGIN))),
         "power_end: is not after power_begin"),
        (lambda run: run.write("spl.txt", ""), "spl.txt: has 0 readings between power_begin"),
        (lambda run: run.write("spl.txt", spl().replace("-2023 ", "-2022 ")),
         "are both of the same run?"),
        (lambda run: run.write("spl.txt", spl().replace(",1000.", ",nan")),
         "Watts: 'nan000000' is not a power in watts"),
        (lambda run: run.write("spl.txt", "power went up\n"), "spl.txt:1: is not a line `Time"),
    ],
)  # fmt: skip
def test_what_cannot_be_imported_is_said_in_one_line(
    run: Run, spoil: Callable[[Run], object], said: str
) -> None:
    spoil(run)
    code, out, err = run()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert not run.store.exists()


@pytest.mark.parametrize("name", ["nowhere", "small/spl.txt"])
def test_a_wrong_path_is_said(run: Run, name: str) -> None:
    run.folder = run.folder.parent / name
    code, _, err = run()
    assert code == 2
    assert str(run.folder) in err


@pytest.fixture
def recordings(shared: Path) -> Path:
    return shared / "data/01-mlperf-inference-h200-power"


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("name", "watts", "tokens_per_joule", "joules"),
    [
        ("llama2-70b-99.9_Offline", "6,152.984", 4.105666, 19_168_730.6),
        ("gptj-99.9_Offline", "4,775.270", 2.742588, 5_038_942.6),
    ],
)
def test_published_power_and_tokens_per_joule_are_reproduced(
    recordings: Path, run: Run, name: str, watts: str, tokens_per_joule: float, joules: float
) -> None:
    run.folder = recordings / name
    code, out, _ = run("--model", "NVIDIA H200")
    assert code == 0
    assert f"{watts} W  MLPerf's rule" in out
    assert f"{tokens_per_joule:.4f} tok/J  MLPerf's rule" in out
    entries = Books(run.store).read("node", 0, 2**41 // 60_000 * 60_000)
    energy = entries.filter(entries["job"] == name)["energy_joules"].sum()
    assert energy == pytest.approx(joules, rel=1e-6)
    tokens = run.last_count()["tokens_generated_total"]
    assert isinstance(tokens, int)
    # The books leave out up to a second at each end of the window, a thousandth of the short run.
    assert tokens / energy == pytest.approx(tokens_per_joule, rel=1.5e-3)
