"""Asking Slurm by slurmrestd: over a Unix socket, or over HTTP with a token.

The version of its interface moves with Slurm's, so it is asked which ones it has, and the newest is
used. `start_time=uts...` is how all of them take seconds since 1970.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl

from wattline_agents.errors import InputError, UsageError
from wattline_collector.jobs import events, slurm_json
from wattline_collector.jobs.asking import AskFailed, Events
from wattline_collector.jobs.claims import Held

MOST_SECONDS = 60.0
MOST_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024
_MOST_TOKEN_BYTES = 64 * 1024
_NEVER_S = 4_070_908_800  # 2099
_LOCAL = ("localhost", "127.0.0.1", "::1")
_VERSION = re.compile(r"/(slurm|slurmdb)/v0\.0\.(\d{1,4})/(jobs|nodes)/?\Z")

Get = Callable[[str], bytes]
"""Gives the body of the answer to a path, or raises `AskFailed`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where slurmrestd answers.

    Attributes:
        url: `http://HOST:PORT`, `https://HOST:PORT` or `unix:/PATH`.
        token_file: Holds the token; read at every question, as tokens are renewed.
        user: Whose token it is; None: the token says so itself.
    """

    url: str
    token_file: Path | None = None
    user: str | None = None

    def check(self) -> None:
        """Make sure that it can be asked.

        Raises:
            UsageError: It is no such address, or would send a token unencrypted elsewhere.
        """
        if self.url.startswith("unix:/"):
            return
        try:
            parts = urlsplit(self.url)
            fine = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            fine = False
        if not fine or "@" in parts.netloc:
            raise UsageError(
                f"--slurm-rest: {self.url[:80]!r} is not http://HOST:PORT, https://HOST:PORT or "
                "unix:/PATH"
            )
        if parts.scheme == "http" and self.token_file and parts.hostname not in _LOCAL:
            raise UsageError("--slurm-rest: a token travels by https only")

    def get(self, path: str) -> bytes:
        """The body of the answer.

        Raises:
            AskFailed: There is none in time, it is too long, or its status is not 200.
        """
        ends = time.monotonic() + MOST_SECONDS
        try:
            connection = self._connection()
            try:
                connection.request("GET", path, headers=self._headers())
                answer = connection.getresponse()
                body = bytearray()
                # `read1` returns what has come; one who sends a byte a second meets the deadline.
                while chunk := answer.read1(_CHUNK_BYTES):
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise AskFailed(f"{self.url}: answers more than {MOST_BYTES >> 20} MiB")
                    if time.monotonic() > ends:
                        raise AskFailed(f"{self.url}: no whole answer in {MOST_SECONDS:g} seconds")
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
            raise AskFailed(f"{self.url}: no answer ({why})") from error
        if answer.status != 200:
            advice = "; is the token right?" if answer.status in (401, 403, 511) else ""
            raise AskFailed(f"{self.url}: {answer.status} {answer.reason[:80]}{advice}")
        return bytes(body)

    def _connection(self) -> http.client.HTTPConnection:
        if self.url.startswith("unix:"):
            return _UnixConnection(self.url.removeprefix("unix:"))
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port, timeout=MOST_SECONDS)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, parts.port, timeout=MOST_SECONDS, context=context)

    def _headers(self) -> Mapping[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "wattline"}
        if self.user is not None:
            headers["X-SLURM-USER-NAME"] = self.user
        if self.token_file is not None:
            try:
                with self.token_file.open("rb") as file:
                    text = file.read(_MOST_TOKEN_BYTES).decode("ascii").strip()
            except (OSError, UnicodeDecodeError) as error:
                why = error.strerror if isinstance(error, OSError) else "is no token"
                raise AskFailed(f"{self.token_file}: {why}") from error
            # `scontrol token` writes it as SLURM_JWT=...
            token = text.removeprefix("SLURM_JWT=")
            if not token or not token.isprintable() or " " in token:
                raise AskFailed(f"{self.token_file}: is no token")
            headers["X-SLURM-USER-TOKEN"] = token
        return headers


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=MOST_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(slots=True)
class Rest:
    """slurmrestd.

    Attributes:
        get: Gives the body of the answer to a path.
    """

    get: Get
    _paths: dict[str, str] = field(default_factory=dict)

    def jobs(self, since_ms: int, until_ms: int | None, ids: Sequence[str]) -> pl.DataFrame:
        """One question to slurmdbd; see `Scheduler`.

        It cannot be asked for several ids, so all jobs since then are asked for instead.
        """
        until = _NEVER_S if until_ms is None or ids else until_ms // 1000
        query = f"?start_time=uts{since_ms // 1000}&end_time=uts{until}"
        return self._read(self._path("slurmdb/jobs") + query).records

    def held(self) -> list[Held]:
        """One question to slurmctld; see `Scheduler`."""
        return self._read(self._path("slurm/jobs")).held

    def events(self, since_ms: int, now_ms: int) -> Events:
        """One question to slurmctld, which only knows what is so now; see `Scheduler`."""
        answer = self._read(self._path("slurm/nodes"))
        now = events.nodes_now(answer.nodes, now_ms)
        return Events(now.clear(), now)

    def _read(self, path: str) -> slurm_json.Answer:
        try:
            return slurm_json.read(self.get(path), path.partition("?")[0])
        except InputError as error:
            self._paths.clear()  # it may have been replaced by a newer one
            raise AskFailed(str(error)) from error

    def _path(self, what: str) -> str:
        if what not in self._paths:
            self._paths = self._found()
        if what not in self._paths:
            raise AskFailed(f"slurmrestd: offers no {what}; does it load the openapi plugins?")
        return self._paths[what]

    def _found(self) -> dict[str, str]:
        try:
            body = self.get("/openapi/v3")
        except AskFailed:
            body = self.get("/openapi")
        try:
            paths = json.loads(body)["paths"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise AskFailed("slurmrestd: does not say which paths it has") from error
        newest: dict[str, tuple[int, str]] = {}
        for path in paths if isinstance(paths, dict) else ():
            if match := _VERSION.search(path):
                what, version = f"{match[1]}/{match[3]}", int(match[2])
                newest[what] = max(newest.get(what, (0, "")), (version, path))
        return {what: path for what, (_, path) in newest.items()}
