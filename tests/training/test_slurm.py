"""A training loop under `srun` on a real Slurm, and each node's agent."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.training, pytest.mark.slurm]

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_torch.py"
STEP_TOKENS = 8 * 32
STEPS = 200


def test_two_ranks_under_srun_are_one_job_of_slurms(
    slurm: Any, start_agent: Callable[..., Any]
) -> None:
    nodes = slurm.nodes[:2]
    agents = [start_agent(slurm.job_socket(node)) for node in nodes]
    job = slurm.submit(
        f"srun -N2 -n2 --mem=1500 {sys.executable} {EXAMPLE} --steps {STEPS}",
        "-N2", "-n2", "-w", ",".join(nodes), "--mem=2000", "--gres=gpu:1",
        user="root",
        environment={"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert slurm.wait(job, timeout=120) == "COMPLETED"
    told = [agent.ended() for agent in agents]
    assert {row["job"] for agent in agents for row in agent.rows("job")} == {job}
    assert [row["tokens_trained_total"] for row in told] == [STEPS * STEP_TOKENS] * 2
    assert sum(row.get("steps_total", 0) for row in told) == STEPS, "the first rank counts steps"
    assert {row["step"] for row in told} == {STEPS}
