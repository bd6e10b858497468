"""Puts encoded points together to requests, and fills in their numbers and times.

From one export to the next mostly numbers change. So each point is what OpenTelemetry's own classes
made of its series once (see `otel_encode`), and from then on only filled in, in place. Putting
points together is writing lengths: a request is a message inside a message, five deep.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

from wattline_agents import __version__
from wattline_agents.config import AgentConfig
from wattline_agents.sinks.otel_data import Point, Series
from wattline_agents.sinks.otel_names import SCHEMA_URL, VERSION, Attributes, Name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattline_agents.sinks.otel_encode import Description, Encoded, EncodedPoint, Frame

_WHOLE, _FRACTION = Struct("<q").pack_into, Struct("<d").pack_into
_WHOLE_BEHIND, _FRACTION_BEHIND = Struct("<qBq").pack_into, Struct("<qBd").pack_into
"""A time, the byte behind it, and a value."""
_NUMBER_BYTES = 8


class Requests:
    """Makes requests of points whose series have been encoded.

    Attributes:
        left_out: How many points of the last request's are of series that have not.
    """

    def __init__(self, agent: AgentConfig) -> None:
        """Begin with nothing encoded."""
        self._resource: dict[str, str | int] = {
            "host.name": agent.node,
            "service.name": "wattline-agent",
            "service.version": __version__,
            # Who keeps series apart by job and instance alone would else mix all nodes.
            "service.instance.id": f"{agent.system}/{agent.node}",
            "wattline.system": agent.system,
        }
        self._frames: list[Frame] = []
        self._metrics: dict[str, _Metric] = {}
        self.left_out = 0

    def described(self, series: Sequence[Series]) -> Description:
        """What the encoder needs to know of these series."""
        scope: Attributes = {"wattline.names": VERSION}
        metrics = [
            (name.name, name.unit, name.help, str(name.instrument.value),
             [(one.is_whole, one.shared, dict(one.name.attributes)) for one in members])
            for name, members in _by_name(series)
        ]  # fmt: skip
        return SCHEMA_URL, self._resource, ("wattline_agents", __version__, dict(scope)), metrics

    def learn(self, series: Sequence[Series], encoded: Encoded) -> None:
        """Take what the encoder made of the description of these series."""
        self._frames, metrics = encoded
        for (name, members), (frame, inner, points) in zip(_by_name(series), metrics, strict=True):
            metric = self._metrics.get(name.name)
            if metric is None or (metric.frame, metric.inner) != (frame, inner):
                metric = self._metrics[name.name] = _Metric(frame, inner)
            for one, point in zip(members, points, strict=True):
                one.encoded = Filler(metric, point, is_whole=one.is_whole)

    def filled(self, points: Sequence[Point]) -> bytes | None:
        """The request with these points.

        Points of series not yet encoded are left out, and counted in `left_out`; None if no others
        are there.
        """
        self.left_out = 0
        metrics: list[_Metric] = []
        for series, time_ns, value in points:
            filler = series.encoded
            if filler is None:
                self.left_out += 1
                continue
            raw = filler.raw
            if filler.between is None:
                _WHOLE(raw, filler.time_at, time_ns)
                filler.write(raw, filler.value_at, value)
            else:
                filler.write(raw, filler.time_at, time_ns, filler.between, value)
            if filler.start_at and filler.start_ns != series.start_ns:
                filler.start_ns = series.start_ns
                _WHOLE(raw, filler.start_at, series.start_ns)
            if not filler.metric.points:
                metrics.append(filler.metric)
            filler.metric.points.append(raw)
        if not metrics:
            return None
        parts: list[bytes | bytearray] = []
        size = 0
        for metric in metrics:
            length = sum(map(len, metric.points))
            head = metric.head(length)
            parts.append(head)
            parts += metric.points
            metric.points.clear()
            size += len(head) + length
        before = b""
        for key, rest in reversed(self._frames):
            before = _message(key, rest + before, size)
        return b"".join([before, *parts])


class _Metric:
    """A metric of the requests.

    Attributes:
        frame: Its frame.
        inner: The frame of its data inside that.
        points: Those of the request that is being put together.
    """

    __slots__ = ("_head", "_length", "frame", "inner", "points")

    def __init__(self, frame: Frame, inner: Frame) -> None:
        self.frame, self.inner = frame, inner
        self.points: list[bytearray] = []
        self._length, self._head = -1, b""

    def head(self, length: int) -> bytes:
        """What stands before points of that many bytes."""
        if length != self._length:
            (key, rest), (inner_key, inner_rest) = self.frame, self.inner
            inner = _message(inner_key, inner_rest, length)
            self._length, self._head = length, _message(key, rest + inner, length)
        return self._head


class Filler:
    """A point that is encoded, and how its numbers get into it.

    Attributes:
        metric: The metric it is a point of.
        raw: The point, with the numbers of the last export.
        start_ns: Since when it counts, as that stands in it.
        between: The byte between time and value, where it is one: then both are written at once.
        write: Writes a value there, with the time before it where that goes at once.
        start_at: Where in it that stands; 0: nowhere.
        time_at: Where its time stands.
        value_at: Where its value stands.
    """

    __slots__ = ("between", "metric", "raw", "start_at", "start_ns", "time_at", "value_at", "write")

    def __init__(self, metric: _Metric, point: EncodedPoint, *, is_whole: bool) -> None:
        """Take what the encoder made of it."""
        raw, self.value_at, self.time_at, self.start_at = point
        self.metric, self.raw = metric, bytearray(raw)
        self.start_ns = 0
        self.between: int | None = None
        self.write = _WHOLE if is_whole else _FRACTION
        if self.value_at == self.time_at + _NUMBER_BYTES + 1:
            self.between = raw[self.time_at + _NUMBER_BYTES]
            self.write = _WHOLE_BEHIND if is_whole else _FRACTION_BEHIND


def _by_name(series: Sequence[Series]) -> list[tuple[Name, list[Series]]]:
    """Which series have which name: points of one name are one metric."""
    members: dict[str, tuple[Name, list[Series]]] = {}
    for one in series:
        members.setdefault(one.name.name, (one.name, []))[1].append(one)
    return list(members.values())


def _message(key: bytes, fields: bytes, more: int) -> bytes:
    """The beginning of a message with these fields, and so many bytes that follow."""
    length = len(fields) + more
    out = bytearray(key)
    while length > 0x7F:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    out.append(length)
    return bytes(out) + fields
