from dataclasses import replace
from typing import Any

from wattline_agents.config import AgentConfig, Settings, SourceChoice
from wattline_agents.doctor.finding import Mark
from wattline_agents.doctor.serving import check

SETTINGS = Settings(AgentConfig(node="n01"), (SourceChoice("serving"),))


def told(**options: str) -> Settings:
    return replace(SETTINGS, sources=(SourceChoice("serving", options),))


def test_who_may_see_sockets_finds_engines(node: Any) -> None:
    node.write("/proc/1/fd/0")
    (found,) = check(node.machine(), SETTINGS)
    assert found.mark is Mark.OK


def test_who_may_not_is_told_the_right_that_is_missing(node: Any) -> None:
    (found,) = check(node.machine(), SETTINGS)
    assert found.mark is Mark.PROBLEM
    assert "agent may not see whose a socket is" in found.what
    assert found.cure is not None and "CAP_SYS_PTRACE" in found.cure


def test_that_is_no_problem_where_pages_were_told(node: Any) -> None:
    (found,) = check(node.machine(), told(pages="[]"))
    assert found.mark is Mark.OFF


def test_nothing_is_said_where_nobody_looks_for_engines(node: Any) -> None:
    assert check(node.machine(), told(discover="false")) == []
    assert check(node.machine(), replace(SETTINGS, sources=(SourceChoice("host"),))) == []
