"""How a profile is declared: as frozen dataclasses whose fields say all there is to say of a key.

From the declaration come the parser with its messages, the template, the table of the documentation
and the list of what is missing, so that none of them can say otherwise than another.

A field is one of

    key(...)       one value: a number, a text, a date, a list of them
    part(...)      one table below this one: [data_centre.redundancy]
    named(...)     tables by a name that people give: [system.example-1], [meter.ups-a]
    numbers(...)   numbers by a name out of a list: [system.example-1.device.h200.peaks]

Names and not positions, so that every complaint can say which table it is about, and a name that is
given twice is refused by TOML itself.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar, dataclass_transform

from wattline_collector.profile.units import Unit


class Kind(StrEnum):
    """What may stand behind a key."""

    NAME = "name"  # letters, digits and . _ : @ + -
    TEXT = "text"
    WORD = "word"  # one of a list
    NUMBER = "number"
    WHOLE = "whole number"
    SHARE = "share"  # 0 to 1, or a percentage
    QUANTITY = "quantity"  # a number with its unit
    FLAG = "true or false"
    DATE = "date"
    CLOCK = "time of day"


@dataclass(frozen=True, slots=True)
class Key:
    """One value.

    Attributes:
        kind: What it is.
        help: One or two sentences for people.
        example: What the template shows, as TOML.
        words: The words allowed.
        least: The least number; of a list, of each.
        most: The largest number.
        unit: Of a quantity, what it may be written in and is held in.
        many: Whether it is a list.
        serves: KPIs and reports that need it, for the list of what is missing.
        check: Says in words what is wrong with a value that has the right kind.
        personal: Whether it may name a person.
        aside: Whether the template shows it apart: it takes another key's place, or its example
            names a table that is not in the template.
        id: Whether it is no key but the name of the table itself.
    """

    kind: Kind
    help: str
    example: str = ""
    words: tuple[str, ...] = ()
    least: float = 0.0
    most: float = 1e21
    unit: Unit | None = None
    many: bool = False
    serves: tuple[str, ...] = ()
    check: Callable[[Any], str | None] | None = None
    personal: bool = False
    aside: bool = False
    id: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One table below."""

    table: type


@dataclass(frozen=True, slots=True)
class Named:
    """Tables below, each by its name.

    Attributes:
        table: What each is.
        example: The name that the template shows.
        words: The names allowed; empty: any.
        check: Says what is wrong with a name.
        serves: What needs at least one of them. Where nothing does, none is no gap.
    """

    table: type
    example: str
    words: tuple[str, ...] = ()
    check: Callable[[str], str | None] | None = None
    serves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers by name: all of one kind.

    Attributes:
        value: What each of them is; its example is a whole line, `bf16 = "989 TFLOP/s"`.
        words: The names allowed.
    """

    value: Key
    words: tuple[str, ...]


Member = Key | Part | Named | Numbers
_MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Declared:
    """A field of a table, read back.

    Attributes:
        key: What it is called in the file.
        attribute: What it is called in the program: of quantities with their unit.
        member: What it is.
        required: Whether the table is nothing without it.
    """

    key: str
    attribute: str
    member: Member
    required: bool


def _field(member: Member, default: Any, factory: Callable[[], Any] | None = None) -> Any:
    metadata = {_MEMBER: member}
    if factory is not None:
        return field(metadata=metadata, default_factory=factory)
    return field(metadata=metadata, default=default)


def key(
    kind: Kind,
    help: str,
    example: str = "",
    *,
    default: Any = dataclasses.MISSING,
    words: tuple[str, ...] = (),
    least: float = 0.0,
    most: float = 1e21,
    unit: Unit | None = None,
    many: bool = False,
    serves: str = "",
    check: Callable[[Any], str | None] | None = None,
    personal: bool = False,
    aside: bool = False,
) -> Any:
    """One value; without a default it is required. See `Key` for the rest.

    Args:
        kind: What it is.
        help: One or two sentences for people.
        example: What the template shows, as TOML.
        default: What it is where nothing is told; None: unknown.
        words: The words allowed.
        least: The least number.
        most: The largest number.
        unit: Of a quantity.
        many: Whether it is a list.
        serves: Ids of KPIs and reports that need it, separated by spaces.
        check: Says what is wrong with a value.
        personal: Whether it may name a person.
        aside: Whether the template shows it apart.
    """
    needs = tuple(serves.split())
    one = Key(kind, help, example, words, least, most, unit, many, needs, check, personal, aside)
    return _field(one, default)


def ident(help: str) -> Any:
    """The name of the table itself; it stands in the table's heading and is no key."""
    return _field(Key(Kind.NAME, help, id=True), dataclasses.MISSING)


def part(table: type, *, default: Any = None) -> Any:
    """One table below; None where it is not there."""
    return _field(Part(table), default)


def named(
    table: type,
    example: str,
    *,
    default_factory: Callable[[], Any],
    words: tuple[str, ...] = (),
    check: Callable[[str], str | None] | None = None,
    serves: str = "",
) -> Any:
    """Tables below by their names. See `Named`."""
    member = Named(table, example, words, check, tuple(serves.split()))
    return _field(member, None, default_factory)


def numbers(
    kind: Kind,
    help: str,
    example: str,
    *,
    words: tuple[str, ...],
    default_factory: Callable[[], Any],
    least: float = 0.0,
    most: float = 1e21,
    unit: Unit | None = None,
    serves: str = "",
) -> Any:
    """Numbers by name. See `Numbers`."""
    one = Key(kind, help, example, least=least, most=most, unit=unit, serves=tuple(serves.split()))
    return _field(Numbers(one, words), None, default_factory)


T = TypeVar("T")


@dataclass_transform(
    kw_only_default=True, frozen_default=True, field_specifiers=(key, ident, part, named, numbers)
)
def table(cls: type[T]) -> type[T]:
    """Make a class a table of the profile: its docstring explains it, its fields are its keys."""
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)


def declared(cls: type) -> Iterator[Declared]:
    """The fields of a table, in their order."""
    for one in dataclasses.fields(cls):
        member: Member = one.metadata[_MEMBER]
        name = one.name
        if isinstance(member, Named):
            # A file says [system.x], a program profile.systems["x"].
            name = _SINGULAR.get(name, name.removesuffix("s"))
        elif isinstance(member, Key) and member.unit is not None:
            name = name.removesuffix(f"_{member.unit.suffix}")
        required = one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
        yield Declared(name, one.name, member, required)


_SINGULAR = {"sla": "sla", "finance": "finance"}


def help_of(cls: type) -> str:
    """What a table is: the first paragraph of its docstring, in one line."""
    return " ".join(inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].split())
