"""Slurm's lists of nodes: `gpu[00-03,07],cpn-f13-[01-02]`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from wattline_agents.errors import InputError

MOST_NODES = 100_000
"""No system has more; a list of a few characters can claim a billion."""
_MOST_CHARACTERS = 1_000_000
_RANGE = re.compile(r"([0-9]{1,12})(?:-([0-9]{1,12}))?\Z")


def expand(text: str) -> list[str]:
    """The nodes a list names, in its order.

    Raises:
        InputError: It is no such list, or names more than 100,000 nodes.
    """
    if len(text) > _MOST_CHARACTERS:
        raise InputError(f"a node list of {len(text)} characters")
    names: list[str] = []
    for entry in _entries(text):
        for name in _one(entry):
            names.append(name)
            if len(names) > MOST_NODES:
                raise InputError(f"a node list of more than {MOST_NODES} nodes")
    return names


def indices(text: str) -> list[int]:
    """The numbers of a list of ranges: `0-1,3` is 0, 1 and 3.

    Raises:
        InputError: It is no such list, or has more than 100,000 numbers.
    """
    return [int(number) for number in itertools.islice(_ranges(text), MOST_NODES)]


def _entries(text: str) -> Iterator[str]:
    """The parts between the commas that stand in no brackets."""
    depth = start = 0
    for place, character in enumerate(text):
        if character == "[":
            depth += 1
        elif character == "]":
            depth -= 1
        if depth not in (0, 1):
            raise _wrong(text)
        if character == "," and depth == 0:
            yield text[start:place]
            start = place + 1
    if depth:
        raise _wrong(text)
    if text:
        yield text[start:]


def _one(entry: str) -> Iterator[str]:
    """The names of one entry: every combination of its ranges, the last one moving fastest."""
    parts = re.split(r"\[([^\]]*)\]", entry)
    if not entry or "[" in "".join(parts) or "]" in "".join(parts):
        raise _wrong(entry)
    fixed, ranges = parts[::2], parts[1::2]
    if len(ranges) > 4:
        raise _wrong(entry)
    total = 1
    lists: list[list[str]] = []
    for text in ranges:
        # Bounded before they are combined: four short ranges can name a billion.
        numbers = list(itertools.islice(_ranges(text), MOST_NODES + 1))
        total *= len(numbers)
        if total > MOST_NODES:
            raise InputError(f"a node list of more than {MOST_NODES} nodes")
        lists.append(numbers)
    for combination in itertools.product(*lists):
        yield "".join(part for pair in zip(fixed, (*combination, ""), strict=True) for part in pair)


def _ranges(text: str) -> Iterator[str]:
    for part in text.split(","):
        match = _RANGE.match(part)
        if match is None:
            raise _wrong(text)
        first, last = match[1], match[2] or match[1]
        if int(last) < int(first):
            raise _wrong(text)
        for number in range(int(first), int(last) + 1):
            yield f"{number:0{len(first)}}"


def _wrong(text: str) -> InputError:
    return InputError(f"{text[:60]!r} is no list of nodes such as gpu[00-03,07]")
