"""E-mail: what fired in one turn in one letter, plain text."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path

from wattline_agents.errors import UsageError
from wattline_collector.access import read_token
from wattline_collector.alerts.notify.queued import NotDelivered, Queued
from wattline_collector.alerts.telling import Message, Told, written
from wattline_collector.config import parse_listen

_SECONDS = 20.0
_LOCAL = ("localhost", "127.0.0.1", "::1")
ADDRESS = re.compile(r"[A-Za-z0-9._%+=-]{1,64}@[A-Za-z0-9.-]{1,190}")
"""What letters can be sent to; nothing in it can add a header or a second address."""
_MOST_SUBJECT = 160
_TLS_PORT = 465


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server.

    Attributes:
        host: Its name.
        port: Its port; 465 is TLS from the first byte, others begin in the clear.
        user: Whom to log in as; None: nobody.
        password_file: Holds the password, read at every login.
        password: It itself, where it came in the environment.
        encrypted: Whether nothing is sent to a server that offers no encryption.
    """

    host: str
    port: int
    user: str | None = None
    password_file: Path | None = None
    password: str | None = field(default=None, repr=False)
    encrypted: bool = False


def server_of(text: str, user: str | None, password_file: Path | None) -> Server:
    """`HOST:PORT` as a server.

    Raises:
        UsageError: It is not that, or a user comes without a password.
    """
    try:
        host, port = parse_listen(text)
    except UsageError as error:
        raise UsageError(f"--smtp: {text[:80]!r} is not HOST:PORT, such as mail:25") from error
    if (user is None) != (password_file is None):
        raise UsageError("--smtp-user and --smtp-password-file belong together")
    return Server(host, port, user, password_file)


class Mail:
    """Tells an address by e-mail."""

    name = "mail"

    def __init__(
        self, address: str, sender: str | None, server: Server, say: Callable[[str], None]
    ) -> None:
        """Write to this address.

        Args:
            address: To whom.
            sender: From whom; the address itself if None.
            server: Who takes the letters.
            say: Takes the few lines meant for a person.

        Raises:
            UsageError: One of them is no address.
        """
        for one in (address, sender or address):
            if ADDRESS.fullmatch(one) is None:
                raise UsageError(f"--alert-mail: not an address such as ops@site.eu: {one[:80]!r}")
        if server.password_file is not None:
            read_token(server.password_file)
        self._address, self._sender, self._server = address, sender or address, server
        self._queue: Queued[EmailMessage] = Queued(self.name, self._deliver, say)

    @property
    def sent(self) -> int:
        """Letters taken."""
        return self._queue.sent

    @property
    def failed(self) -> int:
        """Letters given up."""
        return self._queue.failed

    def tell(self, messages: Sequence[Message]) -> None:
        """Write one letter of all that is new."""
        self._queue.put(letter(messages, self._address, self._sender))

    def state(self, firing: Sequence[Told], ended: Sequence[Told], now_ms: int) -> None:
        """It wants to know what is new, not all that is so."""

    def close(self) -> None:
        """Send what waits."""
        self._queue.close()

    def _deliver(self, message: EmailMessage) -> None:
        send(self._server, message)


def send(server: Server, message: EmailMessage) -> None:
    """Hand a letter to a mail server.

    Raises:
        NotDelivered: It did not take it, or not by a way that is safe.
        UsageError: The password's file cannot be read.
    """
    try:
        with _connected(server) as connection:
            connection.send_message(message)
    except smtplib.SMTPResponseException as error:
        code = error.smtp_code
        reason = (
            bytes(error.smtp_error).decode(errors="replace")
            if isinstance(error.smtp_error, bytes)
            else str(error.smtp_error)
        )
        # 4xx is for now, 5xx for good.
        raise NotDelivered(f"{code} {reason[:120]}", again=code < 500) from error
    except smtplib.SMTPRecipientsRefused as error:
        raise NotDelivered("the server refuses the address", again=False) from error
    except (OSError, smtplib.SMTPException) as error:
        cause = getattr(error, "strerror", None) or type(error).__name__
        raise NotDelivered(f"{server.host}:{server.port}: {cause}") from error


def _connected(server: Server) -> smtplib.SMTP:
    if server.port == _TLS_PORT:
        context = ssl.create_default_context()
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=_SECONDS, context=context
        )
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=_SECONDS)
    try:
        connection.ehlo_or_helo_if_needed()
        if server.port != _TLS_PORT and connection.has_extn("starttls"):
            connection.starttls(context=ssl.create_default_context())
        elif server.encrypted and server.port != _TLS_PORT:
            raise NotDelivered(
                "the server offers no encryption, and the letter travels by it only", again=False
            )
        elif server.user and server.port != _TLS_PORT and server.host not in _LOCAL:
            raise NotDelivered(
                "the server offers no encryption, and a password travels by it only",
                again=False,
            )
        password = server.password
        if password is None and server.password_file is not None:
            password = read_token(server.password_file)
        if server.user and password:
            connection.login(server.user, password)
    except BaseException:
        connection.close()
        raise
    return connection


def letter(messages: Sequence[Message], address: str, sender: str) -> EmailMessage:
    """A letter of messages, the most urgent first."""
    first = messages[0]
    word = {"firing": "", "repeated": "still: ", "resolved": "over: "}[first.kind]
    more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
    found = EmailMessage()
    subject = f"[wattline {first.rule.severity.value}] {word}{first.title}{more}"
    found["Subject"] = subject[:_MOST_SUBJECT]
    found["From"], found["To"] = sender, address
    found["Date"] = formatdate(first.at_ms / 1000)
    found["Message-ID"] = make_msgid(domain="wattline.invalid")
    found["Auto-Submitted"] = "auto-generated"
    found.set_content("\n".join(_paragraph(message) for message in messages))
    return found


def _paragraph(message: Message) -> str:
    rule = message.rule
    lines = [f"{message.kind.upper()}  {message.title}  [{rule.severity.value}]"]
    for told in message.told:
        value = written(told.alert.value, rule.unit)
        since = _time(told.alert.fired_ms or told.alert.since_ms)
        until = "" if told.ended_ms is None else f", until {_time(told.ended_ms)} ({told.why})"
        lines.append(f"  - {told.title}; {rule.figure}: {value}; since {since}{until}")
    if message.count > len(message.told):
        lines.append(f"  - and {message.count - len(message.told)} more")
    if message.kind != "resolved":
        first = message.told[0]
        lines += [
            f"  What it means: {rule.meaning}",
            f"  What to check: {first.said(rule.check)}",
            f"  What to do: {first.said(rule.action)}",
        ]
    return "\n".join(lines) + "\n"


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
