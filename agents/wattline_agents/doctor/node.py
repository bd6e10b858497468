"""The node itself, and who looks at it."""

from __future__ import annotations

import platform
import sys

from wattline_agents import __version__
from wattline_agents.config import Settings, cpu_set
from wattline_agents.doctor.finding import Finding, Mark, missing, ok
from wattline_agents.doctor.machine import Machine

_HOST_PID_NAMESPACE = "pid:[4026531836]"
"""The number the kernel gives its first namespace of processes (PROC_PID_INIT_INO), the host's."""
CAPABILITIES = {
    2: "CAP_DAC_READ_SEARCH",
    21: "CAP_SYS_ADMIN",
    23: "CAP_SYS_NICE",
    34: "CAP_SYSLOG",
    38: "CAP_PERFMON",
}
"""Those that change what an agent can read, by their bit."""


def check(machine: Machine) -> list[Finding]:
    """System, user, container, and whether jobs' processes can be seen."""
    found = [
        ok(
            f"{_system(machine)}, kernel {machine.kernel}, {machine.architecture}",
            os=_system(machine),
            kernel=machine.kernel,
            architecture=machine.architecture,
        ),
        ok(
            f"wattline {__version__}, Python {platform.python_version()} ({sys.executable})",
            wattline=__version__,
            python=platform.python_version(),
        ),
        _user(machine),
        *_container(machine),
        *_processes(machine),
    ]
    return found


def processors(machine: Machine, settings: Settings) -> list[Finding]:
    """Whether the agent may stay on the processors it is told."""
    if settings.cpus is None:
        return []
    if machine.may_use(cpu_set(settings.cpus)):
        return [ok(f"the agent may stay on processors {settings.cpus}", cpus=settings.cpus)]
    return [
        missing(
            f"cpus: none of {settings.cpus} may be used here",
            "taskset -cp $$ shows those that may; change cpus (--cpus)",
            asked=True,
            cpus=settings.cpus,
        )
    ]


def capabilities(machine: Machine) -> tuple[str, ...]:
    """The capabilities this process has, of those that matter here."""
    for line in (machine.text("/proc/self/status") or "").splitlines():
        if line.startswith("CapEff:"):
            mask = int(line.split()[1], 16)
            return tuple(name for bit, name in CAPABILITIES.items() if mask & 1 << bit)
    return ()


def _system(machine: Machine) -> str:
    for line in (machine.text("/etc/os-release") or "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip("\"'")[:80]
    return "Linux"


def _user(machine: Machine) -> Finding:
    user, has = machine.user, capabilities(machine)
    data = {"user": user.name, "uid": user.uid, "groups": user.groups, "capabilities": has}
    groups = ", ".join(user.groups) or "none"
    if user.uid == 0:
        return Finding(
            Mark.OK,
            "user root: everything below is what root can read, which the service is not",
            "systemd-run --pipe --wait --collect --quiet -p DynamicUser=yes "
            "/opt/wattline/bin/wattline doctor",
            data=data,
        )
    rights = f", with {', '.join(has)}" if has else ""
    return Finding(Mark.OK, f"user {user.name}, groups {groups}{rights}", data=data)


def _container(machine: Machine) -> list[Finding]:
    kind = machine.environment.get("container")
    for sign, name in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman")):
        if kind is None and machine.exists(sign):
            kind = name
    if kind is None:
        return []
    return [ok(f"inside a container ({kind}): only what was passed in is seen", container=kind)]


def _processes(machine: Machine) -> list[Finding]:
    """GPU processes are told by the host's numbers, and a job by its process's control group."""
    found = []
    try:
        namespace = str(machine.path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    if namespace and namespace != _HOST_PID_NAMESPACE:
        found.append(
            missing(
                "not in the host's PID namespace: GPU processes cannot be told apart by job",
                "start the container with --pid=host (Kubernetes: hostPID: true)",
                asked=False,
                pid_namespace=namespace,
            )
        )
    hidden = _hidepid(machine.text("/proc/self/mounts") or "")
    if hidden and machine.user.uid != 0:
        found.append(
            missing(
                f"/proc is mounted with hidepid={hidden}: other users' processes cannot be seen",
                "mount -o remount,hidepid=0 /proc, or gid=GROUP there and the agent in that group",
                asked=False,
                hidepid=hidden,
            )
        )
    return found


def _hidepid(mounts: str) -> str | None:
    for line in mounts.splitlines():
        words = line.split()
        if len(words) > 3 and words[1] == "/proc":
            for option in words[3].split(","):
                name, _, value = option.partition("=")
                if name == "hidepid" and value not in ("0", "off"):
                    return value
    return None
