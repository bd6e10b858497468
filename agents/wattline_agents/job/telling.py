"""Tells the agent what a job counted, again and again, in a thread that waits for nobody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from wattline_agents.job.channel import Channel, Outcome
from wattline_agents.job.message import RUNNING, Message

HEARTBEAT_SECONDS = 5.0
"""How often it is told that nothing changed."""
LAST_SECONDS = 1.0
"""A file system that hangs at the end is worth a second."""
_LAST_TRIES = 25
_LAST_TRY_SECONDS = 0.01
"""At the end a full queue is worth a quarter of a second: what is not told then is never told."""


def tell(
    channel: Channel,
    stop: threading.Event,
    message: Callable[[str], Message],
    last_state: Callable[[], str],
) -> None:
    """Send totals until told to stop, then the last word.

    Args:
        channel: Where to.
        stop: Set when the process has counted all.
        message: What there is to tell in a state.
        last_state: The state it ended in, asked once it has.
    """
    sent: Message | None = None
    sent_at = 0.0
    while not stop.is_set():
        newest = message(RUNNING)
        now = time.monotonic()
        if newest != sent or now - sent_at >= HEARTBEAT_SECONDS:
            channel.send(newest)
            sent, sent_at = newest, now
        stop.wait(channel.every_seconds)
    last = message(last_state())
    for _ in range(_LAST_TRIES):
        if channel.send(last) is not Outcome.FULL:
            break
        time.sleep(_LAST_TRY_SECONDS)
    channel.close()
