import pytest

from wattline_agents.nearest import instead

KNOWN = ["system", "node", "token_file", "period_seconds"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("sytem", "system"),
        ("Node", "node"),
        ("token-file", "token_file"),
        ("tokenfile", "token_file"),
        ("period", "period_seconds"),
    ],
)
def test_the_nearest_known_name_is_offered(word: str, meant: str) -> None:
    assert instead(word, KNOWN) == f"did you mean {meant!r}?"


def test_where_nothing_is_near_all_are_named() -> None:
    assert instead("xyzzy", KNOWN) == "there are system, node, token_file, period_seconds"
    assert instead("x" * 10_000, []) == "there are none"
