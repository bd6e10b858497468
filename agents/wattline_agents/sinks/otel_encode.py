"""The short-lived process that has OpenTelemetry's own classes encode points, and hands them back.

It reads a description of points from its input, as plain data, makes the message of it with the
classes that OpenTelemetry generates from the protocol's own description, and takes the encoded
request apart again: the bytes of each point, and where in them its value and its times stand. It
writes them to its output and ends. The agent puts the parts together and fills in numbers, without
the 15 MiB of libraries.

Every number of a field comes from those classes; none is known here or in the agent.
"""

from __future__ import annotations

import gc
import marshal
import os
import struct

TYPE_CHECKING = False  # as little as possible is imported here
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Attributes = dict[str, str | int]

    Described = tuple[str, str, str, str, Sequence[tuple[bool, Attributes, Attributes]]]
    """A metric: its name, its unit in UCUM, one sentence, a value of `Instrument`, and its points:
    whether their values are whole numbers, what they share with others, and what they do not."""

    Description = tuple[str, Attributes, tuple[str, str, Attributes], Sequence[Described]]
    """What is to be encoded: the address of the conventions followed, who exports, name, version
    and attributes of what made the points, and the metrics."""

    Numbers = tuple[int, int, int | float]
    """When a point's count began, its time, both in nanoseconds, and its value."""

    Frame = tuple[bytes, bytes]
    """What stands before the length of a message, and its fields but those that are added."""

    EncodedPoint = tuple[bytes, int, int, int]
    """A point with all that stands before it, and where in it are its value, its time, and since
    when it counts (0: that is not told)."""

    EncodedMetric = tuple[Frame, Frame, list[EncodedPoint]]
    """The frame of the metric, the frame of its data inside that, and its points."""

    Encoded = tuple[list[Frame], list[EncodedMetric]]
    """The frames around all metrics, the outermost first, and the metrics."""

_UNUSED = ("pickle", "calendar", "inspect")
"""What the library's modules import and encoding does not use."""


def encode(description: Description) -> Encoded:
    """Encode points with numbers nobody could guess, to find again where they stand.

    Raises:
        Exception: The libraries are not there, or do this otherwise.
    """
    marks = _marks()
    numbers = [[marks[is_whole] for is_whole, _, _ in metric[4]] for metric in description[3]]
    request = message(description, numbers)
    (resource,) = request.resource_metrics
    (scope,) = resource.scope_metrics
    encoded = []
    for metric, described in zip(scope.metrics, description[3], strict=True):
        kind = metric.WhichOneof("data")
        data = getattr(metric, kind)
        points = [
            _point(data, one, marks[is_whole])
            for one, (is_whole, _, _) in zip(data.data_points, described[4], strict=True)
        ]
        encoded.append(
            (
                _frame(scope, "metrics", metric, kind),
                _frame(metric, kind, data, "data_points"),
                points,
            )
        )
    frames = [
        _frame(request, "resource_metrics", resource, "scope_metrics"),
        _frame(resource, "scope_metrics", scope, "metrics"),
    ]
    return frames, encoded


def message(description: Description, numbers: Sequence[Sequence[Numbers]]) -> Any:
    """The request that says this, with these numbers for the points of each metric."""
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )
    from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

    schema, who, (scope, version, about), described = description
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add(schema_url=schema)
    _describe(resource.resource, who)
    made = resource.scope_metrics.add(schema_url=schema)
    made.scope.name, made.scope.version = scope, version
    _describe(made.scope, about)
    for (name, unit, help, instrument, points), those in zip(described, numbers, strict=True):
        metric = made.metrics.add(name=name, description=help, unit=unit)
        if instrument == "gauge":
            data: Any = metric.gauge
        else:
            data = metric.sum
            data.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
            data.is_monotonic = instrument == "counter"
        for (is_whole, shared, own), (start_ns, time_ns, value) in zip(points, those, strict=True):
            point = data.data_points.add(time_unix_nano=time_ns)
            if instrument != "gauge":
                point.start_time_unix_nano = start_ns
            setattr(point, "as_int" if is_whole else "as_double", value)
            _describe(point, {**shared, **own})
    return request


def _describe(what: Any, attributes: Attributes) -> None:
    for key, value in attributes.items():
        kind = "int_value" if isinstance(value, int) else "string_value"
        setattr(what.attributes.add(key=key).value, kind, value)


def _marks() -> tuple[Numbers, Numbers]:
    """Numbers for a point whose values are fractions, and for one whose values are whole."""
    start, time, whole, fraction = (
        int.from_bytes(os.urandom(8), "little") >> 2 | 1 << 60 for _ in range(4)
    )
    # With this exponent it is a number as any other.
    (value,) = struct.unpack("<d", struct.pack("<Q", fraction & (1 << 56) - 1 | 0x40 << 56))
    return (start, time, value), (start, time, whole)


def _point(data: Any, message: Any, marks: Numbers) -> EncodedPoint:
    start_ns, time_ns, value = marks
    raw = _key(data, "data_points") + _varint(message.ByteSize()) + message.SerializeToString()
    # What is not negative looks the same signed and unsigned.
    value_at = _place(raw, struct.pack("<d" if isinstance(value, float) else "<q", value))
    time_at = _place(raw, struct.pack("<q", time_ns))
    counts = message.start_time_unix_nano
    return raw, value_at, time_at, _place(raw, struct.pack("<q", start_ns)) if counts else 0


def _place(raw: bytes, mark: bytes) -> int:
    if raw.count(mark) != 1:
        raise ValueError("a number is not encoded as eight bytes in one place")
    return raw.index(mark)


def _frame(parent: Any, field: str, message: Any, without: str) -> Frame:
    """The frame of a message inside another, without those fields that are added later."""
    rest = type(message)()
    rest.CopyFrom(message)
    rest.ClearField(without)
    return _key(parent, field), rest.SerializeToString()


def _key(message: Any, field: str) -> bytes:
    """What stands before a field that has a length."""
    return _varint(message.DESCRIPTOR.fields_by_name[field].number << 3 | 2)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def main() -> None:
    """Read a description, encode it, write the outcome."""
    from wattline_agents.lean import load_when_used

    gc.disable()  # it costs a tenth, and nothing lives long here
    for name in _UNUSED:
        load_when_used(name)
    with open(0, "rb") as given, open(1, "wb") as wanted:
        try:
            outcome: Any = encode(marshal.load(given))
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"[:500]
        marshal.dump(outcome, wanted)
        wanted.flush()
        os._exit(0)  # nothing here is worth tidying up
