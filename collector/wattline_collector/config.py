"""What the collector is told when it starts, and the limits it keeps."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from wattline_agents.errors import UsageError

DEFAULT_LISTEN = "127.0.0.1:8600"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a collector runs.

    Attributes:
        store: The store's directory.
        host: Address to listen at.
        port: Port to listen at; 0 takes a free one.
        book_every_seconds: How often the books are brought up to date, at most.
        seal_every_seconds: How often the log becomes segments, at most.
        settle_seconds: How old rows must be to be booked: agents send a few seconds late.
        group_seconds: The longest a batch waits for others to share its fsync. One that arrives
            after a quiet while does not wait.
        seal_bytes: The log is sealed before its time at this size; it bounds memory and restarts.
        waiting_bytes: Batches not yet durable; beyond it agents are told to come back.
        unsealed_bytes: Log not yet sealed; beyond it too: sealing does not keep up, or fails.
        body_seconds: A request's body must have arrived by then.
        alert_every_seconds: How often rules of alerts are judged.
        bundles: Where bundles of factories lie, with the ring of keys; `bundles` in the store if
            None.
    """

    store: Path
    host: str = "127.0.0.1"
    port: int = 8600
    book_every_seconds: float = 15.0
    seal_every_seconds: float = 600.0
    settle_seconds: float = 10.0
    group_seconds: float = 0.25
    seal_bytes: int = 64 * 1024 * 1024
    waiting_bytes: int = 64 * 1024 * 1024
    unsealed_bytes: int = 1024 * 1024 * 1024
    body_seconds: float = 30.0
    alert_every_seconds: float = 15.0
    bundles: Path | None = None

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it; tokens travel in the clear otherwise."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def parse_listen(text: str) -> tuple[str, int]:
    """`HOST:PORT` as host and port; an IPv6 address stands in brackets.

    Raises:
        UsageError: It is not that.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--listen: {text!r} is not HOST:PORT, such as {DEFAULT_LISTEN}")
    return host, int(port)
