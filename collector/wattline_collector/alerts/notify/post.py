"""One bounded POST. No redirect is followed and no proxy taken from the environment."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from wattline_agents.config.address import complaint
from wattline_agents.errors import UsageError
from wattline_collector.alerts.notify.queued import NotDelivered

SECONDS = 10.0
_MOST_ANSWER = 64 * 1024
_AGAIN = (408, 425, 429)
"""Refusals that another try may change, beside those of a server in trouble (5xx)."""


def checked_address(url: str, option: str, secret_option: str) -> str:
    """An address messages can go to.

    Raises:
        UsageError: It is none.
    """
    if (wrong := complaint(url, secret_option)) is not None:
        raise UsageError(f"{option}: {wrong}")
    return url


def post(url: str, target: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Send a body.

    Args:
        url: The address.
        target: What is appended to its path.
        body: What is sent, JSON.
        headers: Sent beside the usual ones.

    Raises:
        NotDelivered: There was no answer in time, or not one that says it was taken.
    """
    parts = urlsplit(url.rstrip("/") + target if target else url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    shown = f"{parts.scheme}://{parts.netloc}{parts.path}"
    host, port = parts.hostname or "", parts.port
    connection = (
        http.client.HTTPSConnection(
            host, port, timeout=SECONDS, context=ssl.create_default_context()
        )
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=SECONDS)
    )
    fields = {"Content-Type": "application/json", "User-Agent": "wattline", **headers}
    try:
        connection.request("POST", path, body, fields)
        answer = connection.getresponse()
        answer.read(_MOST_ANSWER)
    except ssl.SSLCertVerificationError as error:
        raise NotDelivered(f"{shown}: certificate not trusted: {error.verify_message}") from error
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "strerror", None) or type(error).__name__
        raise NotDelivered(f"{shown}: no answer ({cause})") from error
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        reason = http.client.responses.get(answer.status, "no reason given")
        again = answer.status >= 500 or answer.status in _AGAIN
        raise NotDelivered(f"{shown}: {answer.status} {reason}", again=again)
