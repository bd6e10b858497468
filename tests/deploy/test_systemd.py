import re
import shlex
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[2] / "deploy/systemd"
UNITS = sorted(SYSTEMD.glob("*.service"))
TIMERS = sorted(SYSTEMD.glob("*.timer"))


def stand_in_units(folder: Path) -> list[Path]:
    """The units with their programs in `folder`, as systemd wants programs to be there."""
    folder.joinpath("bin").mkdir()
    units = []
    for unit in UNITS:
        text = unit.read_text()
        for program in re.findall(r"/opt/wattline/bin/([\w-]+)", text):
            stand_in = folder / "bin" / program
            stand_in.write_text("#!/bin/sh\n")
            stand_in.chmod(0o755)
        units.append(folder / unit.name)
        units[-1].write_text(text.replace("/opt/wattline/bin", str(folder / "bin")))
    for timer in TIMERS:
        units.append(folder / timer.name)
        units[-1].write_text(timer.read_text())
    return units


def systemd_analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_there_are_units_to_look_at() -> None:
    assert [unit.stem for unit in UNITS] == [
        "wattline-agent",
        "wattline-collector",
        "wattline-dashboards",
        "wattline-report",
    ]
    assert [timer.stem for timer in TIMERS] == ["wattline-report"]


@pytest.mark.systemd
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    units = stand_in_units(tmp_path)
    done = systemd_analyze("verify", "--man=no", *map(str, units))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.systemd
def test_what_a_unit_offers_in_comments_is_understood_too(tmp_path: Path) -> None:
    offered = 0
    units = stand_in_units(tmp_path)
    for unit in units:
        text, count = re.subn(r"^#(?=[A-Z][A-Za-z]+=)", "", unit.read_text(), flags=re.MULTILINE)
        unit.write_text(text)
        offered += count
    assert offered >= 8
    done = systemd_analyze("verify", "--man=no", *map(str, units))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_is_exposed_to_little(unit: Path, tmp_path: Path) -> None:
    done = systemd_analyze("security", "--offline=true", "--threshold=25", str(unit))
    assert done.returncode == 0, done.stdout[-200:] + done.stderr


@pytest.mark.systemd
def test_the_time_of_reports_is_one(tmp_path: Path) -> None:
    (line,) = re.findall(r"^OnCalendar=(.*)$", TIMERS[0].read_text(), re.MULTILINE)
    assert systemd_analyze("calendar", line).returncode == 0


def test_reports_are_made_by_the_user_whose_the_store_is() -> None:
    # Its state directory is the collector's: under another user systemd would give it away.
    report = (SYSTEMD / "wattline-report.service").read_text()
    collector = (SYSTEMD / "wattline-collector.service").read_text()
    assert "\nUser=wattline-collector\n" in report
    assert "\nUser=" not in collector  # so that it is called as its unit is
    for unit in (report, collector):
        assert "\nStateDirectory=wattline\n" in unit


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_no_unit_runs_as_root(unit: Path) -> None:
    assert "\nDynamicUser=yes\n" in unit.read_text()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_what_a_unit_starts_is_one_program_with_its_arguments(unit: Path) -> None:
    (line,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    words = shlex.split(line)
    assert words[0].startswith("/opt/wattline/bin/wattline")
    assert not any(word.startswith("-") and "=" in word for word in words)
