import json
import os
from pathlib import Path

import pytest

from wattline_agents.assignment.claim import Claim
from wattline_agents.assignment.records import foreign
from wattline_agents.assignment.records.foreign import ForeignRecords

NOW = 1_790_000_000_000
START = NOW - 60_000


def write(path: Path, text: str, start_ms: int = START) -> None:
    path.write_text(text)
    os.utime(path, ns=(start_ms * 1_000_000, start_ms * 1_000_000))


def test_jobstats_names_a_job_and_its_user(tmp_path: Path) -> None:
    write(tmp_path / "0", "13 1001\n")
    write(tmp_path / "GPU-aaaaaaaa-1111-2222-3333-444444444444", "14 1002")
    write(tmp_path / "MIG-33333333-1111-2222-3333-444444444444", "15 1002")
    records = ForeignRecords("jobstats", str(tmp_path), foreign.jobstats)
    claims = records.claims(NOW)
    assert Claim("0", "13", START, None, None, "jobstats") in claims
    assert {claim.device[:8]: claim.job for claim in claims} == {
        "0": "13",
        "GPU-aaaa": "14",
        "MIG-3333": "15",
    }
    assert sorted(str(row["job"]) for row in records.names()) == ["13", "14", "15"]


def test_a_file_that_is_written_anew_is_another_job(tmp_path: Path) -> None:
    write(tmp_path / "0", "13 1001")
    records = ForeignRecords("jobstats", str(tmp_path), foreign.jobstats)
    records.claims(NOW)
    assert records.claims(NOW + 1000) is records.claims(NOW + 2000)
    write(tmp_path / "0", "14 1001", NOW + 3000)
    (claim,) = records.claims(NOW + 8000)
    assert (claim.job, claim.start_ms) == ("14", NOW + 3000)
    (tmp_path / "0").unlink()
    assert records.claims(NOW + 20_000) == []
    assert records.names() == []


def test_dcgm_exporters_mapping_has_a_job_on_each_line(tmp_path: Path) -> None:
    write(tmp_path / "0", "13\n14\n\n")
    write(tmp_path / "1.3", "15\n")
    claims = ForeignRecords("dcgm-exporter", str(tmp_path), foreign.dcgm).claims(NOW)
    assert {(claim.device, claim.job) for claim in claims} == {
        ("0", "13"),
        ("0", "14"),
        ("1.3", "15"),
    }


def test_amds_exporter_leaves_an_object_per_device(tmp_path: Path) -> None:
    fields = {"SLURM_JOB_ID": "13", "SLURM_JOB_USER": "alice", "SLURM_JOB_GPUS": "129"}
    write(tmp_path / "129", json.dumps(fields))
    write(tmp_path / "job-14", json.dumps({"SLURM_JOB_ID": 14, "SLURM_JOB_GPUS": "2,131"}))
    records = ForeignRecords("amd-exporter", str(tmp_path), foreign.amd)
    assert {(claim.device, claim.job) for claim in records.claims(NOW)} == {
        ("1", "13"),
        ("2", "14"),
        ("3", "14"),
    }
    users = {row["job"]: row["user"] for row in records.names()}
    assert users == {"13": "alice", "14": None}


def test_the_keys_of_restarts_come_from_who_knows_them(tmp_path: Path) -> None:
    write(tmp_path / "0", "13 1001")
    keys = {"13": "13.1"}.get
    records = ForeignRecords("jobstats", str(tmp_path), foreign.jobstats, lambda id: keys(id, id))
    assert records.claims(NOW)[0].job == "13.1"


@pytest.mark.parametrize("parser", [foreign.jobstats, foreign.dcgm, foreign.amd])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"0",
        b"-1 5",
        b"$(reboot) 1",
        b"../../etc/passwd",
        b"\xff\xfe\x00",
        b"{",
        b"[]",
        b"null",
        b'{"SLURM_JOB_ID": {"a": 1}}',
        b'{"SLURM_JOB_ID": "13/../14"}',
        b"[" * 30_000,
        b"x" * 60_000,
    ],
)
def test_what_names_no_job_is_no_claim(parser: foreign.Parser, content: bytes) -> None:
    assert list(parser("0", content)) == []


def test_a_line_for_each_of_thousands_of_jobs_is_bounded() -> None:
    found = list(foreign.dcgm("0", b"\n".join(b"%d" % n for n in range(1, 9000))))
    assert len(found) == 64


def test_a_hostile_user_is_shown_as_text(tmp_path: Path) -> None:
    fields = {"SLURM_JOB_ID": "13", "SLURM_JOB_USER": "a\x1b[2J\n" + "b" * 9000}
    write(tmp_path / "0", json.dumps(fields))
    records = ForeignRecords("amd-exporter", str(tmp_path), foreign.amd)
    records.claims(NOW)
    user = str(records.names()[0]["user"])
    assert user.isprintable() and len(user) <= 64


def test_a_file_of_a_hostile_name_is_not_read(tmp_path: Path) -> None:
    write(tmp_path / "0 1;x", "13 1001")
    write(tmp_path / ("9" * 200), "13 1001")
    assert ForeignRecords("jobstats", str(tmp_path), foreign.jobstats).claims(NOW) == []
