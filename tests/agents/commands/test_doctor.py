import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.commands.doctor import COMMAND
from wattline_agents.errors import InputError


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, short_path: Path) -> None:
    """No agent, token or terminal of the machine that tests run on."""
    for name in ("WATTLINE_JOB_SOCKET", "WATTLINE_TOKEN_FILE", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STATE_DIRECTORY", str(short_path))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(short_path))


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch, nvml_stand_in: Any) -> Any:
    """Two H100s for the processes that are started, and faults that can be planted."""
    for name, value in nvml_stand_in.environment(devices=2).items():
        monkeypatch.setenv(name, value)
    return nvml_stand_in


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    COMMAND.configure(parser)
    return COMMAND.run(parser.parse_args(words))


def findings(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[bool, list[dict[str, Any]]]:
    """Whether all is well, and the findings; the exit code must agree."""
    code = run("--json", *words)
    document = json.loads(capsys.readouterr().out)
    assert code == (0 if document["works"] else 1)
    return document["works"], [one for part in document["sections"] for one in part["findings"]]


def test_a_node_whose_gpus_are_read_is_well(gpus: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--source", "nvml", "--source", "host") == 0
    page = capsys.readouterr().out
    assert page.startswith("What the configuration asks for works on this node.\n")
    assert "2 x NVIDIA H100 80GB HBM3: " in page
    assert "\x1b" not in page


def test_what_the_file_asks_for_is_what_is_looked_at(
    gpus: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('sources = ["host"]\n[push]\nurl = "http://127.0.0.1:9"\n')
    works, found = findings(capsys, "--config", str(file))
    assert not works
    (problem,) = [one for one in found if one["mark"] == "problem"]
    assert problem["what"] == "collector http://127.0.0.1:9: Connection refused"
    assert not any("H100" in one["what"] for one in found)


def test_a_collector_and_its_token_are_tried(
    collector: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    collector.answers = [(400, {}), (401, {})]
    words = ("--source", "host", "--push", collector.url, "--token-file", str(token))
    assert findings(capsys, *words)[0]
    works, found = findings(capsys, *words)
    assert not works
    assert any("refuses this token (HTTP 401)" in one["what"] for one in found)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("unloaded", "the NVIDIA driver is installed and not loaded"),
        ("fail nvmlInitWithFlags 4", "this user may not open the NVIDIA devices"),
        ("fail nvmlInitWithFlags 18", "the NVIDIA driver was changed while its library was in use"),
    ],
)
def test_a_driver_that_does_not_work_says_why(
    gpus: Any, capsys: pytest.CaptureFixture[str], fault: str, words: str
) -> None:
    gpus.plant(fault)
    works, found = findings(capsys, "--source", "nvml")
    assert not works
    (problem,) = [one for one in found if one["mark"] == "problem"]
    assert words in problem["what"]


def test_activity_that_is_refused_comes_with_its_cure(
    gpus: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    gpus.plant("gpm_deny 1")
    works, found = findings(capsys, "--source", "nvml")
    assert works, "what is refused is not asked for by name"
    healthy, denied = [one for one in found if "NVIDIA H100" in one["what"]]
    assert "sm_active_ratio" not in healthy["data"]["off"]
    assert denied["data"]["off"]["sm_active_ratio"] == "the driver refuses it to this user"
    assert "NVreg_RestrictProfilingToAdminUsers=0" in denied["cure"]


def test_fields_that_an_old_driver_does_not_know_are_said(
    gpus: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    gpus.plant("fail 230 2")
    _, found = findings(capsys, "--source", "nvml")
    (device,) = [one for one in found if "NVIDIA H100" in one["what"]]
    assert device["data"]["off"]["recovery_action"] == "the driver is too old to know it"


def test_a_gpu_that_hangs_holds_up_neither_the_others_nor_the_doctor(
    gpus: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattline_agents.doctor.probing.SILENCE_SECONDS", 2.0)
    gpus.plant("hang 1")
    works, found = findings(capsys, "--source", "nvml")
    assert not works
    assert any("does not answer" in one["what"] for one in found if one["mark"] == "problem")
    (healthy,) = [one for one in found if "NVIDIA H100" in one["what"]]
    assert len(healthy["data"]["devices"]) == 1


def test_a_mistake_in_the_file_is_one_line_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text("\n[pussh]\n")
    with pytest.raises(InputError, match=r"agent\.toml:2: pussh: no such key; did you mean 'push'"):
        run("--config", str(file))
