import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.config import (
    AgentConfig,
    InfluxSettings,
    OtlpSettings,
    Settings,
    SourceChoice,
)
from wattline_agents.doctor.finding import Finding, Mark
from wattline_agents.doctor.machine import Answer
from wattline_agents.doctor.sending import check

BARE = Settings(AgentConfig(node="n01"), (SourceChoice("host"),))
PUSH = replace(BARE, push="http://c:8600/", spool=Path("/var/spool"), token_file=Path("/token"))
BATCHES = "http://c:8600/v1/batches/node"
Make = Callable[..., Answer]


@pytest.fixture
def pushing(node: Any) -> Any:
    node.write("/token", "secret\n")
    node.write("/var/spool/x")
    return node


def first(node: Any, settings: Settings) -> Finding:
    return check(node.machine(), settings)[0]


def test_a_collector_that_takes_the_token_is_ok(pushing: Any, answer: Make) -> None:
    pushing.answers[BATCHES] = answer(400, "header Wattline-System: missing")
    collector, spool, clock = check(pushing.machine(), replace(PUSH, spool_bytes=1))
    assert collector.what == "collector http://c:8600/ takes this token"
    assert spool.what.startswith("spool /var/spool: writable, ")
    assert clock.what == "the clock is kept right"
    assert {one.mark for one in (collector, spool, clock)} == {Mark.OK}
    assert pushing.asked == [("POST", BATCHES, {"Authorization": "Bearer secret"})]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "refuses this token (HTTP 401)"),
        (403, "refuses this token (HTTP 403)"),
        (404, "answers HTTP 404, as no collector does"),
        (200, "answers HTTP 200, as no collector does"),
    ],
)
def test_a_collector_that_takes_nothing_is_a_problem(
    pushing: Any, answer: Make, status: int, words: str
) -> None:
    pushing.answers[BATCHES] = answer(status)
    finding = first(pushing, PUSH)
    assert finding.mark is Mark.PROBLEM
    assert words in finding.what
    assert finding.cure is not None


def test_a_collector_that_is_not_reached_is_a_problem(pushing: Any) -> None:
    assert first(pushing, PUSH).what == "collector http://c:8600/: Connection refused"
    pushing.answers[BATCHES] = socket.gaierror(-2, "Name or service not known")
    assert first(pushing, PUSH).what == "collector http://c:8600/: no such host"
    pushing.answers[BATCHES] = TimeoutError()
    assert first(pushing, PUSH).what == "collector http://c:8600/: no answer in time"


def test_a_token_that_cannot_be_read_is_a_problem(pushing: Any) -> None:
    finding = first(pushing, replace(PUSH, token_file=Path("/none")))
    assert finding.what == "token file /none: No such file or directory"
    assert finding.cure is not None and "LoadCredential=" in finding.cure
    pushing.write("/token", "")
    assert first(pushing, PUSH).what == "token file /token: not a line of text"
    pushing.write("/token", "se\ncret")
    assert first(pushing, PUSH).what == "token file /token: not a line of text"
    assert pushing.asked == []


def test_a_clock_that_differs_from_the_collectors_is_a_problem(pushing: Any, answer: Make) -> None:
    pushing.answers[BATCHES] = answer(400, Date="Mon, 21 Sep 2026 14:14:20 GMT")
    pushing.unix_seconds = 1_790_000_000.0
    assert check(pushing.machine(), PUSH)[1].what.startswith(
        "this node's clock is 60 s behind the collector's"
    )
    pushing.unix_seconds += 61
    assert check(pushing.machine(), PUSH)[1].what.startswith("spool"), "a second is no difference"
    pushing.answers[BATCHES] = answer(400, Date="never")
    assert check(pushing.machine(), PUSH)[1].what.startswith("spool")


def test_a_clock_that_nobody_keeps_right_is_said(node: Any) -> None:
    node.synchronised = False
    clock = check(node.machine(), BARE)[-1]
    assert (clock.mark, clock.cure) == (
        Mark.OFF,
        "systemctl enable --now chronyd (or systemd-timesyncd)",
    )
    node.synchronised = None
    assert "does not say" in check(node.machine(), BARE)[-1].what


def test_a_spool_that_cannot_be_written_is_a_problem_if_it_was_told(
    pushing: Any, answer: Make
) -> None:
    pushing.answers[BATCHES] = answer(400)
    pushing.shut.add("/var/spool")
    spool = check(pushing.machine(), PUSH)[1]
    assert spool.mark is Mark.PROBLEM
    assert spool.cure == "install -d -o agent /var/spool (systemd: StateDirectory=)"
    pushing.environment["STATE_DIRECTORY"] = "/var/spool"
    spool = check(pushing.machine(), replace(PUSH, spool=None))[1]
    assert spool.mark is Mark.OFF
    assert "kept in memory" in spool.what


def test_a_spool_without_room_is_a_problem(pushing: Any, answer: Make) -> None:
    pushing.answers[BATCHES] = answer(400)
    spool = check(pushing.machine(), replace(PUSH, spool_bytes=2**62))[1]
    assert spool.mark is Mark.PROBLEM
    assert "MiB may wait there" in spool.what


def test_a_place_for_scrapes_is_tried(node: Any) -> None:
    assert first(node, replace(BARE, prometheus="127.0.0.1:0")).mark is Mark.OK
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        finding = first(node, replace(BARE, prometheus=address))
    assert (finding.mark, finding.what) == (
        Mark.OFF,
        f"{address} is taken, by a running agent or by another exporter",
    )
    assert first(node, replace(BARE, prometheus="192.0.2.1:9400")).mark is Mark.PROBLEM
    assert first(node, replace(BARE, prometheus="nowhere")).what.startswith(
        "prometheus: not HOST:PORT"
    )


def test_opentelemetry_is_sent_an_export_of_nothing(node: Any, answer: Make) -> None:
    node.write("/headers", "# a comment\nX-Token: abc\n")
    settings = replace(BARE, otlp=OtlpSettings("http://o:4318/", headers_file=Path("/headers")))
    node.answers["http://o:4318/v1/metrics"] = answer(200)
    assert first(node, settings).what == "OpenTelemetry http://o:4318/v1/metrics answers"
    headers = {"Content-Type": "application/x-protobuf", "X-Token": "abc"}
    assert node.asked == [("POST", "http://o:4318/v1/metrics", headers)]
    unreadable = replace(BARE, otlp=OtlpSettings("http://o:4318", headers_file=Path("/none")))
    assert first(node, unreadable).what == "otlp.headers_file /none: unreadable"


@pytest.mark.parametrize(
    ("status", "mark", "words"),
    [
        (204, Mark.OK, "answers"),
        (400, Mark.OK, "answers"),
        (401, Mark.PROBLEM, "wants another token (HTTP 401)"),
        (404, Mark.PROBLEM, "no such bucket or path"),
        (503, Mark.PROBLEM, "fails with HTTP 503"),
    ],
)
def test_influx_is_sent_a_write_of_nothing(
    node: Any, answer: Make, status: int, mark: Mark, words: str
) -> None:
    node.write("/token", "secret\n")
    url = "http://i:8086/api/v2/write?bucket=a%20b&org=o&precision=ms"
    node.answers[url] = answer(status)
    influx = InfluxSettings("http://i:8086", "a b", "o", Path("/token"))
    finding = first(node, replace(BARE, influx=influx))
    assert finding.mark is mark
    assert words in finding.what
    assert node.asked == [("POST", url, {"Authorization": "Token secret"})]


def test_nowhere_to_send_to_is_said(node: Any) -> None:
    finding = first(node, BARE)
    assert finding.mark is Mark.OFF
    assert finding.what.startswith("nowhere yet")


@pytest.mark.parametrize(
    ("file", "mark", "words"),
    [
        ("rec/new.jsonl", Mark.OK, "can be made"),
        ("rec/old.jsonl", Mark.OK, "writable, and added to"),
        ("rec", Mark.PROBLEM, "is a directory"),
        ("none/new.jsonl", Mark.PROBLEM, "there is no directory none"),
        ("/shut/new.jsonl", Mark.PROBLEM, "agent may not write in /shut"),
        ("/rec/shut.jsonl", Mark.PROBLEM, "agent may not write it"),
    ],
)
def test_the_place_of_a_recording_is_tried(node: Any, file: str, mark: Mark, words: str) -> None:
    node.write("/srv/agent/rec/old.jsonl")
    node.write("/shut/x")
    node.write("/rec/shut.jsonl")
    node.shut |= {"/shut", "/rec/shut.jsonl"}
    finding = first(node, replace(BARE, record=Path(file)))
    assert finding.mark is mark
    assert words in finding.what
    assert finding.mark is Mark.OK or finding.cure is not None


def test_relative_paths_start_at_the_working_directory(pushing: Any, answer: Make) -> None:
    pushing.write("/srv/agent/token", "other")
    pushing.write("/srv/agent/spool/x")
    pushing.answers[BATCHES] = answer(400)
    settings = replace(PUSH, token_file=Path("token"), spool=Path("spool"), spool_bytes=1)
    collector, spool, _ = check(pushing.machine(), settings)
    assert pushing.asked == [("POST", BATCHES, {"Authorization": "Bearer other"})]
    assert {collector.mark, spool.mark} == {Mark.OK}
