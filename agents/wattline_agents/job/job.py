"""The client a job imports.

It never waits for anyone: counting adds to a number in memory, a thread of its own tells the agent
the totals once a second through a Unix datagram socket, and where no agent listens nothing happens.
Nothing here touches a device: times are read from the host's clock, and a count must be a number
already, not a tensor, or reading it would wait for the device.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from wattline_agents.catalogue import PHASES
from wattline_agents.job.channel import open_channel
from wattline_agents.job.devices import as_texts, held_devices
from wattline_agents.job.identity import PARENT, job_key, plain, printable, rank_of
from wattline_agents.job.message import KINDS, LEFT, MOST_DEVICES, RUNNING, Message
from wattline_agents.job.model import ModelFacts, flops_of
from wattline_agents.job.phases import Phases, Span
from wattline_agents.job.telling import LAST_SECONDS, tell

Phase = Literal["init", "data_wait", "step", "checkpoint_save", "restore", "eval"]
Kind = Literal["training", "inference", "other"]
State = Literal["completed", "failed", "cancelled", "left"]


class Job:
    """One process of a job, counting what it makes.

    Every process counts its own share (each rank its own tokens); the agent adds them up. What the
    job does once, steps and checkpoints, counts on the first rank only, whichever ranks say it.
    After a fork the child counts from zero as a process of the same job, and processes started with
    spawn or `subprocess` join the job when they make a `Job` themselves.

    Counters are raw: everything that was computed, steps that are done again after a restart
    included. `step` says which step of the training run that was, so that the books can tell new
    tokens from replayed ones: tokens made while `step` is at most the highest step the run had
    reached before are replayed. `step` therefore falls when a run goes back to a checkpoint.

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
        run: str | None = None,
        model: ModelFacts | None = None,
        devices: Sequence[int | str] | None = None,
        rank: int | None = None,
        key: str | None = None,
        socket_path: str | Path | None = None,
        directory: str | Path | None = None,
    ) -> None:
        """Begin to count.

        Args:
            name: A name for people; the program's if not given.
            kind: What it makes: training, inference or other.
            project: The grant it runs under; Slurm's account if not given.
            run: The training run this job is part of, if several jobs go on from one another's
                checkpoints; WATTLINE_RUN if not given. Restarts of one job are one run anyway.
            model: What is known of the model; gives operations and MFU.
            devices: The devices it uses, as UUIDs or as ordinals of the node; if not given, what
                Slurm, CUDA_VISIBLE_DEVICES or ROCR_VISIBLE_DEVICES say.
            rank: Which of the job's processes this is; if not given, what the launcher says.
            key: What the job is known by, where no scheduler says it.
            socket_path: Where the agent listens, if not at one of the usual places.
            directory: Where messages are left as files instead, for an agent that looks there;
                WATTLINE_JOB_DIRECTORY if not given.

        Raises:
            ValueError: The kind is none there is, or there are too many devices.
        """
        if kind not in KINDS:
            raise ValueError(f"kind: not one of {', '.join(KINDS)}: {kind!r}")
        self.name = printable(name or Path(sys.argv[0] or "job").stem or "job")
        self.key = job_key(self.name, os.environ) if key is None else plain(key)
        self._kind: Kind = kind
        self._project = project or os.environ.get("SLURM_JOB_ACCOUNT")
        self._run = run or os.environ.get("WATTLINE_RUN")
        self._model = model
        self._rank = rank_of(os.environ) if rank is None else rank
        self._devices = held_devices(os.environ) if devices is None else as_texts(devices)
        if self._devices is not None and len(self._devices) > MOST_DEVICES:
            raise ValueError(f"devices: more than {MOST_DEVICES}")
        self._socket_path = None if socket_path is None else Path(socket_path)
        self._directory = None if directory is None else Path(directory)
        self._is_closed = False
        self._is_first_process = True
        self._begin()
        self._leave_key()
        _jobs.add(self)
        self._start_thread()

    @property
    def rank(self) -> int | None:
        """Which of the job's processes this is; None if it is the only one, or nobody said."""
        return self._rank

    @rank.setter
    def rank(self, rank: int | None) -> None:
        """Say it once it is known, before anything is counted."""
        self._rank = rank

    @property
    def model(self) -> ModelFacts | None:
        """What is known of the model."""
        return self._model

    @model.setter
    def model(self, facts: ModelFacts) -> None:
        """Declare the model once it is built.

        Raises:
            ValueError: Another was declared: operations already counted would change.
        """
        if self._model is not None and self._model != facts:
            raise ValueError("model: another was declared")
        self._model = facts

    def step(
        self,
        count: int = 1,
        *,
        tokens: int = 0,
        samples: int = 0,
        number: int | None = None,
    ) -> None:
        """Count finished optimiser steps; one call after each step is all a loop needs.

        Args:
            count: How many; counted on the first rank only, as all ranks step together.
            tokens: Tokens this process trained on in them.
            samples: Sequences or images this process worked on in them.
            number: The training run's number of the last of them; the step before (or that of
                `resumed`) plus `count` if not given.

        Raises:
            ValueError: A count is negative.
        """
        if count < 0 or tokens < 0 or samples < 0 or (number is not None and number < 0):
            raise ValueError("step: a count is not below 0")
        if self._is_closed:
            return
        with self._lock:
            counters = self._counters
            if not self._rank:
                counters["steps_total"] = counters.get("steps_total", 0) + int(count)
            if tokens:
                before = counters.get("tokens_trained_total", 0)
                counters["tokens_trained_total"] = before + int(tokens)
            if samples:
                counters["samples_total"] = counters.get("samples_total", 0) + int(samples)
            gauges = self._gauges
            gauges["step"] = gauges.get("step", 0) + count if number is None else int(number)
        if self._thread is None:
            self._start_thread()

    def count(
        self, *, tokens: int = 0, samples: int = 0, steps: int = 0, flops: float = 0.0
    ) -> None:
        """Count several things at once, outside of a step or for one.

        Args:
            tokens: Tokens trained on, by this process.
            samples: Samples worked on, by this process.
            steps: Optimiser steps; see `step`.
            flops: Model operations done by this process, where the model's facts do not give them.
        """
        if steps:
            self.step(steps, tokens=tokens, samples=samples)
        else:
            self.tokens(tokens)
            self.samples(samples)
        if flops:
            self.flops(flops)

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

    def samples(self, count: int = 1) -> None:
        """Count samples (sequences, images) worked on."""
        if count:
            self._count("samples_total", int(count))

    def requests(self, count: int = 1, *, failed: int = 0, good: int = 0) -> None:
        """Count requests.

        Args:
            count: Requests answered.
            failed: Requests that ended in an error or were broken off; not among those answered.
            good: Those of the answered that kept their targets for first token and pace.
        """
        if count:
            self._count("requests_total", int(count))
        if failed:
            self._count("requests_failed_total", int(failed))
        if good:
            self._count("requests_good_total", int(good))

    def flops(self, count: float) -> None:
        """Count floating-point operations of the model, instead of having them computed."""
        with self._lock:
            if "flops_total" not in self._counters and (
                computed := flops_of(self._model, self._counters)
            ):
                self._counters["flops_total"] = computed  # a counter that was told never falls
        self._count("flops_total", float(count))

    def saved(self, step: int | None = None) -> None:
        """A checkpoint was written whole: from here the run can go on.

        Args:
            step: The run's step that it holds; the last one committed if not given.
        """
        if self._is_closed:
            return
        with self._lock:
            held = self._gauges.get("step") if step is None else int(step)
            if held is not None:
                self._gauges["step_saved"] = held
        if not self._rank:
            self._count("checkpoints_total", 1)

    def resumed(self, step: int) -> None:
        """The run goes on from this step, that of a checkpoint it restored; 0 if from none.

        To be said again when a process goes back to a checkpoint by itself.
        """
        if step < 0:
            raise ValueError(f"step: not below 0: {step}")
        if self._is_closed:
            return
        with self._lock:
            self._gauges["step_resumed"] = self._gauges["step"] = int(step)

    def phase(self, name: Phase) -> AbstractContextManager[None]:
        """Count the time of a `with` block to a phase; an inner phase is not counted twice.

        Raises:
            ValueError: There is no such phase.
        """
        span = self._spans.get(name)
        if span is None:
            raise ValueError(f"phase: not one of {', '.join(PHASES)}: {name!r}")
        return span

    def turn_to(self, name: Phase | None) -> None:
        """From now on this thread's time counts to that phase, until the next turn; None: to none.

        For loops that are not one's own, where a callback sees where phases begin. The time of a
        `with` block of `phase` inside counts to that block's phase.

        Raises:
            ValueError: There is no such phase.
        """
        if name is not None and name not in PHASES:
            raise ValueError(f"phase: not one of {', '.join(PHASES)}: {name!r}")
        with self._lock:
            self._phases.turn_to(name)

    def spent(self, name: Phase, seconds: float) -> None:
        """Count time to a phase that somebody else measured.

        Raises:
            ValueError: There is no such phase, or the time is negative.
        """
        if name not in PHASES:
            raise ValueError(f"phase: not one of {', '.join(PHASES)}: {name!r}")
        self._count(f"phase_{name}_seconds_total", float(seconds))

    def close(self, state: State = "completed") -> None:
        """Tell the agent how it ended; after that nothing is counted any more.

        Args:
            state: completed, failed, cancelled, or left: this process ends and says nothing of how
                the job went.
        """
        if self._is_closed:
            return
        self._is_closed = True
        self._last_state: str = state if self._is_first_process else LEFT
        self._forget_key()
        self._stop.set()
        # A child that never counted anything has no thread, and nothing to say.
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=LAST_SECONDS)

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

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process it is another process of the same job, counting from zero."""
        told = {
            "kind": self._kind, "project": self._project, "run": self._run, "model": self._model,
            "devices": self._devices, "key": self.key, "socket_path": self._socket_path,
            "directory": self._directory,
        }  # fmt: skip
        return _joined, (self.name, told)

    # The rest is between the job's own threads and processes.

    def _begin(self) -> None:
        """Count from zero, as one process of the job."""
        # A signal's handler may count too, while this very thread holds the lock.
        self._lock = threading.RLock()
        self._counters: dict[str, int | float] = {}
        self._gauges: dict[str, int] = {}
        self._phases = Phases(self._counters)
        self._spans: dict[str, Span] = {name: Span(self, name) for name in PHASES}
        self._member = os.urandom(8).hex()
        self._start_unix_ms = time.time_ns() // 1_000_000
        self._last_state = RUNNING
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def _after_fork(self) -> None:
        self._begin()
        self._is_first_process = False

    def _enter(self, span: Span) -> None:
        with self._lock:
            self._phases.enter(span.name)

    def _leave(self) -> None:
        with self._lock:
            self._phases.leave()

    def _count(self, column: str, count: int | float) -> None:
        if count < 0:
            raise ValueError(f"{column}: a counter only grows, not by {count}")
        if self._is_closed:
            return
        with self._lock:
            self._counters[column] = self._counters.get(column, 0) + count
        if self._thread is None:
            self._start_thread()

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name="wattline job", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return  # no more threads for this user, or at the very end: the job goes on uncounted
        self._thread = thread
        atexit.register(_close_at_exit, weakref.ref(self))
        # Workers of multiprocessing end without atexit, through finalizers of their own.
        if not self._is_first_process and (module := sys.modules.get("multiprocessing.util")):
            module.Finalize(None, _close_at_exit, args=(weakref.ref(self),), exitpriority=10)

    def _work(self) -> None:
        channel = open_channel(self._socket_path, self._directory, os.environ)
        tell(channel, self._stop, self._message, lambda: self._last_state)

    def _message(self, state: str) -> Message:
        with self._lock:
            self._phases.settle()
            counters = dict(self._counters)
            gauges = dict(self._gauges)
            if "flops_total" not in counters and (flops := flops_of(self._model, counters)):
                counters["flops_total"] = flops
        return Message(
            job=self.key,
            member=self._member,
            pid=os.getpid(),
            start_unix_ms=self._start_unix_ms,
            name=self.name,
            kind=self._kind,
            project=None if self._project is None else printable(self._project),
            state=state,
            devices=self._devices,
            counters=counters,
            run=None if self._run is None else printable(self._run, "run"),
            gauges=gauges,
            model=None if self._model is None else _printed(self._model, self._kind),
        )

    def _leave_key(self) -> None:
        os.environ.setdefault(PARENT, f"{os.getpid()}:{self.key}")

    def _forget_key(self) -> None:
        if os.environ.get(PARENT) == f"{os.getpid()}:{self.key}":
            del os.environ[PARENT]


_jobs: weakref.WeakSet[Job] = weakref.WeakSet()


def _all_after_fork() -> None:
    for job in list(_jobs):
        job._after_fork()


os.register_at_fork(after_in_child=_all_after_fork)


def _joined(name: str, told: dict[str, Any]) -> Job:
    return Job(name, **told)


def _printed(model: ModelFacts, kind: str) -> dict[str, str | int | float]:
    row = model.row(kind)
    if isinstance(name := row.get("model"), str):
        row["model"] = printable(name, "model")
    return row


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
