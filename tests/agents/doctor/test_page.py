import json

import pytest

from wattline_agents.doctor.finding import Finding, Mark, Section, ok, problems
from wattline_agents.doctor.page import as_json, summary, text, wants_colour

OFF = Finding(Mark.OFF, "no meter", "buy one", ("it is\x1b[2J dark",))
PROBLEM = Finding(Mark.PROBLEM, "no GPU")
GOOD = [Section("Node", [ok("Linux", kernel="6.1"), OFF])]
BAD = [*GOOD, Section("GPUs", [PROBLEM])]


class Terminal:
    def __init__(self, is_one: bool) -> None:
        self.is_one = is_one

    def isatty(self) -> bool:
        return self.is_one


def test_the_answer_comes_first() -> None:
    assert text(GOOD).splitlines() == [
        "What the configuration asks for works on this node.",
        "",
        "Node",
        "  ok       Linux",
        "  off      no meter",
        "           it is?[2J dark",
        "           -> buy one",
    ]
    assert summary(BAD) == "One thing that the configuration asks for does not work on this node."
    assert summary([*BAD, *BAD]).startswith("2 things that the configuration asks for do not")


def test_only_problems_are_problems() -> None:
    assert problems(GOOD) == []
    assert problems(BAD) == [PROBLEM]


def test_marks_are_coloured_on_a_terminal_only() -> None:
    assert "\x1b" not in text(BAD)
    assert "\x1b[1;31mproblem\x1b[0m  no GPU" in text(BAD, colour=True)


@pytest.mark.parametrize(
    ("is_terminal", "environment", "expected"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": ""}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
    ],
)
def test_colour_is_asked_for(
    is_terminal: bool, environment: dict[str, str], expected: bool
) -> None:
    assert wants_colour(Terminal(is_terminal), environment) is expected


def test_programs_get_the_same() -> None:
    document = json.loads(as_json(BAD))
    assert document["works"] is False
    assert json.loads(as_json(GOOD))["works"] is True
    assert [section["title"] for section in document["sections"]] == ["Node", "GPUs"]
    assert document["sections"][0]["findings"][0] == {
        "mark": "ok", "what": "Linux", "cure": None, "details": [], "data": {"kernel": "6.1"}
    }  # fmt: skip
    assert document["sections"][0]["findings"][1]["cure"] == "buy one"
