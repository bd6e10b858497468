import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from wattline_agents.assemble import (
    default_spool,
    introduce,
    names_of,
    open_jobs,
    open_sinks,
    open_sources,
    source_config,
    stand_back,
)
from wattline_agents.config import (
    AgentConfig,
    AssignmentSettings,
    InfluxSettings,
    OtlpSettings,
    Settings,
    SourceChoice,
)
from wattline_agents.errors import SourceUnavailable, UsageError
from wattline_agents.sources.deadline import WithDeadline
from wattline_agents.sources.isolated import Isolated
from wattline_agents.sources.late import RETRY_MS, LateSource

SETTINGS = Settings(AgentConfig(node="n01"), (SourceChoice("host"),))


def test_a_spool_lies_where_its_kind_of_program_keeps_state() -> None:
    assert default_spool({"STATE_DIRECTORY": "/var/lib/x"}, "n1") == Path("/var/lib/x/spool/n1")
    if os.getuid() == 0:
        assert default_spool({}, "n1") == Path("/var/lib/wattline/spool/n1")
    else:
        assert default_spool({"XDG_STATE_HOME": "/s"}, "n1") == Path("/s/wattline/spool/n1")


def absent(name: str, config: object) -> Any:
    raise SourceUnavailable("none on this node")


def test_a_source_that_was_named_and_is_not_here_is_said_and_may_come_later(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr("wattline_agents.assemble.open_source", absent)
    (source,) = open_sources(replace(SETTINGS, sources=(SourceChoice("nvml"),)), said.append)
    assert isinstance(source, LateSource)
    assert said == ["nvml: none on this node"]
    assert names_of([source]) == "nothing yet"


def test_a_source_that_nobody_named_comes_later_without_a_word(
    monkeypatch: pytest.MonkeyPatch, make_source: Any, said: list[str]
) -> None:
    monkeypatch.setattr("wattline_agents.assemble.open_source", absent)
    choices = (SourceChoice("nvml", automatic=True), SourceChoice("host", automatic=True))
    late = open_sources(replace(SETTINGS, sources=choices), said.append)
    assert said == []
    found = make_source(name="nvml", readings={"node": [{"power_watts": 5.0}]})
    monkeypatch.setattr("wattline_agents.assemble.open_source", lambda name, config: found)
    assert late[0].read(0) == {}
    assert late[0].read(RETRY_MS) == {"node": [{"power_watts": 5.0, "time_unix_ms": RETRY_MS}]}
    assert said == ["nvml: there now"]
    assert names_of([found, late[1]]) == "nvml"


def test_code_of_a_source_without_any_sign_of_its_hardware_is_not_loaded(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    def opened(name: str, config: object) -> Any:
        raise AssertionError(name)

    monkeypatch.setattr("wattline_agents.assemble.open_source", opened)
    monkeypatch.setattr("wattline_agents.assemble._SIGNS", {"intel": ("/none/a", "/none/b")})
    choice = SourceChoice("intel", automatic=True)
    (source,) = open_sources(replace(SETTINGS, sources=(choice,)), said.append)
    assert isinstance(source, LateSource)
    with pytest.raises(AssertionError, match="intel"):
        open_sources(replace(SETTINGS, sources=(SourceChoice("intel"),)), said.append)


def test_a_source_that_is_read_in_parts_is_read_in_a_process_of_its_own(
    monkeypatch: pytest.MonkeyPatch, make_source: Any, said: list[str]
) -> None:
    source = make_source(name="nvml")
    source.parts = lambda now_ms: iter(())
    monkeypatch.setattr("wattline_agents.assemble.open_source", lambda name, config: source)
    (found,) = open_sources(SETTINGS, said.append)
    assert isinstance(found, Isolated)
    assert found.name == "nvml"
    assert source.is_closed, "what looked whether it is here does not read"
    found.close()


def test_an_agent_forks_what_reads_before_it_loads_what_that_has_no_use_for(
    tmp_path: Path,
) -> None:
    """It would hold all of that for as long as it reads."""
    code = """
import sys
import wattline_agents.commands.agent as command
from wattline_agents.agent_main import main
from wattline_agents.sources.isolated import process

fork = process.forked_early

def forked_early(name):
    unwanted = [
        "argparse", "threading", "wattline_agents.agent", "wattline_agents.assignment",
        "wattline_agents.job", "wattline_agents.sinks", "wattline_agents.sources.isolated.source",
    ]
    print(name, [one for one in unwanted if one in sys.modules])
    first = fork(name)
    print(first is not None)
    return first

process.forked_early = forked_early
command.run_until_signalled = lambda build: build().close()
sys.argv = ["wattline-agent", "--source", "nvml", "--otlp", "http://127.0.0.1:9", "--no-jobs"]
main()
"""
    (tmp_path / "libnvidia-ml.so.1").touch()  # it is looked for, and not loaded by who looks
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["nvml []", "True"]


def test_what_comes_later_is_read_by_a_fresh_process(
    monkeypatch: pytest.MonkeyPatch, make_source: Any, said: list[str]
) -> None:
    """By then an agent has open files and much that is of no use to who reads."""
    forked: list[str] = []
    monkeypatch.setattr("wattline_agents.sources.isolated.process.forked_early", forked.append)
    source = make_source(name="nvml")
    source.parts = lambda now_ms: iter(())

    def absent(name: str, config: object) -> Any:
        raise SourceUnavailable("no driver")

    monkeypatch.setattr("wattline_agents.assemble.open_source", absent)
    (late,) = open_sources(SETTINGS, said.append)
    monkeypatch.setattr("wattline_agents.assemble.open_source", lambda name, config: source)
    assert late.read(0) == {}
    late.read(RETRY_MS)
    assert (source.is_closed, forked) == (True, [])
    late.close()
    (found,) = open_sources(SETTINGS, said.append)
    assert forked == ["nvml"]
    found.close()


def test_a_mistake_in_a_file_is_named_by_the_line_of_its_option(said: list[str]) -> None:
    places = {"": "a.toml:3", "every": "a.toml:4", "evry": "a.toml:5"}
    for options, place in (({"evry": "5"}, "a.toml:5"), ({"every": "x"}, "a.toml:4")):
        choice = SourceChoice("host", options, places=places)
        with pytest.raises(UsageError, match=f"^{place}: source host: "):
            open_sources(replace(SETTINGS, sources=(choice,)), said.append)
    choice = SourceChoice("replay", {"path": "/none"}, places={"": "a.toml:3", "path": "a.toml:4"})
    with pytest.raises(UsageError, match=r"^a\.toml:3: source replay: "):
        open_sources(replace(SETTINGS, sources=(choice,)), said.append)


def test_an_agent_stands_no_further_back_than_it_is_told(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    told: list[int] = []
    monkeypatch.setattr(os, "getpriority", lambda which, who: 5)
    monkeypatch.setattr(os, "setpriority", lambda which, who, nice: told.append(nice))
    monkeypatch.setattr(os, "sched_setscheduler", lambda *arguments: None, raising=False)
    stand_back(SETTINGS, said.append)
    stand_back(replace(SETTINGS, nice=5), said.append)
    assert (told, said) == ([], [])
    stand_back(replace(SETTINGS, nice=10), said.append)
    stand_back(replace(SETTINGS, nice=0), said.append)
    assert told == [10]
    assert said == ["nice stays 5: it was started so"]


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="only Linux has it")
@pytest.mark.parametrize(("before", "told"), [("SCHED_OTHER", ["SCHED_BATCH"]), ("SCHED_IDLE", [])])
def test_an_agent_waits_for_its_turn_unless_another_policy_was_chosen(
    monkeypatch: pytest.MonkeyPatch, said: list[str], before: str, told: list[str]
) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(os, "sched_getscheduler", lambda pid: getattr(os, before))
    monkeypatch.setattr(
        os, "sched_setscheduler", lambda pid, policy, parameters: chosen.append(policy)
    )
    stand_back(SETTINGS, said.append)
    assert (chosen, said) == ([getattr(os, name) for name in told], [])


def test_an_agent_that_may_not_stand_back_says_so_and_runs(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setpriority", refuse)
    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    monkeypatch.setattr(os, "sched_setscheduler", refuse, raising=False)
    stand_back(replace(SETTINGS, nice=19, cpus="0"), said.append)
    assert [line.partition(":")[0] for line in said] == ["nice", "cpus"]


def test_every_sink_that_is_told_is_opened(said: list[str], tmp_path: Path) -> None:
    settings = replace(
        SETTINGS,
        record=tmp_path / "r.jsonl",
        prometheus="127.0.0.1:0",
        otlp=OtlpSettings("http://127.0.0.1:9"),
        influx=InfluxSettings("http://127.0.0.1:9", bucket="b"),
    )
    sinks = open_sinks(settings, said.append)
    for sink in sinks:
        sink.close()
    assert [type(sink).__name__ for sink in sinks] == [
        "RecordSink", "PrometheusSink", "OtlpSink", "InfluxSink"
    ]  # fmt: skip
    assert said[2:4] == [
        "exporting to http://127.0.0.1:9", "writing to http://127.0.0.1:9, bucket b"
    ]  # fmt: skip


def test_a_source_whose_driver_may_hang_is_read_with_a_deadline(
    monkeypatch: pytest.MonkeyPatch, make_source: Any, said: list[str]
) -> None:
    source = make_source()
    source.may_block = True
    monkeypatch.setattr("wattline_agents.assemble.open_source", lambda name, config: source)
    (found,) = open_sources(SETTINGS, said.append)
    assert isinstance(found, WithDeadline)
    found.close()


def test_a_spool_that_nobody_asked_for_may_fail_and_one_that_was_told_may_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: list[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    settings = replace(SETTINGS, push="http://127.0.0.1:9")
    monkeypatch.setenv("STATE_DIRECTORY", str(file))
    (sink,) = open_sinks(settings, said.append)
    sink.close()
    assert "what waits is kept in memory" in said[0]
    with pytest.raises(UsageError, match="spool "):
        open_sinks(replace(settings, spool=file), said.append)


def test_a_job_socket_that_is_told_must_work(tmp_path: Path, said: list[str]) -> None:
    with pytest.raises(UsageError, match="path too long"):
        open_jobs(replace(SETTINGS, job_socket=tmp_path / ("x" * 120)), said.append)


def test_a_job_socket_by_convention_may_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: list[str]
) -> None:
    monkeypatch.setenv("WATTLINE_JOB_SOCKET", str(tmp_path / ("x" * 120)))
    assert open_jobs(SETTINGS, said.append) is None
    assert "jobs are not counted" in said[0]
    assert open_jobs(replace(SETTINGS, jobs=False), said.append) is None


class Hears:
    """What a source of engines is in this: it heeds what jobs say."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def heed(self, spoken: object) -> None:
        self.heard.append(spoken)


class Speaks:
    """What a source of jobs is in this."""

    def __init__(self) -> None:
        self.believed: list[object] = []

    def believe(self, key_of: object) -> None:
        self.believed.append(key_of)

    def spoken(self) -> None:
        return None


def test_those_who_speak_of_the_same_jobs_know_of_each_other() -> None:
    inside, outside, jobs = Hears(), Hears(), Speaks()
    wrapped: Any = type("Wrapped", (), {"inner": inside})()
    assignment: Any = type("A", (), {"owners": type("O", (), {"key_of": "key_of"})})
    every: Any = [wrapped, outside, object()]
    introduce(every, cast(Any, jobs), assignment)
    assert inside.heard == outside.heard == [jobs.spoken]
    assert jobs.believed == ["key_of"]
    introduce(every, None, assignment)
    assert len(inside.heard) == 1, "where nobody listens to jobs there is nothing to heed"


def test_who_looks_for_engines_is_told_where_records_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    serving, host = SourceChoice("serving"), SourceChoice("host")
    assert "records" not in source_config(serving, SETTINGS).options
    told = replace(SETTINGS, assignment=AssignmentSettings(records=tmp_path))
    assert source_config(serving, told).options["records"] == str(tmp_path)
    assert "records" not in source_config(host, told).options
    own = SourceChoice("serving", {"records": "/elsewhere"})
    assert source_config(own, told).options["records"] == "/elsewhere"
    monkeypatch.setenv("WATTLINE_RECORDS", "/of/the/scripts")
    assert source_config(serving, SETTINGS).options["records"] == "/of/the/scripts"
