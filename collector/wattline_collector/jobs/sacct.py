"""`sacct`'s text: lines of fields between delimiters, with a header or without.

`sacct --parsable2` does not quote. A job's name may hold the delimiter or a line break, so a line
is not always a record: lines are put together and fields joined again where only one reading of
them makes sense. What cannot be put right is set aside, and the good records around it are kept.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from wattline_agents.errors import InputError
from wattline_collector.jobs.accounts import Damage
from wattline_collector.jobs.states import STATES

FIELDS = {
    "jobidraw": "job_raw", "jobid": "job_id", "cluster": "cluster", "partition": "partition",
    "qos": "qos", "account": "account", "user": "user", "jobname": "name", "state": "state",
    "reason": "reason", "exitcode": "exit", "submit": "submit", "eligible": "eligible",
    "start": "start", "end": "end", "elapsedraw": "elapsed", "elapsed": "elapsed",
    "suspended": "suspended", "timelimit": "limit", "timelimitraw": "limit_minutes",
    "nnodes": "nodes", "allocnodes": "nodes", "nodelist": "node_list", "alloccpus": "cpus",
    "ncpus": "cpus", "alloctres": "tres_allocated", "reqtres": "tres_requested",
    "consumedenergyraw": "energy_raw", "consumedenergy": "energy", "maxrss": "rss",
    "tresusageintot": "usage", "restarts": "restarts",
}  # fmt: skip
"""Names of `sacct`'s fields in small letters, and what they are in `accounts.RAW`. Where several
are one thing, the first of them in this order is read."""

SACCT_26 = (
    "JobID", "JobIDRaw", "Cluster", "Partition", "QOS", "Account", "Group", "GID", "User", "UID",
    "Submit", "Eligible", "Start", "End", "Elapsed", "ExitCode", "State", "NNodes", "NCPUS",
    "ReqCPUS", "ReqMem", "ReqTRES", "AllocTRES", "Timelimit", "NodeList", "JobName",
)  # fmt: skip
"""The fields without header that Open XDMoD's shredder asks `sacct` for."""

_FREE = frozenset(
    ("jobname", "comment", "admincomment", "systemcomment", "submitline", "workdir", "reason",
     "constraints", "extra", "wckey", "container", "stdin", "stdout", "stderr")
)  # fmt: skip
"""Fields that hold what people typed, and may hold a delimiter."""
_ID = re.compile(r"\d+(?:_(?:\d+|\[[^\]]*\]))?(?:\+\d+)?(?:\.[\w+.]+)?\Z")
_TIME = re.compile(r"(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d|\d{1,11}|Unknown|None|N/A|)\Z", re.I)
_HEADER = re.compile(r"\s*([A-Za-z]+)([^A-Za-z0-9\s]{1,16})(?=[A-Za-z])")

CHUNK = 25_000
"""Records turned into columns at once: some 20 MB."""
_MOST_LINES, _MOST_CHARACTERS = 64, 1_000_000
"""What one record may be spread over."""
_MOST_SURPLUS = 4
"""Delimiters in text fields of one record that are looked for in every combination."""

Line = tuple[int, bytes | None]
"""A line's number, and the line; None where it was too long to keep."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How records are written.

    Attributes:
        delimiter: Between fields.
        names: Of the fields, in order.
        trailing: Whether a delimiter also ends every record, as `sacct -p` writes them.
    """

    delimiter: str
    names: tuple[str, ...]
    trailing: bool = False

    def place(self, *names: str) -> int | None:
        """Where the first of these fields stands."""
        small = [name.lower() for name in self.names]
        return next((small.index(name) for name in names if name in small), None)

    def shown(self, raw: str) -> str:
        """The name this layout has for one of `accounts.RAW`."""
        small = {name.lower(): name for name in self.names}
        return next((small[n] for n, r in FIELDS.items() if r == raw and n in small), raw)


def layout_of(header: str) -> Layout | None:
    """The layout a header line names; None if it is no header of `sacct`'s."""
    text = header.rstrip("\r\n")
    match = _HEADER.match(text)
    if match is None or "jobid" not in text.lower():
        return None
    delimiter = match[2]
    names = [name.strip() for name in text.split(delimiter)]
    trailing = names[-1] == ""
    kept = tuple(names[:-1] if trailing else names)
    if not all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_/]*", name) for name in kept):
        return None
    return Layout(delimiter, kept, trailing)


@dataclass(slots=True)
class Reader:
    """Takes lines, gives frames of records, and remembers what it set aside.

    Attributes:
        layout: How records are written.
        set_aside: Is given every damaged record and its text.
        repaired: Records that were put together from several lines, or whose text fields held
            delimiters.
    """

    layout: Layout
    set_aside: Callable[[Damage, str], None]
    repaired: int = 0
    _shape: _Shape = field(init=False)

    def __post_init__(self) -> None:
        """Look up where what is wanted stands."""
        self._shape = _Shape.of(self.layout)

    def frames(self, lines: Iterable[Line]) -> Iterator[pl.DataFrame]:
        """Columns of `accounts.RAW` and `line`, some ten thousand records at a time.

        Records of one job that follow one another stay together, so that its steps and restarts
        are seen with it.
        """
        shape = self._shape
        numbers: list[int] = []
        rows: list[tuple[str, ...]] = []
        last = ""
        for number, parts in self._records(lines):
            wanted = shape.wanted(parts)
            if len(rows) >= CHUNK - 1:
                base = shape.base(parts)
                if (base != last and len(rows) >= CHUNK) or len(rows) >= 4 * CHUNK:
                    yield shape.frame(numbers, rows)
                    numbers, rows = [], []
                last = base
            numbers.append(number)
            rows.append(wanted)
        if rows:
            yield shape.frame(numbers, rows)

    def _records(self, lines: Iterable[Line]) -> Iterator[tuple[int, list[str]]]:
        """Line and fields of every record; the others are set aside."""
        delimiter, expected = self.layout.delimiter, self._shape.expected
        begun: tuple[int, str] | None = None
        for number, raw in lines:
            if raw is None:
                self._give_up(begun)
                begun = None
                self.set_aside(Damage(number, "", "a line of more than 4 MiB"), "")
                continue
            text = raw.decode("utf-8", "replace").rstrip("\r\n")
            parts = text.split(delimiter)
            if len(parts) == expected and (begun is None or self._shape.is_record(parts)):
                self._give_up(begun)
                begun = None
                yield number, parts
                continue
            if begun is not None:
                joined = f"{begun[1]}\n{text}"
                found = self._put_right(joined)
                if found is not None:
                    self.repaired += 1
                    yield begun[0], found
                    begun = None
                    continue
                short = len(joined.split(delimiter)) <= expected and (
                    number - begun[0] < _MOST_LINES and len(joined) < _MOST_CHARACTERS
                )
                if short and not self._shape.begins(parts):
                    begun = (begun[0], joined)
                    continue
                self._give_up(begun)
                begun = None
            if not text.strip():
                continue
            if len(parts) == expected:
                yield number, parts
            elif len(parts) > expected:
                found = self._put_right(text)
                if found is None:
                    self._set_aside(number, text)
                else:
                    self.repaired += 1
                    yield number, found
            else:
                begun = (number, text)
        self._give_up(begun)

    def _give_up(self, begun: tuple[int, str] | None) -> None:
        if begun is not None:
            self._set_aside(*begun)

    def _set_aside(self, number: int, text: str) -> None:
        has, needs = len(text.split(self.layout.delimiter)), self._shape.expected
        reason = f"has {has} fields where {needs} are expected"
        self.set_aside(Damage(number, "", reason), text)

    def _put_right(self, text: str) -> list[str] | None:
        """The fields of a record some of whose text fields hold delimiters.

        Every way to put the surplus back into text fields is tried; one is taken only if no other
        one, as far as what is read from the record goes, makes sense too.
        """
        shape = self._shape
        parts = text.split(self.layout.delimiter)
        surplus = len(parts) - shape.expected
        if surplus < 0:
            return None
        if surplus == 0:
            return parts if shape.is_record(parts) else None
        several = surplus <= _MOST_SURPLUS and len(shape.free) > 1
        ways: Iterable[tuple[int, ...]] = (
            itertools.combinations_with_replacement(shape.free, surplus)
            if several
            else ((place,) * surplus for place in shape.free)
        )
        found: dict[tuple[str, ...], list[str]] = {}
        for way in itertools.islice(ways, 1000):
            joined = self._joined(parts, way)
            if shape.is_record(joined):
                found.setdefault(shape.wanted(joined), joined)
                if len(found) > 1:
                    return None
        return next(iter(found.values()), None)

    def _joined(self, parts: Sequence[str], way: Sequence[int]) -> list[str]:
        joined: list[str] = []
        at = 0
        for place in range(self._shape.expected):
            more = way.count(place)
            joined.append(self.layout.delimiter.join(parts[at : at + more + 1]))
            at += more + 1
        return joined


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is read from a record, and how it is known to be one."""

    expected: int
    columns: tuple[str, ...]
    places: tuple[int, ...]
    free: tuple[int, ...]
    ids: tuple[int, ...]
    times: tuple[int, ...]
    state: int | None

    @classmethod
    def of(cls, layout: Layout) -> _Shape:
        small = [name.lower() for name in layout.names]
        chosen: dict[str, int] = {}
        for name, raw in FIELDS.items():
            if raw not in chosen and name in small:
                chosen[raw] = small.index(name)
        if not {"job_raw", "job_id"} & chosen.keys():
            raise InputError("has no field JobIDRaw or JobID", line=1)
        times = ("submit", "eligible", "start", "end")
        return cls(
            expected=len(small) + layout.trailing,
            columns=tuple(chosen),
            places=tuple(chosen.values()),
            free=tuple(place for place, name in enumerate(small) if name in _FREE),
            ids=tuple(chosen[raw] for raw in ("job_raw", "job_id") if raw in chosen),
            times=tuple(chosen[raw] for raw in times if raw in chosen),
            state=chosen.get("state"),
        )

    def wanted(self, parts: Sequence[str]) -> tuple[str, ...]:
        return tuple([parts[place] for place in self.places])

    def base(self, parts: Sequence[str]) -> str:
        return parts[self.ids[0]].partition(".")[0]

    def begins(self, parts: Sequence[str]) -> bool:
        """Whether a line cannot go on with the record before it: its first id stands in place."""
        first = min(self.ids)
        return first == 0 and len(parts) > 1 and bool(_ID.match(parts[0].strip()))

    def is_record(self, parts: Sequence[str]) -> bool:
        """Whether what can be recognised stands where it belongs."""
        return (
            all(_ID.match(parts[place].strip()) for place in self.ids)
            and all(_TIME.match(parts[place].strip()) for place in self.times)
            and (self.state is None or _is_state(parts[self.state]))
        )

    def frame(self, numbers: list[int], rows: list[tuple[str, ...]]) -> pl.DataFrame:
        columns = zip(*rows, strict=True)
        data = {
            name: pl.Series(name, values, pl.String)
            for name, values in zip(self.columns, columns, strict=True)
        }
        return pl.DataFrame({"line": pl.Series(numbers, dtype=pl.Int64), **data})


def _is_state(text: str) -> bool:
    word = re.match(r"\s*([A-Za-z_]+)", text)
    return word is not None and word[1].upper() in STATES
