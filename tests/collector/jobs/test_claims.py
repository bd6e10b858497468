from __future__ import annotations

import polars as pl
import pytest

from wattline_collector.jobs.claims import (
    Devices,
    Held,
    believed,
    held_by,
    read_scontrol,
    resolve,
)

JOB = """JobId={id} JobName={name}
   UserId=eve(1001) GroupId=eve(1001) MCS_label=N/A
   JobState=RUNNING Reason=None Dependency=(null)
   NodeList=gpu[00-01]
   JOB_GRES=gpu:h200:4
     Nodes=gpu[00-01] CPU_IDs=0-7 Mem=500 GRES=gpu:h200:2(IDX:{first})
   MinCPUsNode=8 MinMemoryNode=0 MinTmpDiskNode=0
   Power=

"""


@pytest.mark.parametrize(
    ("gres", "indices"),
    [
        ("gpu:h200:2(IDX:0-1)", (0, 1)),
        ("gpu:2(IDX:1,3)", (1, 3)),
        ("gpu:a100:1(IDX:0),gpu:h100:2(IDX:2-3)", (0, 2, 3)),
        ("gpu:a100_1g.5gb:2(IDX:0-1)", None),
        ("nic:1(IDX:0)", None),
        ("gpu:h200:2", None),
        ("gpu:h200:0(IDX:N/A)", None),
        ("gpu:h200:2(IDX:9-1)", None),
        ("gpu:h200:2(IDX:)", None),
        ("", None),
    ],
)
def test_indices_of_one_nodes_share(gres: str, indices: tuple[int, ...] | None) -> None:
    wanted = [] if indices is None else [Held("1", "n", indices)]
    assert held_by("1", "n", gres) == wanted


def test_scontrol_tells_the_devices_of_every_job() -> None:
    text = JOB.format(id=1, name="a", first="0-1") + JOB.format(id=2, name="b", first="2,3")
    assert read_scontrol(text) == [
        Held("1", "gpu00", (0, 1)), Held("1", "gpu01", (0, 1)),
        Held("2", "gpu00", (2, 3)), Held("2", "gpu01", (2, 3)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        # A line, a record of the same job, a record of another one.
        "x\n     Nodes=gpu00 CPU_IDs=0 Mem=1 GRES=gpu:h200:2(IDX:2-3)",
        "x\n\nJobId=1 JobName=y\n     Nodes=gpu02 CPU_IDs=0 Mem=1 GRES=gpu:h200:2(IDX:0-1)",
        "x\n\nJobId=2 JobName=y\n     Nodes=gpu02 CPU_IDs=0 Mem=1 GRES=gpu:h200:2(IDX:0-1)",
        "x\nJobId=2 JobName=y",
    ],
)
def test_a_name_that_poses_as_an_answer_is_not_believed(name: str) -> None:
    text = JOB.format(id=1, name=name, first="0-1") + JOB.format(id=3, name="c", first="2-3")
    held = read_scontrol(text)
    real = {Held("1", "gpu00", (0, 1)), Held("1", "gpu01", (0, 1))}
    assert {one for one in held if one.job == "3"} == {
        Held("3", "gpu00", (2, 3)), Held("3", "gpu01", (2, 3)),
    }  # fmt: skip
    jobs = pl.DataFrame(
        {"id": ["1", "3"], "node_list": ["gpu[00-01]"] * 2, "gpus": [4, 4]},
    )
    kept, _ = believed(held, jobs)
    assert {one for one in kept if one.job != "3"} in (set(), real)


def test_a_job_described_twice_is_described_by_nobody() -> None:
    text = JOB.format(id=1, name="a", first="0-1") * 2
    assert read_scontrol(text) == []


@pytest.mark.parametrize(
    ("node_list", "gpus", "is_kept"),
    [
        ("gpu[00-01]", 4, True),
        (None, None, True),
        ("gpu[00-01]", 3, False),
        ("gpu00", 4, False),
    ],
)
def test_claims_must_agree_with_the_accounting(
    node_list: str | None, gpus: int | None, is_kept: bool
) -> None:
    held = [Held("1", "gpu00", (0, 1)), Held("1", "gpu01", (0, 1)), Held("9", "gpu00", (2,))]
    jobs = pl.DataFrame(
        {"id": ["1"], "node_list": [node_list], "gpus": [gpus]},
        {"id": pl.String, "node_list": pl.String, "gpus": pl.Int64},
    )
    assert believed(held, jobs) == (held[:2] if is_kept else [], 0 if is_kept else 1)


def info(*rows: tuple[str, str, int | None, int | None]) -> Devices:
    return Devices.of(
        pl.DataFrame(
            [(time, *row) for time, row in enumerate(rows)],
            {"time_unix_ms": pl.Int64, "node": pl.String, "device": pl.String,
             "minor": pl.Int64, "index": pl.Int64},
            orient="row",
        )
    )  # fmt: skip


def test_an_index_is_a_minor_number_where_the_two_orders_differ() -> None:
    devices = info(("n", "GPU-a", 1, 0), ("n", "GPU-b", 0, 1))
    found = resolve([Held("1", "n", (0,))], devices)
    assert (found.devices, found.unresolved) == ((("1", "GPU-b"),), 0)


def test_without_minors_the_agents_own_order_is_taken() -> None:
    devices = info(("n", "GPU-a", None, 0), ("n", "GPU-b", None, 1))
    assert resolve([Held("1", "n", (1,))], devices).devices == (("1", "GPU-b"),)


def test_devices_nobody_told_of_are_counted() -> None:
    found = resolve([Held("1", "n", (0, 7)), Held("1", "m", (0,))], info(("n", "GPU-a", 0, 0)))
    assert (found.devices, found.unresolved) == ((("1", "GPU-a"),), 2)


def test_slurms_long_name_of_a_node_finds_the_agents_short_one() -> None:
    assert resolve([Held("1", "n.example.org", (0,))], info(("n", "GPU-a", 0, 0))).devices == (
        ("1", "GPU-a"),
    )


def test_a_board_that_was_replaced_is_the_new_one() -> None:
    assert info(("n", "GPU-old", 0, 0), ("n", "GPU-new", 0, 0)).at("n", 0) == "GPU-new"
