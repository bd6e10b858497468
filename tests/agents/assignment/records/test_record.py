import json
from typing import Any

import pytest

from wattline_agents.assignment.records.record import (
    RUNNING,
    Ending,
    devices_of,
    ending,
    job_key,
    parse,
)
from wattline_agents.wire import checked_name

NOW = 1_790_000_000_000
A, B = "GPU-aaaaaaaa-1111-2222-3333-444444444444", "GPU-bbbbbbbb-1111-2222-3333-444444444444"


def content(**fields: Any) -> bytes:
    whole: dict[str, Any] = {
        "format": 1,
        "job_id": "13",
        "restart_count": 0,
        "start_ms": NOW - 5000,
        "gpus": {"SLURM_JOB_GPUS": "0,1", "CUDA_VISIBLE_DEVICES": "0,1"},
        "uid": 1001,
        "user": "alice",
        "account": "proj-a",
    }
    return json.dumps(whole | fields).encode()


def test_a_record_says_whose_the_devices_are() -> None:
    record = parse(content(partition="gpu", node="gpu00", array_task_id=3), NOW)
    assert record is not None
    assert (record.job, record.start_ms, record.devices) == ("13", NOW - 5000, ("0", "1"))
    assert (record.uid, record.user, record.account) == (1001, "alice", "proj-a")
    assert (record.partition, record.node, record.array_task_id) == ("gpu", "gpu00", "3")
    assert (record.share, record.shards, record.sluid) == (None, None, None)


def test_a_restart_is_another_job() -> None:
    record = parse(content(restart_count=2), NOW)
    assert record is not None and (record.job, record.restarts) == ("13.2", 2)
    assert (job_key("13", 0), job_key("13", 1)) == ("13", "13.1")


def test_a_part_of_a_device_by_mps_is_a_share() -> None:
    for told, share in (("25", 0.25), ("12.5", 0.125), ("100", None), ("0", None), ("x", None)):
        record = parse(content(mps_percent=told), NOW)
        assert record is not None and record.share == share
    record = parse(content(shards=16), NOW)
    assert record is not None and record.shards == 16


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b"[" * 50_000,
        b"9" * 10_000,
        content(job_id=None),
        content(job_id="13; rm -rf /"),
        content(job_id="../../etc"),
        content(job_id=True),
        content(job_id="1" * 13),
        content(start_ms=None),
        content(start_ms="now"),
        content(start_ms=True),
        content(start_ms=0),
        content(start_ms=NOW + 2 * 86_400_000),
    ],
)
def test_what_is_no_record_is_none(broken: bytes) -> None:
    assert parse(broken, NOW) is None


def test_hostile_values_change_nothing_but_their_own_display() -> None:
    record = parse(
        content(
            user="al\x1b[31mice\n" + "x" * 1_000_000,
            account={"a": 1},
            partition=["gpu"],
            name="<script>",
            uid=-1,
            restart_count="many",
            sluid="../../x",
            node="\u202e" + "é" * 400,
            array_job_id=2.5,
            shards=-4,
            mps_percent=[1],
            gpus="0,1",
        ),
        NOW,
    )
    assert record is not None
    checked_name(record.job, "job")
    assert record.job == "13"
    assert record.user is not None and record.user.startswith("al [31mice x")
    assert len(record.user.encode()) <= 256 and record.user.isprintable()
    assert record.node is not None and len(record.node.encode()) <= 256
    assert (record.account, record.partition, record.name) == (None, None, "<script>")
    assert (record.uid, record.restarts, record.sluid) == (None, 0, None)
    assert (record.array_job_id, record.shards, record.share, record.devices) == (
        None, None, None, (),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        ({"SLURM_JOB_GPUS": "2,3", "CUDA_VISIBLE_DEVICES": "0,1"}, ("2", "3")),
        ({"SLURM_JOB_GPUS": "0-3"}, ("0", "1", "2", "3")),
        ({"SLURM_JOB_GPUS": "0,1", "CUDA_VISIBLE_DEVICES": f"{A},{B}"}, (A, B)),
        ({"SLURM_JOB_GPUS": "0", "CUDA_VISIBLE_DEVICES": "MIG-1234"}, ("MIG-1234",)),
        ({"SLURM_JOB_GPUS": "0", "CUDA_VISIBLE_DEVICES": ""}, ("0",)),
        ({"SLURM_JOB_GPUS": None, "CUDA_VISIBLE_DEVICES": "1"}, ("1",)),
        ({"SLURM_JOB_GPUS": "1", "SLURM_STEP_GPUS": "0"}, ("1",)),
        ({"ROCR_VISIBLE_DEVICES": "1"}, ("1",)),
        ({"GPU_DEVICE_ORDINAL": "4", "ROCR_VISIBLE_DEVICES": "1"}, ("4",)),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, ()),
        ({"SLURM_JOB_GPUS": 3}, ()),
        ({}, ()),
        (None, ()),
    ],
)
def test_the_surest_variable_names_the_devices(gpus: object, expected: tuple[str, ...]) -> None:
    assert devices_of(gpus) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ended.1790000000000.768.0.13.json", Ending("13", NOW, 768, 0)),
        ("ended.1790000000000.0.1.13.2.json", Ending("13.2", NOW, 0, 1)),
        ("ended.1790000000000.x.x.13.json", Ending("13", NOW, None, None)),
        ("ended.179000000000.x.x.13.json", None),
        ("ended.1790000000000.13.json", None),
        ("job.13.json", None),
        ("ended.1790000000000.x.x.013.json", None),
    ],
)
def test_the_name_of_an_ended_record_says_how_it_ended(name: str, expected: Ending | None) -> None:
    assert ending(name) == expected


def test_only_names_of_jobs_are_those_of_running_records() -> None:
    good = ["job.13.json", "job.13.2.json"]
    bad = ["job.json", "job.0.json", "job.13.0.json", "job.a.json", "xjob.13.json", "job.13.json~"]
    assert [name for name in (*good, *bad) if RUNNING.fullmatch(name)] == good
