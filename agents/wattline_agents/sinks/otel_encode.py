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
import sys

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

_UNUSED = (
    "pickle", "calendar", "inspect", "binascii",
    # What does in Python what the library does in C, and half of what it would load.
    "google.protobuf.internal.python_message",
    "google.protobuf.descriptor_database", "google.protobuf.text_encoding",
)  # fmt: skip
"""What the library's modules import and encoding does not use."""

_WELL_KNOWN = "google.protobuf.internal.well_known_types"
"""What the library adds to messages of its own, such as a time's; no metric has one. It would load
`typing` and `datetime`, a fifth of all that is loaded."""


def encode(description: Description) -> Encoded:
    """Encode points with numbers nobody could guess, to find again where they stand.

    Points are alike but for their attributes, and devices have theirs in every metric. So each kind
    of point, each set of attributes that points share and each that they do not is encoded once:
    one message behind the other is one message with the fields of both.

    Raises:
        Exception: The libraries are not there, or do this otherwise.
    """
    request = message(description)
    (resource,) = request.resource_metrics
    (scope,) = resource.scope_metrics
    points = _Points()
    encoded = []
    for metric, described in zip(scope.metrics, description[3], strict=True):
        kind = metric.WhichOneof("data")
        data = getattr(metric, kind)
        key, counts = _key(data, "data_points"), described[3] != "gauge"
        encoded.append(
            (
                _frame(scope, "metrics", metric, kind),
                (_key(metric, kind), data.SerializeToString()),
                [
                    points.encoded(key, is_whole, counts, shared, own)
                    for is_whole, shared, own in described[4]
                ],
            )
        )
    frames = [
        _frame(request, "resource_metrics", resource, "scope_metrics"),
        _frame(resource, "scope_metrics", scope, "metrics"),
    ]
    return frames, encoded


def message(description: Description) -> Any:
    """The request that says this, without the points."""
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
    for name, unit, help, instrument, _points in described:
        metric = made.metrics.add(name=name, description=help, unit=unit)
        if instrument == "gauge":
            metric.gauge.SetInParent()
        else:
            metric.sum.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
            metric.sum.is_monotonic = instrument == "counter"
    return request


class _Points:
    """Points that have been encoded, in parts."""

    def __init__(self) -> None:
        from opentelemetry.proto.metrics.v1.metrics_pb2 import NumberDataPoint

        self._kind = NumberDataPoint
        self._marks = _marks()
        self._numbers: dict[tuple[bool, bool], EncodedPoint] = {}
        self._attributes: dict[tuple[tuple[str, str | int], ...], bytes] = {}

    def encoded(
        self, key: bytes, is_whole: bool, counts: bool, shared: Attributes, own: Attributes
    ) -> EncodedPoint:
        """A point of a metric.

        Args:
            key: What stands before the length of each of its points.
            is_whole: Whether its values are whole numbers.
            counts: Whether it has a time since when it counts.
            shared: What tells it from the others, as far as it shares that with some.
            own: What it does not share; it counts where both say it.
        """
        numbers = self._numbers.get((is_whole, counts))
        if numbers is None:
            numbers = self._numbers[is_whole, counts] = self._made(is_whole, counts)
        if own.keys().isdisjoint(shared):
            told = self._told(shared) + self._told(own)
        else:
            told = self._told({**shared, **own})
        raw, value_at, time_at, start_at = numbers
        before = key + _varint(len(raw) + len(told))
        by = len(before)
        return before + raw + told, value_at + by, time_at + by, start_at + by if counts else 0

    def _told(self, attributes: Attributes) -> bytes:
        """A point that has nothing but these."""
        place = tuple(attributes.items())
        told = self._attributes.get(place)
        if told is None:
            point = self._kind()
            _describe(point, attributes)
            told = self._attributes[place] = point.SerializeToString()
        return told

    def _made(self, is_whole: bool, counts: bool) -> EncodedPoint:
        """One without attributes and without what stands before it."""
        start_ns, time_ns, value = self._marks[is_whole]
        point = self._kind(time_unix_nano=time_ns)
        if counts:
            point.start_time_unix_nano = start_ns
        setattr(point, "as_int" if is_whole else "as_double", value)
        raw = point.SerializeToString()
        # What is not negative looks the same signed and unsigned.
        value_at = _place(raw, struct.pack("<q" if is_whole else "<d", value))
        time_at = _place(raw, struct.pack("<q", time_ns))
        return raw, value_at, time_at, _place(raw, struct.pack("<q", start_ns)) if counts else 0


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
    for name in (*_UNUSED, _WELL_KNOWN):
        load_when_used(name)
    sys.modules[_WELL_KNOWN].__dict__.setdefault("WKTBASES", {})
    with open(0, "rb") as given, open(1, "wb") as wanted:
        try:
            outcome: Any = encode(marshal.load(given))
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"[:500]
        marshal.dump(outcome, wanted)
        wanted.flush()
        os._exit(0)  # nothing here is worth tidying up
