"""Recorded pages of exporters and of our own agent."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.catalogue import TABLES
from wattline_agents.columns import columns_of
from wattline_agents.sinks.exposition import (
    Labels,
    Page,
    Reading,
    Readings,
    Statement,
    Subject,
)
from wattline_agents.wire import Row

UUID = "GPU-11111111-1111-1111-1111-111111111111"
Import = Any


def dcgm(watts: float, xid: int = 0) -> str:
    labels = f'gpu="0",UUID="{UUID}",modelName="NVIDIA H200",Hostname="h"'
    return (
        "# HELP DCGM_FI_DEV_POWER_USAGE Power draw (in W).\n"
        "# TYPE DCGM_FI_DEV_POWER_USAGE gauge\n"
        f"DCGM_FI_DEV_POWER_USAGE{{{labels}}} {watts}\n"
        f"DCGM_FI_DEV_GPU_UTIL{{{labels}}} 50\n"
        f"DCGM_FI_DEV_XID_ERRORS{{{labels}}} {xid}\n"
        f"DCGM_FI_DEV_SOMETHING_ELSE{{{labels}}} 1\n"
    )


def test_pages_of_a_directory_are_timed_by_their_names(importing: Import) -> None:
    importing.write("pages/2023-11-14T22:13:20Z.prom", dcgm(100.5))
    importing.write("pages/2023-11-14T22:13:35Z.prom", dcgm(200.25, xid=79))
    importing.write("pages/README.md", "two pages\n")
    code, out, _ = importing("prometheus-text", importing.folder / "pages", "--node", "n1")
    assert code == 0
    assert "1 device of 1 node" in out
    assert "pages                      2  of dcgm (2)" in out
    assert "6  of 8 have a place here" in out
    assert "1 file of other kinds passed over: README.md" in out
    assert "timed by when written" not in out
    first, last = importing.rows("device")
    assert (first["time_unix_ms"], first["power_watts"]) == (1_700_000_000_000, 100.5)
    assert (last["time_unix_ms"], last["power_watts"]) == (1_700_000_015_000, 200.25)
    assert (first["node"], first["period_ms"], first["device"]) == ("n1", 15_000, UUID)
    (xid,) = importing.rows("xid")
    assert (xid["xid"], xid["count_total"], xid["time_unix_ms"]) == (79, 1, 1_700_000_015_000)
    assert importing.rows("device_info")[0]["model"] == "NVIDIA H200"


def test_a_page_whose_name_tells_no_time_is_timed_by_when_it_was_written(
    importing: Import,
) -> None:
    import os

    path = importing.write("page.prom", dcgm(100.5))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    _, out, _ = importing("prometheus-text", path)
    assert "1 of 1 file timed by when written, not by name" in out
    assert importing.rows("device")[0]["time_unix_ms"] == 1_700_000_000_000


def test_the_time_of_a_single_page_can_be_told(importing: Import) -> None:
    path = importing.write("page.prom", dcgm(100.5))
    code, _, _ = importing(
        "prometheus-text", path, "--time", "2023-11-14T23:13:20", "--zone", "Europe/Berlin"
    )
    assert code == 0
    assert importing.rows("device")[0]["time_unix_ms"] == 1_700_000_000_000
    code, _, err = importing("prometheus-text", path, "--time", "noon", "--system", "other")
    assert code == 2
    assert "--time: 'noon' is no time such as 2026-11-21T05:30:00" in err


def test_a_power_sensor_that_stands_still_over_the_pages_is_left_out(importing: Import) -> None:
    for second in range(0, 120, 10):
        importing.write(f"pages/{1_700_000_000 + second}.prom", dcgm(46.19))
    _, out, _ = importing("prometheus-text", importing.folder / "pages")
    assert f"{UUID}: its power sensor stands still: the power of 12 readings is left out" in out
    assert not any("power_watts" in row for row in importing.rows("device"))


def test_broken_lines_are_counted_and_named(importing: Import) -> None:
    for second in range(50):
        importing.write(f"pages/{1_700_000_000 + second}.prom", dcgm(100 + second))
    importing.write("pages/1700000060.prom", dcgm(99) + 'DCGM_FI_DEV_GPU_TEMP{gpu="0 55\n')
    code, out, _ = importing("prometheus-text", importing.folder / "pages")
    assert code == 0
    assert "1 malformed of 154 lines left out" in out
    assert "1700000060.prom: line 7: cannot be read: 'DCGM_FI_DEV_GPU_TEMP" in out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "page.prom: has no metric of dcgm, nvidia-gpu-exporter"),
        ("go_goroutines 5\n", "page.prom: has no metric of dcgm"),
        ("dcgm_sm_clock,   gauge, SM clock\n" * 5, "is no page of metrics: line 1: cannot be"),
        ("aif_nothing 1\n", "holds no reading"),
    ],
)
def test_what_is_no_page_is_refused(importing: Import, text: str, said: str) -> None:
    code, _, err = importing("prometheus-text", importing.write("page.prom", text))
    assert code == 2
    assert said in err
    assert "Traceback" not in err


def test_an_empty_directory_is_refused(importing: Import) -> None:
    (importing.folder / "pages").mkdir()
    code, _, err = importing("prometheus-text", importing.folder / "pages")
    assert (code, "holds no file" in err) == (2, True)


# -- pages of our own agent

DEVICE = {"up": 1, "power_watts": 412.5, "busy_ratio": 0.5, "memory_used_bytes": 2**40,
          "energy_joules_total": 1234.5, "temperature_celsius": 61.0,
          "memory_temperature_celsius": 71.0, "ecc_corrected_volatile_total": 3}  # fmt: skip


def subject(table: str, labels: Labels, row: Row) -> Subject:
    reading = Reading(columns_of(tuple(row)), [*row.values()])
    return Subject(TABLES[table], labels, Readings([reading]))


def own_page(openmetrics: bool, job: str | None = "42") -> str:
    subjects = [
        subject("device", (("device", UUID),), DEVICE),
        subject("node", (), {"power_watts": 1200.0, "cpu_user_seconds_total": 5.5}),
        subject(
            "meter", (("source", "pm_counters"), ("domain", "accel0")),
            {"power_watts": 450.0, "energy_joules_total": 9.0},
        ),
        subject("process", (("device", UUID), ("pid", "77")), {"memory_used_bytes": 5}),
        subject("xid", (("device", UUID), ("xid", "79")), {"count_total": 2}),
    ]  # fmt: skip
    statements = [
        Statement("gpu_info", "Who.", (("device", UUID), ("index", "0"), ("model", 'H"200\\'))),
        Statement("host_info", "Who.", (("os", "Debian 12"), ("cores", "96"))),
        Statement("job_info", "What.", (("job", "42"), ("kind", "training"))),
        Statement(
            "gpu_capability_off", "Why.",
            (("source", "nvml"), ("device", UUID), ("column", "sm_active_ratio"),
             ("reason", "not supported")),
        ),
    ]  # fmt: skip
    if job is not None:
        labels = (("device", UUID), ("job", job))
        statements.append(Statement("gpu_assignment", "Which.", labels))
    return Page("nid001", subjects, statements, openmetrics=openmetrics).render().decode()


@pytest.mark.parametrize("openmetrics", [False, True])
def test_a_page_of_our_own_agent_gives_back_what_was_written(
    importing: Import, openmetrics: bool
) -> None:
    path = importing.write("1700000000.prom", own_page(openmetrics))
    code, out, err = importing("prometheus-text", path)
    assert code == 0, err
    assert "of wattline (1)" in out
    common = {"system": "recording-1700000000", "node": "nid001", "period_ms": 0,
              "time_unix_ms": 1_700_000_000_000}  # fmt: skip
    assert importing.rows("device") == [common | {"device": UUID, "power_stale": 0} | DEVICE]
    assert importing.rows("node") == [
        common | {"power_watts": 1200.0, "cpu_user_seconds_total": 5.5}
    ]
    assert importing.rows("meter") == [
        common | {"source": "pm_counters", "domain": "accel0", "power_watts": 450.0,
                  "energy_joules_total": 9.0}
    ]  # fmt: skip
    assert importing.rows("process") == [
        common | {"device": UUID, "pid": 77, "memory_used_bytes": 5}
    ]
    assert importing.rows("xid") == [common | {"device": UUID, "xid": 79, "count_total": 2}]
    (info,) = importing.rows("device_info")
    assert (info["index"], info["model"]) == (0, 'H"200\\')
    (node,) = importing.rows("node_info")
    assert (node["os"], node["cores"]) == ("Debian 12", 96)
    assert node["power_source"].startswith("prometheus-text-")
    assert importing.rows("job_info")[0]["kind"] == "training"
    assert importing.rows("capability")[0]["reason"] == "not supported"


def test_a_job_holds_its_device_from_the_first_page_that_says_so(importing: Import) -> None:
    for second, job in ((0, None), (15, "42"), (30, "42"), (45, None)):
        importing.write(f"pages/{1_700_000_000 + second}.prom", own_page(False, job))
    importing("prometheus-text", importing.folder / "pages")
    start = 1_700_000_015_000
    assert [
        (row["time_unix_ms"], row["start_unix_ms"], row.get("end_unix_ms"), row["job"])
        for row in importing.rows("assignment")
    ] == [
        (start, start, None, "42"),
        (start + 15_000, start, None, "42"),
        (start + 30_000, start, start + 30_000, "42"),
    ]


def test_labels_that_cannot_be_true_cost_their_own_series_only(importing: Import) -> None:
    page = (
        'aif_gpu_power_watts{node="n1",device=""} 5\n'
        f'aif_gpu_power_watts{{node="n1",device="{UUID}"}} 100.5\n'
        f'aif_process_gpu_memory_used_bytes{{node="n1",device="{UUID}",pid="many"}} 5\n'
        f'aif_gpu_busy_ratio{{node="n1",device="{UUID}"}} 97\n'
        f'aif_gpu_power_watts{{node="bad name!",device="{UUID}"}} 7\n'
    )
    path = importing.write("1700000000.prom", page)
    code, _, err = importing("prometheus-text", path, "--node", "told")
    assert code == 0, err
    rows = importing.rows("device")
    assert {(row["node"], row["power_watts"]) for row in rows} == {("n1", 100.5), ("told", 7.0)}
    assert not any("busy_ratio" in row for row in rows)


# -- real pages


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("ericsson_T4_busy", {"power_watts": 68.244, "busy_ratio": 0.91,
                              "tensor_active_ratio": 0.005822}),
        ("upcloud_L40S", {"busy_ratio": 0.0}),
        ("rafay_T4", {"busy_ratio": 0.0}),
    ],
)  # fmt: skip
def test_real_pages_of_dcgm_exporter_give_what_their_readme_says(
    importing: Import, shared: Path, name: str, device: dict[str, float]
) -> None:
    path = shared / f"data/08-dcgm-exporter/{name}.prom"
    code, out, err = importing("prometheus-text", path, "--time", "2026-01-01T00:00:00")
    assert code == 0, err
    assert "1 device of 1 node" in out
    (row,) = importing.rows("device")
    assert {column: row[column] for column in device} == pytest.approx(device)


@pytest.mark.recordings
def test_a_real_page_of_eight_gpus_gives_eight(importing: Import, shared: Path) -> None:
    path = shared / "data/08-dcgm-exporter/nvidia_aicr_8xH100_partial.prom"
    importing("prometheus-text", path, "--time", "2026-01-01T00:00:00")
    assert len({row["device"] for row in importing.rows("device")}) == 8


@pytest.mark.recordings
def test_a_real_page_of_node_exporter_gives_the_node(importing: Import, shared: Path) -> None:
    path = shared / "data/20-node-exporter/e2e-output.txt.gz"
    code, out, err = importing("prometheus-text", path, "--time", "2026-01-01T00:00:00")
    assert code == 0, err
    assert "of node-exporter (1)" in out
    (row,) = importing.rows("node")
    assert row["memory_size_bytes"] == 3_831_959_552
    assert row["cpu_user_seconds_total"] == pytest.approx(3018.51)


@pytest.mark.recordings
def test_a_real_page_of_nvidia_gpu_exporter_gives_the_same_as_the_log_it_was_made_of(
    importing: Import, shared: Path, same_columns: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    import re

    name = "linux-x86_64__nvidia-h100-80gb-hbm3__590.48.01"
    folder = shared / "data/07-nvidia-smi"
    text = (folder / f"captures/{name}.txt").read_text()
    section = re.search(r"# load :: query-gpu.*?\n#+\n(.*?)\n\n\n", text, re.DOTALL)
    assert section is not None
    importing("nvidia-smi", importing.write("log.csv", section[1] + "\n"), "--system", "log")
    page = folder / f"expected_metrics/{name}__load.metrics"
    importing("prometheus-text", page, "--time", "2026-07-14T08:12:53", "--system", "page")
    rows = {row["system"]: same_columns(row) for row in importing.rows("device")}
    shared_columns = rows["log"].keys() & rows["page"].keys()
    assert len(shared_columns) > 25
    for column in shared_columns:
        assert rows["page"][column] == pytest.approx(rows["log"][column]), column


@pytest.fixture
def same_columns() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A row without what the two recordings may differ in."""
    others = {"system", "node", "period_ms", "time_unix_ms", "processes"}
    return lambda row: {name: value for name, value in row.items() if name not in others}
