import re
from unittest.mock import patch

from wattline_agents.pattern import pattern


def test_an_expression_is_compiled_at_its_first_use_and_once_for_each_method() -> None:
    with patch("re.compile", wraps=re.compile) as compiled:
        number = pattern(r"([0-9]+)")
        assert not compiled.called
        assert [bool(number.fullmatch(text)) for text in ("12", "x", "7")] == [True, False, True]
        assert compiled.call_count == 1


def test_it_is_used_as_a_compiled_one() -> None:
    word = pattern(r"[a-z]+", re.IGNORECASE)
    found = word.search("12 Ab")
    assert found is not None
    assert found[0] == "Ab"
    assert word.sub("-", "1a2b") == "1-2-"
    assert word.pattern == r"[a-z]+"
    assert pattern(rb"\d").findall(b"1a2") == [b"1", b"2"]


def test_what_looks_for_marks_of_its_own_compiles_nothing() -> None:
    with patch("re.compile", wraps=re.compile) as compiled:
        assert not hasattr(pattern("("), "__wrapped__")
        assert not compiled.called
