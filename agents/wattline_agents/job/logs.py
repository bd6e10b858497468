"""What training frameworks write to their logs, read line by line; no I/O.

A reader turns one line into what it says, or None. `Progress` adds lines up: logs say where a run
is, every so many steps, and repeat themselves on every rank, while a job counts what is new.

The forms were taken from what these versions print: torchtitan of 2025 and 2026, Megatron-LM of
2024 to 2026 (and Megatron Bridge, which prints the same), NeMo 2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from wattline_agents.job.job import Phase

MOST_LINE = 4_096
"""Characters of a line that are looked at: a line of a log has a few hundred."""
_MOST_NUMBER = 10**15

_COLOUR = re.compile(r"\x1b\[[0-9;]{0,16}m")


@dataclass(frozen=True, slots=True)
class Said:
    """What one line says; None where it says nothing of it.

    Attributes:
        step: The run's number of the last step that is done.
        tokens_total: Tokens of the run up to that step.
        samples_total: Sequences of the run up to that step.
        tokens_per_step: Tokens of one step, of all devices together.
        samples_per_step: Sequences of one step, of all devices together.
        sequence_length: Tokens of one sequence.
        steps_per_line: Every how many steps a line is written.
        step_seconds: What one step took.
        saved: A checkpoint of this step is whole.
        is_saved: A checkpoint of the last step that was spoken of is whole.
        save_seconds: What the run waited for a checkpoint.
        resumed: The run goes on from this step.
    """

    step: int | None = None
    tokens_total: int | None = None
    samples_total: int | None = None
    tokens_per_step: int | None = None
    samples_per_step: int | None = None
    sequence_length: int | None = None
    steps_per_line: int | None = None
    step_seconds: float | None = None
    saved: int | None = None
    is_saved: bool = False
    save_seconds: float | None = None
    resumed: int | None = None


class Counter(Protocol):
    """Where progress is counted; a `Job` is one."""

    def step(
        self, count: int = 1, *, tokens: int = 0, samples: int = 0, number: int | None = None
    ) -> None:
        """Count steps."""
        ...

    def saved(self, step: int | None = None) -> None:
        """A checkpoint is whole."""
        ...

    def resumed(self, step: int) -> None:
        """The run goes on from a step."""
        ...

    def spent(self, name: Phase, seconds: float) -> None:
        """Count time to a phase."""
        ...


Reader = Callable[[str], Said | None]


_TITAN_STEP = re.compile(
    r"(?<![a-z] )\bstep:\s{1,20}(\d{1,15})[\s/][^|]{0,400}?\btps:\s{1,20}([\d,]{1,20})"
)
_TITAN_START = re.compile(r"\bTraining starts at step (\d{1,15})")
_TITAN_BATCH = re.compile(
    r"global batch size (\d{1,15}),[^|]{0,120}?sequence length (\d{1,15}), total steps"
)
_TITAN_SAVED = re.compile(r"\bFinished saving the checkpoint[^|]{0,80}?in ([\d.]{1,20}) seconds")
_TITAN_LAST = re.compile(r"\bLast step checkpoint completed in ([\d.]{1,20})s")


def read_torchtitan(line: str) -> Said | None:
    """A line of torchtitan's log, such as `step: 10  loss: 4.17  ...  tps: 221,070  ...`.

    Its `tps` is per device and rounded, so tokens come from the batch and the sequence length that
    it prints at the start.
    """
    if match := _TITAN_STEP.search(line):
        return Said(step=_whole(match[1]))
    # Versions of 2024 say both in one line.
    start, batch = _TITAN_START.search(line), _TITAN_BATCH.search(line)
    if start or batch:
        return Said(
            resumed=max(0, int(start[1]) - 1) if start else None,
            samples_per_step=_whole(batch[1]) if batch else None,
            sequence_length=_whole(batch[2]) if batch else None,
        )
    if match := _TITAN_SAVED.search(line) or _TITAN_LAST.search(line):
        return Said(is_saved=True, save_seconds=_number(match[1]))
    return None


_MEGATRON_STEP = re.compile(r"\biteration\s{1,20}(\d{1,15})/\s{0,20}\d{1,15} \|")
_MEGATRON_FIELD = re.compile(r" ([a-z][a-zA-Z /()-]{2,60}): {1,20}([\d.E+-]{1,30}) \|")
_MEGATRON_ARGUMENT = re.compile(r"^\W{0,40}(seq_length|log_interval) \.{2,80} (\d{1,15})\s*$")
_MEGATRON_LOADED = re.compile(
    r"\bsuccessfully loaded checkpoint from [^|]{1,2000} at iteration (\d{1,15})"
)
_MEGATRON_RANDOM = re.compile(r"\bwill not load any checkpoints and will start from random")
_MEGATRON_SAVED = re.compile(r"\bsuccessfully saved checkpoint from iteration\s{1,20}(\d{1,15})")


def read_megatron(line: str) -> Said | None:
    """A line of Megatron-LM's log, such as ` iteration 100/ 500 | consumed samples: 25600 | ...`.

    The sequence length comes from the arguments it prints at the start.
    """
    if match := _MEGATRON_STEP.search(line):
        values = dict(_MEGATRON_FIELD.findall(line, match.end()))
        milliseconds = _number(values.get("elapsed time per iteration (ms)"))
        return Said(
            step=_whole(match[1]),
            samples_total=_whole(values.get("consumed samples")),
            samples_per_step=_whole(values.get("global batch size")),
            step_seconds=None if milliseconds is None else milliseconds / 1000,
        )
    if match := _MEGATRON_SAVED.search(line):
        return Said(saved=_whole(match[1]))
    if match := _MEGATRON_LOADED.search(line):
        return Said(resumed=_whole(match[1]))
    if _MEGATRON_RANDOM.search(line):
        return Said(resumed=0)
    if match := _MEGATRON_ARGUMENT.search(line):
        number = _whole(match[2])
        if match[1] == "seq_length":
            return Said(sequence_length=number)
        return Said(steps_per_line=number)
    return None


_NEMO_LINE = re.compile(r"\bTraining epoch \d{1,9}, iteration \d{1,15}/|\bEpoch \d{1,9}:")
_NEMO_FIELD = re.compile(
    r"\b(global_step|global_batch_size|consumed_samples|train_step_timing in s)(?:: |=)"
    r"([\d.e+]{1,30})"
)
_NEMO_SAVED = re.compile(r"\bAsync checkpoint save for step (\d{1,15}) \(.{1,2000}\) finalized")
_NEMO_WRITTEN = re.compile(r"\bSuccessfully saved checkpoint from iteration\s{1,20}(\d{1,15})")
_NEMO_WAITED = re.compile(
    r"\bGlobal Checkpoint Save : Rank: 0 : Iteration: \d{1,15} : .{0,80}?duration: ([\d.]{1,20})s"
)


def read_nemo(line: str) -> Said | None:
    """A line of NeMo 2's log or a state of its progress bar; its steps are numbered from 0."""
    if _NEMO_LINE.search(line):
        values = dict(_NEMO_FIELD.findall(line))
        step = _whole(values.get("global_step"))
        if step is None:
            return None
        return Said(
            step=step + 1,
            samples_total=_whole(values.get("consumed_samples")),
            samples_per_step=_whole(values.get("global_batch_size")),
            step_seconds=_number(values.get("train_step_timing in s")),
        )
    if match := _NEMO_SAVED.search(line):
        return Said(saved=_whole(match[1]))
    if match := _NEMO_WRITTEN.search(line):
        written = _whole(match[1])
        return None if written is None else Said(saved=written + 1)
    if match := _NEMO_WAITED.search(line):
        return Said(save_seconds=_number(match[1]))
    return None


READERS: Mapping[str, Reader] = MappingProxyType(
    {"torchtitan": read_torchtitan, "megatron": read_megatron, "nemo": read_nemo}
)
"""Readers by the name of the framework."""

GROUPS = (
    "step", "tokens_total", "samples_total", "tokens_per_step", "samples_per_step",
    "sequence_length", "step_seconds", "saved", "save_seconds", "resumed",
)  # fmt: skip
"""Groups a pattern of one's own may have; the names are those of `Said`."""


def pattern_reader(pattern: str) -> Reader:
    """A reader by a pattern with named groups, for logs of any other form.

    Args:
        pattern: A regular expression; at least `(?P<step>...)`, `(?P<saved>...)` or
            `(?P<resumed>...)`. Commas within numbers are passed over.

    Raises:
        ValueError: It is no regular expression, or has no group or one of another name.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {error}") from None
    groups = compiled.groupindex.keys()
    if unknown := groups - set(GROUPS):
        raise ValueError(f"no group {min(unknown)!r}; there are {', '.join(GROUPS)}")
    if not groups & {"step", "saved", "resumed"}:
        raise ValueError("without a group step, saved or resumed, such as step (?P<step>[0-9]+)")

    def read(line: str) -> Said | None:
        match = compiled.search(line)
        if match is None:
            return None
        found = match.groupdict()
        return Said(
            step=_whole(found.get("step")),
            tokens_total=_whole(found.get("tokens_total")),
            samples_total=_whole(found.get("samples_total")),
            tokens_per_step=_whole(found.get("tokens_per_step")),
            samples_per_step=_whole(found.get("samples_per_step")),
            sequence_length=_whole(found.get("sequence_length")),
            step_seconds=_number(found.get("step_seconds")),
            saved=_whole(found.get("saved")),
            save_seconds=_number(found.get("save_seconds")),
            resumed=_whole(found.get("resumed")),
        )

    return read


def cleaned(line: str) -> str:
    """The line without colours, and not longer than is looked at."""
    return _COLOUR.sub("", line[:MOST_LINE])


class Progress:
    """Counts what lines say, each step once."""

    def __init__(
        self,
        counter: Counter,
        *,
        tokens_per_step: int | None = None,
        sequence_length: int | None = None,
        from_start: bool = True,
    ) -> None:
        """Begin before the first line.

        Args:
            counter: Where it is counted.
            tokens_per_step: Tokens of one step, where the log does not say them.
            sequence_length: Tokens of one sequence, where the log does not say it.
            from_start: The log is read from its beginning, so its first step is the job's first.
        """
        self._counter = counter
        self._tokens_per_step = tokens_per_step
        self._told_length = self._length = sequence_length
        self._samples_per_step: int | None = None
        self._steps_per_line = 1
        self._from_start = from_start
        self._step: int | None = None
        self._tokens_total: int | None = None
        self._samples_total: int | None = None
        self._saved: int | None = None

    def take(self, said: Said) -> None:
        """Count what is new in it."""
        if said.sequence_length is not None and self._told_length is None:
            self._length = said.sequence_length
        if said.samples_per_step is not None:
            self._samples_per_step = said.samples_per_step
        if said.steps_per_line:
            self._steps_per_line = said.steps_per_line
        if said.resumed is not None:
            self._resume(said.resumed)
        if said.step is not None:
            self._advance(said.step, said)
        if said.save_seconds is not None:
            self._counter.spent("checkpoint_save", said.save_seconds)
        held = said.saved if said.saved is not None else self._step if said.is_saved else None
        if held is not None and held != self._saved:
            self._saved = held  # some frameworks write the newest one twice, and say so twice
            self._counter.saved(held)

    def _resume(self, step: int) -> None:
        self._step = step
        self._tokens_total = self._samples_total = 0 if step == 0 else None
        self._counter.resumed(step)

    def _advance(self, step: int, said: Said) -> None:
        if self._step is None:
            # Nobody said where the run began: not more is taken for done than one line speaks of.
            before = max(0, step - self._steps_per_line)
            if self._from_start:
                self._resume(before)
            self._step = before
        count = step - self._step
        if count <= 0:
            return  # said again, by another rank or a progress bar
        samples = self._new(said.samples_total, self._samples_total, self._samples_per_step, count)
        tokens = self._tokens(said, samples, count)
        self._counter.step(count, tokens=tokens, samples=samples, number=step)
        if said.step_seconds is not None:
            self._counter.spent("step", said.step_seconds * count)
        self._step = step
        self._tokens_total, self._samples_total = said.tokens_total, said.samples_total

    def _tokens(self, said: Said, samples: int, count: int) -> int:
        if self._tokens_per_step is not None:
            return self._tokens_per_step * count
        if said.tokens_total is not None or said.tokens_per_step is not None:
            return self._new(said.tokens_total, self._tokens_total, said.tokens_per_step, count)
        return samples * (self._length or 0)

    @staticmethod
    def _new(total: int | None, before: int | None, each: int | None, count: int) -> int:
        """What came since the last line: by totals where both are known, else by what each has."""
        if total is not None and before is not None and total >= before:
            return total - before
        return (each or 0) * count


def _whole(text: str | None) -> int | None:
    number = _number(text)
    return None if number is None else int(number)


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        return None
    return number if 0 <= number <= _MOST_NUMBER else None
