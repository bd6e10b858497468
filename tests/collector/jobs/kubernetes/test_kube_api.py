from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.fetch import FetchFailed
from wattline_collector.jobs import kube_api
from wattline_collector.jobs.kube_api import Change, Expired
from wattline_collector.jobs.kube_values import at

pytestmark = pytest.mark.openssl
Fetch = Callable[[str, float, int], bytes]


def test_a_list_is_read_page_by_page(
    api: Any, fetch: Fetch, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_api, "PAGE", 2)
    api.objects["pods"] = [make.pod(number) for number in range(5)]
    pods, version = kube_api.listed(fetch, kube_api.PODS)
    assert [at(pod, "metadata", "name") for pod in pods] == [f"pod-{n}" for n in range(5)]
    assert version == "100"
    assert api.asked == [
        "/api/v1/pods?limit=2",
        "/api/v1/pods?limit=2&continue=2",
        "/api/v1/pods?limit=2&continue=4",
    ]  # fmt: skip


def test_a_list_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_api, "_MOST_PAGES", 3)
    page = b'{"items": [], "metadata": {"continue": "x"}}'
    with pytest.raises(FetchFailed, match="more than 1,500 objects"):
        kube_api.listed(lambda *_: page, kube_api.PODS)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"items": {}}', b"[" * 10**5])
def test_a_list_that_is_none_is_a_failure(body: bytes) -> None:
    with pytest.raises(FetchFailed, match=r"no JSON|no object|no list"):
        kube_api.listed(lambda *_: body, kube_api.PODS)


def test_changes_are_those_since_the_list(api: Any, fetch: Fetch, make: Any) -> None:
    _, version = kube_api.listed(fetch, kube_api.PODS)
    assert kube_api.changes(fetch, kube_api.PODS, version) == ([], version)
    api.change("ADDED", make.pod(1))
    api.change("DELETED", make.pod(1))
    found, after = kube_api.changes(fetch, kube_api.PODS, version)
    assert [change.is_gone for change in found] == [False, True]
    assert after == "102"
    api.bookmark()
    assert kube_api.changes(fetch, kube_api.PODS, after) == ([], "152")
    assert "timeoutSeconds=20" in api.asked[-1]


def test_a_version_that_is_too_old_is_said(api: Any, fetch: Fetch) -> None:
    api.oldest = 1000
    with pytest.raises(Expired, match="too old"):
        kube_api.changes(fetch, kube_api.PODS, "100")

    def gone(target: str, seconds: float, most: int) -> bytes:
        raise FetchFailed("gone", 410)

    with pytest.raises(Expired):
        kube_api.changes(gone, kube_api.PODS, "100")
    with pytest.raises(Expired):
        kube_api.listed(gone, kube_api.PODS)


def test_an_error_of_the_server_is_a_failure() -> None:
    line = b'{"type": "ERROR", "object": {"code": 500, "message": "\\u001b[2Jetcd"}}\n'
    with pytest.raises(FetchFailed) as caught:
        kube_api.changes(lambda *_: line, kube_api.PODS, "1")
    assert not isinstance(caught.value, Expired)
    assert str(caught.value).isprintable()


def test_events_of_other_kinds_are_passed_over() -> None:
    lines = b'{"type": "NEWS"}\n\n{"type": "ADDED", "object": 5}\n'
    assert kube_api.changes(lambda *_: lines, kube_api.PODS, "7") == ([Change(False, 5)], "7")


def test_one_job_is_asked_for_by_name(api: Any, fetch: Fetch, make: Any) -> None:
    api.objects["jobs"] = [make.job("train")]
    assert kube_api.one(fetch, "ml", "train") == make.job("train")
    assert kube_api.one(fetch, "ml", "../none") is None
    assert api.asked[-1] == "/apis/batch/v1/namespaces/ml/jobs/..%2Fnone"


def test_without_a_right_token_there_is_no_answer(api: Any, fetch: Fetch, token_file: Path) -> None:
    token_file.write_text("wrong")
    with pytest.raises(FetchFailed, match="401 Unauthorized; is the token right"):
        kube_api.listed(fetch, kube_api.PODS)


def test_a_pod_finds_its_own_api_server(tmp_path: Path) -> None:
    environment = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    (tmp_path / "token").write_text("t")
    (tmp_path / "ca.crt").write_text("c")
    place = kube_api.in_cluster(environment, tmp_path)
    assert (place.url, place.token_file, place.ca_file) == (
        "https://10.0.0.1:443", tmp_path / "token", tmp_path / "ca.crt",
    )  # fmt: skip
    six = kube_api.in_cluster({**environment, "KUBERNETES_SERVICE_HOST": "fd00::1"}, tmp_path)
    assert six.url == "https://[fd00::1]:443"


def test_outside_of_a_pod_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this is no pod"):
        kube_api.in_cluster({}, tmp_path)
    environment = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(UsageError, match="give the pod a service account"):
        kube_api.in_cluster(environment, tmp_path)


def test_a_token_is_not_sent_in_the_clear(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="https only"):
        kube_api.place_of("http://api.example:6443", tmp_path / "token", None)
