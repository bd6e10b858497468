import os
from argparse import Namespace
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from wattline_agents.errors import InputError
from wattline_collector.imports import timed
from wattline_collector.imports.timed import found, run_name, time_in_name

MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("name", "time_ms"),
    [
        ("2023-11-14T22:13:20Z.prom", MS),
        ("page_20231114T221320.txt", MS),
        ("20231114221320", MS),
        ("dcgm-2023-11-14_22-13-20.250Z.prom.gz", MS + 250),
        ("1700000000.prom", MS),
        ("n1-1700000000123.json", MS + 123),
        ("page.prom", None),
        ("page-17.prom", None),
        ("2023-13-14T22:13:20Z.prom", None),
        ("2423-11-14T22:13:20Z.prom", None),
        ("99999999999999999999.prom", None),
    ],
)
def test_a_name_tells_a_time_or_it_does_not(name: str, time_ms: int | None) -> None:
    assert time_in_name(name, UTC) == time_ms


def test_a_name_without_a_zone_is_of_the_zone_that_was_told() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert time_in_name("2023-11-14T23:13:20.prom", berlin) == MS
    assert time_in_name("2023-11-14T22:13:20Z.prom", berlin) == MS


def arguments(time: str | None = None) -> Namespace:
    return Namespace(node="n0", zone=UTC, time=time)


def test_files_come_in_the_order_of_node_and_time(tmp_path: Path) -> None:
    for name in ("n2/1700000001.prom", "n2/1700000000.prom", "1700000005.prom", ".hidden",
                 "n2/.hidden"):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "n2")
    assert [(one.node, one.time_ms, one.by_name) for one in found(arguments(), tmp_path)] == [
        ("n0", MS + 5_000, True),
        ("n2", MS, True),
        ("n2", MS + 1_000, True),
    ]


def test_a_file_may_be_timed_by_when_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "page.prom"
    path.touch()
    os.utime(path, ns=(0, MS * 1_000_000))
    (one,) = found(arguments(), path)
    assert (one.time_ms, one.by_name) == (MS, False)
    assert timed.note([one]) == ["1 of 1 file timed by when written, not by name"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("now", "--time: 'now' is no time"), ("0001-01-01T00:00:00", "is not from 1990 to 2100")],
)
def test_a_time_that_was_told_must_be_one(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "page").touch()
    with pytest.raises(InputError, match=said):
        found(arguments(text), tmp_path / "page")


def test_one_time_does_not_do_for_many_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--time is for a single file"):
        found(arguments("2023-11-14T22:13:20"), tmp_path)


def test_a_directory_that_can_be_no_node_is_named(tmp_path: Path) -> None:
    (tmp_path / "my node").mkdir()
    with pytest.raises(InputError, match="its name, which is a node's: 'my node' is not a name"):
        found(arguments(), tmp_path)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or directory"):
        found(arguments(), tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "run"),
    [("gpus.csv.gz", "gpus"), ("q.xml", "q"), ("pages", "pages"), ("my log.json", "my-log")],
)
def test_what_was_recorded_is_named_after_its_file(name: str, run: str) -> None:
    assert run_name(Path("/somewhere") / name) == run
