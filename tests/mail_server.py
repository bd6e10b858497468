"""A mail server that takes letters."""

from __future__ import annotations

import base64
import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage


@dataclass
class Mailbox:
    """A mail server, and what it took.

    Attributes:
        port: Of this machine, where it listens.
        got: Letters as they came.
        to: Lines that say for whom a letter is.
        logins: Names and passwords that were given.
        refuse: What it answers to a word instead of taking it.
    """

    port: int = 0
    got: list[bytes] = field(default_factory=list)
    to: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)

    @property
    def letters(self) -> list[EmailMessage]:
        """The letters, read."""
        policy = email.policy.default
        return [email.message_from_bytes(data, policy=policy) for data in self.got]


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """A server that speaks as much SMTP as a sender needs."""
    known = Mailbox()

    class Conversation(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(line.encode() + b"\r\n")

        def handle(self) -> None:
            self.say("220 here")
            while line := self.rfile.readline().decode().strip():
                word = line.split()[0].upper()
                if word in known.refuse:
                    self.say(known.refuse[word])
                elif word == "DATA":
                    self.say("354 go on")
                    data = b""
                    while (part := self.rfile.readline()) != b".\r\n":
                        data += part
                    known.got.append(data)
                    self.say("250 taken")
                elif word == "EHLO":
                    self.say("250-here")
                    self.say("250 AUTH PLAIN")
                elif word == "AUTH":
                    known.logins.append(base64.b64decode(line.split()[2]).decode())
                    self.say("235 welcome")
                elif word == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    if word == "RCPT":
                        known.to.append(line)
                    self.say("250 good")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation) as server:
        server.daemon_threads = True
        known.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield known
        server.shutdown()
        thread.join()
