"""The scripts that Slurm runs, under the shells it may run them with, in every bad weather."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.assignment.records.own import OwnRecords
from wattline_agents.assignment.records.record import ENDED, RUNNING, parse

SCRIPTS = Path(__file__).parents[2] / "deploy/slurm"
PROLOG, EPILOG = SCRIPTS / "prolog.sh", SCRIPTS / "epilog.sh"
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]

JOB = {
    "SLURM_JOB_ID": "13",
    "SLURM_JOB_UID": "1001",
    "SLURM_JOB_USER": "alice",
    "SLURM_JOB_ACCOUNT": "proj-a",
    "SLURM_JOB_PARTITION": "gpu",
    "SLURM_JOB_RESTART_COUNT": "0",
    "SLURM_JOB_GPUS": "0,1",
    "CUDA_VISIBLE_DEVICES": "0,1",
    "GPU_DEVICE_ORDINAL": "0,1",
    "ROCR_VISIBLE_DEVICES": "0,1",
    "SLURMD_NODENAME": "gpu00",
    "SLURM_CLUSTER_NAME": "wattline",
}
UUID = "GPU-aaaaaaaa-1111-2222-3333-444444444444"


class Scripts:
    """Runs the scripts as slurmd does: with an environment of its own and no search path."""

    def __init__(self, shell: str, records: Path) -> None:
        self.shell, self.records = [shell, "sh"] if shell == "busybox" else [shell], records

    def run(
        self, script: Path, environment: Mapping[str, str] = JOB, **more: str
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [shutil.which(self.shell[0]) or "sh", *self.shell[1:], script],
            env={"WATTLINE_RECORDS": str(self.records), **environment, **more},
            capture_output=True,
            timeout=60,
            check=False,
            cwd="/",
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        return done

    def names(self) -> list[str]:
        return sorted(os.listdir(self.records)) if self.records.is_dir() else []

    def record(self) -> dict[str, Any]:
        (name,) = self.names()
        found: dict[str, Any] = json.loads((self.records / name).read_text())
        return found


@pytest.fixture(params=SHELLS)
def scripts(request: pytest.FixtureRequest, tmp_path: Path) -> Scripts:
    return Scripts(request.param, tmp_path / "records")


def test_a_prolog_writes_down_what_slurm_tells(scripts: Scripts) -> None:
    before = time.time_ns() // 1_000_000
    scripts.run(PROLOG)
    assert scripts.names() == ["job.13.json"]
    record = scripts.record()
    # Without milliseconds the shell's second has begun before.
    assert before - 1000 <= record.pop("start_ms") <= time.time_ns() // 1_000_000
    assert record == {
        "format": 1,
        "job_id": "13",
        "restart_count": 0,
        "gpus": {
            "SLURM_JOB_GPUS": "0,1",
            "CUDA_VISIBLE_DEVICES": "0,1",
            "GPU_DEVICE_ORDINAL": "0,1",
            "ROCR_VISIBLE_DEVICES": "0,1",
        },
        "uid": 1001,
        "array_job_id": None,
        "array_task_id": None,
        "shards": None,
        "user": "alice",
        "account": "proj-a",
        "partition": "gpu",
        "name": None,
        "sluid": None,
        "node": "gpu00",
        "cluster": "wattline",
        "mps_percent": None,
    }
    mode = (scripts.records / "job.13.json").stat().st_mode
    assert mode & 0o777 == 0o644, "an agent without rights reads it"
    assert scripts.records.stat().st_mode & 0o777 == 0o755, "and only its owner writes"


def test_an_epilog_gives_the_record_an_end(scripts: Scripts) -> None:
    scripts.run(PROLOG)
    scripts.run(EPILOG, SLURM_JOB_EXIT_CODE="768")
    (name,) = scripts.names()
    assert re.fullmatch(r"ended\.[0-9]{13}\.768\.0\.13\.json", name)
    (one, two) = OwnRecords(str(scripts.records)).claims(time.time_ns() // 1_000_000)
    assert (one.job, one.device, two.device) == ("13", "0", "1")
    assert one.end_ms is not None and one.end_ms >= one.start_ms


def test_a_restart_has_a_record_of_its_own(scripts: Scripts) -> None:
    scripts.run(PROLOG)
    # In the epilog of the run that ended, the count has gone up already.
    scripts.run(EPILOG, SLURM_JOB_RESTART_COUNT="1", SLURM_JOB_EXIT_CODE="0")
    scripts.run(PROLOG, SLURM_JOB_RESTART_COUNT="1")
    ended, running = scripts.names()
    assert re.fullmatch(r"ended\.[0-9]{13}\.0\.1\.13\.json", ended)
    assert running == "job.13.1.json"
    scripts.run(EPILOG, SLURM_JOB_RESTART_COUNT="1")
    assert scripts.names()[1].endswith(".x.1.13.1.json")


def test_a_run_whose_epilog_did_not_come_ends_when_the_next_begins(scripts: Scripts) -> None:
    scripts.run(PROLOG)
    scripts.run(PROLOG, SLURM_JOB_RESTART_COUNT="1")
    ended, running = scripts.names()
    assert re.fullmatch(r"ended\.[0-9]{13}\.x\.x\.13\.json", ended)
    assert running == "job.13.1.json"


def test_an_epilog_ends_its_own_job_only(scripts: Scripts) -> None:
    for job in ("1", "13", "131"):
        scripts.run(PROLOG, SLURM_JOB_ID=job)
    scripts.run(EPILOG)
    names = scripts.names()
    assert names[1:] == ["job.1.json", "job.131.json"]
    assert names[0].endswith(".13.json")


def test_uuids_and_parts_are_written_down(scripts: Scripts) -> None:
    scripts.run(PROLOG, CUDA_VISIBLE_DEVICES=UUID, CUDA_MPS_ACTIVE_THREAD_PERCENTAGE="12.5")
    record = scripts.record()
    assert record["gpus"]["CUDA_VISIBLE_DEVICES"] == UUID
    assert record["mps_percent"] == "12.5"
    parsed = parse(json.dumps(record).encode(), record["start_ms"])
    assert parsed is not None and (parsed.devices, parsed.share) == ((UUID,), 0.125)


@pytest.mark.parametrize(
    "more",
    [
        {"SLURM_JOB_ID": ""},
        {"SLURM_JOB_ID": "0"},
        {"SLURM_JOB_ID": "-1"},
        {"SLURM_JOB_ID": "13; touch x"},
        {"SLURM_JOB_ID": "../../etc/cron.d/x"},
        {"SLURM_JOB_ID": "1" * 13},
        {"SLURM_JOB_ID": "9" * 100_000},
        {"WATTLINE_RECORDS": "relative/place"},
    ],
)
def test_what_is_no_job_leaves_nothing(scripts: Scripts, more: dict[str, str]) -> None:
    scripts.run(PROLOG, JOB, **more)
    scripts.run(EPILOG, JOB, **more)
    assert scripts.names() == []


@pytest.mark.parametrize("devices", ["", "NoDevFiles", "0;1", "$(id)", "0\n1", "é", "0," * 3000])
def test_a_job_without_devices_leaves_nothing(scripts: Scripts, devices: str) -> None:
    names = ("SLURM_JOB_GPUS", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ROCR_VISIBLE_DEVICES")
    scripts.run(PROLOG, {**JOB, **dict.fromkeys(names, devices)})
    assert scripts.names() == []


def test_one_bad_list_does_not_spoil_the_others(scripts: Scripts) -> None:
    scripts.run(PROLOG, CUDA_VISIBLE_DEVICES="0;reboot", ROCR_VISIBLE_DEVICES="")
    gpus = scripts.record()["gpus"]
    assert (gpus["SLURM_JOB_GPUS"], gpus["CUDA_VISIBLE_DEVICES"], gpus["ROCR_VISIBLE_DEVICES"]) == (
        "0,1", None, None,
    )  # fmt: skip


HOSTILE = {
    "markup": "<script>alert(1)</script>",
    "quotes": "a\"b'c\\d`e",
    "a command": "$(touch PWNED)`touch PWNED`;touch PWNED|touch PWNED&",
    "a format": "%s%n%256000d",
    "control characters": "\x1b[2J\r\n\t\x01\x7f",
    "a path": "../../../../etc/passwd",
    "a pattern": "*?[a-z]{a,b}~",
    "other letters": "é\u202e\U0001f4a5",
    "bytes": os.fsdecode(b"\xff\xfe\x80a"),
    "a hundred thousand": "x" * 100_000,
    "a hundred thousand bad ones": "\n" * 100_000,
    "nothing": "",
    "a space": " ",
    "an option": "--help",
    "a JSON string": '","job_id":"99","x":"',
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_values_change_nothing_but_their_own_display(
    scripts: Scripts, kind: str, tmp_path: Path
) -> None:
    value = HOSTILE[kind]
    names = [
        name
        for name in (*JOB, "SLURM_JOB_NAME", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID",
                     "SLURM_SHARDS_ON_NODE", "SLURM_JOB_SLUID",
                     "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "SLURM_JOB_EXIT_CODE")
        if name not in ("SLURM_JOB_ID", "SLURM_JOB_GPUS")
    ]  # fmt: skip
    hostile = {**JOB, **dict.fromkeys(names, value)}
    scripts.run(PROLOG, hostile)
    assert scripts.names() == ["job.13.json"]
    record = scripts.record()
    assert (record["job_id"], record["gpus"]["SLURM_JOB_GPUS"]) == ("13", "0,1")
    assert all(
        re.fullmatch(r"[A-Za-z0-9._:@+,/=-]{1,256}", value)
        for value in record.values()
        if isinstance(value, str)
    )
    assert parse(json.dumps(record).encode(), record["start_ms"]) is not None
    scripts.run(EPILOG, hostile)
    (name,) = scripts.names()
    assert ENDED.fullmatch(name)
    assert not list(tmp_path.rglob("PWNED")) and not Path("/PWNED").exists()


def test_missing_variables_are_null(scripts: Scripts) -> None:
    scripts.run(PROLOG, {"SLURM_JOBID": "13", "SLURM_JOB_GPUS": "0"})
    record = scripts.record()
    assert (record["job_id"], record["restart_count"], record["user"]) == ("13", None, None)


def test_a_directory_that_cannot_be_made_is_nobodys_trouble(
    scripts: Scripts, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file/below", Path("/proc/nowhere")):
        scripts.run(PROLOG, WATTLINE_RECORDS=str(place))
        scripts.run(EPILOG, WATTLINE_RECORDS=str(place))
    assert (tmp_path / "file").read_text() == ""


def test_a_record_that_cannot_be_replaced_is_nobodys_trouble(scripts: Scripts) -> None:
    scripts.records.mkdir()
    (scripts.records / "job.13.json").mkdir()
    scripts.run(PROLOG)
    scripts.run(EPILOG)
    assert not [name for name in scripts.names() if name.startswith("ended")]


def test_a_full_disk_loses_no_end(scripts: Scripts, tmp_path: Path) -> None:
    full = tmp_path / "full.sh"
    # No byte more can be written, and whoever tries is told so, as on a full disk.
    full.write_text("trap '' XFSZ\nulimit -f 0\n. \"$SCRIPT\"\n")
    scripts.run(PROLOG)
    scripts.run(full, SCRIPT=str(PROLOG), SLURM_JOB_ID="14")
    assert scripts.names() == ["job.13.json"], "and half a record is none"
    scripts.run(full, SCRIPT=str(EPILOG))
    scripts.run(full, SCRIPT=str(EPILOG), SLURM_JOB_ID="14")
    (name,) = scripts.names()
    assert ENDED.fullmatch(name)


def test_ended_records_are_bounded_and_the_newest_stay(scripts: Scripts) -> None:
    scripts.records.mkdir()
    for number in range(300):
        (scripts.records / f"ended.{1_700_000_000_000 + number}.0.0.{number + 100}.json").touch()
    scripts.run(PROLOG)
    for _ in range(2):
        scripts.run(EPILOG)
        scripts.run(PROLOG)
    names = [name for name in scripts.names() if name.startswith("ended")]
    assert len(names) == 256
    assert names[-1].endswith(".13.json")
    assert names[0] == "ended.1700000000046.0.0.146.json"


def test_running_records_are_bounded_where_no_epilog_takes_them(scripts: Scripts) -> None:
    scripts.records.mkdir()
    for number in range(600):
        path = scripts.records / f"job.{number + 100}.json"
        path.touch()
        os.utime(path, (1_700_000_000 + number,) * 2)
    scripts.run(PROLOG)
    names = [name for name in scripts.names() if RUNNING.fullmatch(name)]
    assert len(names) == 512
    assert "job.13.json" in names and "job.100.json" not in names and "job.699.json" in names


@pytest.mark.parametrize("script", [PROLOG, EPILOG])
@pytest.mark.parametrize(
    "before", ["", "set -eu", "set -euCf; IFS=/; umask 077", "set -e; trap : EXIT"]
)
def test_a_site_may_source_it_from_its_own(
    scripts: Scripts, script: Path, before: str, tmp_path: Path
) -> None:
    site = tmp_path / "site.sh"
    site.write_text(
        f"{before}\nwl_out=kept\nmode=$-\n. {script}\n"
        '[ "$wl_out $mode" = "kept $-" ] || exit 7\n'
        f'/bin/echo "$?" >{tmp_path}/after\nexit 3\n'
    )
    done = subprocess.run(
        [shutil.which(scripts.shell[0]) or "sh", *scripts.shell[1:], site],
        env={**JOB, "WATTLINE_RECORDS": str(scripts.records)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, b"", b"")
    assert (tmp_path / "after").read_text() == "0\n"
    assert scripts.names() == (["job.13.json"] if script is PROLOG else [])


def test_without_a_shells_tools_nothing_is_said(scripts: Scripts, tmp_path: Path) -> None:
    """As in a container whose /usr is not there: every program is missing."""
    text = PROLOG.read_text()
    bare = tmp_path / "bare.sh"
    bare.write_text(text.replace("PATH=/usr/bin:/bin:/usr/sbin:/sbin", "PATH=/nonexistent"))
    assert bare.read_text() != text
    scripts.run(bare)
    assert [name for name in scripts.names() if RUNNING.fullmatch(name)] == []


def test_scripts_can_be_run_and_are_plain_posix_shell() -> None:
    for script in (PROLOG, EPILOG):
        assert os.access(script, os.X_OK)
        assert script.read_text().startswith("#!/bin/sh\n")
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", "-s", "sh", PROLOG, EPILOG], check=True)


def test_functions_of_a_sites_own_prolog_are_not_ours(scripts: Scripts, tmp_path: Path) -> None:
    site = tmp_path / "site.sh"
    functions = "".join(
        f"{name}() {{ false; }}\n" for name in ("date", "mv", "rm", "mkdir", "printf")
    )
    site.write_text(f"set -eu\n{functions}. {PROLOG}\n. {EPILOG}\nmv && exit 1 || exit 0\n")
    scripts.run(site)
    (name,) = scripts.names()
    assert ENDED.fullmatch(name), "the site's functions are still there, and changed nothing"


def test_a_prolog_that_runs_twice_makes_one_job_that_runs(scripts: Scripts) -> None:
    scripts.run(PROLOG)
    scripts.run(PROLOG)
    own = OwnRecords(str(scripts.records))
    claims = own.claims(time.time_ns() // 1_000_000)
    ends = sorted((one.start_ms, one.end_ms or 0) for one in claims if one.device == "0")
    assert len(ends) == 2 and ends[0][1] == ends[1][0], "the second goes on where the first ends"
    (info,) = own.names()
    assert (info["state"], info["end_unix_ms"]) == ("running", None)
    scripts.run(EPILOG)
    own.claims(time.time_ns() // 1_000_000 + 1_000)
    (info,) = own.names()
    assert info["start_unix_ms"] == ends[0][0] and info["end_unix_ms"] is not None
