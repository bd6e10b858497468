import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from wattline_agents import cli
from wattline_collector.store.store import Store

UID = "00000001-2222-4333-8444-555555555555"
POD = {
    "kind": "Pod",
    "metadata": {
        "name": "train", "namespace": "ml", "uid": UID, "labels": {"grant": "p-1"},
        "creationTimestamp": "2026-03-01T10:00:00Z",
    },
    "spec": {
        "nodeName": "n1",
        "containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "4"}}}],
    },
    "status": {
        "phase": "Succeeded", "startTime": "2026-03-01T10:00:05Z",
        "containerStatuses": [
            {"restartCount": 1, "state": {"terminated": {
                "exitCode": 0, "finishedAt": "2026-03-01T11:00:00Z"}}}
        ],
    },
}  # fmt: skip


def run(store: Path, *words: str | Path) -> int:
    return cli.main(["import", "kubernetes-json", *map(str, words), "--store", str(store)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cluster.json"


def test_what_kubectl_prints_is_imported_once(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(json.dumps({"kind": "List", "items": [POD]}))
    assert run(tmp_path / "s", file, "--project-label", "grant") == 0
    out = capsys.readouterr().out
    assert "kubernetes-json as system recording-cluster" in out
    assert "completed 1" in out
    assert run(tmp_path / "s", file, "--project-label", "grant") == 0
    assert "already in the store: nothing changed" in capsys.readouterr().out
    with Store.open(tmp_path / "s", write=False) as store:
        (row,) = store.read("accounting", 0, 2**62).iter_rows(named=True)
        (info,) = store.read("job_info", 0, 2**62).iter_rows(named=True)
    assert (row["job"], row["job_id"], row["gpus"], row["state"]) == (
        UID,
        "ml/train",
        4,
        "completed",
    )
    assert row["end_unix_ms"] - row["start_unix_ms"] == 3_595_000
    assert (info["project"], info["kind"]) == ("p-1", None)


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "PodList", "items": [{k: v for k, v in POD.items() if k != "kind"}]},
        POD,
    ],
)
def test_every_form_of_a_list_is_read(file: Path, tmp_path: Path, document: Any) -> None:
    file.write_bytes(gzip.compress(json.dumps(document).encode()))
    assert run(tmp_path / "s", file) == 0


def test_pods_that_are_no_jobs_or_no_pods_are_counted(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = {**POD, "spec": {"containers": []}}
    nobody = {**POD, "metadata": {"name": "x"}}
    file.write_text(json.dumps({"items": [service, nobody, POD, 5, {"kind": "Pod"}]}))
    assert run(tmp_path / "s", file) == 0
    out = capsys.readouterr().out
    assert "note: left out: 1 pod without a device and without a Job" in out
    assert "note: set aside: 2 pods without uid, name or namespace" in out


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "is no whole JSON document"),
        (b"[" * 10**5, "is no whole JSON document"),
        (b'{"kind": "List", "items": []}', "holds no pod and no node"),
        (b'{"kind": "ConfigMap"}', "holds no pod and no node"),
    ],
)
def test_a_file_of_another_kind_is_refused(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, reason: str
) -> None:
    file.write_bytes(content)
    assert run(tmp_path / "s", file) == 2
    assert f"{file}: {reason}" in capsys.readouterr().err
