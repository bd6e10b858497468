"""What people are given of the profile: a template to fill in, and tables for the documentation."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator

from wattline_collector.profile.declare import (
    Declared,
    Key,
    Kind,
    Named,
    Numbers,
    Part,
    declared,
    help_of,
)
from wattline_collector.profile.schema import FactoryProfile

_WIDTH = 100
_FEW = 40
"""Words that can be listed; of more, an example stands for them."""

_HEAD = """\
# Profile of a factory: what it is, owes, pays and measures. Take the # off the keys you know, and
# change what stands behind them; leave the others as they are. All but a few may be left out: what
# is not told is unknown, and never taken to be nought.
#
#     wattline profile check FILE              what is wrong, and what is missing for which figure
#     wattline profile use FILE --store DIR    let it hold from now on
#
# Quantities are written with their unit, "2.3 MW"; shares as 0.35 or "35 %"; dates as 2026-03-31.
# Tables such as [system.example-1] bear a name you choose, and may stand there several times."""


def template() -> str:
    """A profile with every key explained, all of it in comments.

    In comments, so that nothing made up gets into anybody's profile.
    """
    return "\n".join([_HEAD, *_table(FactoryProfile, ())]) + "\n"


def _table(cls: type, place: tuple[str, ...]) -> Iterator[str]:
    yield ""
    if place:
        yield from _comment(help_of(cls))
        yield f"#[{'.'.join(place)}]"
    for one in declared(cls):
        match one.member:
            case Key(id=False):
                yield from _comment(explained(one))
                mark = "# " if one.member.aside else "#"
                yield f"{mark}{one.key} = {one.member.example}"
    for one in declared(cls):
        match one.member:
            case Numbers(value=value):
                yield ""
                yield from _comment(explained(one))
                yield f"#[{'.'.join((*place, one.key))}]"
                yield f"#{value.example}"
            case Part(table=below):
                yield from _table(below, (*place, one.key))
            case Named(table=below, example=name):
                yield from _table(below, (*place, one.key, name))


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False
    )


def explained(one: Declared) -> str:
    """What a key may say, in a line."""
    member = one.member.value if isinstance(one.member, Numbers) else one.member
    assert isinstance(member, Key)
    parts = [member.help]
    if one.required:
        parts.append("Required.")
    words = one.member.words if isinstance(one.member, Numbers) else member.words
    if words and len(words) <= _FEW:
        parts.append(f"One of: {', '.join(words)}." if not member.many else _list(words))
    elif member.kind is Kind.FLAG:
        parts.append("true or false.")
    elif member.kind is Kind.DATE and member.many:
        parts.append("A list of dates.")
    if member.serves:
        parts.append(f"For {', '.join(member.serves)}.")
    if member.personal:
        parts.append("May name a person.")
    return " ".join(parts)


def _list(words: tuple[str, ...]) -> str:
    return f"Some of: {', '.join(words)}."


def page() -> str:
    """Every key as tables in Markdown, for the documentation."""
    return "\n".join(_page(FactoryProfile, ())) + "\n"


def _page(cls: type, place: tuple[str, ...]) -> Iterator[str]:
    yield f"### `[{'.'.join(place)}]`" if place else "### At the top"
    yield ""
    yield help_of(cls)
    yield ""
    yield "| key | | example |"
    yield "|---|---|---|"
    for one in declared(cls):
        match one.member:
            case Key(id=False, example=example):
                yield f"| {_bold(one)} | {explained(one)}{_default(cls, one)} | `{example}` |"
            case Numbers(value=value):
                yield f"| `{one.key}.NAME` | {explained(one)} | `{value.example}` |"
    yield ""
    for one in declared(cls):
        match one.member:
            case Part(table=below):
                yield from _page(below, (*place, one.key))
            case Named(table=below, words=words):
                name = "ID" if len(words) > _FEW else "NAME"
                yield from _page(below, (*place, one.key, name))


def _bold(one: Declared) -> str:
    return f"**`{one.key}`**" if one.required else f"`{one.key}`"


def _default(cls: type, one: Declared) -> str:
    (field,) = (field for field in dataclasses.fields(cls) if field.name == one.attribute)
    if field.default in (dataclasses.MISSING, None, ()):
        return ""
    told = ", ".join(field.default) if isinstance(field.default, tuple) else field.default
    return f" If not told: {str(told).lower() if isinstance(told, bool) else told}."
