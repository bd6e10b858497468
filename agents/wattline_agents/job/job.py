"""The client a job imports.

It never waits for anyone: counting adds to a number in memory, a thread of its own tells the agent
the totals once a second through a Unix datagram socket, and where no agent listens nothing happens.
"""

from __future__ import annotations

import atexit
import os
import re
import socket
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from wattline_agents.catalogue import PHASES
from wattline_agents.job.devices import as_texts, held_devices
from wattline_agents.job.message import KINDS, LEFT, MOST_DEVICES, RUNNING, Message
from wattline_agents.job.place import is_trusted, places

Phase = Literal["init", "data_wait", "step", "checkpoint_save", "restore", "eval"]
Kind = Literal["training", "inference", "other"]
State = Literal["completed", "failed", "cancelled"]

SEND_SECONDS = 1.0
HEARTBEAT_SECONDS = 5.0
_LAST_TRIES = 25
_LAST_TRY_SECONDS = 0.01
"""At the end a full queue is worth a quarter of a second: what is not told then is never told."""

_PARENT = "WATTLINE_PARENT_JOB"
"""`PID:KEY`, left in the environment so that processes this one starts count for the same job."""


class Job:
    """One process of a job, counting what it makes.

    Every process counts its own share (each rank its own tokens); the agent adds them up. After a
    fork the child counts from zero as a process of the same job, and processes started with spawn
    or `subprocess` join the job when they make a `Job` themselves.

    Attributes:
        key: What the job is known by: Slurm's job id, or one made from name and start.
        name: The name for people.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        kind: Kind = "training",
        project: str | None = None,
        devices: Sequence[int | str] | None = None,
        key: str | None = None,
        socket_path: str | Path | None = None,
    ) -> None:
        """Begin to count.

        Args:
            name: A name for people; the program's if not given.
            kind: What it makes: training, inference or other.
            project: The grant it runs under; Slurm's account if not given.
            devices: The devices it uses, as UUIDs or as ordinals of the node; if not given, what
                Slurm, CUDA_VISIBLE_DEVICES or ROCR_VISIBLE_DEVICES say.
            key: What the job is known by, where no scheduler says it.
            socket_path: Where the agent listens, if not at one of the usual places.

        Raises:
            ValueError: The kind is none there is, or there are too many devices.
        """
        if kind not in KINDS:
            raise ValueError(f"kind: not one of {', '.join(KINDS)}: {kind!r}")
        self.name = _printable(name or Path(sys.argv[0] or "job").stem or "job")
        self.key = _key(self.name) if key is None else _plain(key)
        self._kind: Kind = kind
        self._project = project or os.environ.get("SLURM_JOB_ACCOUNT")
        self._devices = held_devices(os.environ) if devices is None else as_texts(devices)
        if self._devices is not None and len(self._devices) > MOST_DEVICES:
            raise ValueError(f"devices: more than {MOST_DEVICES}")
        self._socket_path = None if socket_path is None else Path(socket_path)
        self._is_closed = False
        self._is_first_process = True
        self._begin()
        self._leave_key()
        _jobs.add(self)
        self._start_thread()

    def tokens(
        self, trained: int = 0, *, prompt: int = 0, prompt_cached: int = 0, generated: int = 0
    ) -> None:
        """Count tokens.

        Args:
            trained: Tokens trained on, in steps that are done.
            prompt: Tokens of prompts served, those from a cache included.
            prompt_cached: Tokens of prompts that a cache answered.
            generated: Tokens generated.
        """
        if trained:
            self._count("tokens_trained_total", int(trained))
        if prompt:
            self._count("tokens_prompt_total", int(prompt))
        if prompt_cached:
            self._count("tokens_prompt_cached_total", int(prompt_cached))
        if generated:
            self._count("tokens_generated_total", int(generated))

    def step(self, count: int = 1) -> None:
        """Count finished optimiser steps."""
        self._count("steps_total", int(count))

    def samples(self, count: int = 1) -> None:
        """Count samples (sequences, images) worked on."""
        self._count("samples_total", int(count))

    def requests(self, count: int = 1) -> None:
        """Count requests answered."""
        self._count("requests_total", int(count))

    def flops(self, count: float) -> None:
        """Count floating-point operations of the model (6 x parameters x tokens for training)."""
        self._count("flops_total", float(count))

    @contextmanager
    def phase(self, name: Phase) -> Iterator[None]:
        """Count the time of a `with` block to a phase; an inner phase is not counted twice.

        Raises:
            ValueError: There is no such phase.
        """
        if name not in PHASES:
            raise ValueError(f"phase: not one of {', '.join(PHASES)}: {name!r}")
        entry = (f"phase_{name}_seconds_total", threading.get_ident())
        with self._lock:
            self._turn(entry[1])
            self._phases.setdefault(entry[1], []).append(entry[0])
        try:
            yield
        finally:
            with self._lock:
                stack = self._phases.get(entry[1], [])
                # Empty after a fork inside of the block: the parent counts that time.
                if stack:
                    self._turn(entry[1])
                    stack.pop()

    def close(self, state: State = "completed") -> None:
        """Tell the agent how it ended; after that nothing is counted any more."""
        if self._is_closed:
            return
        self._is_closed = True
        self._stop.set()
        self._forget_key()
        if self._thread is None:
            return  # a child that never counted anything has nothing to say
        self._send_last(state if self._is_first_process else LEFT)

    def __enter__(self) -> Self:
        """Begin a `with` block, whose end tells how the job went."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close: completed, failed, or cancelled by the keyboard."""
        self.close(_state(kind, error))

    # The rest is between the job's own threads and processes.

    def _begin(self) -> None:
        """Count from zero, as one process of the job."""
        self._lock = threading.Lock()
        self._counters: dict[str, int | float] = {}
        self._phases: dict[int, list[str]] = {}
        self._turned: dict[int, float] = {}
        self._member = os.urandom(8).hex()
        self._start_unix_ms = time.time_ns() // 1_000_000
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def _after_fork(self) -> None:
        self._begin()
        self._is_first_process = False

    def _count(self, column: str, count: int | float) -> None:
        if count < 0:
            raise ValueError(f"{column}: a counter only grows, not by {count}")
        if self._is_closed:
            return
        with self._lock:
            self._counters[column] = self._counters.get(column, 0) + count
        if self._thread is None:
            self._start_thread()

    def _turn(self, thread: int) -> None:
        """Count the time since the last turn to the innermost phase; the lock is held."""
        now = time.monotonic()
        before = self._turned.get(thread, now)
        self._turned[thread] = now
        if stack := self._phases.get(thread):
            self._counters[stack[-1]] = self._counters.get(stack[-1], 0.0) + now - before

    def _start_thread(self) -> None:
        self._thread = threading.Thread(target=self._work, name="wattline job", daemon=True)
        self._thread.start()
        atexit.register(_close_at_exit, weakref.ref(self))
        # Workers of multiprocessing end without atexit, through finalizers of their own.
        if not self._is_first_process and (module := sys.modules.get("multiprocessing.util")):
            module.Finalize(None, _close_at_exit, args=(weakref.ref(self),), exitpriority=10)

    def _work(self) -> None:
        channel = _Channel(self._socket_path)
        sent: Message | None = None
        sent_at = 0.0
        while True:
            message = self._message(RUNNING)
            now = time.monotonic()
            if message != sent or now - sent_at >= HEARTBEAT_SECONDS:
                channel.send(message)
                sent, sent_at = message, now
            if self._stop.wait(SEND_SECONDS):
                channel.close()
                return

    def _send_last(self, state: str) -> None:
        if self._thread is not threading.current_thread() and self._thread is not None:
            self._thread.join(timeout=0.5)  # else its last "running" could come after this
        channel = _Channel(self._socket_path)
        message = self._message(state)
        for _ in range(_LAST_TRIES):
            if channel.send(message) is not _Outcome.FULL:
                break
            time.sleep(_LAST_TRY_SECONDS)
        channel.close()

    def _message(self, state: str) -> Message:
        with self._lock:
            for thread in self._phases:
                self._turn(thread)
            counters = dict(self._counters)
        return Message(
            job=self.key,
            member=self._member,
            pid=os.getpid(),
            start_unix_ms=self._start_unix_ms,
            name=self.name,
            kind=self._kind,
            project=None if self._project is None else _printable(self._project),
            state=state,
            devices=self._devices,
            counters=counters,
        )

    def _leave_key(self) -> None:
        os.environ.setdefault(_PARENT, f"{os.getpid()}:{self.key}")

    def _forget_key(self) -> None:
        if os.environ.get(_PARENT) == f"{os.getpid()}:{self.key}":
            del os.environ[_PARENT]


class _Outcome(Enum):
    SENT = auto()
    FULL = auto()
    NOBODY = auto()


class _Channel:
    """Sends datagrams to whichever agent is there, if one is."""

    def __init__(self, path: Path | None) -> None:
        self._paths = places(os.environ) if path is None else [path]
        self._is_told = path is not None or len(self._paths) == 1
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, message: Message) -> _Outcome:
        for path in self._paths:
            if not self._is_told and not is_trusted(path):
                continue
            try:
                self._socket.sendto(message.encode(), str(path))
            except BlockingIOError:
                return _Outcome.FULL
            except OSError:
                # No agent, or one that is being restarted, or a path too long for a socket: a job
                # must run the same without one, and the next datagram holds all that this one did.
                continue
            return _Outcome.SENT
        return _Outcome.NOBODY

    def close(self) -> None:
        self._socket.close()


_jobs: weakref.WeakSet[Job] = weakref.WeakSet()


def _all_after_fork() -> None:
    for job in list(_jobs):
        job._after_fork()


os.register_at_fork(after_in_child=_all_after_fork)


def _close_at_exit(reference: weakref.ref[Job]) -> None:
    job = reference()
    if job is not None:
        # Python leaves the error it could not handle here before it calls this.
        failed = getattr(sys, "last_type", None) is not None
        job.close("failed" if failed else "completed")


def _state(kind: type[BaseException] | None, error: BaseException | None) -> State:
    if kind is None:
        return "completed"
    if issubclass(kind, KeyboardInterrupt):
        return "cancelled"
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return "completed"
    return "failed"


def _key(name: str) -> str:
    """The job's key: told, inherited, the scheduler's, the launcher's, or made here."""
    environment = os.environ
    if told := environment.get("WATTLINE_JOB"):
        return _plain(told)
    pid, _, inherited = environment.get(_PARENT, "").partition(":")
    if inherited and pid != str(os.getpid()):
        return _plain(inherited)
    if slurm := environment.get("SLURM_JOB_ID"):
        restarts = environment.get("SLURM_RESTART_COUNT", "0")
        return _plain(slurm if restarts in ("", "0") else f"{slurm}.{restarts}")
    launch = environment.get("TORCHELASTIC_RUN_ID", "none")
    if launch != "none":
        return _plain(f"local-{name[:60]}-{launch}")
    start = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    return _plain(f"local-{name[:60]}-{start}-{os.urandom(2).hex()}")


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._:@+-]", "-", text).lstrip("._:@+-")[:128] or "job"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:128] or "job"
