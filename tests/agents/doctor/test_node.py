from dataclasses import replace
from typing import Any

from wattline_agents.config import AgentConfig, Settings
from wattline_agents.doctor.finding import Mark
from wattline_agents.doctor.machine import User
from wattline_agents.doctor.node import capabilities, check, processors

HOST = "pid:[4026531836]"


def test_the_system_and_the_user_are_named(node: Any) -> None:
    node.write("/etc/os-release", 'NAME=x\nPRETTY_NAME="Rocky Linux 9.4"\n')
    node.link("/proc/self/ns/pid", HOST)
    system, wattline, user = check(node.machine())
    assert system.what == "Rocky Linux 9.4, kernel 6.1.0, x86_64"
    assert wattline.what.startswith("wattline ")
    assert user.what == "user agent, groups agent"
    assert {finding.mark for finding in (system, wattline, user)} == {Mark.OK}


def test_who_looks_as_root_is_told_how_to_look_as_the_service(node: Any) -> None:
    node.user = User("root", 0, ("root",))
    user = check(node.machine())[2]
    assert "which the service is not" in user.what
    assert user.cure is not None and user.cure.startswith("systemd-run --pipe")


def test_capabilities_are_those_that_change_what_is_read(node: Any) -> None:
    assert capabilities(node.machine()) == ()
    node.write("/proc/self/status", f"Name:\tx\nCapEff:\t{1 << 38 | 1 << 34 | 1 << 1:016x}\n")
    assert capabilities(node.machine()) == ("CAP_SYSLOG", "CAP_PERFMON")
    assert check(node.machine())[2].what == "user agent, groups agent, with CAP_SYSLOG, CAP_PERFMON"


def test_a_container_and_its_own_processes_are_seen(node: Any) -> None:
    node.write("/.dockerenv")
    node.link("/proc/self/ns/pid", "pid:[4026532999]")
    container, namespace = check(node.machine())[3:]
    assert container.data == {"container": "docker"}
    assert namespace.mark is Mark.OFF
    assert namespace.cure is not None and "--pid=host" in namespace.cure


def test_processes_hidden_from_others_are_said(node: Any) -> None:
    node.link("/proc/self/ns/pid", HOST)
    node.write("/proc/self/mounts", "proc /proc proc rw,nosuid,hidepid=invisible 0 0\n")
    (hidden,) = check(node.machine())[3:]
    assert "hidepid=invisible" in hidden.what
    node.user = User("root", 0, ("root",))
    assert len(check(node.machine())) == 3, "root sees all processes"


def test_processors_that_may_not_be_used_are_a_problem(node: Any) -> None:
    settings = Settings(AgentConfig(node="n01"), ())
    assert processors(node.machine(), settings) == []
    (good,) = processors(node.machine(), replace(settings, cpus="0,900"))
    assert good.mark is Mark.OK
    (bad,) = processors(node.machine(), replace(settings, cpus="900"))
    assert (bad.mark, bad.what) == (Mark.PROBLEM, "cpus: none of 900 may be used here")
    assert bad.cure is not None
