import pytest

from wattline_agents.job.devices import as_texts, held_devices

ONE, TWO = {"SLURM_JOB_NUM_NODES": "1"}, {"SLURM_JOB_NUM_NODES": "2"}


@pytest.mark.parametrize(
    ("environment", "devices"),
    [
        ({}, None),
        ({"CUDA_VISIBLE_DEVICES": "0,2"}, ("0", "2")),
        ({"CUDA_VISIBLE_DEVICES": "GPU-1234abcd, GPU-5678"}, ("GPU-1234abcd", "GPU-5678")),
        ({"CUDA_VISIBLE_DEVICES": ""}, ()),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, ()),
        ({"CUDA_VISIBLE_DEVICES": "1,-1,2"}, ("1",)),
        ({"ROCR_VISIBLE_DEVICES": "3"}, ("3",)),
        ({"CUDA_VISIBLE_DEVICES": "0", "SLURM_JOB_GPUS": "2-3,7"}, ("2", "3", "7")),
        # On one node the job's are all it holds there, and a step's have been wrong.
        (ONE | {"SLURM_STEP_GPUS": "1", "SLURM_JOB_GPUS": "0,1"}, ("0", "1")),
        (ONE | {"SLURM_STEP_GPUS": "1"}, ("1",)),
        # On several, steps inherit those of the first node.
        (TWO | {"SLURM_STEP_GPUS": "0,1", "SLURM_JOB_GPUS": "1,2"}, ("0", "1")),
        (TWO | {"SLURM_JOB_GPUS": "1,2"}, ("1", "2")),
        (TWO | {"SLURM_STEP_ID": "0", "SLURM_JOB_GPUS": "1,2"}, None),
        (ONE | {"SLURM_HET_SIZE": "2", "SLURM_STEP_GPUS": "3", "SLURM_JOB_GPUS": "0"}, ("3",)),
        ({"SLURM_JOB_GPUS": "", "CUDA_VISIBLE_DEVICES": "0"}, ("0",)),
        ({"SLURM_JOB_GPUS": "0-999999999"}, ("0-999999999",)),
    ],
)
def test_what_a_process_holds_is_in_its_environment(
    environment: dict[str, str], devices: tuple[str, ...] | None
) -> None:
    assert held_devices(environment) == devices


def test_an_owner_may_name_ordinals_and_uuids() -> None:
    assert as_texts([0, "GPU-1", 0]) == ("0", "GPU-1")
