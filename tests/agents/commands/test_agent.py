import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from wattline_agents import agent_main
from wattline_agents.agent_main import main
from wattline_agents.commands.agent import COMMAND, settings_of
from wattline_agents.config import (
    AUTOMATIC,
    InfluxSettings,
    OtlpSettings,
    Settings,
    SourceChoice,
    automatic_sources,
)
from wattline_agents.config.example import EXAMPLE


def start(*arguments: str, home: Path) -> subprocess.Popen[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("WATTLINE_")
    }
    environment |= {"XDG_STATE_HOME": str(home), "STATE_DIRECTORY": str(home)}
    return subprocess.Popen(
        [sys.executable, "-m", "wattline_agents.agent_main", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def lines_until(process: subprocess.Popen[str], word: str) -> list[str]:
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line.strip())
        if word in line:
            return lines
    raise AssertionError(lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_sends_what_it_read_and_ends_cleanly_on_a_signal(
    collector: Any, short_path: Path, number: signal.Signals
) -> None:
    process = start(
        "--source", "host", "--push", collector.url, "--push-every", "3600", "--node", "n7",
        "--job-socket", str(short_path / "job.sock"), "--rack", "r1", home=short_path,
    )  # fmt: skip
    with process, terminated(process):
        lines = lines_until(process, "reading host, jobs")
        assert f"agent: sending to {collector.url}" in lines
        process.send_signal(number)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 0
    tables = {batch.table for batch in collector.received}
    assert {batch.header.node for batch in collector.received} == {"n7"}
    assert tables >= {"node", "node_info", "agent"}
    assert not (short_path / "job.sock").exists()


def test_it_answers_scrapes(short_path: Path) -> None:
    process = start(
        "--source", "host", "--prometheus", "127.0.0.1:0", "--no-jobs", "--node", "n7",
        home=short_path,
    )  # fmt: skip
    with process, terminated(process):
        lines = lines_until(process, "reading host")
        url = next(line.removeprefix("agent: ") for line in lines if "/metrics" in line)
        text = ""
        for _ in range(100):
            with urllib.request.urlopen(url) as answer:
                text = answer.read().decode()
            if "aif_host" in text:
                break
        process.terminate()
    assert 'aif_host_memory_size_bytes{node="n7"}' in text
    assert process.returncode == 0


def test_a_second_agent_takes_no_jobs_and_says_so(short_path: Path) -> None:
    socket = str(short_path / "job.sock")
    options = ("--source", "host", "--record", str(short_path / "rec.jsonl"))
    with start(*options, "--job-socket", socket, home=short_path) as first:
        lines_until(first, "reading")
        with start(*options, "--job-socket", socket, home=short_path) as second:
            assert second.stderr is not None
            said = second.stderr.read()
        first.terminate()
    assert second.returncode == 2
    assert "another agent listens to jobs at" in said
    assert first.returncode == 0


def test_once_prints_what_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--once", "--source", "host"]) == 0
    assert "memory_size_bytes" in capsys.readouterr().out


def test_the_catalogue_is_printed_as_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--metrics"]) == 0
    assert "| `aif_gpu_power_watts` |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "nowhere to send readings: give --push URL"),
        (["--push", "collector"], "--push: not an address"),
        (["--push", "http://u:pw@c"], "--push: no user or password in an address: use --token-f"),
        (["--otlp", "http://u:pw@c"], "--otlp: no user or password in an address: use otlp.head"),
        (["--influx", "http://u:pw@c"], "password in an address: use --influx-token-file"),
        (["--once", "--source", "redfish:url=https://u:pw@c"], "an address: use login_file"),
        (["--once", "--source", "dcgm:url=http://u:pw@c"], "an address: use token_file"),
        (["--push", "http://c", "--spool-bytes", "-5"], "--spool-bytes: not from 65536 to"),
        (["--push", "http://c", "--spool-bytes", "0"], "--spool-bytes: not from 65536 to"),
        (["--push", "http://c", "--push-every", "0"], "--push-every: not from 0.1 to 3600: 0.0"),
        (["--push", "http://c", "--push-every", "nan"], "--push-every: not from 0.1 to 3600: nan"),
        (["--push", "http://c", "--spool", ""], "--spool: not a file name: ''"),
        (["--otlp", "http://c", "--config", "OTLP"], "otlp.headers_file: /none: No such file"),
        (["--influx", "http://c", "--influx-token-file", "/none"], "influx.token_file /none: No"),
        (
            ["--once", "--source", "simulated:profile=h1"],
            "source simulated: option profile: no profile 'h1'",
        ),
        (["--once", "--source", "xyzzy"], "no source 'xyzzy'; there are auto, nvml, amdsmi"),
        (["--once", "--source", "nvlm"], "--source: no source 'nvlm'; did you mean 'nvml'?"),
        (["--once", "--source", "host:evry=5"], "source host: no option 'evry'"),
        (["--once", "--nice", "20"], "--nice: not from 0 to 19: 20"),
        (["--once", "--cpus", "4-2"], "--cpus: not processors such as 0,64-67: '4-2'"),
        (["--once", "--otlp", "collector"], "--otlp: not an address such as http://host:8600"),
        (["--once", "--influx", "ftp://x"], "--influx: not an address such as"),
        (["--once", "--influx-bucket", "b"], "--influx-bucket: add --influx URL"),
        (["--once", "--influx-token-file", "f"], "--influx-token-file: add --influx URL"),
        (["--prometheus", "127.0.0.1:0", "--cpus", "99999"], "cpus: none of 99999 may be used"),
        (["--once", "--source", "replay:path=/none"], "source replay: no recording at /none"),
        (["--once", "--devices", "2"], "--devices: only a simulated node is told"),
        (["--once", "--period", "0"], "--period: not from 0.1 to 3600"),
        (["--once", "--node", "a b"], "node: 'a b' is not a name"),
        (["--once", "--config", "/none.toml"], "/none.toml: cannot be read: No such file"),
        (["--prometheus", "here"], "--prometheus: not HOST:PORT: 'here'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    complaint: str,
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    otlp = tmp_path / "otlp.toml"
    otlp.write_text('[otlp]\nendpoint = "http://c"\nheaders_file = "/none"\n')
    words = [str(otlp) if word == "OTLP" else word for word in arguments]
    assert main([*words, "--no-jobs"]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("wattline-agent: ")
    assert complaint in last
    assert "pw" not in last


def test_a_mistake_in_an_option_of_a_source_is_named_by_file_and_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('sources = ["host"]\n[source.host]\n# a comment\nevry = 5\n')
    assert main(["--once", "--config", str(file)]) == 2
    assert f"{file}:4: source host: no option 'evry'" in capsys.readouterr().err


def test_the_example_of_a_configuration_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--example-config"]) == 0
    assert capsys.readouterr().out == EXAMPLE


def settings(*words: str) -> Settings:
    parser = argparse.ArgumentParser()
    COMMAND.configure(parser)
    return settings_of(parser.parse_args(words))


def test_arguments_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(
        'node = "n01"\nsystem = "s1"\nnice = 5\n[push]\nurl = "http://a"\nevery_seconds = 9\n'
        '[otlp]\nendpoint = "http://c"\nevery_seconds = 30\n'
        '[influx]\nurl = "http://d"\norg = "o"\nbucket = "b"\n'
    )
    told = settings(
        "--config", str(file), "--node", "n02", "--push", "http://b", "--nice", "7", "--cpus", "0",
        "--otlp", "http://e", "--influx-bucket", "x",
    )  # fmt: skip
    assert (told.agent.node, told.agent.system) == ("n02", "s1")
    assert (told.push, told.push_every_seconds) == ("http://b", 9.0)
    assert (told.nice, told.cpus) == (7, "0")
    assert told.otlp == OtlpSettings("http://e", 30.0)
    assert told.influx == InfluxSettings("http://d", "x", "o")


def test_everything_can_be_told_without_a_file() -> None:
    told = settings(
        "--otlp", "http://o:4318", "--influx", "http://i:8086", "--influx-org", "o",
        "--influx-bucket", "b", "--influx-token-file", "/t",
    )  # fmt: skip
    assert told.otlp == OtlpSettings("http://o:4318")
    assert told.influx == InfluxSettings("http://i:8086", "b", "o", Path("/t"))
    assert told.goes_somewhere
    assert not settings().goes_somewhere


def test_sources_are_automatic_unless_they_are_named() -> None:
    assert settings().sources == automatic_sources()
    assert settings("--source", "host").sources == (SourceChoice("host"),)
    mixed = settings("--source", "auto", "--source", "rapl:path=/x", "--source", "dcgm").sources
    assert [one.name for one in mixed if one.automatic] == [
        name for name in AUTOMATIC if name != "rapl"
    ]
    assert [one for one in mixed if not one.automatic] == [
        SourceChoice("rapl", {"path": "/x"}), SourceChoice("dcgm")
    ]  # fmt: skip


def test_it_stands_back_as_told(short_path: Path) -> None:
    cpu = min(os.sched_getaffinity(0))
    process = start(
        "--source", "host", "--record", str(short_path / "r"), "--no-jobs", "--nice", "7",
        "--cpus", f"{cpu},4000", home=short_path,
    )  # fmt: skip
    with process, terminated(process):
        lines_until(process, "reading host")
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == 7
        assert os.sched_getaffinity(process.pid) == {cpu}
        process.terminate()
    assert process.returncode == 0


def test_what_is_not_on_this_node_is_not_spoken_of(short_path: Path) -> None:
    process = start("--prometheus", "127.0.0.1:0", "--no-jobs", "--node", "n7", home=short_path)
    with process, terminated(process):
        lines = lines_until(process, "reading")
        process.terminate()
    assert lines[-1].startswith("agent: node n7 of system local: reading ")
    assert "host" in lines[-1]
    assert len(lines) == 2, "where scrapes are answered, and what is read"
    assert process.returncode == 0


NOBODY = 65534

AS_NOBODY = """
set -e
hold=$1 user=$2 blocked=$3; shift 3
if [ -n "$blocked" ]; then
    # Python is installed where only root may go. In a view of the files that nobody else sees,
    # that directory is another one, which holds what is needed and lets everybody in.
    n=0
    for place in $NEEDED; do
        n=$((n + 1)); mkdir "$hold/$n"; mount --rbind "$place" "$hold/$n"
    done
    mount -t tmpfs -o mode=755 tmpfs "$blocked"
    n=0
    for place in $NEEDED; do
        n=$((n + 1)); mkdir -p "$place"; mount --rbind "$hold/$n" "$place"
    done
fi
exec setpriv --reuid "$user" --regid "$user" --clear-groups --bounding-set -all \\
    --inh-caps -all --no-new-privs "$@"
"""


def shut_directory(path: Path) -> str:
    """The topmost directory on the way there that is not everybody's to enter."""
    above = [path, *path.parents][::-1]
    return next((str(one) for one in above if not one.stat().st_mode & 0o001), "")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_it_runs_as_a_user_without_any_right(nvml_stand_in: Any, short_path: Path) -> None:
    """Started as nobody with no capability: it reads what is open to all, and exposes it."""
    short_path.chmod(0o755)
    home, hold, library = (short_path / name for name in ("nobody", "hold", "nvml"))
    home.mkdir()
    hold.mkdir()
    os.chown(home, NOBODY, NOBODY)
    shutil.copytree(nvml_stand_in.library, library)
    library.chmod(0o755)
    needed = [Path(sys.base_prefix), Path(sys.prefix), Path(agent_main.__file__).parents[1]]
    blocked = next(filter(None, map(shut_directory, needed)), "")
    inside = [str(one) for one in needed if blocked and one.is_relative_to(blocked)]
    environment = nvml_stand_in.environment(devices=2) | {
        "LD_LIBRARY_PATH": str(library), "NVML_STAND_IN_CONTROL": str(home / "control"),
        "STATE_DIRECTORY": str(home), "RUNTIME_DIRECTORY": str(home), "HOME": str(home),
        "NEEDED": " ".join(inside),
    }  # fmt: skip
    process = subprocess.Popen(
        [*(("unshare", "--mount") if blocked else ()),
         "sh", "-c", AS_NOBODY, "sh", str(hold), str(NOBODY), blocked,
         sys.executable, "-m", "wattline_agents.agent_main",
         "--push", "http://127.0.0.1:9", "--prometheus", "127.0.0.1:0", "--node", "n7"],
        stderr=subprocess.PIPE, text=True, env=environment, cwd=short_path,
    )  # fmt: skip
    with process, terminated(process):
        lines = lines_until(process, "reading nvml, host")
        url = next(line.removeprefix("agent: ") for line in lines if "/metrics" in line)
        status = Path(f"/proc/{process.pid}/status").read_text()
        page = scraped(url, "aif_gpu_power_watts")
        process.terminate()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 0
    assert f"\nUid:\t{NOBODY}\t{NOBODY}\t" in status
    assert "\nCapEff:\t0000000000000000\n" in status
    assert page.count("\naif_gpu_power_watts{") == 2
    assert 'aif_host_memory_size_bytes{node="n7"}' in page
    assert any("jobs count their tokens at" in line for line in lines)
    assert (home / "spool/n7").is_dir()


@contextmanager
def terminated(process: subprocess.Popen[str]) -> Iterator[None]:
    """Whatever is found out meanwhile, the process ends."""
    try:
        yield
    finally:
        process.terminate()


def scraped(url: str, word: str) -> str:
    """The page once it has that word; the first readings take a moment."""
    page: str = ""
    for _ in range(250):
        with urllib.request.urlopen(url, timeout=10) as answer:
            page = answer.read().decode()
        if f"\n{word}{{" in page:
            return page
        time.sleep(0.02)
    raise AssertionError(page)


def test_a_word_in_the_place_of_a_number_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--period", "x"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "wattline-agent: --period: not a number: 'x'; `wattline-agent --help` explains\n"
    )


def test_a_home_directory_in_a_file_name_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/srv/a")
    told = settings("--spool", "~/spool", "--record", "~nobody-of-this-name/r")
    assert (told.spool, told.record) == (Path("/srv/a/spool"), Path("~nobody-of-this-name/r"))


def once(nvml_stand_in: Any, *faults: str) -> "subprocess.CompletedProcess[str]":
    """What `--once` says of two GPUs with these faults."""
    nvml_stand_in.plant(*faults)
    command = [sys.executable, "-m", "wattline_agents.agent_main", "--once", "--source", "nvml"]
    return subprocess.run(
        command, env=nvml_stand_in.environment(), capture_output=True, text=True, timeout=60
    )


def test_once_names_gpus_that_were_lost_and_fails_if_none_is_left(nvml_stand_in: Any) -> None:
    done = once(nvml_stand_in, "lost 1")
    assert done.returncode == 0
    assert done.stderr == "agent: nvml: device 1 could not be read\n"
    assert done.stdout.count("NVIDIA H100") == 1
    done = once(nvml_stand_in, "lost 0", "lost 1")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "agent: nvml: device 0 could not be read",
        "agent: nvml: device 1 could not be read",
    ]
    assert done.stdout == "nothing was read\n"


def test_once_shows_the_activity_of_each_instance(nvml_stand_in: Any) -> None:
    done = once(nvml_stand_in, "mig 1 3g.40gb,2g.20gb,1g.10gb")
    instances = [part for part in done.stdout.split("\n\n") if part.startswith("instance")]
    assert len(instances) == 3
    assert all("not known" not in part for part in instances), instances


def test_once_says_a_failure_once_and_nothing_of_a_later_try(nvml_stand_in: Any) -> None:
    done = once(nvml_stand_in, "fail nvmlInitWithFlags 18")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "driver was changed" in line
    assert "again" not in line
