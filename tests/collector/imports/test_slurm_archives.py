"""Archives of jobs, imported: the figures others published of them, and what is set aside."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents import cli

GCM = "data/05-slurm-meta-gcm"
HEADER = "JobIDRaw|State|Submit|Start|End|JobName"
GOOD = "{id}|COMPLETED|2026-10-01T10:00:00|2026-10-01T10:00:00|2026-10-01T11:00:00|a"


@pytest.fixture
def found(importing: Any) -> Callable[..., dict[str, Any]]:
    """Imports files, and gives what was printed as JSON."""

    def found(format: str, paths: Path | list[Path], *more: str) -> dict[str, Any]:
        files = [str(path) for path in (paths if isinstance(paths, list) else [paths])]
        store = str(importing.store)
        code = cli.main(["import", format, *files, "--json", "--store", store, *more])
        out = importing.capsys.readouterr()
        assert code == 0, out.err
        told: dict[str, Any] = json.loads(out.out)
        return told

    return found


@pytest.mark.recordings
def test_a_clusters_jobs_give_the_figures_another_tool_published_day_by_day(
    found: Callable[..., dict[str, Any]], importing: Any, shared: Path
) -> None:
    data = shared / "data/03-slurm-xdmod"
    published = json.loads((data / "xdmod_published_phillips.json").read_text())
    told = found("slurm-sacct", data / "phillips.log", "--format", "sacct-26")
    assert (told["jobs"], told["never_started"], told["damaged"]) == (4285, 239, 0)
    [(_, whole)] = [item for item in published.items() if item[0].startswith("aggregate")]
    total = told["total"]
    assert total["jobs_running"] == whole["job_count"] == 4046
    assert (total["jobs_started"], total["users"]) == (4046, whole["active_person_count"])
    names = {"cpu": "cpu", "gpu": "gpu", "node": "node", "wall": "wallduration",
             "wait": "waitduration"}  # fmt: skip
    for ours, theirs in names.items():
        assert round(total[f"{ours}_hours"], 4) == whole[f"total_{theirs}_hours"]
        if theirs != "node":
            mean = total[f"{ours}_hours"] / total["jobs_running"]
            assert round(mean, 8) == whole[f"avg_{theirs}_hours"]
    assert round(total["cpus_mean"], 4) == whole["avg_processors"]
    assert round(total["cpus_weighted"], 4) == whole["avg_job_size_weighted_by_cpu_hours"]

    by_day, days = published["by_day"], {day["day"]: day for day in told["days"]}
    assert sorted(days) == sorted(by_day["job_count"])
    for day, ours_of_day in days.items():
        for ours, theirs in (("ended", "job_count"), ("started", "started_job_count"),
                             ("running", "running_job_count")):  # fmt: skip
            assert ours_of_day[f"jobs_{ours}"] == by_day[theirs][day]
        assert ours_of_day["users"] == by_day["active_person_count"][day]
        for ours, theirs in names.items():
            value = ours_of_day[f"{ours}_hours"]
            assert round(value, 4) == by_day[f"total_{theirs}_hours"][day], (day, ours)
            means = by_day[f"avg_{theirs}_hours"][day]
            running = ours_of_day["jobs_running" if ours != "wait" else "jobs_started"]
            if ours != "wait" or running:
                assert value / running == pytest.approx(means, abs=1e-8) or ours == "wait"
        assert round(ours_of_day["cpus_mean"], 4) == by_day["avg_processors"][day]
        assert (
            round(ours_of_day["cpus_weighted"], 4)
            == by_day["avg_job_size_weighted_by_cpu_hours"][day]
        )


@pytest.mark.recordings
def test_importing_an_archive_again_changes_nothing(importing: Any, shared: Path) -> None:
    path = shared / "data/03-slurm-xdmod/phillips.log"
    code, first, _ = importing("slurm-sacct", path)
    rows = importing.rows("accounting")
    assert code == 0
    assert "2017-01-01       488       485       488       41.4200      1,773.2872" in first
    code, second, _ = importing("slurm-sacct", path)
    assert code == 0
    assert second.endswith("already in the store: nothing changed\n")
    assert importing.rows("accounting") == rows
    assert first.split("imported")[0] == second.split("already")[0]


@pytest.mark.recordings
def test_a_table_of_jobs_gives_the_figures_of_its_notes(
    found: Callable[..., dict[str, Any]], shared: Path
) -> None:
    path = shared / "data/04-slurm-eagle/sample_eagle_data.csv"
    told = found("jobs-csv", path, "--zone", "America/Denver")
    assert (told["jobs"], told["gpu_jobs"], told["damaged"]) == (1000, 4, 0)
    assert told["states"] == {"completed": 985, "timeout": 15}
    total = told["total"]
    assert total["node_hours"] == pytest.approx(23158.143333333333)
    assert total["cpu_hours"] == pytest.approx(113557.3411111111)
    assert total["gpu_hours"] == pytest.approx(10.135)
    assert total["wall_hours"] * 3600 == pytest.approx(9871709.0)
    assert total["jobs_running"] == 1000  # 452 of them share one id


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("names", "jobs", "steps", "lone", "damaged"),
    [
        (["sample-sacct-output.txt"], 0, 68, 68, 0),
        (["sample-sacct-running-output.txt"], 0, 10, 10, 0),
        (["sample-sacct-one-multiline.txt"], 2, 2, 1, 0),
        (["sample-sacct-one-multiline-expected.txt"], 2, 2, 1, 0),
        (["sample-sacct-one-multiline.txt", "sample-sacct-output-with-invalid-lines.txt"],
         2, 2, 1, 1),
    ],
)  # fmt: skip
def test_what_another_site_recorded_with_its_defects(
    found: Callable[..., dict[str, Any]], shared: Path, names: list[str], jobs: int, steps: int,
    lone: int, damaged: int,
) -> None:  # fmt: skip
    told = found("slurm-sacct", [shared / GCM / name for name in names])
    assert (told["jobs"], told["steps"], told["steps_without_job"]) == (jobs, steps, lone)
    assert told["damaged"] == damaged


@pytest.mark.recordings
def test_a_record_broken_over_lines_is_the_one_that_was_mended_by_hand(
    importing: Any, shared: Path
) -> None:
    for name in ("sample-sacct-one-multiline.txt", "sample-sacct-one-multiline-expected.txt"):
        assert importing("slurm-sacct", shared / GCM / name)[0] == 0
    broken, mended = (
        [{k: v for k, v in row.items() if k != "system"} for row in importing.rows("accounting")
         if row["system"] == f"recording-{name}"]
        for name in ("sample-sacct-one-multiline", "sample-sacct-one-multiline-expected")
    )  # fmt: skip
    assert broken == mended
    requeued, failed = sorted(broken, key=lambda row: str(row["job"]), reverse=True)
    assert (requeued["state"], requeued["gpus"], requeued["nodes"]) == ("requeued", 256, 32)
    assert (failed["state"], failed["exit_code"], failed["gpus"]) == ("failed", 6, 1024)
    assert failed["memory_peak_bytes"] == 6972 * 1024  # of its batch step
    assert "node_list" not in failed  # too long to be kept whole


@pytest.mark.recordings
def test_a_file_without_any_good_record_is_an_error_that_names_the_first(
    importing: Any, shared: Path
) -> None:
    path = shared / GCM / "sample-sacct-output-with-invalid-lines.txt"
    code, out, err = importing("slurm-sacct", path)
    assert (code, out) == (2, "")
    assert f"{path}:2: has 93 fields where 109 are expected" in err


@pytest.mark.recordings
def test_slurms_json_of_three_versions(found: Callable[..., dict[str, Any]], shared: Path) -> None:
    versions, rivos = shared / "data/21-slurm-json-versions", shared / "data/06-slurm-json-rivos"
    told = found("slurm-json", [versions / "sacct1.json", versions / "sa.json"])
    assert told["states"] == {"completed": 1, "running": 1}
    assert (told["jobs"], told["steps"], told["gpu_jobs"]) == (2, 3, 2)
    told = found("slurm-json", [rivos / "squeue_out.json", rivos / "sinfo_out.json"])
    assert told["states"] == {"running": 1, "pending": 1}
    assert told["damaged"] == 0


@pytest.mark.recordings
@pytest.mark.parametrize("name", ["sdiag.json", "license_out.json", "sacctmgr.txt"])
def test_json_of_other_things_is_said_to_be_none_of_ours(
    importing: Any, shared: Path, name: str
) -> None:
    code, _, err = importing("slurm-json", shared / "data/06-slurm-json-rivos" / name)
    assert code == 2
    assert name in err


def test_damaged_records_are_named_counted_and_written_where_they_can_be_mended(
    importing: Any,
) -> None:
    lines = [HEADER, *(GOOD.format(id=n) for n in range(8))]
    bad = [*(f"{n}|half" for n in range(10, 17)), GOOD.format(id="x/y"),
           GOOD.format(id=20).replace("T11:00:00", "T09:00:00")]  # fmt: skip
    path = importing.write("jobs.txt", "\n".join([*lines, *bad, GOOD.format(id=30), ""]))
    aside = importing.folder / "aside.txt"
    code, out, _ = importing("slurm-sacct", path, "--set-aside", str(aside))
    assert code == 0
    assert "note: set aside: 9 damaged records" in out
    assert f"  {path}:10: has 2 fields where 6 are expected" in out
    assert "and 4 more; --set-aside FILE writes them all" in out
    kept = aside.read_text()
    assert f"# {path}:17: JobIDRaw: x/y is no job id" in kept
    assert f"# {path}:18: End: 2026-10-01T09:00:00 is before its start" in kept
    assert "\n16|half\n" in kept
    assert len(importing.rows("accounting")) == 9


def test_a_file_to_set_aside_to_is_never_written_over(importing: Any) -> None:
    path = importing.write("jobs.txt", f"{HEADER}\n{GOOD.format(id=1)}\n")
    code, _, err = importing("slurm-sacct", path, "--set-aside", str(path))
    assert code == 2
    assert "is there already" in err


def test_archives_of_two_months_tell_the_runs_of_one_id_apart(importing: Any) -> None:
    october = GOOD.format(id=7).replace("COMPLETED", "REQUEUED")
    november = october.replace("2026-10", "2026-11").replace("REQUEUED", "FAILED")
    for name, line in (("oct.txt", october), ("nov.txt", november)):
        path = importing.write(name, f"{HEADER}\n{line}\n")
        assert importing("slurm-sacct", path, "--system", "sys")[0] == 0
    rows = importing.rows("accounting")
    assert [(row["job"], row["state"], row["restarts"]) for row in rows] == [
        ("7", "requeued", 0), ("7.1", "failed", 1),
    ]  # fmt: skip


def test_fields_without_header_are_named_and_a_file_that_says_nothing_is_refused(
    importing: Any,
) -> None:
    path = importing.write("jobs.txt", GOOD.format(id=7) + "\n")
    code, _, err = importing("slurm-sacct", path)
    assert code == 2
    assert f"{path}:1: has no header that names JobID; name the fields with --format" in err
    fields = HEADER.replace("|", ",")
    assert importing("slurm-sacct", path, "--format", fields)[0] == 0
    [row] = importing.rows("accounting")
    assert row["job"] == "7"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--format", "User,State"], "names neither JobIDRaw nor JobID"),
        (["--zone", "Mars/Olympus"], "no time zone"),
        (["--system", "../x"], "is not a name"),
    ],
)
def test_what_is_told_wrongly_is_said(importing: Any, more: list[str], says: str) -> None:
    path = importing.write("jobs.txt", f"{HEADER}\n{GOOD.format(id=1)}\n")
    code, _, err = importing("slurm-sacct", path, *more)
    assert code == 2
    assert says in err


def test_columns_of_a_table_are_found_by_name_or_told(importing: Any) -> None:
    text = 'nr,"who, exactly",began,finished,GPUs,state\n5,eve,1790000000,1790003600,4,completed\n'
    path = importing.write("jobs.csv", text)
    code, _, err = importing("jobs-csv", path)
    assert code == 2
    assert "no column is the job's id" in err
    code, out, _ = importing("jobs-csv", path, "--columns", "job=nr,start=began,end=finished")
    assert code == 0
    assert "columns read: job from nr, start from began, end from finished" in out
    [row] = importing.rows("accounting")
    assert (row["job"], row["gpus"], row["state"]) == ("5", 4, "completed")
    code, _, err = importing("jobs-csv", path, "--columns", "job=other")
    assert code == 2
    assert f"{path}:1: has no column 'other'" in err


def test_a_compressed_archive_that_unpacks_to_a_flood_costs_little(importing: Any) -> None:
    path = importing.folder / "bomb.txt.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(f"{HEADER}\n{GOOD.format(id=1)}\n".encode())
        for _ in range(40):
            file.write(b"9" * 1_000_000)
        file.write(f"\n{GOOD.format(id=2)}\n".encode())
    code, out, _ = importing("slurm-sacct", path)
    assert code == 0
    assert f"{path}:3: a line of more than 4 MiB" in out
    assert [row["job"] for row in importing.rows("accounting")] == ["1", "2"]


def test_an_archive_may_join_a_system_that_has_other_data(importing: Any) -> None:
    page = importing.write("page.prom", 'aif_gpu_power_watts{device="GPU-1"} 100\n')
    assert importing("prometheus-text", page, "--system", "sys",
                     "--time", "2026-10-01T10:00:00")[0] in (0, 2)  # fmt: skip
    path = importing.write("jobs.txt", f"{HEADER}\n{GOOD.format(id=1)}\n")
    assert importing("slurm-sacct", path, "--system", "sys")[0] == 0
    frame = pl.DataFrame(importing.rows("accounting"))
    assert frame["system"].to_list() == ["sys"]
