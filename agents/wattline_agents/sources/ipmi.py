"""Power of the whole node from its management controller, by IPMI's DCMI power reading.

Run are `ipmi-dcmi --get-system-power-statistics` (FreeIPMI) or `ipmitool dcmi power reading`, which
speak to the controller through `/dev/ipmi0`. The controller's figure is seconds old and slow to
get, so it is asked for every half minute. It has no energy counter.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from wattline_agents.errors import ReadFailed, SourceUnavailable, UsageError
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.source import Readings
from wattline_agents.wire import Row

DEVICES = (Path("/dev/ipmi0"), Path("/dev/ipmi/0"), Path("/dev/ipmidev/0"))
PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "ipmi-dcmi": ("--get-system-power-statistics",),
    "ipmitool": ("dcmi", "power", "reading"),
}
SYSTEM_PLACES = (Path("/usr/sbin"), Path("/sbin"))
"""Programs of system administration are not in every user's PATH."""

EVERY_SECONDS = 30.0
LEAST_SECONDS = 10.0
TIMEOUT_SECONDS = 4.0
"""Shorter than the agent waits for a source, so that the program is ended and not left behind."""
_MOST_OUTPUT_BYTES = 64 * 1024
_MOST_WATTS = 1_000_000.0

_POWER = re.compile(
    r"^[ \t]*(?:Current Power|Instantaneous power reading)[ \t]*:[ \t]*(\d{1,9})[ \t]*Watts?\b",
    re.IGNORECASE | re.MULTILINE,
)
_STATE = re.compile(
    r"^[ \t]*(?:Power Measurement|Power reading state is)[ \t]*:[ \t]*(.*?)[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)

Runner = Callable[[Sequence[str], float], tuple[int, str]]
"""Runs a program for at most so many seconds; returns its exit status and what it said."""


def power_watts(output: str) -> float | None:
    """The power that either program printed, in watts.

    Returns:
        None where there is none, where the controller says that it does not measure, and where it
        says 0 W, which no running node draws.
    """
    power, state = _POWER.search(output), _STATE.search(output)
    if power is None or (state is not None and state[1].lower() not in ("active", "activated")):
        return None
    watts = float(power[1])
    return watts if 0 < watts <= _MOST_WATTS else None


class IpmiSource:
    """Asks the management controller what the whole node draws."""

    name = "ipmi"
    may_block = True

    def __init__(
        self,
        *,
        every_seconds: float = EVERY_SECONDS,
        program: Path | None = None,
        devices: Sequence[Path] | None = None,
        search: str | None = None,
        run: Runner | None = None,
    ) -> None:
        """Find the device and a program.

        Args:
            every_seconds: How far apart readings are.
            program: The one to run; looked for if not given.
            devices: Where the kernel may offer the controller, if elsewhere than `DEVICES`.
            search: Directories to look for programs in, as in `PATH`, which it is if not given.
            run: Runs a program.

        Raises:
            SourceUnavailable: There is no controller, or no program to ask it with.
        """
        self.every_seconds = every_seconds
        self._run = run_program if run is None else run
        devices = DEVICES if devices is None else devices
        device = next((path for path in devices if path.exists()), None)
        if device is None:
            raise SourceUnavailable(
                f"no {devices[0]} (the kernel modules ipmi_si and ipmi_devintf bring it)"
            )
        self._device = device
        self._programs = [program] if program else _found(search or os.environ.get("PATH", ""))
        if not self._programs:
            raise SourceUnavailable(
                "neither ipmi-dcmi (package freeipmi-tools) nor ipmitool is installed"
            )
        self._why: str | None = None

    @classmethod
    def from_config(cls, config: SourceConfig) -> Self:
        """Open it; options `every` (seconds) and `program` (path of ipmi-dcmi or ipmitool)."""
        config.check_options(cls.name, ("every", "program"))
        every = config.number(cls.name, "every", EVERY_SECONDS, LEAST_SECONDS, 3600)
        program = config.options.get("program")
        if program is not None and Path(program).name not in PROGRAMS:
            raise UsageError(
                f"source ipmi: option program: not one of {', '.join(PROGRAMS)}: {program[:60]!r}"
            )
        return cls(
            every_seconds=max(every, config.period_seconds),
            program=Path(program) if program else None,
        )

    def read(self, now_ms: int) -> Readings:
        """One row of `meter` and one of `node`; nothing while the device may not be used.

        Raises:
            ReadFailed: The program failed or said no power.
        """
        if not os.access(self._device, os.R_OK | os.W_OK):
            self._why = (
                f"{self._device} may be used by root only; a udev rule "
                'KERNEL=="ipmi[0-9]*", GROUP="GROUP", MODE="0660" lets the agent\'s group use it'
            )
            return {}
        self._why = None
        program = self._programs[0]
        try:
            watts = self._ask(program)
        except ReadFailed:
            self._programs.append(self._programs.pop(0))  # the other one, next time
            raise
        node: Row = {"time_unix_ms": now_ms, "power_watts": watts}
        return {"node": [node], "meter": [{**node, "source": "ipmi", "domain": "node"}]}

    def describe(self, now_ms: int) -> Readings:
        """One row of `node_info`: what meters the node."""
        return {"node_info": [{"time_unix_ms": now_ms, "power_source": "ipmi"}]}

    def why_not(self) -> Mapping[str, Mapping[str, str]]:
        """Why the controller may not be asked, and what would change it."""
        return {"": {"power_watts": self._why}} if self._why else {}

    def close(self) -> None:
        """Nothing is held."""

    def _ask(self, program: Path) -> float:
        status, output = self._run([str(program), *PROGRAMS[program.name]], TIMEOUT_SECONDS)
        watts = power_watts(output)
        if watts is None:
            said = " ".join(output.split())[:160] or "nothing"
            raise ReadFailed(f"{program.name}: no power reading (exit status {status}): {said}")
        return watts


def run_program(words: Sequence[str], seconds: float) -> tuple[int, str]:
    """Run a program and return its exit status and what it wrote, cut off at 64 KiB.

    Raises:
        ReadFailed: It cannot be started, or did not end in time and was ended.
    """
    import select
    import signal
    import subprocess
    import time

    name = Path(words[0]).name
    try:
        process = subprocess.Popen(
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
        )
    except OSError as error:
        raise ReadFailed(f"{name}: {error.strerror or error}") from error
    until = time.monotonic() + seconds
    output = bytearray()
    with process:
        try:
            assert process.stdout is not None
            poll = select.poll()
            poll.register(process.stdout, select.POLLIN)
            while poll.poll(max(0.0, until - time.monotonic()) * 1000):
                chunk = os.read(process.stdout.fileno(), 4096)
                if not chunk:
                    break
                output += chunk[: _MOST_OUTPUT_BYTES - len(output)]
            status = process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            # The program and all it started; it is not waited for yet, so its number is its own.
            os.killpg(process.pid, signal.SIGKILL)
            raise ReadFailed(f"{name}: no answer within {seconds:g} s") from error
    return status, output.decode(errors="replace")


def _found(search: str) -> list[Path]:
    places = [Path(place) for place in search.split(os.pathsep) if place]
    places += SYSTEM_PLACES
    return [
        found
        for name in PROGRAMS
        if (found := next((p / name for p in places if os.access(p / name, os.X_OK)), None))
    ]
