"""A webhook: each message as JSON, signed so that the receiver knows whose it is.

`X-Wattline-Signature: sha256=HEX` is the HMAC of `TIMESTAMP.BODY` with the secret, and
`X-Wattline-Timestamp` the timestamp, seconds since 1970: a receiver that refuses old ones cannot be
told a message twice by somebody else.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from wattline_agents.clock import Clock
from wattline_collector.access import read_token
from wattline_collector.alerts.notify.post import checked_address, post
from wattline_collector.alerts.notify.queued import Queued
from wattline_collector.alerts.telling import Message, Told


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What `X-Wattline-Signature` says."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


class Webhook:
    """Tells an address of somebody's own."""

    name = "webhook"

    def __init__(
        self, url: str, secret_file: Path | None, clock: Clock, say: Callable[[str], None]
    ) -> None:
        """Tell the one at this address.

        Args:
            url: Its address.
            secret_file: Holds the secret messages are signed with; None: they are not signed.
            clock: For the timestamp.
            say: Takes the few lines meant for a person.

        Raises:
            UsageError: It is no address, or the secret is none.
        """
        self._url = checked_address(url, "--alert-webhook", "--alert-webhook-secret")
        self._secret = None if secret_file is None else read_token(secret_file)
        self._clock = clock
        self._queue: Queued[Message] = Queued(self.name, self._deliver, say)

    @property
    def sent(self) -> int:
        """Messages it took."""
        return self._queue.sent

    @property
    def failed(self) -> int:
        """Messages given up."""
        return self._queue.failed

    def tell(self, messages: Sequence[Message]) -> None:
        """Tell what is new."""
        for message in messages:
            self._queue.put(message)

    def state(self, firing: Sequence[Told], ended: Sequence[Told], now_ms: int) -> None:
        """It wants to know what is new, not all that is so."""

    def close(self) -> None:
        """Tell what waits."""
        self._queue.close()

    def _deliver(self, message: Message) -> None:
        body = json.dumps(message.to_json(), separators=(",", ":")).encode()
        headers = {}
        if self._secret is not None:
            timestamp = str(self._clock.unix_ms() // 1000)
            headers = {
                "X-Wattline-Timestamp": timestamp,
                "X-Wattline-Signature": signature(self._secret, timestamp, body),
            }
        post(self._url, "", body, headers)
