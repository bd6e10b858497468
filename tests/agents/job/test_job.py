import json
import os
import subprocess
import sys
import threading
import time
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.catalogue import PHASES
from wattline_agents.job import Job, ModelFacts
from wattline_agents.job.job import Kind, Phase
from wattline_agents.job.listener import Listener
from wattline_agents.job.message import KINDS, Message


@pytest.fixture(autouse=True)
def no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("SLURM_", "WATTLINE_", "TORCHELASTIC_")) or "VISIBLE" in name:
            monkeypatch.delenv(name)


@pytest.fixture
def listener(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    found = Listener(short_path / "job.sock")
    monkeypatch.setenv("WATTLINE_JOB_SOCKET", str(found.path))
    yield found
    found.close()


def messages(listener: Listener, is_enough: Callable[[list[Message]], bool]) -> list[Message]:
    found: list[Message] = []
    for _ in range(5_000):
        found += [Message.decode(datagram) for datagram, _ in listener.take()]
        if is_enough(found):
            return found
        time.sleep(0.002)
    raise AssertionError(f"not enough: {found}")


def ended(found: list[Message]) -> bool:
    return any(message.state != "running" for message in found)


def run(code: str, *, fails: bool = False) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], timeout=60, check=False, capture_output=True, text=True
    )
    assert (done.returncode != 0) is fails, done.stderr


def test_everything_that_is_counted_is_told(listener: Listener) -> None:
    with Job("demo", kind="inference", project="p1", devices=[0, "GPU-1"]) as job:
        job.tokens(prompt=100, prompt_cached=40, generated=7)
        job.tokens(generated=3)
        job.tokens(5)
        job.step()
        job.samples(8)
        job.requests(2)
        job.flops(1e12)
    last = messages(listener, ended)[-1]
    assert last.state == "completed"
    assert last.counters == {
        "tokens_prompt_total": 100,
        "tokens_prompt_cached_total": 40,
        "tokens_generated_total": 10,
        "tokens_trained_total": 5,
        "steps_total": 1,
        "samples_total": 8,
        "requests_total": 2,
        "flops_total": 1e12,
    }
    assert (last.job, last.name, last.kind, last.project) == (job.key, "demo", "inference", "p1")
    assert last.devices == ("0", "GPU-1")
    assert last.pid == os.getpid()


def test_what_was_never_counted_is_not_told_as_zero(listener: Listener) -> None:
    with Job("demo") as job:
        job.step()
    assert messages(listener, ended)[-1].counters == {"steps_total": 1}


def test_time_in_phases_is_counted_once_even_when_they_nest(listener: Listener) -> None:
    start = time.monotonic()
    with Job("demo") as job, job.phase("step"):
        with job.phase("data_wait"):
            time.sleep(0.02)
        time.sleep(0.02)
    passed = time.monotonic() - start
    counters = messages(listener, ended)[-1].counters
    wait = counters["phase_data_wait_seconds_total"]
    step = counters["phase_step_seconds_total"]
    assert wait >= 0.02
    assert step >= 0.02
    assert wait + step <= passed


def test_threads_may_count_at_the_same_time(listener: Listener) -> None:
    with Job("demo") as job:

        def count() -> None:
            for _ in range(2_000):
                job.tokens(1)

        threads = [threading.Thread(target=count) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert messages(listener, ended)[-1].counters["tokens_trained_total"] == 16_000


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ValueError("diverged"), "failed"),
        (KeyboardInterrupt(), "cancelled"),
        (SystemExit(0), "completed"),
        (SystemExit(3), "failed"),
    ],
)
def test_the_end_of_the_block_tells_how_it_went(
    listener: Listener, error: BaseException, state: str
) -> None:
    with pytest.raises(type(error)), Job("demo"):
        raise error
    assert messages(listener, ended)[-1].state == state


def test_without_an_agent_nothing_happens(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATTLINE_JOB_SOCKET", str(short_path / "none" / "job.sock"))
    with Job("demo") as job:
        job.tokens(1)


def test_an_agent_that_is_stuck_does_not_hold_the_job_up(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    path = short_path / "job.sock"
    monkeypatch.setenv("WATTLINE_JOB_SOCKET", str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stuck:
        stuck.bind(str(path))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
            filler.setblocking(False)
            with pytest.raises(BlockingIOError):
                while True:
                    filler.sendto(b"x", str(path))
        with Job("demo") as job:
            job.tokens(1)


def test_an_agent_that_is_restarted_learns_the_totals(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = short_path / "job.sock"
    monkeypatch.setenv("WATTLINE_JOB_SOCKET", str(path))
    first = Listener(path)
    with Job("demo") as job:
        job.tokens(3)
        messages(first, bool)
        first.close()
        job.tokens(4)
        second = Listener(path)
    last = messages(second, ended)[-1]
    second.close()
    assert last.counters["tokens_trained_total"] == 7


@pytest.mark.parametrize(
    "misuse",
    [
        lambda job: job.tokens(-1),
        lambda job: job.step(-1),
        lambda job: job.step(tokens=-1),
        lambda job: job.step(number=-1),
        lambda job: job.resumed(-1),
        lambda job: job.spent("step", -1.0),
        lambda job: job.spent("lunch", 1.0),
        lambda job: job.turn_to("lunch"),
        lambda job: job.phase("lunch").__enter__(),
    ],
)
def test_a_slip_of_the_owner_is_told_at_once(
    listener: Listener, misuse: Callable[[Job], Any]
) -> None:
    with Job("demo") as job, pytest.raises(ValueError, match="not"):
        misuse(job)


def test_an_unknown_kind_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="kind: not one of training"):
        Job("demo", kind="mining")  # type: ignore[arg-type]


def test_the_words_of_the_types_are_those_of_the_catalogue() -> None:
    assert typing.get_args(Phase) == PHASES
    assert typing.get_args(Kind) == KINDS


def test_after_the_end_nothing_is_counted(listener: Listener) -> None:
    job = Job("demo")
    job.tokens(1)
    job.close()
    job.tokens(1)
    job.close("failed")
    ends = [message for message in messages(listener, ended) if message.state != "running"]
    assert [(end.state, end.counters) for end in ends] == [
        ("completed", {"tokens_trained_total": 1})
    ]


@pytest.mark.parametrize(
    ("environment", "key"),
    [
        ({"SLURM_JOB_ID": "1234"}, "1234"),
        ({"SLURM_JOB_ID": "1234", "SLURM_RESTART_COUNT": "2"}, "1234.2"),
        ({"SLURM_JOB_ID": "1234", "SLURM_RESTART_COUNT": "0"}, "1234"),
        ({"WATTLINE_JOB": "mine", "SLURM_JOB_ID": "1234"}, "mine"),
        ({"WATTLINE_JOB": "a b/../c"}, "a-b-..-c"),
        ({"TORCHELASTIC_RUN_ID": "abc"}, "local-demo-abc"),
    ],
)
def test_its_key_is_the_schedulers_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], key: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with Job("demo") as job:
        assert job.key == key


def test_without_a_scheduler_its_key_is_its_name_and_start() -> None:
    with Job("my model!") as first:
        assert first.key.startswith("local-my-model--2")
    with Job("my model!") as second:
        assert second.key != first.key


def test_two_jobs_of_one_process_are_two(listener: Listener) -> None:
    with Job("a") as first, Job("b") as second:
        assert first.key != second.key


def test_slurms_account_is_the_project(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ACCOUNT", "EHPC-1")
    with Job("demo"):
        pass
    assert messages(listener, ended)[-1].project == "EHPC-1"


def test_a_name_that_cannot_be_printed_is_made_printable(listener: Listener) -> None:
    with Job("a\nb\x1b"):
        pass
    assert messages(listener, ended)[-1].name == "a b "


def test_the_owners_random_numbers_stay_as_seeded() -> None:
    import random

    random.seed(1)
    expected = random.random()
    random.seed(1)
    with Job("demo") as job:
        job.tokens(1)
    assert random.random() == expected


def test_a_forked_child_counts_from_zero_for_the_same_job(listener: Listener) -> None:
    run(
        """
import os
from wattline_agents.job import Job
with Job("demo") as job:
    job.tokens(100)
    pid = os.fork()
    if pid == 0:
        job.tokens(7)
        job.close()
        os._exit(0)
    os.waitpid(pid, 0)
"""
    )
    found = messages(listener, lambda found: len({m.state for m in found} - {"running"}) == 2)
    ends = {m.state: m for m in found if m.state != "running"}
    assert ends["left"].counters == {"tokens_trained_total": 7}
    assert ends["completed"].counters == {"tokens_trained_total": 100}
    assert ends["left"].job == ends["completed"].job
    assert ends["left"].member != ends["completed"].member


def test_a_forked_child_that_counts_nothing_says_nothing(listener: Listener) -> None:
    run(
        """
import os, sys
from wattline_agents.job import Job
with Job("demo") as job, job.phase("step"):
    pid = os.fork()
    if pid == 0:
        sys.exit(0)
    os.waitpid(pid, 0)
"""
    )
    assert len({message.member for message in messages(listener, ended)}) == 1


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_multiprocessing_count_for_the_job(
    listener: Listener, short_path: Path, method: str
) -> None:
    script = short_path / "train.py"
    script.write_text(
        f"""
import multiprocessing
from wattline_agents.job import Job

job = None

def work(count):
    own = job if {method!r} == "fork" else Job("worker")
    own.tokens(count)

if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    with Job("demo") as job:
        workers = [context.Process(target=work, args=(n,)) for n in (5, 6)]
        [w.start() for w in workers]
        [w.join() for w in workers]
        job.tokens(100)
"""
    )
    done = subprocess.run([sys.executable, str(script)], timeout=60, check=False)
    assert done.returncode == 0

    def all_ended(found: list[Message]) -> bool:
        return len([message for message in found if message.state != "running"]) == 3

    ends = [m for m in messages(listener, all_ended) if m.state != "running"]
    assert len({message.job for message in ends}) == 1
    assert sorted(m.counters["tokens_trained_total"] for m in ends) == [5, 6, 100]


def test_a_job_without_a_block_ends_with_its_process(listener: Listener) -> None:
    run("from wattline_agents.job import Job\njob = Job('demo')\njob.tokens(5)")
    last = messages(listener, ended)[-1]
    assert (last.state, last.counters) == ("completed", {"tokens_trained_total": 5})


def test_a_job_without_a_block_that_breaks_has_failed(listener: Listener) -> None:
    run("from wattline_agents.job import Job\njob = Job('demo')\n1 / 0", fails=True)
    assert messages(listener, ended)[-1].state == "failed"


def test_counting_leaves_the_environment_as_it_was() -> None:
    before = dict(os.environ)
    with Job("demo"):
        assert json.dumps(dict(os.environ)) != json.dumps(before), "its children know its key"
    assert dict(os.environ) == before


def test_a_step_counts_everything_at_once(listener: Listener) -> None:
    with Job("demo", kind="training", run="r1") as job:
        job.resumed(100)
        for _ in range(3):
            job.step(tokens=512, samples=4)
        job.saved()
        job.step(tokens=512, samples=4, number=104)
    last = messages(listener, ended)[-1]
    assert last.counters == {
        "steps_total": 4,
        "tokens_trained_total": 2048,
        "samples_total": 16,
        "checkpoints_total": 1,
    }
    assert last.gauges == {"step": 104, "step_resumed": 100, "step_saved": 103}
    assert last.run == "r1"


def test_several_things_are_counted_outside_of_a_step(listener: Listener) -> None:
    with Job("demo") as job:
        job.count(tokens=5, samples=2, flops=7.0)
        job.count(tokens=5, steps=2)
        job.requests(4, failed=1, good=3)
    last = messages(listener, ended)[-1]
    assert last.counters == {
        "tokens_trained_total": 10,
        "samples_total": 2,
        "flops_total": 7.0,
        "steps_total": 2,
        "requests_total": 4,
        "requests_failed_total": 1,
        "requests_good_total": 3,
    }


def test_a_run_that_goes_back_counts_everything_and_says_so(listener: Listener) -> None:
    with Job("demo") as job:
        for _ in range(5):
            job.step(tokens=10)
        job.resumed(2)
        job.step(tokens=10)
    last = messages(listener, ended)[-1]
    assert last.counters == {"steps_total": 6, "tokens_trained_total": 60}
    assert last.gauges == {"step": 3, "step_resumed": 2}


@pytest.mark.parametrize("variable", ["RANK", "SLURM_PROCID"])
def test_what_the_job_does_once_counts_on_its_first_rank(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "3")
    with Job("demo") as job:
        job.step(tokens=10)
        job.saved()
    last = messages(listener, ended)[-1]
    assert last.counters == {"tokens_trained_total": 10}
    assert last.gauges == {"step": 1, "step_saved": 1}


def test_operations_follow_from_the_models_facts(listener: Listener) -> None:
    facts = ModelFacts(name="tiny \x1b[31m", parameters=1_000)
    with Job("demo", model=facts) as job:
        job.step(tokens=10)
        job.tokens(prompt=5, prompt_cached=2, generated=4)
    last = messages(listener, ended)[-1]
    assert last.counters["flops_total"] == 10 * 6_000 + 7 * 2_000
    assert last.model is not None
    assert last.model["model"] == "tiny  [31m"
    assert (last.model["formula"], last.model["flops_per_token"]) == ("6n", 6_000.0)


def test_operations_that_are_counted_are_not_computed(listener: Listener) -> None:
    with Job("demo", model=ModelFacts(parameters=1_000)) as job:
        job.flops(5.0)
        job.step(tokens=10)
    assert messages(listener, ended)[-1].counters["flops_total"] == 5.0


def test_operations_never_fall_when_somebody_begins_to_count_them(listener: Listener) -> None:
    with Job("demo", model=ModelFacts(parameters=1_000)) as job:
        job.step(tokens=10)
        job.flops(5.0)
    assert messages(listener, ended)[-1].counters["flops_total"] == 60_005.0


def test_a_model_may_be_declared_later_and_not_changed(listener: Listener) -> None:
    with Job("demo") as job:
        job.model = ModelFacts(parameters=1_000)
        job.model = ModelFacts(parameters=1_000)
        with pytest.raises(ValueError, match="another was declared"):
            job.model = ModelFacts(parameters=2_000)
        assert job.model == ModelFacts(parameters=1_000)


def test_a_callback_turns_from_phase_to_phase(listener: Listener) -> None:
    start = time.monotonic()
    with Job("demo") as job:
        job.turn_to("data_wait")
        time.sleep(0.02)
        job.turn_to("step")
        with job.phase("eval"):
            time.sleep(0.02)
        job.turn_to(None)
        job.spent("restore", 3.0)
    passed = time.monotonic() - start
    counters = messages(listener, ended)[-1].counters
    assert counters["phase_data_wait_seconds_total"] >= 0.02
    assert counters["phase_eval_seconds_total"] >= 0.02
    assert counters["phase_step_seconds_total"] < passed
    assert counters["phase_restore_seconds_total"] == 3.0
    assert sum(counters.values()) - 3.0 <= passed


def test_threads_that_are_in_no_phase_are_not_remembered() -> None:
    with Job("demo") as job:

        def work() -> None:
            with job.phase("step"):
                pass
            job.turn_to("eval")
            job.turn_to(None)

        for _ in range(20):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        assert job._phases._threads == {}


def test_a_signal_may_count_while_the_job_counts(listener: Listener) -> None:
    import signal

    with Job("demo") as job:
        before = signal.signal(signal.SIGUSR1, lambda number, frame: job.saved(7))
        try:
            with job._lock:
                signal.raise_signal(signal.SIGUSR1)
        finally:
            signal.signal(signal.SIGUSR1, before)
    assert messages(listener, ended)[-1].gauges == {"step_saved": 7}


def test_a_job_sent_to_another_process_joins_it_there(listener: Listener) -> None:
    import pickle

    with Job("demo", run="r1", devices=[0]) as job:
        job.step(tokens=5)
        with pickle.loads(pickle.dumps(job)) as other:
            other.step(tokens=7)
    found = messages(listener, lambda found: sum(m.state != "running" for m in found) == 2)
    ends = [m for m in found if m.state != "running"]
    assert {m.job for m in ends} == {job.key}
    assert {m.run for m in ends} == {"r1"}
    assert sorted(m.counters["tokens_trained_total"] for m in ends) == [5, 7]


def test_without_threads_to_be_had_the_job_runs_uncounted(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with Job("demo") as job:
        job.step(tokens=5)
    assert listener.take() == []


def test_a_name_of_a_megabyte_is_cut(listener: Listener) -> None:
    with Job("x" * 1_000_000, run="y" * 1_000_000, project="z" * 1_000_000):
        pass
    last = messages(listener, ended)[-1]
    assert (len(last.name), len(last.run or ""), len(last.project or "")) == (128, 128, 128)


def test_where_no_socket_is_reached_a_file_is_replaced(tmp_path: Path) -> None:
    with Job("demo", directory=tmp_path) as job:
        job.step(tokens=5)
    (file,) = tmp_path.iterdir()
    last = Message.decode(file.read_bytes())
    assert file.name == f"{last.member}.job.json"
    assert (last.state, last.counters["tokens_trained_total"]) == ("completed", 5)
    assert file.stat().st_mode & 0o077 == 0


def test_the_environment_says_where_files_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATTLINE_JOB_DIRECTORY", str(tmp_path))
    with Job("demo") as job:
        job.step()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_directory_that_is_not_there_holds_nothing_up(tmp_path: Path) -> None:
    with Job("demo", directory=tmp_path / "none") as job:
        job.step()
    assert list(tmp_path.iterdir()) == []


def test_what_only_jobs_need_is_no_part_of_an_agent() -> None:
    run(
        """
import sys
import wattline_agents.assignment.process
import wattline_agents.job
loaded = {"job", "model", "channel", "phases", "inbox"}
assert not {f"wattline_agents.job.{name}" for name in loaded} & sys.modules.keys()
assert wattline_agents.job.Job.__name__ == "Job"
assert wattline_agents.job.mfu(1.0, 2.0, 4.0) == 0.5
try:
    wattline_agents.job.Lunch
except AttributeError as error:
    assert "no attribute 'Lunch'" in str(error)
else:
    raise AssertionError
"""
    )
