"""Hugging Face's `Trainer`, as it is."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.training

LOOP = Path(__file__).parent / "loops" / "trainer.py"
LENGTH, BATCH = 16, 4


def test_a_trainer_is_counted_exactly(training: Any, agent: Any, tmp_path: Path) -> None:
    told = training.run(LOOP, str(tmp_path), "10")
    assert (told["steps_total"], told["step"], told["step_resumed"]) == (10, 10, 0)
    assert told["samples_total"] == 10 * BATCH
    assert told["tokens_trained_total"] == 10 * BATCH * LENGTH
    assert (told["checkpoints_total"], told["step_saved"]) == (3, 10), "at 4, at 8, at the end"
    for phase in ("init", "step", "data_wait", "eval", "checkpoint_save"):
        assert told[f"phase_{phase}_seconds_total"] > 0, phase
    (model,) = agent.rows("job_model")
    assert (model["model"], model["layers"], model["heads"]) == ("gpt2", 2, 2)
    assert (model["head_dimension"], model["sequence_length"]) == (8, LENGTH)
    assert (model["dtype"], model["formula"]) == ("fp32", "torchtitan")
    # Its embedding is the output's matrix, too, so all of its parameters are multiplied with.
    attention = 12 * 2 * 2 * 8 * LENGTH
    assert model["flops_per_token"] == 6 * model["parameters"] + attention
    assert told["flops_total"] == model["flops_per_token"] * told["tokens_trained_total"]
    assert agent.rows("job_info")[-1]["run"] == "hf-run"


def test_a_trainer_goes_on_from_its_checkpoint(training: Any, agent: Any, tmp_path: Path) -> None:
    training.run(LOOP, str(tmp_path), "6")
    (tmp_path / "out" / "checkpoint-6").rename(tmp_path / "lost")
    first = agent.rows("job")[-1]["job"]
    child = training.start(LOOP, str(tmp_path), "10", "resume")
    said, _ = child.communicate()
    assert child.returncode == 0, said
    agent.wait(
        lambda: any(r["end_unix_ms"] and r["job"] != first for r in agent.rows("job_info")),
        "the second job is over",
    )
    told = agent.rows("job")[-1]
    assert (told["step_resumed"], told["step"], told["steps_total"]) == (4, 10, 6)
    assert told["tokens_trained_total"] == 6 * BATCH * LENGTH


def test_a_step_of_several_batches_is_one_step(training: Any, tmp_path: Path) -> None:
    told = training.run(LOOP, str(tmp_path), "8", "accumulate", "ragged")
    # Seven batches an epoch, the last with two samples: two, two, two and one of them to a step.
    samples = 2 * 26
    assert told["steps_total"] == 8
    assert told["samples_total"] == samples
    assert told["tokens_trained_total"] == samples * LENGTH


def test_the_trainers_own_count_is_taken_where_it_counts(training: Any, tmp_path: Path) -> None:
    told = training.run(LOOP, str(tmp_path), "8", "seen", "ragged")
    assert told["samples_total"] == 26 + BATCH
    assert told["tokens_trained_total"] == (26 + BATCH) * LENGTH
