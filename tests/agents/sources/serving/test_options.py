from __future__ import annotations

import json
from pathlib import Path

import pytest

from wattline_agents.errors import UsageError
from wattline_agents.sources.registry import open_source
from wattline_agents.sources.serving import options
from wattline_agents.sources.serving.goodput import Targets
from wattline_agents.sources.serving.source import ServingSource
from wattline_agents.sources.serving.told import job_of_nobody, name_of, told
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.wire import checked_name


def read(**given: str) -> options.Options:
    return options.read(SourceConfig("s", "n01", options=given))


def test_pages_are_addresses_or_tables() -> None:
    pages = ["http://a:1/metrics", {"url": "http://b:2/x", "job": "j", "role": "decode"}]
    found = read(pages=json.dumps(pages), token_file="/etc/t", every="7", discover="false")
    assert [(one.urls, one.job, one.role) for one in found.pages] == [
        (("http://a:1/metrics",), None, None),
        (("http://b:2/x",), "j", "decode"),
    ]
    assert {one.token_file for one in found.pages} == {Path("/etc/t")}
    assert (found.every_seconds, found.discover, found.pods) == (7.0, False, None)


def test_one_page_can_stand_on_the_command_line() -> None:
    found = read(url="http://a:1", job="j", first_token_target="0.5")
    assert [(one.urls, one.job) for one in found.pages] == [(("http://a:1",), "j")]
    assert found.targets == Targets(0.5, None)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"url": "a:1"}, "option url: not an address such as http://host:8600: 'a:1'"),
        ({"url": "http://u:p@a"}, "option url: no user or password in an address: use token_file"),
        ({"url": "http://a", "job": "x/y"}, "option job: 'x/y' is not a name"),
        ({"url": "http://a", "role": "decod"}, "no role 'decod'; did you mean 'decode'"),
        ({"url": "http://a", "framework": "vlm"}, "no framework 'vlm'; did you mean 'vllm'"),
        ({"job": "j"}, "option job: without `url`"),
        ({"pages": "{"}, "option pages: not a list as JSON"),
        ({"pages": "[5]"}, "not an address, nor a table with `url`: '5'"),
        ({"pages": '[{"job": "j"}]'}, "option without `url`"),
        ({"pages": '[{"url": "http://a", "rol": "x"}]'}, "no such key 'rol'; did you mean 'role'"),
        ({"pages": '[{"url": 5}]'}, "option url: not a line of text: '5'"),
        ({"discover": "yes"}, "option discover: not true or false: 'yes'"),
        ({"every": "0"}, "option every: not a number from 1 to 3600"),
        ({"first_token_target": "-1"}, "option first_token_target: not a number"),
        ({"kubernetes": "true"}, "option kubernetes: this is no pod"),
    ],
)
def test_what_is_wrong_is_named(
    given: dict[str, str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(UsageError) as raised:
        read(**given)
    assert str(raised.value).startswith("source serving: ")
    assert reason in str(raised.value)


def test_a_pod_asks_the_api_server_of_its_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    assert read(kubernetes="true").pods is not None


def test_it_is_opened_by_its_name() -> None:
    source = open_source("serving", SourceConfig("s", "n01", period_seconds=30.0))
    assert isinstance(source, ServingSource)
    assert source.every_seconds == 30.0


def test_without_the_parser_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wattline_agents.sources.serving.source.has_parser", lambda: False)
    with pytest.raises(UsageError, match=r"pip install wattline-agents\[scrape\]"):
        open_source("serving", SourceConfig("s", "n01"))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://127.0.0.1:8000/metrics", "127.0.0.1:8000"),
        ("http://127.0.0.1:8000/prometheus/metrics", "127.0.0.1:8000"),
        ("http://h:1/metrics?model=a", "h:1/metrics?model=a"),
        ("http://h:1/" + "x" * 1000, ("h:1/" + "x" * 1000)[:120]),
    ],
)
def test_engines_are_named_by_their_address(url: str, name: str) -> None:
    assert name_of(url) == name


@pytest.mark.parametrize(
    "url", ["http://localhost", "https://[::1]:8/m", "http://gpu-01.site:8000"]
)
def test_a_key_of_nobodys_page_is_a_key(url: str) -> None:
    key = job_of_nobody(url, "n01")
    assert checked_name(key, "job") == key
    assert key.startswith("serving@")


def test_told_pages_are_told() -> None:
    assert told("http://a:1").is_told
