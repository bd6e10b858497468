import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wattline_agents.errors import UsageError
from wattline_agents.job import Job
from wattline_agents.job.follow import Follower, in_time, main, pass_on
from wattline_agents.job.listener import Listener
from wattline_agents.job.logs import Progress, pattern_reader, read_torchtitan
from wattline_agents.job.message import Message

LOG = b"""\
Trainer is initialized with local batch size 8, global batch size 64, gradient accumulation steps \
1, sequence length 2048, total steps 10 (warmup 2)
Training starts at step 1
step:  1  loss:  8.0  grad_norm:  1.4  memory:  1.21GiB(0.86%)  tps: 5,756  tflops: 0.4  mfu: 0.04%
step: 10  loss:  7.0  grad_norm:  1.4  memory:  1.21GiB(0.86%)  tps: 9,756  tflops: 0.4  mfu: 0.04%
"""


@pytest.fixture
def listener(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    for name in list(os.environ):
        if name.startswith(("SLURM_", "WATTLINE_", "TORCHELASTIC_")):
            monkeypatch.delenv(name)
    found = Listener(short_path / "job.sock")
    monkeypatch.setenv("WATTLINE_JOB_SOCKET", str(found.path))
    yield found
    found.close()


def last(listener: Listener) -> Message:
    found: list[Message] = []
    for _ in range(5_000):
        found += [Message.decode(datagram) for datagram, _ in listener.take()]
        if found and found[-1].state != "running":
            return found[-1]
        time.sleep(0.002)
    raise AssertionError(f"not ended: {found}")


def run(*arguments: str, data: bytes = LOG) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "wattline_agents.job.follow", *arguments],
        input=data,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_a_pipe_is_counted_and_handed_on(listener: Listener) -> None:
    model = ("--parameters", "1e3", "--dtype", "bf16", "--run", "r1")
    done = run("--format", "torchtitan", "--name", "titan", *model, "-")
    assert (done.returncode, done.stdout, done.stderr) == (0, LOG, b"")
    message = last(listener)
    assert message.counters == {
        "steps_total": 10,
        "samples_total": 640,
        "tokens_trained_total": 640 * 2048,
        "flops_total": 6_000.0 * 640 * 2048,
    }
    assert message.gauges == {"step": 10, "step_resumed": 0}
    assert (message.name, message.run, message.state) == ("titan", "r1", "left")


def test_a_file_is_followed_until_the_batch_script_ends_it(
    listener: Listener, tmp_path: Path
) -> None:
    log = tmp_path / "train.log"
    head, tail = LOG[:-60], LOG[-60:]
    log.write_bytes(head)
    command = [sys.executable, "-m", "wattline_agents.job.follow", "--format", "torchtitan"]
    with subprocess.Popen([*command, str(log)]) as process:
        found: list[Message] = []
        while not any("steps_total" in message.counters for message in found):
            found += [Message.decode(datagram) for datagram, _ in listener.take()]
            time.sleep(0.002)
        with log.open("ab") as file:
            file.write(tail.rstrip())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert last(listener).counters["steps_total"] == 10, "the last line had no end"


def test_a_pattern_of_ones_own_is_followed(listener: Listener) -> None:
    done = run("--pattern", r"it (?P<step>\d+)", "--tokens-per-step", "100", "--quiet", "-",
               data=b"it 1\nit 5\n")  # fmt: skip
    assert (done.returncode, done.stdout) == (0, b"")
    assert last(listener).counters == {"steps_total": 5, "tokens_trained_total": 500}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "--format torchtitan, megatron, nemo, or --pattern REGEX"),
        (("--format", "pattern"), "or --pattern REGEX"),
        (("--pattern", "("), "--pattern: not a regular expression"),
        (("--pattern", "(?P<step>x)", "--format", "nemo"), "give it, or --format"),
        (("--format", "nemo", "--parameters", "7e9", "--dtype", "half"), "dtype: not one of"),
    ],
)
def test_a_mistake_is_said_in_one_line(
    arguments: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "x.log"]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "many", "1e999"])
def test_a_number_that_is_none_is_refused(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["--format", "nemo", "--tokens-per-step", number, "x.log"])
    assert raised.value.code == 2
    assert "--tokens-per-step: not a" in capsys.readouterr().err


def test_a_pattern_that_would_need_years_is_given_up() -> None:
    reader = in_time(pattern_reader(r"(?P<step>(1+)+)$"), seconds=0.05)
    with pytest.raises(UsageError, match="repeats within repeats"):
        reader("1" * 60 + "x")
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_every_byte_is_handed_on_before_it_is_read() -> None:
    sink = io.BytesIO()
    seen: list[bytes] = []

    class Watch:
        def step(self, count: int = 1, **more: object) -> None:
            seen.append(sink.getvalue())

        def saved(self, step: int | None = None) -> None: ...

        def resumed(self, step: int) -> None: ...

        def spent(self, name: str, seconds: float) -> None: ...

    pass_on(io.BytesIO(LOG), sink, Follower(read_torchtitan, Progress(Watch())))
    assert seen[0].startswith(LOG[:100])
    assert sink.getvalue() == LOG


def test_a_job_is_what_progress_counts_in(listener: Listener) -> None:
    with Job("demo") as job:
        follower = Follower(read_torchtitan, Progress(job))
        follower.take(iter(LOG.decode().splitlines()))
    assert last(listener).counters["steps_total"] == 10
    assert threading.main_thread().is_alive()
