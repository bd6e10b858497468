from __future__ import annotations

from pathlib import Path

import pytest

from wattline_agents.errors import InputError
from wattline_collector.alerts.kept import (
    Kept,
    add_history,
    read_history,
    read_state,
    write_state,
)
from wattline_collector.alerts.machine import Alert, Ended, State, Why


def alert(name: str = "a", rule: str = "rule") -> Alert:
    labels = (("system", "s"), ("device", name))
    return Alert(rule, labels, State.FIRING, 1000, 2000, 0.5)


def test_nothing_was_kept_at_first(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    assert read_history(tmp_path) == []


def test_what_is_on_comes_back_as_it_was(tmp_path: Path) -> None:
    alerts = (
        alert(),
        Alert("other", (("system", "s"),), State.PENDING, 5, None, -1.0),
        Alert("third", (("system", "s"),), State.FIRING, 5, 6, 1.0, absent_ms=7),
    )
    write_state(tmp_path, 9000, alerts)
    assert read_state(tmp_path) == Kept(9000, alerts)
    assert [path.name for path in (tmp_path / "alerts").iterdir()] == ["state.json"]


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2}', '{"version": 1, "at_ms": 1}', "null"])
def test_a_damaged_state_is_named(tmp_path: Path, text: str) -> None:
    write_state(tmp_path, 1, [])
    (tmp_path / "alerts" / "state.json").write_text(text)
    with pytest.raises(InputError, match=r"state.json: holds no state of alerts"):
        read_state(tmp_path)


def test_the_history_is_read_newest_first_and_by_rule_and_time(tmp_path: Path) -> None:
    add_history(tmp_path, 1000, [alert(), alert(rule="other")], [])
    add_history(tmp_path, 2000, [], [Ended(alert(), 2000, Why.CLEARED)])
    found = read_history(tmp_path)
    assert [(one["at_ms"], one["event"], one["rule"]) for one in found] == [
        (2000, "ended", "rule"), (1000, "fired", "other"), (1000, "fired", "rule"),
    ]  # fmt: skip
    assert found[0]["why"] == "cleared"
    assert len(read_history(tmp_path, 1500)) == 1
    assert [one["rule"] for one in read_history(tmp_path, rule="other")] == ["other"]
    assert len(read_history(tmp_path, most=2)) == 2


def test_a_line_that_a_crash_cut_off_spoils_no_other(tmp_path: Path) -> None:
    add_history(tmp_path, 1000, [alert()], [])
    with (tmp_path / "alerts" / "history.jsonl").open("a") as file:
        file.write('{"at_ms": 15')
    add_history(tmp_path, 2000, [alert()], [])
    assert [one["at_ms"] for one in read_history(tmp_path)] == [2000, 1000]


def test_the_history_is_bounded_and_the_oldest_goes(tmp_path: Path) -> None:
    for second in range(200):
        add_history(tmp_path, second, [alert()], [], most_bytes=4000)
    found = [one["at_ms"] for one in read_history(tmp_path)]
    assert (tmp_path / "alerts" / "history.jsonl").stat().st_size <= 4000
    assert found == list(range(199, 199 - len(found), -1)) and len(found) > 5
