"""A mail server that takes letters, and a store's reports without making them."""

from __future__ import annotations

import base64
import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage

import pytest


@dataclass
class Mailbox:
    """A mail server, and what it took."""

    port: int = 0
    got: list[bytes] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)

    @property
    def letters(self) -> list[EmailMessage]:
        policy = email.policy.default
        return [email.message_from_bytes(data, policy=policy) for data in self.got]


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
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
                    self.say("250 good")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation) as server:
        server.daemon_threads = True
        known.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield known
        server.shutdown()
        thread.join()
