from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.alerts.machine import (
    MOST_OF_A_RULE,
    Alert,
    Judged,
    Labels,
    State,
    Turn,
    Why,
    after_pause,
    turn,
)

A: Labels = (("system", "s"), ("device", "a"))
MINUTE = 60_000


def step(before: Turn, minute: int, *judged: Judged, **more: Any) -> Turn:
    options = {"for_seconds": 120, "keep_seconds": 0} | more
    return turn(
        "rule", before.alerts, {one.labels: one for one in judged}, minute * MINUTE, **options
    )


def fires(value: float = 9.0) -> Judged:
    return Judged(A, value, fires=True, stays=True)


def stays(value: float = 5.0) -> Judged:
    return Judged(A, value, fires=False, stays=True)


def clear(value: float = 1.0) -> Judged:
    return Judged(A, value, fires=False, stays=False)


@pytest.fixture
def firing() -> Turn:
    now = Turn(())
    for minute in range(3):
        now = step(now, minute, fires())
    assert [alert.state for alert in now.fired] == [State.FIRING]
    return now


def test_it_fires_when_it_has_held_for_long_enough() -> None:
    first = step(Turn(()), 0, fires())
    assert [(alert.state, alert.since_ms) for alert in first.alerts] == [(State.PENDING, 0)]
    second = step(first, 1, fires())
    assert not second.fired
    third = step(second, 2, fires(11.0))
    assert third.fired == third.alerts
    (alert,) = third.alerts
    assert (alert.fired_ms, alert.value) == (2 * MINUTE, 11.0)


def test_it_fires_at_once_where_no_time_is_asked_for() -> None:
    assert step(Turn(()), 0, fires(), for_seconds=0).fired


def test_one_turn_without_it_and_the_wait_begins_anew() -> None:
    now = step(step(Turn(()), 0, fires()), 1, clear())
    assert now == Turn(())
    now = step(step(now, 2, fires()), 3, fires())
    assert not now.fired


def test_what_is_pending_is_not_held_by_the_gap_that_holds_what_fires() -> None:
    assert step(step(Turn(()), 0, fires()), 1, stays()) == Turn(())


def test_what_fires_goes_on_until_it_is_clear(firing: Turn) -> None:
    now = step(firing, 3, stays())
    assert [alert.value for alert in now.alerts] == [5.0]
    assert not now.fired and not now.ended
    over = step(now, 4, clear())
    assert not over.alerts
    assert [(one.why, one.ended_ms) for one in over.ended] == [(Why.CLEARED, 4 * MINUTE)]


def test_silence_ends_an_alert_and_is_not_called_recovery(firing: Turn) -> None:
    over = step(firing, 3)
    assert [(one.why, one.alert.value) for one in over.ended] == [(Why.UNKNOWN, 9.0)]


def test_it_outlives_its_reason_for_as_long_as_it_is_kept(firing: Turn) -> None:
    now = firing
    for minute in (3, 4):
        now = step(now, minute, clear(), keep_seconds=120)
        assert len(now.alerts) == 1 and not now.ended
    assert step(now, 5, clear(), keep_seconds=120).ended
    # And the time begins anew when the reason comes back.
    back = step(now, 5, fires(), keep_seconds=120)
    assert back.alerts[0].absent_ms is None and not back.fired


def test_right_after_a_start_the_unknown_is_waited_for(firing: Turn) -> None:
    now = step(firing, 3, hold_unknown=True)
    assert now.alerts == firing.alerts and not now.ended
    assert step(now, 4, clear(), hold_unknown=True).ended


def test_time_in_which_nobody_looked_does_not_count() -> None:
    pending = Alert("rule", A, State.PENDING, MINUTE, None, 9.0)
    firing = Alert("rule", A, State.FIRING, MINUTE, 2 * MINUTE, 9.0, absent_ms=3 * MINUTE)
    later, still = after_pause([pending, firing], 10 * MINUTE)
    assert later.since_ms == 11 * MINUTE
    assert (still.since_ms, still.fired_ms, still.absent_ms) == (MINUTE, 2 * MINUTE, 13 * MINUTE)


def test_alerts_of_a_rule_are_bounded_and_what_is_left_out_is_counted() -> None:
    many = [
        Judged((("device", str(place)),), 1.0, fires=True, stays=True)
        for place in range(MOST_OF_A_RULE + 7)
    ]
    now = step(Turn(()), 0, *many)
    assert (len(now.alerts), now.dropped) == (MOST_OF_A_RULE, 7)
