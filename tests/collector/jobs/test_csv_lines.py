from __future__ import annotations

from typing import Any

from wattline_collector.jobs.accounts import Damage
from wattline_collector.jobs.csv_lines import fields, frames


def read(text: str) -> tuple[list[dict[str, Any]], list[Damage]]:
    damaged: list[Damage] = []
    lines = [(n, line.encode()) for n, line in enumerate(text.splitlines(keepends=True), start=2)]
    found = frames(
        lines, ",", 3, {"job_raw": 0, "name": 2}, lambda damage, _: damaged.append(damage)
    )
    return [row for frame in found for row in frame.to_dicts()], damaged


def test_quoted_fields_hold_delimiters_quotes_and_lines() -> None:
    rows, damaged = read('1,x,"a,b ""c""\nd"\n2,y,plain\n')
    assert [(row["line"], row["name"]) for row in rows] == [(2, 'a,b "c"\nd'), (4, "plain")]
    assert damaged == []


def test_a_quote_that_is_never_closed_costs_its_own_line_only() -> None:
    rows, damaged = read('1,x,"open\n' + "".join(f"{n},y,z\n" for n in range(200)))
    assert [row["line"] for row in rows] == list(range(2, 203))
    assert rows[0]["name"] == "open"
    assert damaged == []


def test_lines_with_other_counts_of_fields_are_set_aside() -> None:
    rows, damaged = read("1,2\n1,2,3\n1,2,3,4\n\n")
    assert [row["line"] for row in rows] == [3]
    assert [one.line for one in damaged] == [2, 4]


def test_one_line_is_split_without_looking_at_others() -> None:
    assert fields('a;"b;c";d', ";") == ["a", "b;c", "d"]
    assert fields("", ",") == [""]
