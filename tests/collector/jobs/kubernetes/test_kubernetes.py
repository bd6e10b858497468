from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents import cli
from wattline_agents.errors import UsageError
from wattline_collector.commands.collector import COMMAND
from wattline_collector.fetch import FetchFailed
from wattline_collector.jobs import kubernetes
from wattline_collector.jobs.condense import ACCOUNTED, merge_accounting
from wattline_collector.jobs.kubernetes import KubernetesFollower
from wattline_collector.receive.intake import Intake
from wattline_collector.store.store import Store

pytestmark = pytest.mark.openssl
NOW_MS = 1_793_534_400_000


class Following:
    """A follower on a store, asked step by step."""

    def __init__(self, api: Any, fetch: Any, clock: Any, store: Store) -> None:
        self.api, self.clock, self.store = api, clock, store
        self._fetch = fetch
        self.begin()

    def begin(self) -> None:
        """As after a restart of the collector."""
        self.follower = KubernetesFollower(self._fetch, "ai", self.clock)
        self.follower.reads(self.store)

    def ask(self, seconds: int = 1) -> dict[str, int]:
        """Asks once; how many rows of each table are news."""
        self.clock.now_ms += seconds * 1000
        intake = Intake(self.store)
        counts: dict[str, int] = {}
        for batch in self.follower.ask():
            before = intake.accepted_rows
            assert intake.accept(batch.table, batch.header, batch.body)
            counts[batch.table] = counts.get(batch.table, 0) + intake.accepted_rows - before
        self.store.commit()
        return counts

    def rows(self, table: str) -> pl.DataFrame:
        return self.store.read(table, 0, 2**62).sort("time_unix_ms", maintain_order=True)

    def jobs(self) -> dict[str, tuple[str, int | None]]:
        """State and end of every job, as the books will have them."""
        merged = merge_accounting(ACCOUNTED.to_frame(), self.rows("accounting"))
        return {job: (state, end) for job, state, end in
                merged.select("job", "state", "end_ms").iter_rows()}  # fmt: skip


@pytest.fixture
def following(api: Any, fetch: Any, clock: Any, open_store: Callable[..., Store]) -> Following:
    return Following(api, fetch, clock, open_store())


def test_a_job_is_followed_from_its_queue_to_its_end(
    following: Following, api: Any, make: Any
) -> None:
    api.objects["pods"] = [make.pod(1, phase="Pending", taken=None)]
    assert following.ask() == {"accounting": 1}
    api.change("MODIFIED", make.pod(1, states=(make.running(),), labels={"project": "p1"}))
    assert following.ask() == {"accounting": 1, "job_info": 1}
    api.change("MODIFIED", make.pod(1, phase="Succeeded", states=(make.ended(),)))
    assert following.ask() == {"accounting": 1, "job_info": 1}
    assert following.jobs() == {make.uid(1): ("completed", NOW_MS - 60_000)}
    info = following.rows("job_info").select("state", "project", "start_unix_ms", "end_unix_ms")
    assert info.rows() == [
        ("running", "p1", NOW_MS - 3_590_000, None),
        ("completed", "ml", NOW_MS - 3_590_000, NOW_MS - 60_000),
    ]
    assert {row["node"] for row in following.rows("accounting").iter_rows(named=True)} == {
        "kubernetes"
    }


def test_what_does_not_change_is_said_again_now_and_then(
    following: Following, api: Any, make: Any
) -> None:
    api.objects["pods"] = [make.pod(1, states=(make.running(),)), make.pod(2, phase="Succeeded",
                           states=(make.ended(),))]  # fmt: skip
    assert following.ask()["accounting"] == 2
    assert following.ask(30) == {}
    assert following.ask(600) == {"accounting": 1, "job_info": 1}


def test_a_pod_that_is_deleted_at_once_has_its_last_word(
    following: Following, api: Any, make: Any
) -> None:
    following.ask()
    api.change("ADDED", make.pod(1, phase="Pending", taken=None))
    api.change("MODIFIED", make.pod(1, states=(make.running(),)))
    oom = make.ended(137, reason="OOMKilled")
    api.change("DELETED", make.pod(1, phase="Failed", states=(oom,)))
    assert following.ask() == {"accounting": 1, "job_info": 1}
    assert following.jobs() == {make.uid(1): ("out_of_memory", NOW_MS - 60_000)}


def test_a_job_s_own_word_is_asked_for_when_its_pod_is_gone(
    following: Following, api: Any, make: Any
) -> None:
    api.objects["jobs"] = [make.job("train", activeDeadlineSeconds=3600)]
    api.objects["pods"] = [make.pod(1, states=(make.running(),), job="train")]
    following.ask()
    row = following.rows("accounting").row(0, named=True)
    assert (row["submit_unix_ms"], row["time_limit_seconds"]) == (NOW_MS - 7_200_000, 3600.0)
    assert following.rows("job_info")["run"].to_list() == ["ml/train"]
    api.objects["jobs"][0]["status"]["conditions"] = [
        {"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}
    ]
    gone = {"deletionTimestamp": make.stamp(NOW_MS - 60_000)}
    api.change("DELETED", make.pod(1, states=(make.ended(143),), job="train", **gone))
    following.ask()
    assert following.jobs() == {make.uid(1): ("timeout", NOW_MS - 60_000)}
    asked = [path for path in api.asked if "jobs" in path]
    assert asked == ["/apis/batch/v1/namespaces/ml/jobs/train"] * 2


def test_many_unknown_jobs_are_listed_at_once(
    following: Following, api: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes, "_MOST_ASKED", 2)
    api.objects["jobs"] = [make.job(f"j{n}") for n in range(3)]
    api.objects["pods"] = [make.pod(n, job=f"j{n}") for n in range(3)]
    following.ask()
    assert [path for path in api.asked if "jobs" in path] == ["/apis/batch/v1/jobs?limit=500"]
    assert following.rows("accounting")["submit_unix_ms"].to_list() == [NOW_MS - 7_200_000] * 3


def test_without_the_right_to_read_jobs_pods_are_followed_all_the_same(
    following: Following, api: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes, "_MOST_ASKED", 0)
    api.down = {"jobs", "nodes"}
    api.objects["pods"] = [make.pod(1, job="train", states=(make.running(),))]
    assert following.ask() == {"accounting": 1, "job_info": 1}
    assert following.follower.figures.failed == 2


def test_after_a_gap_all_is_listed_again(following: Following, api: Any, make: Any) -> None:
    api.objects["pods"] = [make.pod(n, states=(make.running(),)) for n in (1, 2)]
    following.ask()
    api.objects["pods"] = [make.pod(2, states=(make.running(),)), make.pod(3)]
    api.oldest = 10_000
    assert following.ask()["accounting"] == 2
    now = following.clock.now_ms
    assert following.jobs() == {
        make.uid(1): ("cancelled", now),
        make.uid(2): ("running", None),
        make.uid(3): ("running", None),
    }  # fmt: skip
    assert kubernetes.GONE in following.rows("accounting")["reason"].to_list()
    assert following.follower.figures.lists == 2


def test_a_collector_that_was_away_catches_up(following: Following, api: Any, make: Any) -> None:
    api.objects["pods"] = [make.pod(n, states=(make.running(),)) for n in (1, 2)]
    following.ask()
    api.objects["pods"] = [make.pod(1, states=(make.running(),))]
    following.begin()
    counts = following.ask(300)
    assert counts["accounting"] == 1
    assert following.jobs()[make.uid(2)] == ("cancelled", following.clock.now_ms)
    following.begin()
    assert following.ask() == {}


def test_a_server_that_is_away_is_asked_less_and_less(following: Following, api: Any) -> None:
    api.down = {"pods"}
    pauses = []
    for _ in range(4):
        with pytest.raises(FetchFailed, match="503"):
            following.ask()
        pauses.append(following.follower.every_seconds)
    assert pauses == [2, 4, 8, 16]
    api.down = set()
    following.ask()
    assert following.follower.every_seconds == 1


def test_nodes_out_of_production_are_told_since_when(
    following: Following, api: Any, make: Any
) -> None:
    api.objects["nodes"] = [make.node("n1", "False"), make.node("n2", cordoned=-900)]
    assert following.ask() == {"node_state": 2}
    api.objects["nodes"] = [make.node("n1"), make.node("n2", cordoned=-900)]
    assert following.ask(60) == {}  # nodes are not asked for each time
    following.ask(300)
    states = following.rows("node_state").select("host", "state", "start_unix_ms", "end_unix_ms")
    assert states.rows() == [
        ("n1", "down", NOW_MS - 500_000, None),
        ("n2", "drain", NOW_MS - 900_000, None),
        ("n1", "down", NOW_MS - 500_000, following.clock.now_ms),
    ]


def test_how_it_goes_is_told(following: Following, api: Any, make: Any) -> None:
    api.objects["pods"] = [make.pod(1, states=(make.running(),)), {"metadata": {}}]
    following.ask()
    told = {name: value for name, _, value in following.follower.metrics()}
    assert told == {
        "pods_running": 1, "lists_total": 1, "changes_total": 0, "pods_refused_total": 1,
        "questions_failed_total": 0,
    }  # fmt: skip


def test_a_hostile_pod_does_not_stop_the_others(following: Following, api: Any, make: Any) -> None:
    api.objects["pods"] = [
        make.pod(1, labels={"project": "x" * 10**6, "job-name": "\x00\u202e"}),
        make.pod(2, spec={"priorityClassName": "\n"}),
        make.pod(3, states=(make.ended(2**60),)),
        make.pod(4),
    ]
    assert following.ask() == {"accounting": 4, "job_info": 4}


def run(*words: str) -> Any:
    import argparse

    parser = argparse.ArgumentParser()
    COMMAND.configure(parser)
    return COMMAND.run(parser.parse_args(["--store", "none", *words]))


def test_a_cluster_needs_a_name_and_an_address() -> None:
    with pytest.raises(UsageError, match="--kubernetes-system NAME is needed"):
        run("--kubernetes", "https://api:6443")
    with pytest.raises(UsageError, match="not an address"):
        run("--kubernetes", "api", "--kubernetes-system", "ai")
    assert not Path("none").exists()


def test_the_import_and_the_follower_say_the_same(
    following: Following, api: Any, make: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    api.objects["jobs"] = [make.job("train")]
    api.objects["pods"] = [
        make.pod(1, phase="Succeeded", states=(make.ended(),), job="train"), make.pod(2, gpus=0),
    ]  # fmt: skip
    following.ask()
    followed = following.rows("accounting")
    file = tmp_path / "cluster.json"
    kinds = (("Pod", "pods"), ("Job", "jobs"), ("Node", "nodes"))
    every = [{"kind": kind, **one} for kind, name in kinds for one in api.objects[name]]
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": every}))
    store = tmp_path / "imported"
    assert (
        cli.main(["import", "kubernetes-json", str(file), "--system", "ai", "--store", str(store)])
        == 0
    )
    with Store.open(store, write=False) as opened:
        imported = opened.read("accounting", 0, 2**62)
    what = [name for name in ACCOUNTED if name not in ("system", "stated_ms")]
    columns = [name.replace("_ms", "_unix_ms") if name.endswith("_ms") else name for name in what]
    assert imported.select(columns).rows() == followed.select(columns).rows()
