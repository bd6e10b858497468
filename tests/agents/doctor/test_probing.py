import subprocess
import sys
from typing import Any

import pytest

from wattline_agents.doctor.probing import Probed, keep_newest, probe_all
from wattline_agents.sources.settings import SourceConfig

CONFIG = SourceConfig("s", "n")

HANGS_AT_ONE = """
import json, sys, time
question = json.loads(sys.stdin.readline())
print('{"part": "open"}', flush=True)
for n in range(3):
    if f"GPU-{n}" in question["skip"]:
        continue
    print(json.dumps({"part": f"GPU-{n}"}), flush=True)
    if n == 1:
        time.sleep(60)
    row = {"time_unix_ms": 1, "device": f"GPU-{n}", "up": 1}
    print(json.dumps({"rows": {"device": [row], "nonsense": [row]}}), flush=True)
print('{"end": null}', flush=True)
"""


def run(code: str, **more: Any) -> Probed:
    return probe_all({"x": CONFIG}, command=(sys.executable, "-I", "-c", code), **more)["x"]


def test_real_sources_are_read_in_processes_of_their_own() -> None:
    configs = {
        "host": CONFIG,
        "simulated": SourceConfig("s", "n", options={"devices": "3"}),
        "replay": SourceConfig("s", "n", options={"speed": "max"}),
        "cray": SourceConfig("s", "n", options={"path": "/none"}),
    }
    found = probe_all(configs)
    assert list(found) == list(configs)
    assert found["host"].works
    assert found["host"].readings["node"][0]["cpu_busy_ratio"] is not None, "it takes two readings"
    assert len(found["simulated"].readings["device"]) == 3
    assert found["replay"].mistake is not None
    assert found["cray"].unavailable is not None
    assert not found["cray"].works


def test_a_part_that_hangs_is_named_and_the_others_are_read() -> None:
    probed = run(HANGS_AT_ONE, silence_seconds=1.5)
    assert probed.hung == ["GPU-1"]
    assert [row["device"] for row in probed.readings["device"]] == ["GPU-0", "GPU-2"]
    assert list(probed.readings) == ["device"], "a table nobody knows is left out"


def test_a_source_that_hangs_while_it_opens_is_not_tried_again() -> None:
    code = 'import time; print(\'{"part": "open"}\', flush=True); time.sleep(60)'
    probed = run(code, silence_seconds=0.2)
    assert probed.hung == ["open"]


def test_a_process_that_dies_is_a_failure_that_names_where() -> None:
    code = 'import os; print(\'{"part": "GPU-3"}\', flush=True); os.kill(os.getpid(), 11)'
    assert run(code).failed == ["the process that read it ended at 'GPU-3' (signal 11)"]
    assert run("raise SystemExit(3)").failed == [
        "the process that read it ended at 'start' (exit status 3)"
    ]


def test_a_process_that_ends_before_it_is_asked_is_a_failure_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Ended(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            self.wait()

    monkeypatch.setattr("wattline_agents.doctor.probing.subprocess.Popen", Ended)
    assert run("raise SystemExit(3)").failed == [
        "the process that read it ended at 'start' (exit status 3)"
    ]


def test_what_is_no_answer_is_a_failure() -> None:
    code = "print('hello'); print('[1]'); print('{\"end\": null}', flush=True)"
    assert run(code).failed == ["its process said what is no answer"]


def test_nothing_chosen_is_nothing_read() -> None:
    assert probe_all({}) == {}


def test_the_newest_row_of_a_subject_is_kept() -> None:
    readings: dict[str, Any] = {}
    keep_newest(readings, "device", [{"device": "a", "up": 1}, {"device": "b", "up": 1}])
    keep_newest(readings, "device", [{"device": "a", "up": 0}])
    assert readings == {"device": [{"device": "a", "up": 0}, {"device": "b", "up": 1}]}
