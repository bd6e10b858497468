from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import InputError
from wattline_collector.jobs.accounts import accounts
from wattline_collector.jobs.claims import Held
from wattline_collector.jobs.slurm_json import Answer, NodeSaid, number, read, words

NOW_MS = 1_796_000_000_000


def jobs(answer: Answer) -> list[dict[str, Any]]:
    return accounts(answer.records, "UTC", NOW_MS).rows.to_dicts()


@pytest.fixture
def recorded(shared: Path) -> Callable[[str], Answer]:
    return lambda name: read((shared / "data" / name).read_bytes(), name)


@pytest.mark.recordings
def test_sacct_of_22_05(recorded: Callable[[str], Answer]) -> None:
    [job] = jobs(recorded("21-slurm-json-versions/sacct1.json"))
    assert (job["job"], job["state"], job["name"]) == ("1", "completed", "train-llm")
    assert (job["nodes"], job["cpus"], job["gpus"], job["gpu_type"]) == (2, 16, 4, "h200")
    assert (job["start_unix_ms"], job["end_unix_ms"]) == (1_795_219_872_000, 1_795_219_892_000)
    assert job["time_limit_seconds"] == 300.0
    assert job["memory_bytes"] == 1000 * 2**20
    assert job["memory_peak_bytes"] == 12_898_304  # of its batch step
    assert job["energy_joules"] is None


@pytest.mark.recordings
def test_sacct_of_24_11_of_a_running_job(recorded: Callable[[str], Answer]) -> None:
    [job] = jobs(recorded("21-slurm-json-versions/sa.json"))
    assert (job["state"], job["end_unix_ms"], job["exit_code"]) == ("running", None, None)
    assert (job["gpus"], job["gpu_type"], job["restarts"]) == (2, "h200", 0)
    assert job["array_job"] is job["het_job"] is None


@pytest.mark.recordings
@pytest.mark.parametrize("name", ["sj.json", "sq.json"])
def test_the_controller_of_24_11_says_which_devices_a_job_holds(
    recorded: Callable[[str], Answer], name: str
) -> None:
    answer = recorded(f"21-slurm-json-versions/{name}")
    assert answer.held == [Held("2", "gpu00", (0, 1)), Held("2", "gpu01", (0, 1))]
    [job] = jobs(answer)
    # Its end is when its time limit will end it, and no end.
    assert (job["state"], job["end_unix_ms"], job["gpus"]) == ("running", None, 4)


@pytest.mark.recordings
def test_squeue_of_21_08(recorded: Callable[[str], Answer]) -> None:
    answer = recorded("06-slurm-json-rivos/squeue_out.json")
    running, pending = jobs(answer)
    assert (running["job"], running["state"], running["user"]) == ("26515966", "running", "bkd")
    assert (pending["state"], pending["start_unix_ms"], pending["cpus"]) == ("pending", None, None)
    assert pending["reason"] == "Dependency"
    assert answer.held == []


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("name", "count"),
    [("06-slurm-json-rivos/sinfo_out.json", 4), ("21-slurm-json-versions/sn.json", 2)],
)
def test_nodes_of_both_versions(recorded: Callable[[str], Answer], name: str, count: int) -> None:
    nodes = recorded(name).nodes
    assert len(nodes) == count
    assert all(isinstance(node, NodeSaid) and node.state for node in nodes)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (5, 5), (5.0, 5), ("5", 5), (None, None), (True, None), (-2, None), (0xFFFFFFFE, None),
        ({"set": True, "infinite": False, "number": 7}, 7),
        ({"set": False, "infinite": False, "number": 0}, None),
        ({"set": True, "infinite": True, "number": 0}, None),
        ({"number": {"number": 1}}, None), ([1], None), ("x", None), (float("inf"), None),
        (10**400, None),
    ],
)  # fmt: skip
def test_a_number_in_any_shape(value: object, found: int | None) -> None:
    assert number(value) == found


def test_a_word_in_any_shape() -> None:
    assert words("RUNNING") == "RUNNING"
    assert words(["COMPLETED", "COMPLETING"]) == "COMPLETED,COMPLETING"
    assert words([]) is words("") is words(None) is words({"a": 1}) is None


def test_a_task_a_component_a_signal_and_a_restart() -> None:
    body = {
        "jobs": [
            {
                "job_id": 9, "state": {"current": ["FAILED"]}, "restart_cnt": 2,
                "array": {"job_id": 5, "task_id": {"set": True, "number": 3}},
                "het": {"job_id": 0, "job_offset": {"set": False}},
                "time": {"submission": 1_795_000_000, "start": 1_795_000_001, "end": 1_795_000_002},
                "exit_code": {"status": ["SIGNALED"], "return_code": {"set": False},
                              "signal": {"id": {"set": True, "number": 9}}},
                "tres": {"allocated": [{"type": "energy", "name": "", "count": 77}]},
            },
            {
                "job_id": 11, "job_state": "COMPLETED", "het_job_id": 10, "het_job_offset": 1,
                "submit_time": 1_795_000_000, "start_time": 1_795_000_001,
                "end_time": 1_795_000_002, "exit_code": 256,
            },
        ]
    }  # fmt: skip
    task, component = jobs(read(json.dumps(body).encode()))
    assert (task["job_id"], task["array_job"], task["restarts"]) == ("5_3", "5", 2)
    assert (task["exit_code"], task["exit_signal"], task["energy_joules"]) == (0, 9, 77.0)
    assert (component["job_id"], component["het_job"]) == ("10+1", "10")
    assert (component["exit_code"], component["exit_signal"]) == (1, 0)


def test_a_failed_job_that_is_said_to_have_returned_nought_is_not_believed() -> None:
    job = {"job_id": 1, "state": {"current": "FAILED"}, "time": {"submission": 1_795_000_000},
           "exit_code": {"status": "SUCCESS", "return_code": 0}}  # fmt: skip
    [row] = jobs(read(json.dumps({"jobs": [job]}).encode()))
    assert row["exit_code"] is None


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"a": 1}', b"[" * 200_000, b'{"jobs": 3}', b"\xff"]
)
def test_what_is_no_answer_is_refused_in_one_line(body: bytes) -> None:
    with pytest.raises(InputError) as caught:
        read(body, "answer.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "entry",
    [None, 1, "x", [], {}, {"job_state": 5}, {"job_id": {"a": 1}}, {"time": [], "steps": {"a": 1}},
     {"job_state": "RUNNING", "job_id": 1, "gres_detail": [1, None], "nodes": "n[1-2]"},
     {"job_state": "RUNNING", "job_id": 1, "gres_detail": ["gpu:2(IDX:0-1)"], "nodes": "n[1-"},
     {"steps": [None, {"step": 3, "tres": {"requested": {"total": [1]}}}]}],
)  # fmt: skip
def test_jobs_of_any_other_shape_break_nothing(entry: object) -> None:
    answer = read(json.dumps({"jobs": [entry], "nodes": [entry]}).encode())
    assert answer.held == []
    accounts(answer.records, "UTC", NOW_MS)
