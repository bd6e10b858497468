import json
import random
from dataclasses import replace
from typing import Any

import pytest

from wattline_agents.catalogue import JOB, JOB_MODEL
from wattline_agents.errors import WireError
from wattline_agents.job.message import MOST_BYTES, MOST_DEVICES, Message
from wattline_agents.wire import MAX_TEXT_BYTES

MESSAGE = Message(
    job="42",
    member="0123456789abcdef",
    pid=7,
    start_unix_ms=1_790_000_000_000,
    name="llama",
    project="p1",
    devices=("GPU-1", "0"),
    counters={"tokens_trained_total": 5, "flops_total": 1.5, "phase_step_seconds_total": 2.0},
    run="r1",
    gauges={"step": 7, "step_resumed": 3, "step_saved": 5},
    model={"model": "m", "parameters": 9, "flops_per_token": 54.0, "formula": "6n"},
)


def test_a_message_comes_back_as_it_was() -> None:
    assert Message.decode(MESSAGE.encode()) == MESSAGE


def test_the_largest_message_fits_in_a_datagram() -> None:
    counters = {
        metric.column: 10**15 if metric.type == "int64" else 123456789.123456789e9
        for metric in JOB.metrics
        if metric.kind == "counter"
    }
    model = {
        field.column: "\U00020000" * 128 if field.type == "string" else 123456789.123456789e9
        for field in JOB_MODEL.fields[2:]
    } | {name: 10**15 for name in ("parameters", "parameters_active", "layers", "heads")}
    model |= {"head_dimension": 10**15, "sequence_length": 10**15}
    large = replace(
        MESSAGE,
        job="j" * 128,
        name="\U00020000" * 128,
        project="\U00020000" * 128,
        run="\U00020000" * 128,
        devices=tuple(f"GPU-{number:036d}" for number in range(MOST_DEVICES)),
        counters=counters,
        gauges={"step": 10**18, "step_resumed": 10**18, "step_saved": 10**18},
        model=model,
    )
    assert len(large.encode()) <= MOST_BYTES
    read = Message.decode(large.encode())
    assert (read.counters, read.gauges, read.devices) == (counters, large.gauges, large.devices)
    assert read.name == "\U00020000" * 64, "no text is longer than a column holds"
    texts = [read.name, read.project, read.run, read.model and read.model["model"]]
    assert all(isinstance(text, str) and len(text.encode()) <= MAX_TEXT_BYTES for text in texts)


def test_a_message_of_the_first_version_is_still_understood() -> None:
    document = json.loads(MESSAGE.encode())
    for later in ("run", "gauges", "model"):
        del document[later]
    old = Message.decode(json.dumps(document | {"v": 1}).encode())
    assert old == replace(MESSAGE, run=None, gauges={}, model=None)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"v": 3}, "not version 2 or before"),
        ({"v": True}, "not version 2 or before"),
        ({"v": 1}, "no field 'gauges'"),
        ({"extra": 1}, "no field 'extra'"),
        ({"job": "a b"}, "job.job: 'a b' is not a name"),
        ({"job": "../../etc"}, "is not a name"),
        ({"job": "x" * 129}, "job.job: not a text of 1 to 128"),
        ({"job": 7}, "job.job: not a text"),
        ({"member": "xyz"}, "job.member: not 16 hex"),
        ({"member": "0123456789ABCDEF"}, "job.member: not 16 hex"),
        ({"pid": -1}, "job.pid: not a whole number"),
        ({"pid": True}, "job.pid: not a whole number"),
        ({"pid": 1.5}, "job.pid: not a whole number"),
        ({"start_unix_ms": 10**30}, "job.start_unix_ms: not a whole number"),
        ({"name": ""}, "job.name: not a text"),
        ({"name": "a\nb"}, "job.name: has characters that cannot be printed"),
        ({"name": "\x1b[2J"}, "job.name: has characters that cannot be printed"),
        ({"name": "\u202e"}, "job.name: has characters that cannot be printed"),
        ({"kind": "mining"}, "job.kind: not one of training"),
        ({"kind": ["training"]}, "job.kind: not one of training"),
        ({"state": "paused"}, "job.state: not one of running"),
        ({"project": 7}, "job.project: not a text"),
        ({"devices": "0"}, "job.devices: not a list"),
        ({"devices": ["0"] * 129}, "job.devices: not a list of at most"),
        ({"devices": [0]}, "job.devices: not UUIDs"),
        ({"devices": ["GPU 1; rm"]}, "job.devices: not UUIDs"),
        ({"counters": []}, "job.counters: not an object"),
        ({"counters": {"tokens": 1}}, "job.counters: no counter 'tokens'"),
        ({"counters": {"steps_total": -1}}, "job.counters.steps_total: negative"),
        ({"counters": {"steps_total": 1.5}}, "job.counters.steps_total: negative, or part"),
        ({"counters": {"steps_total": True}}, "job.counters.steps_total: not a number"),
        ({"counters": {"steps_total": "1"}}, "job.counters.steps_total: not a number"),
        ({"counters": {"steps_total": 10**30}}, "job.counters.steps_total: too large"),
        ({"counters": {"flops_total": float("inf")}}, "job.counters.flops_total: too large"),
        ({"counters": {"flops_total": float("nan")}}, "job.counters.flops_total: too large"),
        ({"counters": {"step": 7}}, "job.counters: no counter 'step'"),
        ({"run": "a\nb"}, "job.run: has characters that cannot be printed"),
        ({"run": "x" * 1_000_000}, "a datagram of more than"),
        ({"gauges": []}, "job.gauges: not an object"),
        ({"gauges": {"steps_total": 1}}, "job.gauges: no gauge 'steps_total'"),
        ({"gauges": {"step": -1}}, "job.gauges.step: negative"),
        ({"gauges": {"step": 1.5}}, "job.gauges.step: negative, or part"),
        ({"model": []}, "job.model: not an object"),
        ({"model": {"colour": "red"}}, "job.model: no column 'colour'"),
        ({"model": {"model": "<b>\x1b[2J"}}, "job.model.model: has characters"),
        ({"model": {"parameters": 10**30}}, "job.model.parameters: too large"),
        ({"model": {"flops_per_token": 1e31}}, "job.model.flops_per_token: too large"),
        ({"gauges": {"step": 10**18 + 1}}, "job.gauges.step: too large"),
        ({"model": {"parameters": "many"}}, "job.model.parameters: not a number"),
    ],
)
def test_a_hostile_field_is_refused_in_one_printable_line(
    change: dict[str, Any], complaint: str
) -> None:
    document = json.loads(MESSAGE.encode()) | change
    with pytest.raises(WireError) as raised:
        Message.decode(json.dumps(document).encode())
    assert complaint in str(raised.value)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"hello",
        b"\xff\xfe",
        b"[]",
        b"7",
        b'"text"',
        b"[" * 8000,
        b'{"v":1,"job":' + b"[" * 7000,
        b"x" * (MOST_BYTES + 1),
        b'{"v":' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_message_is_refused(datagram: bytes) -> None:
    with pytest.raises(WireError):
        Message.decode(datagram)


def test_a_spoiled_datagram_is_refused_or_still_a_message() -> None:
    chance = random.Random(1)
    good = MESSAGE.encode()
    for _ in range(3000):
        spoiled = bytearray(good)
        for _ in range(chance.randrange(1, 4)):
            spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
        try:
            Message.decode(bytes(spoiled[: chance.randrange(len(spoiled) + 1) or None]))
        except WireError as error:
            assert str(error).isprintable()
