from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from wattline_collector.access import Right
from wattline_collector.ledger.booking import book

NOW_MS = 1_793_534_400_000
HOUR = 3_600_000


@pytest.fixture
def client(serve: Callable[..., Any], new_sender: Any) -> Any:
    """A collector with one job of one device, an hour old, and not sealed."""
    found = serve()
    sender = new_sender(period_ms=60_000)
    start = NOW_MS - 2 * HOUR
    device = {"device": "GPU-a"}
    batches = [
        sender.batch("device_info", [device | {"time_unix_ms": start, "index": 0}]),
        sender.batch(
            "assignment",
            [device | {"time_unix_ms": start + HOUR, "job": "7", "method": "prolog",
                       "start_unix_ms": start, "end_unix_ms": start + HOUR}],
        ),
        sender.batch(
            "device",
            [device | {"time_unix_ms": start + m * 60_000, "up": 1, "sm_active_ratio": 0.5,
                       "memory_used_bytes": 10**9} for m in range(61)],
        ),
        sender.batch(
            "accounting",
            [{"time_unix_ms": NOW_MS, "job": "7", "scheduler": "kubernetes", "job_id": "team/pod",
              "user": "anna", "start_unix_ms": start, "end_unix_ms": start + HOUR,
              "state": "completed"}],
        ),
    ]  # fmt: skip
    for batch in batches:
        assert found.post(batch).status == 204
    book(found.service.store, until_ms=NOW_MS)
    return found


@pytest.mark.parametrize("id", ["7", "team/pod", "team%2Fpod"])
def test_a_job_is_answered_to_whoever_may_read(client: Any, id: str) -> None:
    from urllib.parse import unquote

    answer = client.get(f"/v1/jobs/{unquote(id)}")
    assert answer.status == 200
    found = answer.json()
    assert found["identity"]["job"] == "7"
    figures = {figure["id"]: figure["value"] for figure in found["figures"]}
    assert figures["gpu_time"] == pytest.approx(1)
    # Read from what is in memory: nothing of it is sealed.
    assert figures["gpu_memory_peak_bytes"] == 10**9


def test_nobody_else_is_answered(client: Any) -> None:
    assert client.get("/v1/jobs/7", token=None).status == 401
    assert client.get("/v1/jobs/7", token=Right.WRITE).status == 403


def test_a_job_that_is_not_there_is_404_and_a_wrong_period_400(client: Any) -> None:
    missing = client.get("/v1/jobs/8")
    assert missing.status == 404
    assert missing.json()["error"].startswith("no job 8;")
    assert client.get("/v1/jobs/7?system=other").status == 404
    assert client.get("/v1/jobs/7?from=yesterday").status == 400
    part = client.get("/v1/jobs/7?from=2026-11-01T10:30:00Z&to=2026-11-01T10:45:00Z")
    assert part.json()["period"]["from"] == "2026-11-01T10:30:00Z"


def test_a_mistake_in_the_sites_rules_is_named(client: Any) -> None:
    (client.service.store.path / "rules.toml").write_text("[rule.idle-gpu]\nwann = 1\n")
    answer = client.get("/v1/jobs/7")
    assert answer.status == 500
    assert "rules.toml:2: rule.idle-gpu.wann: unknown key" in answer.json()["error"]


@pytest.mark.parametrize(
    "key",
    [
        "../../../etc/passwd", "..%2F..%2Fetc%2Fpasswd", "/etc/passwd", "tokens/read",
        "..%2Ftokens%2Fread", "%00", "%ED%A0%80", "7%0d%0aX-Evil:%201", "*", "%2A", "7*",
        "x" * 4000, "%E2%80%AE7", "7'%20OR%20'1'='1",
    ],
)  # fmt: skip
def test_a_key_is_only_ever_compared(client: Any, key: str) -> None:
    """No key is a path, a pattern or part of an answer's head."""
    for answer in (
        client.get(f"/v1/jobs/{key}"),
        client.get(f"/v1/jobs/7?system={key}"),
    ):
        assert answer.status == 404
        assert "root:" not in str(answer.json())
        assert len(str(answer.json())) < 400
        assert "x-evil" not in str(answer.headers).lower()


@pytest.mark.parametrize(
    "path",
    ["/v1/jobs/7", "/v1/latest", "/v1/overview", "/v1/kpis", "/v1/explain/P02", "/v1/alerts",
     "/metrics"],
)  # fmt: skip
@pytest.mark.parametrize("token", [None, "", "x" * 43, Right.WRITE])
def test_nothing_is_read_without_the_token_that_reads(
    client: Any, path: str, token: Right | str | None
) -> None:
    answer = client.get(path, token)
    assert answer.status == (403 if token is Right.WRITE else 401)
    assert list(answer.json()) == ["error"]


def test_a_hostile_name_is_data_in_an_answer_and_nothing_else(serve: Any, new_sender: Any) -> None:
    name = "</script><script>alert(1)</script>=1+1'\"\\"
    found = serve()
    sender = new_sender(period_ms=60_000)
    row = {"time_unix_ms": NOW_MS, "job": "9", "scheduler": "slurm", "state": "failed",
           "start_unix_ms": NOW_MS - HOUR, "end_unix_ms": NOW_MS} | dict.fromkeys(
        ("job_id", "name", "user", "account", "partition", "reason"), name
    )  # fmt: skip
    assert found.post(sender.batch("accounting", [row])).status == 204
    book(found.service.store, until_ms=NOW_MS)
    answer = found.get("/v1/jobs/9")
    identity = answer.json()["identity"]
    assert {identity[key] for key in ("job_id", "name", "user", "project")} == {name}
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-content-type-options"] == "nosniff"
