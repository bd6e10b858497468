import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from wattline_collector.profile.declare import Key, Named, Part, declared
from wattline_collector.profile.parse import must, parse_profile
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.template import page, template
from wattline_collector.profile.values import value

DOCS = Path(__file__).parents[3] / "docs/profile.md"


def filled_in() -> FactoryProfile:
    """The template with the marks taken away."""
    lines = (re.sub(r"^#(?=\[|\w+ = )", "", line) for line in template().splitlines())
    read = parse_profile("\n".join(lines).encode())
    assert [str(one) for one in read.complaints] == []
    return must(read)


def test_a_template_as_it_is_says_nothing() -> None:
    found = parse_profile(template().encode())
    assert [one.key for one in found.complaints] == ["id", "name", "country", "time_zone"]


def test_its_examples_hold_together_once_the_marks_are_taken_away() -> None:
    found = filled_in()
    assert found.systems["example-1"].devices["h200"].peaks == {"bf16": 989e12}
    assert found.tariffs["2026"].windows["night"].begins.hour == 22


def aside(cls: type) -> Iterator[Key]:
    for one in declared(cls):
        match one.member:
            case Part(table=below) | Named(table=below):
                yield from aside(below)
            case Key(aside=True):
                yield one.member


@pytest.mark.parametrize("key", list(aside(FactoryProfile)), ids=lambda key: key.help)
def test_an_example_set_aside_is_right_by_itself(key: Key) -> None:
    assert value(key, tomllib.loads(f"x = {key.example}")["x"]) is not None


def test_no_line_of_it_is_wider_than_a_screen() -> None:
    assert [line for line in template().splitlines() if len(line) > 100] == []


def test_every_key_is_in_the_documentation_as_it_is_declared() -> None:
    assert page() in DOCS.read_text(), (
        "run: wattline profile template --table, into docs/profile.md"
    )


def test_the_first_example_of_the_documentation_works() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    read = parse_profile(example.encode())
    assert [str(one) for one in read.complaints] == []
    assert must(read).systems
