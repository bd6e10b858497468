"""One unary gRPC call over a Unix socket, without waiting: all of HTTP/2 that it takes.

grpcio would cost the agent 26 MiB and six threads, more than all the rest of it, for a question of
a few hundred bytes every 15 seconds. What is here: a connection of its own per call, one stream,
windows so large that no flow control is needed, and no look at headers: an answer of a unary call
is one message, and where there is none the call was refused.

RFC 9113 (HTTP/2), RFC 7541 (HPACK, of which only the plainest form is written and nothing is
read), and gRPC over HTTP/2 as its PROTOCOL-HTTP2 page defines it.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

from wattline_agents.errors import ReadFailed

MOST_BYTES = 16 * 1024 * 1024
"""Of one answer; a node with 500 pods of 8 devices makes 100 kB."""

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS, _PADDED = 0x1, 0x1, 0x4, 0x8
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _INITIAL_WINDOW_SIZE = 1, 2, 4
_MOST_FRAME_BYTES = 16_384
"""What a peer may send that was told nothing else."""
_FRAME_HEADER_BYTES = 9
_MESSAGE_HEADER_BYTES = 5
_FIRST_WINDOW = 65_535
_READ_BYTES = 256 * 1024
_MOST_READS = 64
"""Reads at one tick: 16 MiB; a peer that says more without end is not read for ever."""


class KubeletCall:
    """One call on its way."""

    def __init__(self, path: str, method: str, request: bytes = b"") -> None:
        """Connect and ask; nothing is waited for.

        Args:
            path: The socket.
            method: Service and method, `/v1.PodResourcesLister/List`.
            request: The encoded request.

        Raises:
            ReadFailed: Nobody listens there, or we may not ask.
        """
        self._buffer = bytearray()
        self._message = bytearray()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.setblocking(False)
            self._socket.connect(path)
            opening = _opening(method, request)
            sent = self._socket.send(opening, socket.MSG_NOSIGNAL)
        except OSError as error:
            self.close()
            raise ReadFailed(f"{path}: {error.strerror or error}") from error
        if sent < len(opening):
            self.close()
            raise ReadFailed(f"{path}: takes nothing in")

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def step(self) -> bytes | None:
        """Read what has come.

        Returns:
            The answer, or None while it is not all there.

        Raises:
            ReadFailed: It will never come: refused, broken off, too long, or no HTTP/2.
        """
        for _ in range(_MOST_READS):
            try:
                chunk = self._socket.recv(_READ_BYTES)
            except BlockingIOError:
                return None
            except OSError as error:
                raise ReadFailed(f"the kubelet broke off: {error.strerror}") from error
            if not chunk:
                raise ReadFailed("the kubelet hung up before it answered")
            self._buffer += chunk
            if (answer := self._frames()) is not None:
                return answer
        return None

    def _frames(self) -> bytes | None:
        """Take in the whole frames of the buffer; the answer if its stream ended."""
        at, buffer = 0, self._buffer
        try:
            while len(buffer) - at >= _FRAME_HEADER_BYTES:
                size = int.from_bytes(buffer[at : at + 3], "big")
                if size > _MOST_FRAME_BYTES:
                    raise ReadFailed("the answer is no HTTP/2")
                end = at + _FRAME_HEADER_BYTES + size
                if len(buffer) < end:
                    break
                kind, flags = buffer[at + 3], buffer[at + 4]
                stream = int.from_bytes(buffer[at + 5 : at + 9], "big") & 0x7FFFFFFF
                body = bytes(buffer[at + _FRAME_HEADER_BYTES : end])
                at = end
                if self._take(kind, flags, stream, body):
                    return self._answer()
        finally:
            del buffer[:at]
        return None

    def _take(self, kind: int, flags: int, stream: int, body: bytes) -> bool:
        """Take one frame in; whether the stream has ended."""
        if kind == _SETTINGS and not flags & _ACK:
            self._acknowledge(_frame(_SETTINGS, _ACK, 0))
        elif kind == _PING and not flags & _ACK:
            self._acknowledge(_frame(_PING, _ACK, 0, body))
        elif kind == _GOAWAY:
            # It may still finish our stream; that it lets go of others is not our concern.
            if int.from_bytes(body[:4], "big") & 0x7FFFFFFF < 1:
                raise ReadFailed("the kubelet takes no calls now")
        elif stream != 1:
            return False
        elif kind == _RST_STREAM:
            raise ReadFailed(f"the kubelet gave the call up ({int.from_bytes(body[:4], 'big')})")
        elif kind == _DATA:
            if flags & _PADDED:
                body = body[1 : len(body) - body[0]] if body else b""
            self._message += body
            if len(self._message) > MOST_BYTES:
                raise ReadFailed(f"the answer is longer than {MOST_BYTES} bytes")
        return kind in (_DATA, _HEADERS) and bool(flags & _END_STREAM)

    def _answer(self) -> bytes:
        message = self._message
        if len(message) < _MESSAGE_HEADER_BYTES:
            raise ReadFailed("the kubelet refused the call")
        is_packed, size = struct.unpack(">?I", message[:_MESSAGE_HEADER_BYTES])
        if is_packed or len(message) - _MESSAGE_HEADER_BYTES != size:
            raise ReadFailed("the answer is not one whole message")
        return bytes(message[_MESSAGE_HEADER_BYTES:])

    def _acknowledge(self, data: bytes) -> None:
        """Tell a peer that it was heard; one that has hung up may have answered before."""
        with suppress(OSError):
            self._socket.send(data, socket.MSG_NOSIGNAL)


def _opening(method: str, request: bytes) -> bytes:
    """All that is said in a call."""
    settings = b"".join(
        struct.pack(">HI", name, value)
        for name, value in (
            (_HEADER_TABLE_SIZE, 0),
            (_ENABLE_PUSH, 0),
            (_INITIAL_WINDOW_SIZE, MOST_BYTES + _READ_BYTES),
        )
    )
    window = struct.pack(">I", MOST_BYTES + _READ_BYTES - _FIRST_WINDOW)
    headers = b"".join(
        # Literal, not indexed, with a new name, and nothing packed: lengths are below 127.
        b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value
        for name, value in (
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", method.encode()),
            (b":authority", b"localhost"),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
            (b"user-agent", b"wattline"),
        )
    )
    message = struct.pack(">?I", False, len(request)) + request
    return b"".join(
        (
            _PREFACE,
            _frame(_SETTINGS, 0, 0, settings),
            _frame(_WINDOW_UPDATE, 0, 0, window),
            _frame(_HEADERS, _END_HEADERS, 1, headers),
            _frame(_DATA, _END_STREAM, 1, message),
        )
    )


def _frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    return len(body).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + body
