import dataclasses
import typing
from collections.abc import Iterator
from datetime import date, time

import pytest

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
from wattline_collector.profile.gaps import served
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.schema.words import KPIS, REPORTS

TYPES = {
    Kind.NAME: str, Kind.TEXT: str, Kind.WORD: str, Kind.NUMBER: float, Kind.WHOLE: int,
    Kind.SHARE: float, Kind.QUANTITY: float, Kind.FLAG: bool, Kind.DATE: date, Kind.CLOCK: time,
}  # fmt: skip


def tables(cls: type = FactoryProfile) -> Iterator[type]:
    yield cls
    for one in declared(cls):
        if isinstance(one.member, Part | Named):
            yield from tables(one.member.table)


TABLES = list(dict.fromkeys(tables()))
FIELDS = [
    pytest.param(cls, one, id=f"{cls.__name__}.{one.attribute}")
    for cls in TABLES
    for one in declared(cls)
]


@pytest.mark.parametrize(("cls", "one"), FIELDS)
def test_what_a_field_is_declared_as_is_what_its_type_says(cls: type, one: Declared) -> None:
    hint = typing.get_type_hints(cls)[one.attribute]
    parts = [part for part in typing.get_args(hint) if part is not type(None)]
    told = parts[0] if type(None) in typing.get_args(hint) else hint
    match one.member:
        case Key(many=True, kind=kind):
            assert typing.get_args(told) == (TYPES[kind], ...)
        case Key(kind=kind):
            assert told is TYPES[kind]
        case Part(table=below):
            assert told is below
        case Named(table=below):
            assert typing.get_args(told) == (str, below)
        case Numbers():
            assert typing.get_args(told) == (str, float)


@pytest.mark.parametrize("cls", TABLES)
def test_every_table_and_key_is_explained(cls: type) -> None:
    assert help_of(cls).endswith(".")
    for one in declared(cls):
        match one.member:
            case (
                Key(help=help, id=False, example=example)
                | Numbers(value=Key(help=help, example=example))
            ):
                assert help.endswith(".")
                assert example
            case Key(help=help):
                assert help.endswith(".")


@pytest.mark.parametrize(("cls", "one"), FIELDS)
def test_a_quantity_says_its_unit_in_the_name_of_its_attribute(cls: type, one: Declared) -> None:
    match one.member:
        case Key(kind=Kind.QUANTITY, unit=unit):
            assert unit is not None
            assert one.attribute == f"{one.key}_{unit.suffix}"
        case Key(unit=unit):
            assert unit is None


def test_what_a_key_serves_is_in_the_dictionary() -> None:
    assert served() <= {*KPIS, *REPORTS}


def test_the_dictionary_has_seventy_ids() -> None:
    assert len([id for id in KPIS if id[1:].isdecimal()]) == 70


def test_what_can_have_a_target_is_what_is_computed() -> None:
    from wattline_collector.kpi.registry import REGISTRY

    assert set(REGISTRY) == set(KPIS)


def test_a_table_is_frozen() -> None:
    assert all(cls.__dataclass_params__.frozen for cls in tables())  # type: ignore[attr-defined]
    assert all(dataclasses.is_dataclass(cls) for cls in tables())
