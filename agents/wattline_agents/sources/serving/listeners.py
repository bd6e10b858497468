"""Engines found on this node: processes of jobs that listen, and look like an engine.

A page is asked for only where the process behind the port belongs to a job and its command line
names an engine: a training run listens, too, and a stranger's greeting at its rendezvous may cost
it its start. Of a command line nothing is kept, as keys to an API stand in some.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from wattline_agents.assignment.proc import Proc
from wattline_agents.sources.serving.told import Place

JobOf = Callable[[int], str | None]
"""A process's number -> the key of its job; None if it belongs to none."""

PATHS = ("/metrics", "/prometheus/metrics")
_LISTEN = b" 0A "
_MOST_SOCKETS = 8_192
_MOST_PROCESSES = 65_536
_MOST_DESCRIPTORS = 4_096
_MOST_LOOKED_AT = 262_144
"""Descriptors of all processes at one look: half a second of work."""
_MOST_FOUND = 64
_MOST_BYTES = 4 * 1024 * 1024
_MOST_ARGUMENTS = 8
_MODULES = frozenset(("vllm", "sglang", "sgl_jax", "tensorrt_llm", "llama_cpp", "dynamo"))
"""Packages that are run as `python -m PACKAGE...`."""
_PROGRAMS = re.compile(
    r"(?:vllm|sglang|trtllm-serve|text-generation-(?:router|launcher)\S*|llama-server|tritonserver"
    r"|dynamo)\Z|VLLM::API"
)
"""What a program or script is called, without its directory; vLLM gives its server a title."""


class Listeners:
    """Finds engines among the processes of this node."""

    def __init__(self, job_of: JobOf, *, proc: Path = Path("/proc")) -> None:
        """Look at nothing yet.

        Args:
            job_of: Whose a process is.
            proc: Where the kernel shows processes.
        """
        self._job_of, self._proc, self._processes_of = job_of, proc, Proc(str(proc))
        self._known: dict[int, Place | None] = {}

    def find(self) -> list[Place]:
        """Where engines may be, as of now; nothing where processes cannot be seen.

        Processes are looked through only when somebody listens who did not before.
        """
        sockets = self._listening()
        self._known = {inode: self._known[inode] for inode in sockets if inode in self._known}
        unknown = {inode for inode in sockets if inode not in self._known}
        if unknown:
            owners = self._owners(unknown, engines_only=True)
            for inode in unknown:
                pid = owners.get(inode)
                self._known[inode] = None if pid is None else self._place(pid, *sockets[inode])
        found = [place for place in self._known.values() if place is not None]
        return found[:_MOST_FOUND]

    def owner_of(self, port: int) -> tuple[int, int | None] | None:
        """The process that listens at a port of this node, and when it began; None if not seen."""
        inodes = {inode for inode, (_, at) in self._listening().items() if at == port}
        pid = next(iter(self._owners(inodes).values()), None) if inodes else None
        return None if pid is None else (pid, self._began_ms(pid))

    def job_of(self, pid: int) -> str | None:
        """Whose a process is."""
        return self._job_of(pid)

    def _listening(self) -> dict[int, tuple[str, int]]:
        """Inode -> address and port, of every socket of this network that listens."""
        found: dict[int, tuple[str, int]] = {}
        for name in ("tcp", "tcp6"):
            for line in _bytes(self._proc / "net" / name).split(b"\n")[1:]:
                if _LISTEN not in line:  # most do not, and taking them apart is dear
                    continue
                fields = line.split(None, 10)
                if len(fields) > 9 and fields[3] == _LISTEN.strip() and len(found) < _MOST_SOCKETS:
                    at = _address(fields[1].decode("ascii", "replace"))
                    if at is not None and fields[9].isdigit():
                        found[int(fields[9])] = at
        return found

    def _owners(self, inodes: set[int], *, engines_only: bool = False) -> dict[int, int]:
        """Inode -> process that holds it open.

        Args:
            inodes: The sockets.
            engines_only: Only among processes that look like an engine: to read one command line
                is cheaper by far than to look through what a process holds open.
        """
        wanted = {f"socket:[{inode}]": inode for inode in inodes}
        found: dict[int, int] = {}
        room = _MOST_LOOKED_AT
        for pid in self._processes():
            if room <= 0:
                break
            if engines_only and not self._looks_like_engine(pid):
                continue
            directory = f"{self._proc}/{pid}/fd"
            try:
                descriptors = os.listdir(directory)[:_MOST_DESCRIPTORS]
            except OSError:
                continue  # another user's, or gone
            room -= len(descriptors)
            for descriptor in descriptors:
                try:
                    inode = wanted.get(os.readlink(f"{directory}/{descriptor}"))
                except OSError:
                    continue
                # Of processes that share a socket the first, who opened it before they were made.
                if inode is not None:
                    found.setdefault(inode, pid)
            if len(found) == len(inodes):
                break
        return found

    def _processes(self) -> Iterator[int]:
        try:
            names = os.listdir(self._proc)
        except OSError:
            return
        yield from sorted(int(name) for name in names if name.isdigit())[:_MOST_PROCESSES]

    def _place(self, pid: int, host: str, port: int) -> Place | None:
        job = self._job_of(pid)
        if job is None:
            return None
        shown = f"[{host}]" if ":" in host else host
        urls = tuple(f"http://{shown}:{port}{path}" for path in PATHS)
        return Place(urls=urls, job=job, pid=pid, began_ms=self._began_ms(pid))

    def _looks_like_engine(self, pid: int) -> bool:
        words = _bytes(self._proc / str(pid) / "cmdline", 4_096).decode("utf-8", "replace")
        return is_engine(words.split("\0")[:_MOST_ARGUMENTS])

    def _began_ms(self, pid: int) -> int | None:
        seen = self._processes_of.look(pid)
        return None if seen is None else self._processes_of.started_ms(seen)


def is_engine(command: Sequence[str]) -> bool:
    """Whether a command line is an engine's, by its program, or the script or module it runs.

    What else it is told does not matter: a training run may well be told `--rollout vllm`.
    """
    program, *arguments = command or [""]
    if _PROGRAMS.match(os.path.basename(program)):
        return True
    for place, argument in enumerate(arguments):
        if argument == "-m":
            module = "".join(arguments[place + 1 : place + 2])
            return module.partition(".")[0] in _MODULES
        if not argument.startswith("-"):
            return _PROGRAMS.match(os.path.basename(argument)) is not None
    return False


def _address(text: str) -> tuple[str, int] | None:
    """An address of `/proc/net/tcp`, as it is to be called: any address is called at home."""
    host, _, port = text.partition(":")
    try:
        number = int(port, 16)
        words = [int(host[place : place + 8], 16) for place in range(0, len(host), 8)]
        packed = b"".join(word.to_bytes(4, "little") for word in words)
        address = ipaddress.ip_address(packed)
    except ValueError:
        return None
    if address.is_unspecified:
        return ("127.0.0.1", number)
    mapped = getattr(address, "ipv4_mapped", None)
    return (str(mapped or address), number)


def _bytes(path: Path, most: int = _MOST_BYTES) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError:
        return b""
