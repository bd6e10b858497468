import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, field, fields, is_dataclass, replace
from typing import Any

import pytest

from wattline_agents.record import record


@record(frozen=True, slots=True)
class Place:
    """Where something stands."""

    rack: str
    unit: int = 1
    seen_in: str = field(default="", compare=False)


@record(frozen=True, slots=True)
class Name:
    """A class of one field."""

    text: str


@record(frozen=True, slots=True)
class Checked:
    """A class with a default that is made anew each time, and a look at what it is given."""

    unit: int
    seen_in: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.unit < 0:
            raise ValueError("below the rack")


@record(frozen=False, slots=True)
class Hold:
    """Something that is changed."""

    start_ms: int
    until_ms: int | None = None
    told: dict[str, int] = field(default_factory=dict)


@record(frozen=True)
class Loose:
    """A class without slots."""

    text: str


def test_records_with_the_same_values_are_the_same() -> None:
    assert Place("a", 2) == Place("a", 2)
    assert hash(Place("a", 2)) == hash(Place("a", 2))
    assert Place("a", 2) != Place("a", 3)
    assert len({Place("a"), Place("a"), Place("b")}) == 2


def test_a_field_that_is_not_compared_makes_no_difference() -> None:
    one, other = Place("a", seen_in="x"), Place("a", seen_in="y")
    assert one == other
    assert hash(one) == hash(other)


def test_records_of_different_classes_are_never_the_same() -> None:
    name: object = Name("a")
    assert name != Loose("a")
    assert name != "a"
    assert hash(Name("a")) != hash(Loose("a"))


def test_a_record_shows_all_its_fields() -> None:
    assert repr(Place("a", seen_in="x")) == "Place(rack='a', unit=1, seen_in='x')"


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Place("a").unit = 3  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del Place("a").unit
    assert not hasattr(Place("a"), "__dict__")
    assert hasattr(Loose("a"), "__dict__")


def test_a_record_is_a_dataclass_in_all_else() -> None:
    place = Place("a", 2, "x")
    assert [one.name for one in fields(place)] == ["rack", "unit", "seen_in"]
    assert replace(place, unit=3) == Place("a", 3)
    assert pickle.loads(pickle.dumps(place)) == copy.deepcopy(place) == place
    match place:
        case Place("a", unit):
            assert unit == 2


def test_a_default_is_made_anew_and_what_is_given_is_looked_at() -> None:
    assert Checked(1).seen_in == []
    assert Checked(1).seen_in is not Checked(1).seen_in
    assert Checked(unit=1, seen_in=["x"]).seen_in == ["x"]
    with pytest.raises(ValueError, match="below"):
        Checked(-1)
    with pytest.raises(TypeError):
        Checked()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("values", "named", "complaint"),
    [
        ((), {}, "Place\\(\\) needs 'rack'"),
        ((), {"unit": 1}, "Place\\(\\) needs 'rack'"),
        (("a", 1, "x", 2), {}, "Place\\(\\) takes 3 values, not 4"),
        (("a",), {"shelf": 1}, "Place\\(\\) takes no 'shelf'"),
        (("a",), {"rack": "b"}, "Place\\(\\) takes no 'rack', or has it"),
    ],
)
def test_values_that_are_not_those_of_the_fields_are_refused(
    values: tuple[Any, ...], named: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(TypeError, match=complaint):
        Place(*values, **named)


def test_values_may_be_told_in_order_by_name_and_not_at_all() -> None:
    assert Place("a", seen_in="x") == Place(seen_in="x", rack="a", unit=1)
    assert Place(seen_in="x", unit=2, rack="a").seen_in == "x"
    assert Loose(text="a") == Loose("a")


def test_a_default_that_may_change_is_refused_as_all_would_share_it() -> None:
    with pytest.raises(ValueError, match="holds: all would share what may change"):

        @record(frozen=True)
        class Shelf:
            """One that holds things."""

            holds: Any = []  # noqa: RUF012


def test_a_field_may_be_told_more_of_than_a_default() -> None:
    @record(frozen=True)
    class Shelf:
        """One that has no default."""

        rack: str = field(compare=False)
        unit: int = field(default=1)

    assert Shelf("a") == Shelf("b") != Shelf("a", 2)
    assert Shelf.unit == 1
    assert not hasattr(Shelf, "rack")
    with pytest.raises(TypeError, match="needs 'rack'"):
        Shelf(unit=1)  # type: ignore[call-arg]


def test_what_is_asked_of_a_dataclass_is_known_of_a_record() -> None:
    described: Any = Place
    assert described.__dataclass_params__.frozen
    assert is_dataclass(Place)
    assert asdict(Checked(1, ["x"])) == {"unit": 1, "seen_in": ["x"]}
    assert [(one.name, one.type, one.compare) for one in fields(Place)] == [
        ("rack", str, True),
        ("unit", int, True),
        ("seen_in", str, False),
    ]
    made: Any = Hold
    assert not made.__dataclass_params__.frozen
    assert fields(Hold)[2].default_factory is dict


def test_a_record_that_may_change_is_a_dataclass_that_may() -> None:
    hold = Hold(1)
    hold.until_ms, hold.told["a"] = 5, 2
    assert hold == Hold(1, 5, {"a": 2}) != Hold(1)
    assert repr(hold) == "Hold(start_ms=1, until_ms=5, told={'a': 2})"
    assert replace(hold, start_ms=2) == Hold(2, 5, {"a": 2})
    assert Hold(1).told is not Hold(1).told
    assert not hasattr(hold, "__dict__")
    with pytest.raises(TypeError, match="unhashable"):
        hash(hold)
