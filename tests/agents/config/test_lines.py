import tomllib

import pytest

from wattline_agents.config.lines import key_lines, line_of

TEXT = '''\
# [not.a.table]
a = 1
b.c = "x # no comment, no \\" end"   # comment [d]

"quoted key" = [ # a list
    "one = 1", 'two = "2',
    [3, { four = 4 }],
]
e = """
f = 1
[g]
""" # the text above is one value
h = \'\'\'
i = 1\'\'\'

[ table . sub ]
j = { k = 1, l = { m = 2 } }
"n.o" = 1

[[many]]
p = 1
[[many]]
p = 2
'''


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("a",), 2),
        (("b",), 3),
        (("b", "c"), 3),
        (("quoted key",), 5),
        (("e",), 9),
        (("h",), 13),
        (("table",), 16),
        (("table", "sub"), 16),
        (("table", "sub", "j"), 17),
        (("table", "sub", "n.o"), 18),
        (("many",), 20),
        (("many", "p"), 21),
    ],
)
def test_a_key_stands_where_it_is_written(key: tuple[str, ...], line: int) -> None:
    assert key_lines(TEXT)[key] == line


def test_what_stands_inside_a_value_is_no_key() -> None:
    tomllib.loads(TEXT)
    found = {name for key in key_lines(TEXT) for name in key}
    assert found == {
        "a", "b", "c", "quoted key", "e", "h", "table", "sub", "j", "n.o", "many", "p"
    }  # fmt: skip


def test_a_key_inside_a_table_on_one_line_stands_on_that_line() -> None:
    lines = key_lines(TEXT)
    assert line_of(lines, ("table", "sub", "j", "l", "m")) == 17
    assert line_of(lines, ("elsewhere",)) is None


@pytest.mark.parametrize(
    "text", ["", "\n", "=", "[", "[[", "a", "a =", 'a = "', "]", '"""', "a.b."]
)
def test_text_that_is_not_toml_ends_too(text: str) -> None:
    assert len(key_lines(text)) <= 2
