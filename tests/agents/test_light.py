"""Each is held against the one of `typing` that it stands for."""

import subprocess
import sys
import typing
from typing import Any

import pytest

from wattline_agents import light


def protocol(of: Any) -> Any:
    """A protocol, a larger one, and one nobody may ask, as this module makes them."""

    class Reads(of.Protocol):  # type: ignore[misc]
        """Reads."""

        every: float

        def read(self, now_ms: int) -> int:
            """One reading."""
            raise NotImplementedError

    @of.runtime_checkable
    class Closes(Reads, of.Protocol):  # type: ignore[misc]
        """Closes, too."""

        def close(self) -> None:
            """End."""

    return Closes


class Whole:
    every = 1.0

    def read(self, now_ms: int) -> int:
        return now_ms

    def close(self) -> None:
        pass


class Half:
    every = 1.0

    def close(self) -> None:
        pass


@pytest.mark.parametrize("of", [typing, light])
def test_what_has_all_that_a_protocol_names_is_one(of: Any) -> None:
    closes = protocol(of)
    assert isinstance(Whole(), closes)
    assert not isinstance(Half(), closes)
    assert not isinstance(3, closes)


@pytest.mark.parametrize("of", [typing, light])
def test_a_class_may_say_that_it_is_one(of: Any) -> None:
    class Own(protocol(of)):  # type: ignore[misc]
        every = 2.0

    own = Own()
    assert own.close() is None
    assert isinstance(own, Own)
    assert isinstance(own, protocol(of))
    assert not isinstance(Whole(), Own)


def pair(of: Any) -> Any:
    class Pair(of.NamedTuple):  # type: ignore[misc]
        """Two things."""

        left: int
        right: str = "r"

        @property
        def both(self) -> str:
            """Together."""
            return f"{self.left}{self.right}"

    return Pair


@pytest.mark.parametrize("of", [typing, light])
def test_a_named_tuple_is_a_tuple_with_names(of: Any) -> None:
    made = pair(of)
    one = made(1)
    assert one == (1, "r") == made(left=1, right="r")
    assert (one.left, one.both, one._replace(right="x")) == (1, "1r", (1, "x"))
    assert repr(one).endswith("Pair(left=1, right='r')")
    assert made._fields == ("left", "right")
    assert made._field_defaults == {"right": "r"}
    assert (made.__doc__, made.__module__) == ("Two things.", __name__)
    assert made.__annotations__ == {"left": int, "right": str}
    assert not hasattr(one, "__dict__")
    with pytest.raises(TypeError):
        made()
    with pytest.raises(AttributeError):
        one.left = 2


def test_an_agent_that_starts_does_not_load_typing() -> None:
    asked = (
        "import sys, wattline_agents.agent_main, wattline_agents.agent, wattline_agents.assemble, "
        "wattline_agents.config, wattline_agents.sinks.otlp, wattline_agents.assignment.process; "
        "print('typing' in sys.modules)"
    )
    # Without what a development environment loads at each start.
    program = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}; {asked}"]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
