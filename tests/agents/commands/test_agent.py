import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.agent_main import main


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
    with process:
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
    with process:
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
        (["--push", "http://x", "--source", "gpu"], "no source 'gpu'; there are nvml, host"),
        (["--once", "--source", "replay:path=/none"], "source replay: no recording at /none"),
        (["--once", "--devices", "2"], "--devices: only a simulated node is told"),
        (["--once", "--period", "0"], "period: not from 0.1 to 3600"),
        (["--once", "--node", "a b"], "node: 'a b' is not a name"),
        (["--once", "--config", "/none.toml"], "/none.toml: No such file"),
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
    assert main([*arguments, "--no-jobs"]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("wattline-agent: ")
    assert complaint in last


def test_arguments_win_over_the_file(tmp_path: Path) -> None:
    import argparse

    from wattline_agents.commands.agent import COMMAND, settings_of

    file = tmp_path / "agent.toml"
    file.write_text('node = "n01"\nsystem = "s1"\n[push]\nurl = "http://a"\nevery_seconds = 9')
    parser = argparse.ArgumentParser()
    COMMAND.configure(parser)
    settings = settings_of(
        parser.parse_args(["--config", str(file), "--node", "n02", "--push", "http://b"])
    )
    assert (settings.agent.node, settings.agent.system) == ("n02", "s1")
    assert (settings.push, settings.push_every_seconds) == ("http://b", 9.0)
