from typing import Any

import polars as pl
import pytest

from wattline_agents.catalogue import ACCOUNTING
from wattline_collector.jobs import kube_pods
from wattline_collector.jobs.kube_pods import JobFacts, Read, Settings, job_facts
from wattline_collector.jobs.kube_values import moment, quantity

NOW_MS = 1_793_534_400_000


def read(*pods: Any, jobs: dict[tuple[str, str], JobFacts] | None = None, **more: Any) -> Read:
    return kube_pods.read(pods, jobs or {}, NOW_MS, **more)


def row(pod: Any, **more: Any) -> dict[str, Any]:
    found = read(pod, **more).rows
    assert found.height == 1
    return found.row(0, named=True)


def test_a_running_pod_is_a_job(make: Any) -> None:
    found = row(make.pod(states=(make.running(),), spec={"priorityClassName": "high"}))
    assert found == {
        **dict.fromkeys(ACCOUNTING.columns),
        "time_unix_ms": NOW_MS - 3_590_000,
        "job": make.uid(1),
        "scheduler": "kubernetes",
        "job_id": "ml/pod-1",
        "restarts": 0,
        "name": "pod-1",
        "account": "ml",
        "qos": "high",
        "state": "running",
        "submit_unix_ms": NOW_MS - 3_600_000,
        "eligible_unix_ms": NOW_MS - 3_600_000,
        "start_unix_ms": NOW_MS - 3_590_000,
        "nodes": 1,
        "node_list": "gpu-01",
        "cpus": 8,
        "memory_bytes": 64 * 2**30,
        "gpus": 8,
        "tres_requested": "cpu=8,mem=65536M,gres/gpu=8",
        "tres_allocated": "cpu=8,mem=65536M,gres/gpu=8",
    }


def test_a_pod_that_waits_has_not_started(make: Any) -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    found = row(make.pod(phase="Pending", taken=None, status={"conditions": [unscheduled]}))
    assert (found["state"], found["reason"], found["start_unix_ms"]) == (
        "pending", "Unschedulable", None,
    )  # fmt: skip
    assert found["tres_allocated"] is None


def test_images_that_are_pulled_are_held_time(make: Any) -> None:
    waiting = {"waiting": {"reason": "ContainerCreating"}}
    found = row(make.pod(phase="Pending", states=(waiting,)))
    assert (found["state"], found["reason"]) == ("pending", "ContainerCreating")
    assert found["start_unix_ms"] == NOW_MS - 3_590_000


@pytest.mark.parametrize(
    ("phase", "states", "reason", "told"),
    [
        ("Succeeded", [{}], None, ("completed", 0, None)),
        ("Failed", [{"code": 3}], None, ("failed", 3, None)),
        ("Failed", [{"code": 137}], None, ("failed", 137, 9)),
        ("Failed", [{"code": 137, "reason": "OOMKilled"}], None, ("out_of_memory", 137, 9)),
        ("Failed", [{}, {"code": 1}], None, ("failed", 1, None)),
        ("Failed", [{"code": 143}], "Evicted", ("preempted", 143, 15)),
        ("Failed", [{"code": 143}], "DeadlineExceeded", ("timeout", 143, 15)),
        ("Failed", [], "NodeLost", ("node_fail", None, None)),
        ("Failed", [], "Terminated", ("node_fail", None, None)),
        ("Failed", [], "OutOfnvidia.com/gpu", ("boot_fail", None, None)),
        ("Failed", [], "UnexpectedAdmissionError", ("boot_fail", None, None)),
    ],
)
def test_how_a_pod_ended(
    make: Any, phase: str, states: list[Any], reason: str | None, told: tuple[Any, ...]
) -> None:
    ended = tuple(make.ended(**one) for one in states)
    found = row(make.pod(phase=phase, states=ended, status={"reason": reason}))
    assert (found["state"], found["exit_code"], found["exit_signal"]) == told
    assert found["end_unix_ms"] == (NOW_MS - 60_000 if states else NOW_MS)


def test_a_disruption_says_who_ended_it(make: Any) -> None:
    target = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    found = row(
        make.pod(
            phase="Failed", states=(make.ended(143),), status={"conditions": [target]},
            deletionTimestamp=make.stamp(NOW_MS - 60_000), deletionGracePeriodSeconds=30,
        )
    )  # fmt: skip
    assert (found["state"], found["reason"]) == ("preempted", "PreemptionByScheduler")


def test_a_pod_that_was_deleted_was_cancelled(make: Any) -> None:
    deleted = {
        "deletionTimestamp": make.stamp(NOW_MS - 40_000), "deletionGracePeriodSeconds": 30,
    }  # fmt: skip
    found = row(make.pod(states=(make.ended(143),), **deleted), gone=True)
    assert (found["state"], found["end_unix_ms"]) == ("cancelled", NOW_MS - 60_000)
    # Its containers had ended by themselves before anybody asked for that.
    done = row(make.pod(states=(make.ended(0, at=-200),), **deleted), gone=True)
    assert (done["state"], done["end_unix_ms"]) == ("completed", NOW_MS - 200_000)


def test_a_pod_that_is_gone_without_a_word_has_ended(make: Any) -> None:
    found = row(make.pod(states=(make.running(),)), gone=True)
    assert (found["state"], found["end_unix_ms"]) == ("cancelled", NOW_MS)


def test_what_ended_before_a_container_ran_is_not_its_end(make: Any) -> None:
    before = {"initContainerStatuses": [{"state": make.ended(0, at=-3000)}]}
    ready = {
        "type": "Ready",
        "status": "True",
        "lastTransitionTime": make.stamp(NOW_MS - 2_900_000),
    }
    pod = make.pod(states=(make.running(),), status={**before, "conditions": [ready]})
    assert row(pod, gone=True)["end_unix_ms"] == NOW_MS
    # It never got further than that.
    waits = {"waiting": {"reason": "PodInitializing"}}
    failed = {"initContainerStatuses": [{"state": make.ended(1, at=-3000)}]}
    found = row(make.pod(phase="Failed", states=(waits,), status=failed))
    assert (found["state"], found["end_unix_ms"]) == ("failed", NOW_MS - 3_000_000)


def test_a_pod_that_was_evicted_before_it_ran_was_given_up_then(make: Any) -> None:
    target = {
        "type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet",
        "lastTransitionTime": make.stamp(NOW_MS - 77_000),
    }  # fmt: skip
    found = row(make.pod(phase="Failed", status={"conditions": [target], "reason": "Evicted"}))
    assert (found["state"], found["end_unix_ms"]) == ("preempted", NOW_MS - 77_000)


def test_a_pod_in_deletion_still_runs(make: Any) -> None:
    found = row(
        make.pod(
            states=(make.running(),), deletionTimestamp=make.stamp(NOW_MS + 20_000),
            deletionGracePeriodSeconds=30,
        )
    )  # fmt: skip
    assert (found["state"], found["end_unix_ms"]) == ("running", None)


def test_a_job_whose_time_was_over_timed_out(make: Any) -> None:
    job = make.job("train", activeDeadlineSeconds=3600)
    job["status"]["conditions"] = [
        {"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}
    ]
    facts = job_facts(job, NOW_MS)
    assert facts is not None
    pod = make.pod(
        states=(make.ended(143),), job="train", deletionTimestamp=make.stamp(NOW_MS - 60_000)
    )
    found = row(pod, jobs=dict([facts]), gone=True)
    assert (found["state"], found["time_limit_seconds"]) == ("timeout", 3600.0)


def test_a_pod_of_a_queued_job_waited_since_the_job_was_submitted(make: Any) -> None:
    facts = job_facts(make.job("train", made=-7200, began=-3605), NOW_MS)
    assert facts is not None
    first = row(make.pod(job="train", made=-3600), jobs=dict([facts]))
    assert first["submit_unix_ms"] == NOW_MS - 7_200_000
    assert first["eligible_unix_ms"] == NOW_MS - 3_600_000
    # A second try an hour later did not wait for two.
    again = row(make.pod(job="train", made=-60, taken=-50), jobs=dict([facts]))
    assert again["submit_unix_ms"] == NOW_MS - 60_000


def test_tries_of_a_single_job_are_one_run(make: Any) -> None:
    single, many = (job_facts(make.job("j", parallelism=n), NOW_MS) for n in (1, 4))
    assert single is not None and many is not None
    assert read(make.pod(job="j"), jobs=dict([single])).info["run"].to_list() == ["ml/j"]
    assert read(make.pod(job="j"), jobs=dict([many])).info["run"].to_list() == [None]


def test_pods_of_an_indexed_job_are_tasks(make: Any) -> None:
    labels = {
        "batch.kubernetes.io/job-name": "sweep",
        "batch.kubernetes.io/job-completion-index": "7",
    }
    found = row(make.pod(job="sweep", labels=labels))
    assert (found["array_job"], found["array_task"], found["name"]) == ("ml/sweep", 7, "sweep")
    hostile = {**labels, "batch.kubernetes.io/job-completion-index": "9" * 400}
    assert row(make.pod(job="sweep", labels=hostile))["array_task"] is None


def test_a_label_names_the_project_and_the_namespace_the_account(make: Any) -> None:
    found = read(make.pod(labels={"grant": "p-1"}), settings=Settings("grant"))
    assert found.info.row(0) == (make.uid(1), "p-1", None)
    assert found.rows["account"].to_list() == ["ml"]
    assert read(make.pod(), settings=Settings("grant")).info.row(0) == (make.uid(1), "ml", None)


def test_labels_of_those_who_make_pods_give_name_user_and_queue(make: Any) -> None:
    labels = {
        "training.kubeflow.org/job-name": "llama", "hub.jupyter.org/username": "ana",
        "kueue.x-k8s.io/queue-name": "gpu-queue",
    }  # fmt: skip
    found = row(make.pod(labels=labels))
    assert (found["name"], found["user"], found["partition"]) == ("llama", "ana", "gpu-queue")


@pytest.mark.parametrize(
    ("containers", "before", "gpus"),
    [
        ([{"nvidia.com/gpu": "2"}, {"nvidia.com/gpu": "1"}], [], 3),
        ([{"nvidia.com/gpu": "1"}], [{"nvidia.com/gpu": "4"}], 4),
        ([{"amd.com/gpu": "8"}], [], 8),
        ([{"gpu.intel.com/xe": "1"}], [], 1),
        ([{"cpu": "1"}], [], 0),
        ([{"nvidia.com/mig-3g.40gb": "1"}], [], None),
        ([{"nvidia.com/gpu.shared": "1"}], [], None),
        ([{"nvidia.com/gpu": "many"}], [], 0),
    ],
)
def test_devices_are_those_a_pod_needs_at_once(
    make: Any, containers: list[dict[str, str]], before: list[dict[str, str]], gpus: int | None
) -> None:
    pod = make.pod(job="j", gpus=0)
    for part, amounts in (("containers", containers), ("initContainers", before)):
        pod["spec"][part] = [{"resources": {"limits": one}} for one in amounts]
    assert row(pod)["gpus"] == gpus


def test_parts_of_devices_are_named(make: Any) -> None:
    pod = make.pod(gpus=0)
    pod["spec"]["containers"] = [{"resources": {"limits": {"nvidia.com/mig-3g.40gb": "2"}}}]
    found = row(pod)
    assert (found["gpu_type"], found["tres_allocated"]) == ("mig-3g.40gb", "gres/mig-3g.40gb=2")


def test_devices_by_dynamic_allocation_are_not_counted_and_not_nought(make: Any) -> None:
    pod = make.pod(gpus=0, spec={"resourceClaims": [{"name": "gpu"}]})
    assert row(pod)["gpus"] is None


def test_what_keeps_the_cluster_running_is_no_job(make: Any) -> None:
    found = read(make.pod(gpus=0), make.pod(2), make.pod(3, gpus=0, job="j"))
    assert found.rows["job"].to_list() == [make.uid(2), make.uid(3)]
    assert found.others == 1


def test_of_two_words_of_one_pod_the_last_counts(make: Any) -> None:
    found = read(make.pod(), make.pod(phase="Succeeded", states=(make.ended(),)))
    assert found.rows["state"].to_list() == ["completed"]


HOSTILE: list[Any] = [
    None, 7, "pod", [], {}, {"metadata": 3},
    {"metadata": {"uid": "../x", "name": "a", "namespace": "b"}},
    {"metadata": {"uid": "x" * 10**6, "name": "a", "namespace": "b"}},
]  # fmt: skip


@pytest.mark.parametrize("pod", HOSTILE)
def test_what_is_no_pod_is_counted(pod: Any) -> None:
    found = read(pod)
    assert (found.rows.height, found.refused) == (0, 1)


def test_hostile_values_change_nothing_but_their_own_display(make: Any) -> None:
    pod = make.pod(
        job="j",
        labels={"app.kubernetes.io/instance": "x" * 10**6, "hub.jupyter.org/username": "a\x1b[2Jb",
                "project": "<b>\u202e"},
        spec={"priorityClassName": ["no"], "activeDeadlineSeconds": "soon"},
        status={"conditions": "none", "reason": {}},
    )  # fmt: skip
    pod["metadata"]["creationTimestamp"] = "9999-01-01T00:00:00Z"
    pod["status"]["startTime"] = "2026-99-99T00:00:00Z"
    pod["spec"]["nodeName"] = {"a": 1}
    pod["status"]["containerStatuses"] = [{"restartCount": -1, "state": {"terminated": "x"}}, 5]
    pod["spec"]["containers"] = [{"resources": {"limits": {"nvidia.com/gpu": "1e18"}}}]
    found = read(pod)
    (one,) = found.rows.iter_rows(named=True)
    assert len(one["name"].encode()) <= 256
    assert one["user"] == "a?[2Jb"
    assert found.info["project"].to_list() == ["<b>?"]
    assert (one["submit_unix_ms"], one["start_unix_ms"], one["qos"], one["node_list"]) == (
        None, None, None, None,
    )  # fmt: skip
    assert one["restarts"] is None


def test_rows_fit_the_catalogue() -> None:
    assert list(kube_pods.ROWS) == list(ACCOUNTING.columns)
    assert read().rows.schema == kube_pods.ROWS
    assert read().info.schema == {"job": pl.String(), "project": pl.String(), "run": pl.String()}


@pytest.mark.parametrize(
    ("text", "value"),
    [("500m", 0.5), ("64Gi", 64 * 2**30), ("2", 2.0), ("1.5", 1.5), ("100k", 1e5), ("1E", None),
     ("1e3", 1000.0), ("2E2", 200.0), (3, 3.0), ("", None), ("-1", None), ("1 Gi", None),
     (True, None), ("9" * 30, None), ("1e15", None), (None, None)],
)  # fmt: skip
def test_quantities_are_read(text: Any, value: float | None) -> None:
    assert quantity(text) == value


@pytest.mark.parametrize(
    "text", ["2026-11-21", "1999-01-01T00:00:00Z", "2027-11-21T05:30:00Z", "x", 5, None]
)
def test_times_that_cannot_be_are_none(text: Any) -> None:
    assert moment(text, NOW_MS) is None


def test_times_with_fractions_are_read() -> None:
    assert moment("2026-11-01T12:00:00.123456Z", NOW_MS) == NOW_MS
