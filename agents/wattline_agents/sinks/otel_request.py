"""Puts encoded points together to requests, and fills in their numbers and times.

From one export to the next mostly numbers change. So for a set of series a request is put together
once, of what OpenTelemetry's own encoder made of each series (see `otel_encode`), and from then on
only filled in, in place. Putting together is writing lengths: a request is a message inside a
message, five deep.
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
    from wattline_agents.sinks.otel_encode import Description, Encoded, Frame

_MOST_LAYOUTS = 2
"""Sets of series: columns come at different paces, so sets alternate."""

_WHOLE, _FRACTION = Struct("<q").pack_into, Struct("<d").pack_into


class Requests:
    """Makes requests of points whose series have been encoded."""

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
        self._heads: dict[str, tuple[Frame, Frame]] = {}
        self._layouts: dict[tuple[Series, ...], _Layout] = {}

    def described(self, series: Sequence[Series]) -> Description:
        """What the encoder needs to know of these series."""
        scope: Attributes = {"wattline.names": VERSION}
        metrics = [
            (name.name, name.unit, name.help, str(name.instrument.value),
             [(one.is_whole, dict(one.attributes)) for one in members])
            for name, members in _by_name(series)
        ]  # fmt: skip
        return SCHEMA_URL, self._resource, ("wattline_agents", __version__, dict(scope)), metrics

    def learn(self, series: Sequence[Series], encoded: Encoded) -> None:
        """Take what the encoder made of the description of these series."""
        self._frames, metrics = encoded
        for (name, members), (frame, inner, points) in zip(_by_name(series), metrics, strict=True):
            self._heads[name.name] = (frame, inner)
            for one, point in zip(members, points, strict=True):
                one.encoded = point

    def filled(self, points: Sequence[Point]) -> bytearray | None:
        """The request with these points; good until the next is filled.

        Points of series not yet encoded are left out; None if no others are there.
        """
        points = [point for point in points if point[0].encoded is not None]
        if not points:
            return None
        key = tuple([point[0] for point in points])
        layout = self._layouts.pop(key, None)
        if layout is None:
            if len(self._layouts) >= _MOST_LAYOUTS:
                del self._layouts[next(iter(self._layouts))]
            layout = _Layout(key, self._frames, self._heads)
        self._layouts[key] = layout  # the last is the newest
        return layout.filled(points)


class _Layout:
    """A request for a fixed set of series."""

    def __init__(
        self,
        series: Sequence[Series],
        frames: Sequence[Frame],
        heads: dict[str, tuple[Frame, Frame]],
    ) -> None:
        """Put it together, with whatever numbers."""
        blocks: list[tuple[bytes, list[Series]]] = []
        size = 0
        for name, members in _by_name(series):
            (key, rest), (inner_key, inner_rest) = heads[name.name]
            points = sum(len(_raw(one)) for one in members)
            inner = _message(inner_key, inner_rest, points)
            before = _message(key, rest + inner, points)
            blocks.append((before, members))
            size += len(before) + points
        head = b""
        for key, rest in reversed(frames):
            head = _message(key, rest + head, size)
        self._buffer = bytearray(head)
        at: dict[Series, int] = {}
        for before, members in blocks:
            self._buffer += before
            for one in members:
                at[one] = len(self._buffer)
                self._buffer += _raw(one)
        self._at = [at[one] for one in series]

    def filled(self, points: Sequence[Point]) -> bytearray:
        """The request with the numbers of these points, which are of the series it is for."""
        buffer = self._buffer
        for (series, time_ns, value), at in zip(points, self._at, strict=True):
            _, value_at, time_at, start_at = series.encoded  # type: ignore[misc]
            _WHOLE(buffer, at + time_at, time_ns)
            (_WHOLE if series.is_whole else _FRACTION)(buffer, at + value_at, value)
            if start_at:
                _WHOLE(buffer, at + start_at, series.start_ns)
        return buffer


def _raw(series: Series) -> bytes:
    return series.encoded[0]  # type: ignore[index]


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
