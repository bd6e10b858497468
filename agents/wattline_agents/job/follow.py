"""Counts a training run by the log it writes: no change to its code.

python -m wattline_agents.job.follow --format megatron train.log &

srun python train.py 2>&1 | python -m wattline_agents.job.follow --format torchtitan -
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from wattline_agents.errors import UsageError
from wattline_agents.job.job import Job
from wattline_agents.job.logs import READERS, Progress, Reader, Said, cleaned, pattern_reader
from wattline_agents.job.model import ModelFacts
from wattline_agents.job.tail import Lines, Tail

LINE_SECONDS = 0.25
"""A pattern that needs longer for one line would need hours for others."""
_LOOK_SECONDS = 1.0
_PIPE_BYTES = 65_536


class Follower:
    """Reads lines, and counts what they say."""

    def __init__(self, reader: Reader, progress: Progress) -> None:
        """Count what that reader finds."""
        self._reader, self._progress = reader, progress

    def take(self, lines: Iterator[str]) -> None:
        """Read lines that are whole.

        Raises:
            UsageError: The pattern takes too long.
        """
        for line in lines:
            said = self._reader(cleaned(line))
            if said is not None:
                self._progress.take(said)


def follow(path: Path, tail: Tail, follower: Follower, stop: threading.Event) -> None:
    """Read a file as it grows, until told to stop, and then what is left of it."""
    while not stop.is_set():
        follower.take(tail.read(path))
        stop.wait(_LOOK_SECONDS)
    follower.take(tail.read(path))
    follower.take(tail.rest())


def pass_on(source: BinaryIO, sink: BinaryIO | None, follower: Follower) -> None:
    """Read a pipe to its end, and hand every byte on first."""
    lines = Lines()
    read = getattr(source, "read1", source.read)
    while data := read(_PIPE_BYTES):
        if sink is not None:
            sink.write(data)
            sink.flush()
        follower.take(lines.take(data))
    follower.take(lines.rest())


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow one log; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        reader = _reader(options)
        model = _model(options)
    except (UsageError, ValueError) as error:
        print(f"follow: {error}", file=sys.stderr)
        return 2
    is_pipe = options.log == "-"
    job = Job(options.name, run=options.run, model=model, rank=0)
    progress = Progress(
        job,
        tokens_per_step=options.tokens_per_step,
        sequence_length=options.sequence_length,
        from_start=not options.from_end,
    )
    follower = Follower(reader, progress)
    stop = threading.Event()
    try:
        if is_pipe:
            sink = None if options.quiet else sys.stdout.buffer
            pass_on(sys.stdin.buffer, sink, follower)
        else:
            with _stopped_by_signals(stop):
                tail = Tail(from_end=options.from_end)
                with closing(tail):
                    follow(Path(options.log), tail, follower, stop)
    except UsageError as error:
        print(f"follow: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        # The log ended, which says nothing of how the training went.
        job.close("left")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m wattline_agents.job.follow",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument
    what("log", metavar="LOG", help="the log file, also one that is not there yet; - for a pipe")
    what("--format", choices=[*READERS, "pattern"], help="what writes the log")
    what("--pattern", metavar="REGEX", help="with named groups such as (?P<step>[0-9]+)")
    what("--tokens-per-step", type=_count, metavar="N", help="tokens of a step of all devices")
    what("--sequence-length", type=_count, metavar="N", help="tokens of one sequence")
    what("--name", help="the job's name, for people")
    what("--run", help="the training run it is part of")
    what("--from-end", action="store_true", help="leave out what the file already holds")
    what("--quiet", action="store_true", help="do not hand a pipe's bytes on")
    facts = parser.add_argument_group("the model, for operations and MFU")
    facts.add_argument("--parameters", type=_count, metavar="N")
    facts.add_argument("--parameters-active", type=_count, metavar="N")
    facts.add_argument("--layers", type=_count, metavar="N")
    facts.add_argument("--heads", type=_count, metavar="N")
    facts.add_argument("--head-dimension", type=_count, metavar="N")
    facts.add_argument("--dtype", metavar="TYPE", help="bf16, fp16, fp8, ...")
    return parser


def _count(text: str) -> int:
    try:
        number = float(text.replace("_", ""))
        count = int(number)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"not a number such as 7e9: {text[:40]!r}") from None
    if count != number or count <= 0:
        raise argparse.ArgumentTypeError(f"not a whole number above 0: {text[:40]!r}")
    return count


def _reader(options: argparse.Namespace) -> Reader:
    if options.pattern is None:
        if options.format in (None, "pattern"):
            known = ", ".join(READERS)
            raise UsageError(f"what writes the log? --format {known}, or --pattern REGEX")
        return READERS[options.format]
    if options.format not in (None, "pattern"):
        raise UsageError("--pattern is for logs of another form: give it, or --format")
    try:
        return in_time(pattern_reader(options.pattern))
    except ValueError as error:
        raise UsageError(f"--pattern: {error}") from None


def _model(options: argparse.Namespace) -> ModelFacts | None:
    if options.parameters is None:
        return None
    return ModelFacts(
        parameters=options.parameters,
        parameters_active=options.parameters_active,
        layers=options.layers,
        heads=options.heads,
        head_dimension=options.head_dimension,
        sequence_length=options.sequence_length,
        dtype=options.dtype,
    )


def in_time(reader: Reader, seconds: float = LINE_SECONDS) -> Reader:
    """A reader that gives up on a line that takes too long; only in a process's main thread.

    Matching looks for signals now and then, so an alarm ends even a pattern that would need years.
    """

    def give_up(number: int, frame: FrameType | None) -> None:
        raise UsageError(
            f"--pattern: took over {seconds:g} s for one line; avoid repeats within repeats, "
            "such as (a+)+, and begin it with a word of the line"
        )

    def read(line: str) -> Said | None:
        before = signal.signal(signal.SIGALRM, give_up)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            return reader(line)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    return read


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """End well when the batch script or the scheduler ends us: what is left is still read."""

    def handler(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


if __name__ == "__main__":
    sys.exit(main())
