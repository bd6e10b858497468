import ast
import json
import marshal
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.sinks import otel_helper
from wattline_agents.sinks.otel_encode import encode
from wattline_agents.sinks.otel_helper import NotEncoded, encoded, is_installed

DESCRIPTION: Any = (
    "https://opentelemetry.io/schemas/1.44.0",
    {"host.name": "n01"},
    ("wattline_agents", "1", {"wattline.names": 1}),
    [
        ("hw.power", "W", "Power drawn.", "gauge", [(False, {}, {"hw.id": "GPU-1"})]),
        ("hw.energy", "J", "Energy used.", "counter", [(False, {"hw.id": "GPU-1"}, {"n": 2})]),
        (
            "hw.both",
            "1",
            "Said twice.",
            "gauge",
            [(True, {"a": "theirs", "b": "too"}, {"a": "own"})],
        ),
        (
            "hw.memory",
            "By",
            "Memory.",
            "updowncounter",
            [(True, {"hw.id": "µ"}, {}), (True, {}, {})],
        ),
    ],
)


def without_numbers(outcome: Any) -> Any:
    """What was encoded, with nought in the places of numbers: they are others each time."""
    frames, metrics = outcome
    return frames, [
        (frame, inner, [(blank(*point), point[1:]) for point in points])
        for frame, inner, points in metrics
    ]


def blank(raw: bytes, *places: int) -> bytes:
    found = bytearray(raw)
    for place in places:
        if place:
            found[place : place + 8] = bytes(8)
    return bytes(found)


def program(path: Path, *lines: str) -> str:
    """Something else that is started in the interpreter's place."""
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return str(path)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def children() -> set[str]:
    """Processes that this one started and has not waited for; other tests may have theirs."""
    tasks = Path("/proc/self/task").iterdir()
    return {pid for task in tasks for pid in (task / "children").read_text().split()}


def test_the_process_hands_back_what_the_library_encodes() -> None:
    before, started = descriptors(), children()
    assert without_numbers(encoded(DESCRIPTION)) == without_numbers(encode(DESCRIPTION))
    assert descriptors() == before
    assert children() == started


def test_the_process_loads_nothing_of_the_library_that_it_does_not_use() -> None:
    code = """
import os, sys
from wattline_agents.sinks import otel_encode

def end(code):
    loaded = [name for name in sys.argv[1:] if getattr(sys.modules.get(name), "__spec__", None)]
    print(*loaded, file=sys.stderr)
    sys.exit(code)

os._exit = end
otel_encode.main()
"""
    unwanted = ("typing", "datetime", "binascii", "pickle", "inspect")
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, *unwanted, "struct"],
        input=marshal.dumps(DESCRIPTION), capture_output=True, check=True,
    )  # fmt: skip
    assert done.stderr.decode().split() == ["struct"]
    assert without_numbers(marshal.loads(done.stdout)) == without_numbers(encode(DESCRIPTION))


def test_what_a_point_says_itself_counts_before_what_it_shares() -> None:
    _, metrics = encode(DESCRIPTION)
    ((raw, *_),) = metrics[2][2]
    assert (b"theirs" in raw, b"too" in raw, b"own" in raw) == (False, True, True)


def test_more_than_a_pipe_holds_goes_both_ways() -> None:
    points: list[Any] = [
        (True, {}, {"hw.id": f"GPU-{number}", "text": "x" * 50}) for number in range(5_000)
    ]
    schema, resource, scope, _ = DESCRIPTION
    described: Any = schema, resource, scope, [("a", "1", "A.", "gauge", points)]
    _, ((_, _, found),) = encoded(described)
    assert len(found) == 5_000
    assert b"GPU-4999" in found[-1][0]


def test_a_text_with_numbers_in_it_is_no_hindrance() -> None:
    described = (
        *DESCRIPTION[:3],
        [("a", "1", "A.", "gauge", [(True, {}, {"": "\0" * 8 + "\x01" * 8})])],
    )
    _, ((_, _, ((raw, value_at, time_at, start_at),)),) = encode(described)
    assert start_at == 0
    assert abs(value_at - time_at) >= 8
    assert raw[value_at : value_at + 8] != raw[time_at : time_at + 8]


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["exit 1"], "its process was ended"),
        (["cat > /dev/null", "printf nonsense"], "its process was ended"),
        (["exec sleep 60"], "its process took too long"),
        (["exec cat /dev/zero"], "its process answers without an end"),
    ],
)
def test_a_process_that_does_not_do_it_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], complaint: str
) -> None:
    monkeypatch.setattr(otel_helper, "_MOST_ANSWER_BYTES", 1_000_000)
    before, started = descriptors(), children()
    big = (*DESCRIPTION[:3], [("a", "1", "A" * 200_000, "gauge", [])])
    timeout = 0.2 if "long" in complaint else 30
    with pytest.raises(NotEncoded, match=complaint):
        encoded(big, timeout, program(tmp_path / "program", *lines))
    assert descriptors() == before
    assert children() == started


def test_a_program_that_cannot_be_started_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotEncoded, match="no process for it: No such file"):
        encoded(DESCRIPTION, python=str(tmp_path / "none"))


def test_what_the_library_cannot_encode_is_said_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Found before the library that is installed, wherever that and the agent are.
    missing = "raise ModuleNotFoundError(\"No module named 'opentelemetry'\")"
    (tmp_path / "opentelemetry.py").write_text(missing)
    monkeypatch.setattr(otel_helper, "module_places", lambda: [str(tmp_path), *sys.path])
    with pytest.raises(NotEncoded) as caught:
        encoded(DESCRIPTION)
    assert str(caught.value) == (
        "ModuleNotFoundError: No module named 'opentelemetry'; "
        "try pip install --upgrade 'wattline-agents[otlp]'"
    )


def test_whether_the_library_is_installed_is_known_without_loading_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert is_installed()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert not is_installed()


STANDING_BY = """
import json, os, sys, threading
from pathlib import Path

def children():
    tasks = Path("/proc/self/task").iterdir()
    return [pid for task in tasks for pid in (task / "children").read_text().split()]

from wattline_agents.sinks.otel_helper import Standby
standby = Standby()
began = children()
stop = threading.Event()
threading.Thread(target=stop.wait, daemon=True).start()
late = len(children()) - len(began), Standby() and len(children()) - len(began)
print(json.dumps([began, late]), flush=True)
"""


def standing_by(*lines: str) -> tuple[list[str], list[int], str]:
    """What a program with one thread and a standby tells: its children, and the rest it prints."""
    asked = "\n".join([STANDING_BY, *lines])
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    first, _, rest = done.stdout.partition("\n")
    began, late = json.loads(first)
    return began, late, rest


def test_one_that_stands_by_encodes_the_first_time_and_a_fresh_one_later() -> None:
    began, late, rest = standing_by(
        f"description = {DESCRIPTION!r}",
        "for _ in range(2):",
        "    print(repr(standby.encoded(description)))",
        "    print(json.dumps(children()))",
    )
    assert len(began) == 1
    assert late == [0, 0], "beside other threads nothing is forked"
    first, after, second, at_last = rest.splitlines()
    expected = without_numbers(encode(DESCRIPTION))
    assert without_numbers(ast.literal_eval(first)) == expected
    assert without_numbers(ast.literal_eval(second)) == expected
    assert (after, at_last) == ("[]", "[]")


def test_one_that_stands_by_and_is_killed_is_replaced() -> None:
    _, _, rest = standing_by(
        f"description = {DESCRIPTION!r}",
        "os.kill(int(began[0]), 9)",
        "print(repr(standby.encoded(description)))",
    )
    assert without_numbers(ast.literal_eval(rest)) == without_numbers(encode(DESCRIPTION))


def test_one_that_stands_by_ends_with_who_started_it() -> None:
    began, _, _ = standing_by("os._exit(0)")
    until = time.monotonic() + 60
    while is_alive(int(began[0])):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_one_that_stands_by_holds_none_of_the_files_of_who_started_it() -> None:
    _, _, rest = standing_by(
        "import time",
        "place = Path('/proc', began[0], 'fd')",
        "until = time.monotonic() + 60",
        "while len(list(place.iterdir())) > 3 and time.monotonic() < until:",
        "    time.sleep(0.01)  # it has only just been forked",
        "held = sorted(place.iterdir(), key=lambda one: int(one.name))",
        "print(json.dumps([os.readlink(one).split(':')[0] for one in held]))",
    )
    assert json.loads(rest) == ["pipe", "pipe", "/dev/null"]


def is_alive(pid: int) -> bool:
    """Whether it still runs: one that ended and that nobody waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
