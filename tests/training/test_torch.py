"""A loop of one's own, in PyTorch: the example."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.training

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_torch.py"
STEP_TOKENS = 8 * 32


def test_a_loop_of_ones_own_is_counted_exactly(training: Any, agent: Any, tmp_path: Path) -> None:
    checkpoint = str(tmp_path / "tiny.pt")
    told = training.run(EXAMPLE, "--steps", "60", "--checkpoint", checkpoint, "--save-every", "25")
    assert told["steps_total"] == 60
    assert told["tokens_trained_total"] == 60 * STEP_TOKENS
    assert told["samples_total"] == 60 * 8
    assert told["checkpoints_total"] == 2
    assert (told["step"], told["step_resumed"], told["step_saved"]) == (60, 0, 50)
    (model,) = agent.rows("job_model")
    assert (model["formula"], model["dtype"], model["layers"]) == ("torchtitan", "fp32", 2)
    assert told["flops_total"] == model["flops_per_token"] * 60 * STEP_TOKENS
    info = agent.rows("job_info")[-1]
    life = (info["end_unix_ms"] - info["start_unix_ms"]) / 1000
    phases = {name: told[f"phase_{name}_seconds_total"] for name in ("init", "step", "data_wait")}
    assert all(seconds > 0 for seconds in phases.values())
    assert told["phase_checkpoint_save_seconds_total"] > 0
    assert sum(phases.values()) <= life
    assert info["state"] == "completed"


def test_a_loop_that_goes_on_says_from_where(training: Any, agent: Any, tmp_path: Path) -> None:
    checkpoint = str(tmp_path / "tiny.pt")
    more = ("--checkpoint", checkpoint, "--save-every", "20", "--run", "alice")
    training.run(EXAMPLE, "--steps", "30", *more)
    first = agent.rows("job")[-1]["job"]
    child = training.start(EXAMPLE, "--steps", "50", *more)
    assert "from step 20" in child.communicate()[0]
    agent.wait(
        lambda: any(r["end_unix_ms"] and r["job"] != first for r in agent.rows("job_info")),
        "the second job is over",
    )
    told = agent.rows("job")[-1]
    assert (told["step_resumed"], told["step"], told["steps_total"]) == (20, 50, 30)
    assert told["phase_restore_seconds_total"] > 0
    assert {row["run"] for row in agent.rows("job_info")} == {"alice"}


def test_an_agent_killed_in_the_middle_has_the_totals_right_at_the_end(
    training: Any, agent: Any
) -> None:
    child = training.start(EXAMPLE, "--steps", "1500")
    agent.wait(lambda: any(r.get("step", 0) > 0 for r in agent.rows("job")), "steps are counted")
    agent.kill()
    agent.start()
    said, _ = child.communicate()
    assert child.returncode == 0, said
    told = agent.ended()
    assert told["steps_total"] == 1500
    assert told["tokens_trained_total"] == 1500 * STEP_TOKENS
    steps = [row["steps_total"] for row in agent.rows("job") if "steps_total" in row]
    assert steps == sorted(steps), "a counter never falls, whoever counts"
    assert agent.rows("job_info")[-1]["state"] == "completed"
