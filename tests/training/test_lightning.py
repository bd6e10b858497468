"""Lightning's `Trainer`, as it is."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.training

LOOP = Path(__file__).parent / "loops" / "lit.py"
LENGTH, BATCH = 16, 4


def test_a_trainer_is_counted_exactly(training: Any, agent: Any, tmp_path: Path) -> None:
    told = training.run(LOOP, str(tmp_path), "10")
    assert (told["steps_total"], told["step"], told["step_resumed"]) == (10, 10, 0)
    samples = 26 + 3 * BATCH  # an epoch, whose last batch has two, and three batches more
    assert told["samples_total"] == samples
    assert told["tokens_trained_total"] == samples * LENGTH
    assert (told["checkpoints_total"], told["step_saved"]) == (2, 8)
    for phase in ("init", "step", "data_wait", "eval", "checkpoint_save"):
        assert told[f"phase_{phase}_seconds_total"] > 0, phase
    assert told["flops_total"] == 6 * 1650 * samples * LENGTH
    assert agent.rows("job_info")[-1]["run"] == "lit-run"


def test_a_trainer_goes_on_from_its_checkpoint(training: Any, agent: Any, tmp_path: Path) -> None:
    training.run(LOOP, str(tmp_path), "9")
    first = agent.rows("job")[-1]["job"]
    child = training.start(LOOP, str(tmp_path), "12", "resume")
    said, _ = child.communicate()
    assert child.returncode == 0, said
    agent.wait(
        lambda: any(r["end_unix_ms"] and r["job"] != first for r in agent.rows("job_info")),
        "the second job is over",
    )
    told = agent.rows("job")[-1]
    assert (told["step_resumed"], told["step"], told["steps_total"]) == (8, 12, 4)
    assert told["phase_restore_seconds_total"] > 0


def test_a_step_of_several_batches_is_one_step(training: Any, tmp_path: Path) -> None:
    told = training.run(LOOP, str(tmp_path), "4", "accumulate")
    assert told["steps_total"] == 4
    # Seven batches an epoch, the last with two samples: two, two, two and one of them to a step.
    assert told["tokens_trained_total"] == 26 * LENGTH


def test_a_checkpoint_that_is_torn_does_not_count(
    training: Any, agent: Any, tmp_path: Path
) -> None:
    told = training.run(LOOP, str(tmp_path), "10", "torn", fails=True)
    assert (told["checkpoints_total"], told["step_saved"]) == (1, 4)
    assert agent.rows("job_info")[-1]["state"] == "failed"
