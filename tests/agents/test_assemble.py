import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.assemble import default_spool, open_jobs, open_sinks, open_sources
from wattline_agents.config import AgentConfig, Settings, SourceChoice
from wattline_agents.errors import UsageError
from wattline_agents.sources.deadline import WithDeadline
from wattline_agents.sources.late import LateSource

SETTINGS = Settings(AgentConfig(node="n01"), (SourceChoice("host"),))


def test_a_spool_lies_where_its_kind_of_program_keeps_state() -> None:
    assert default_spool({"STATE_DIRECTORY": "/var/lib/x"}, "n1") == Path("/var/lib/x/spool/n1")
    if os.getuid() == 0:
        assert default_spool({}, "n1") == Path("/var/lib/wattline/spool/n1")
    else:
        assert default_spool({"XDG_STATE_HOME": "/s"}, "n1") == Path("/s/wattline/spool/n1")


def test_a_source_that_is_not_here_is_said_once_and_may_come_later(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr("wattline_agents.sources.nvml.ids.LIBRARY", "libnothing.so.0")
    (source,) = open_sources(replace(SETTINGS, sources=(SourceChoice("nvml"),)), said.append)
    assert isinstance(source, LateSource)
    assert len(said) == 1
    assert said[0].startswith("nvml: no NVIDIA driver on this node")


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
