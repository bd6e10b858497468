from dataclasses import dataclass, field
from typing import Any

import pytest

from wattline_agents.job.logs import (
    MOST_LINE,
    Progress,
    Reader,
    Said,
    cleaned,
    pattern_reader,
    read_megatron,
    read_nemo,
    read_torchtitan,
)

TITAN = """\
[rank0]:[titan] 2025-11-25 19:44:58,838 - root - INFO - Trainer is initialized with local batch \
size 8, global batch size 64, gradient accumulation steps 1, sequence length 2048, total steps 10 \
(warmup 2)
[rank0]:[titan] 2025-11-25 19:44:58,838 - root - INFO - Training starts at step {start}
[rank0]:[titan] 2025-11-25 19:45:01,441 - root - INFO - \x1b[31mstep: {first:2}  \x1b[32mloss: \
 8.0277  \x1b[38;2;180;60;0mgrad_norm:  1.4604  \x1b[36mmemory:  1.21GiB(0.86%)  \x1b[34mtps: 5,756\
  \x1b[36mtflops: 0.41  \x1b[35mmfu: 0.04%\x1b[39m
[rank0]:[titan] 2025-11-25 19:45:02,441 - root - INFO - validate step: {last:2}  loss:  7.1  \
memory:  1.21GiB(0.86%)  tps: 9,999
[rank0]:[titan] 2025-11-25 19:45:05,441 - root - INFO - step: {last}  loss:  7.02  grad_norm:  1.4 \
 memory:  1.21GiB(0.86%)  tps: 301,092  tflops: 21.55  mfu: 2.18%
[rank0]:[titan] 2025-11-25 19:45:06,596 - root - INFO - Saving the checkpoint (or staging if async \
is enabled).
[rank0]:[titan] 2025-11-25 19:45:09,616 - root - INFO - Finished saving the checkpoint (or staging \
if async is enabled)in 5.53 seconds.
"""
MEGATRON = """\
  log_interval .................................... 10
  seq_length ...................................... 4096
{begin}
 [2025-05-27 15:23:07] iteration {first:8d}/   24000 | consumed samples: {seen:12d} | elapsed time \
per iteration (ms): 2500.0 | throughput per GPU (TFLOP/s/GPU): 40.4 | learning rate: 1.500000E-06 \
| global batch size:  1024 | lm loss: 1.192634E+01 | loss scale: 1.0 | grad norm: 5.960 | number \
of skipped iterations:    0 | number of nan iterations:    0 |
[default7]: [2025-05-27 15:23:32] iteration {last:8d}/   24000 | consumed samples: {all:12d} | \
elapsed time per iteration (ms): 2500.0 | learning rate: 1.500000E-06 | global batch size:  1024 \
| lm loss: 1.192634E+01 |
saving checkpoint at iteration {last:7d} to /ckpt in torch_dist format
  successfully saved checkpoint from iteration {last:7d} to /ckpt [ t 1/4, p 1/2 ]
"""
NEMO = """\
Training epoch 0, iteration 0/99 | lr: 0 | global_batch_size: 4 | global_step: 0 | \
reduced_train_loss: 1.285 | train_step_timing in s: 23.5
retraining/0 [default0]:Training epoch 0, iteration 1/99 | lr: 2e-05 | global_batch_size: 4 | \
global_step: 1 | reduced_train_loss: 1.31 | train_step_timing in s: 2.25 | consumed_samples: 8
[NeMo I 2026-02-17 17:59:05 nemo_logging:393] Global Checkpoint Save : Rank: 0 : Iteration: 1 : \
Start time: 1771351145.879s : Save duration: 5.330s
[NeMo I 2025-06-18 16:53:08 nemo_logging:393] Successfully saved checkpoint from iteration       1 \
to /workspace/checkpoints/evo2--val_loss=0.0000-epoch=0-consumed_samples=8.0-last.ckpt
[NeMo I 2025-06-18 16:53:08 nemo_logging:393] Async checkpoint save for step 2 (/workspace/\
checkpoints/evo2--val_loss=0.0000-epoch=0-consumed_samples=8.0-last.ckpt) finalized successfully.
Epoch 0: : 3%|█| 3/99 [10:48<00:00, reduced_train_loss=0.0172, global_step=2.000, \
consumed_samples=12.00, train_step_timing in s=3.130]
"""


@dataclass
class Counted:
    """What a job would have been told."""

    steps: int = 0
    tokens: int = 0
    samples: int = 0
    number: int | None = None
    saves: list[int | None] = field(default_factory=list)
    resumes: list[int] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def step(
        self, count: int = 1, *, tokens: int = 0, samples: int = 0, number: int | None = None
    ) -> None:
        self.steps += count
        self.tokens += tokens
        self.samples += samples
        self.number = number

    def saved(self, step: int | None = None) -> None:
        self.saves.append(step)

    def resumed(self, step: int) -> None:
        self.resumes.append(step)

    def spent(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds


def read(reader: Reader, text: str, **more: Any) -> Counted:
    counted = Counted()
    progress = Progress(counted, **more)
    for line in text.splitlines():
        said = reader(cleaned(line))
        if said is not None:
            progress.take(said)
    return counted


def test_torchtitans_log_gives_steps_tokens_and_checkpoints() -> None:
    counted = read(read_torchtitan, TITAN.format(start=1, first=1, last=10))
    assert (counted.steps, counted.number) == (10, 10)
    assert (counted.samples, counted.tokens) == (640, 640 * 2048)
    assert counted.resumes == [0]
    assert counted.saves == [10]
    assert counted.seconds == {"checkpoint_save": 5.53}


def test_torchtitan_goes_on_from_a_checkpoint() -> None:
    counted = read(read_torchtitan, TITAN.format(start=501, first=501, last=510))
    assert (counted.resumes, counted.steps, counted.number) == ([500], 10, 510)


def test_torchtitan_of_2024_says_its_batch_where_training_starts() -> None:
    line = (
        "[2025-02-03 09:19:51][I] Training starts at step 1, with local batch size 1, global batch "
        "size 8, sequence length 2048, total steps 1000 (warmup 200)"
    )
    assert read_torchtitan(line) == Said(resumed=0, samples_per_step=8, sequence_length=2048)


def test_megatrons_log_gives_steps_tokens_and_checkpoints() -> None:
    begin = "    will not load any checkpoints and will start from random"
    text = MEGATRON.format(begin=begin, first=10, seen=10_240, last=20, all=20_480)
    counted = read(read_megatron, text)
    assert (counted.steps, counted.number) == (20, 20)
    assert (counted.samples, counted.tokens) == (20_480, 20_480 * 4096)
    assert counted.resumes == [0]
    assert counted.saves == [20]
    assert counted.seconds == {"step": 50.0}


def test_megatron_goes_on_from_a_checkpoint() -> None:
    begin = "  successfully loaded checkpoint from /ckpt [ t 1/4, p 1/2 ] at iteration 500"
    text = MEGATRON.format(begin=begin, first=510, seen=522_240, last=520, all=532_480)
    counted = read(read_megatron, text)
    assert (counted.resumes, counted.steps, counted.number) == ([500], 20, 520)
    assert counted.samples == 20 * 1024


def test_megatron_grows_its_batch_and_is_believed_by_its_totals() -> None:
    begin = "    will not load any checkpoints and will start from random"
    text = MEGATRON.format(begin=begin, first=10, seen=320, last=20, all=960)
    assert read(read_megatron, text).samples == 960


def test_without_a_word_of_where_it_began_only_one_lines_steps_are_taken_for_done() -> None:
    text = MEGATRON.format(begin="", first=510, seen=522_240, last=520, all=532_480)
    counted = read(read_megatron, text)
    assert (counted.resumes, counted.steps) == ([500], 20)
    from_end = read(read_megatron, text, from_start=False)
    assert (from_end.resumes, from_end.steps) == ([], 20)


def test_nemos_log_gives_steps_samples_and_checkpoints_once() -> None:
    counted = read(read_nemo, NEMO, sequence_length=8192)
    assert (counted.steps, counted.number) == (3, 3)
    assert (counted.samples, counted.tokens) == (12, 12 * 8192)
    assert counted.saves == [2]
    assert counted.seconds["checkpoint_save"] == 5.33
    assert counted.seconds["step"] == pytest.approx(23.5 + 2.25 + 3.13)


def test_lines_that_every_rank_writes_count_once() -> None:
    text = NEMO + NEMO
    assert read(read_nemo, text, tokens_per_step=7).tokens == 21


def test_a_run_that_goes_back_in_one_log_counts_what_it_does_again() -> None:
    text = TITAN.format(start=1, first=1, last=10) + TITAN.format(start=6, first=6, last=12)
    counted = read(read_torchtitan, text)
    assert (counted.resumes, counted.steps, counted.number) == ([0, 5], 17, 12)


def test_tokens_that_are_told_are_believed_before_the_logs() -> None:
    text = TITAN.format(start=1, first=1, last=10)
    assert read(read_torchtitan, text, tokens_per_step=5).tokens == 50
    assert read(read_torchtitan, text, sequence_length=3).tokens == 640 * 3


def test_a_log_of_any_form_is_read_by_a_pattern() -> None:
    reader = pattern_reader(
        r"it (?P<step>[\d,]+) tokens (?P<tokens_total>[\d,]+)"
        r"|ckpt (?P<saved>\d+)|from (?P<resumed>\d+)"
    )
    text = "from 1000\nit 1,001 tokens 5,000\nit 1,003 tokens 9,000\nckpt 1003\nnoise\n"
    counted = read(reader, text)
    assert (counted.resumes, counted.steps, counted.number) == ([1000], 3, 1003)
    assert (counted.tokens, counted.saves) == (4_000, [1003])


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("(", "not a regular expression"),
        ("step", "without a group step"),
        (r"(?P<lunch>\d+)", "no group 'lunch'"),
        (r"(?P<tokens_total>\d+)", "without a group step"),
    ],
)
def test_a_pattern_that_finds_nothing_is_refused(pattern: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        pattern_reader(pattern)


@pytest.mark.parametrize("reader", [read_torchtitan, read_megatron, read_nemo])
@pytest.mark.parametrize(
    "line",
    [
        "",
        "\x1b[2J\x00\ufffd",
        "step: " + "9" * 3_000 + "  tps: 1",
        "step:  1  loss: nan  tps: ,",
        " iteration 99999999999999999999/ 1 |",
        " iteration        1/ 1 | consumed samples: 1.2.3 | elapsed time per iteration (ms): - |",
        "Training epoch 0, iteration 0/9 | global_step: ....",
        "Epoch 0: global_step=1e300",
        "step: 1  " * 400,
        " iteration 1/ 2 |" * 200,
        " a: 1" * 800,
        "successfully loaded checkpoint from " * 100,
    ],
)
def test_a_hostile_line_says_nothing_that_cannot_be(reader: Reader, line: str) -> None:
    said = reader(cleaned(line))
    assert said is None or said.step is None or 0 <= said.step <= 10**15


def test_only_the_beginning_of_a_line_is_looked_at() -> None:
    assert len(cleaned("x" * 1_000_000)) == MOST_LINE
