import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from wattline_agents.catalogue import METER, NODE, NODE_INFO
from wattline_agents.errors import ReadFailed, SourceUnavailable, UsageError
from wattline_agents.rows import checked_row
from wattline_agents.sources import ipmi
from wattline_agents.sources.ipmi import IpmiSource, power_watts, run_program
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.wire import MAX_TEXT_BYTES

FREEIPMI = """\
Current Power                        : 332 Watts
Minimum Power over sampling duration : 68 watts
Maximum Power over sampling duration : 504 watts
Average Power over sampling duration : 348 watts
Time Stamp                           : 11/03/2023 - 08:36:29
Statistics reporting time period     : 2685198000 milliseconds
Power Measurement                    : Active
"""
IPMITOOL = """

    Instantaneous power reading:                   330 Watts
    Minimum during sampling period:                 68 Watts
    Maximum during sampling period:                504 Watts
    Average power reading over sample period:      348 Watts
    IPMI timestamp:                           Thu Feb 15 08:36:01 2024
    Sampling period:                          00000001 Seconds.
    Power reading state is:                   activated

"""


@pytest.mark.parametrize(
    ("output", "watts"),
    [
        (FREEIPMI, 332.0),
        (IPMITOOL, 330.0),
        (FREEIPMI.replace("332 Watts", "332 watts"), 332.0),
        (IPMITOOL.replace("activated", "deactivated"), None),
        (FREEIPMI.replace("Active", "Not Available"), None),
        (FREEIPMI.replace("332 Watts", "0 Watts"), None),
        ("DCMI request failed because: Invalid command (c1)\n", None),
        ("", None),
        ("Current Power : 99999999999 Watts", None),
    ],
)
def test_the_current_power_of_both_programs_is_understood(output: str, watts: float | None) -> None:
    assert power_watts(output) == watts


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "ipmi0"
    path.touch()
    return path


def program(directory: Path, name: str, script: str) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory with both programs, which check how they are called."""
    path = tmp_path / "bin"
    free = f'[ "$*" = "--get-system-power-statistics" ] || exit 9\ncat <<E\n{FREEIPMI}E'
    tool = f'[ "$*" = "dcmi power reading" ] || exit 9\ncat <<E\n{IPMITOOL}E'
    program(path, "ipmi-dcmi", free)
    program(path, "ipmitool", tool)
    return path


def test_power_is_the_nodes_and_a_meters(device: Path, programs: Path) -> None:
    source = IpmiSource(devices=[device], search=str(programs))
    readings = source.read(5_000)
    assert [checked_row(NODE, row) for row in readings["node"]] == [
        {"time_unix_ms": 5_000, "power_watts": 332.0}
    ]
    assert [checked_row(METER, row) for row in readings["meter"]] == [
        {"time_unix_ms": 5_000, "source": "ipmi", "domain": "node", "power_watts": 332.0}
    ]
    (info,) = source.describe(5_000)["node_info"]
    assert checked_row(NODE_INFO, info)["power_source"] == "ipmi"


def test_where_one_program_fails_the_other_is_asked_next(device: Path, programs: Path) -> None:
    program(programs, "ipmi-dcmi", "echo 'ipmi-dcmi: permission denied' >&2\nexit 1")
    source = IpmiSource(devices=[device], search=str(programs))
    with pytest.raises(ReadFailed, match=r"ipmi-dcmi: no power reading \(exit status 1\): ipmi-d"):
        source.read(1)
    assert source.read(2)["node"][0]["power_watts"] == 330.0
    assert source.read(3)["node"][0]["power_watts"] == 330.0


def test_a_program_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    path = program(tmp_path, "ipmitool", f"echo $$ > {tmp_path}/pid\nsleep 600 &\nwait")
    with pytest.raises(ReadFailed, match=r"ipmitool: no answer within 0\.3 s"):
        run_program([str(path)], 0.3)
    group = int((tmp_path / "pid").read_text())
    alive = [
        entry.name
        for entry in Path("/proc").glob("[0-9]*")
        if _group(entry) == group and _state(entry) not in ("Z", "X")
    ]
    assert alive == []


def _stat(process: Path) -> list[str]:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _group(process: Path) -> int:
    return int((_stat(process) or ["", "", "0"])[2])


def _state(process: Path) -> str:
    return (_stat(process) or ["X"])[0]


def test_a_program_that_talks_without_end_fills_no_memory(tmp_path: Path) -> None:
    path = program(tmp_path, "ipmitool", "head -c 10000000 /dev/zero | tr '\\0' x")
    status, output = run_program([str(path)], 30.0)
    assert (status, len(output)) == (0, 65_536)


def test_a_program_that_cannot_be_started_is_a_failed_reading(tmp_path: Path) -> None:
    with pytest.raises(ReadFailed, match="ipmitool: No such file"):
        run_program([str(tmp_path / "ipmitool")], 1.0)


def test_without_permission_it_is_quiet_and_says_what_would_change_it(
    device: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Sequence[str]] = []

    def run(words: Sequence[str], seconds: float) -> tuple[int, str]:
        called.append(words)
        return 0, FREEIPMI

    source = IpmiSource(devices=[device], search=str(programs), run=run)
    with monkeypatch.context() as context:
        context.setattr(os, "access", lambda path, mode: path != device)
        assert source.read(1) == {}
        (reason,) = source.why_not()[""].values()
    assert called == []
    assert "udev rule" in reason and str(device) in reason
    assert len(reason.replace(str(device), "/dev/ipmidev/0").encode()) <= MAX_TEXT_BYTES
    assert source.read(2)["node"]
    assert source.why_not() == {}


def test_without_a_controller_it_is_absent(tmp_path: Path, programs: Path) -> None:
    with pytest.raises(SourceUnavailable, match=r"no .*ipmi9 \(the kernel modules ipmi_si"):
        IpmiSource(devices=[tmp_path / "ipmi9"], search=str(programs))


def test_without_a_program_it_is_absent(
    tmp_path: Path, device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ipmi, "SYSTEM_PLACES", ())
    with pytest.raises(SourceUnavailable, match=r"neither ipmi-dcmi .* nor ipmitool"):
        IpmiSource(devices=[device], search=str(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"every": "1"}, "option every: not a number from 10 to 3600: '1'"),
        ({"program": "/bin/rm"}, "option program: not one of ipmi-dcmi, ipmitool: '/bin/rm'"),
        ({"host": "x"}, "no option 'host'; there are every, program"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        IpmiSource.from_config(SourceConfig("s", "n", options=options))


def test_it_is_asked_every_half_minute_and_never_more_often_than_the_agent_ticks(
    device: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert IpmiSource(devices=[device], search=str(programs)).every_seconds == 30.0
    assert IpmiSource.may_block
    monkeypatch.setattr(ipmi, "DEVICES", (device,))
    config = SourceConfig("s", "n", period_seconds=60.0, options={"program": "/x/ipmitool"})
    assert IpmiSource.from_config(config).every_seconds == 60.0
