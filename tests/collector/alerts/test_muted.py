"""Consequences of what fires elsewhere, where thousands fire at once."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from wattline_collector.alerts.machine import Alert, State
from wattline_collector.alerts.rule import Rule
from wattline_collector.alerts.telling import muted


def alert(rule: str, labels: dict[str, str], state: State = State.FIRING) -> Alert:
    subject = tuple(sorted({"system": "s", **labels}.items()))
    return Alert(rule, subject, state, 0, 0, 1.0)


def rules(**mutes: tuple[str, ...]) -> dict[str, Rule]:
    return {id: cast(Rule, SimpleNamespace(id=id, mutes=of)) for id, of in mutes.items()}


def compared(alerts: list[Alert], known: dict[str, Rule]) -> dict[tuple[str, Any], str]:
    """The same by comparing each with each, as the words of `muted` say it."""
    found = {}
    for one in alerts:
        ours = dict(one.labels)
        for other in alerts:
            theirs = dict(other.labels)
            if other.state is not State.FIRING or one.rule not in known[other.rule].mutes:
                continue
            shared = ours.keys() & theirs.keys()
            is_named = shared > {"system"} or ours.keys() == theirs.keys()
            if is_named and all(ours[key] == theirs[key] for key in shared):
                found[one.key] = other.rule
                break
    return found


@pytest.mark.parametrize("seed", range(20))
def test_each_is_muted_by_the_first_cause_that_speaks_of_the_same(seed: int) -> None:
    chance = random.Random(seed)
    known = rules(node=("device", "job", "all"), device=("job",), job=("device",), all=("all",))
    alerts = [
        alert(
            chance.choice(list(known)),
            {
                name: str(chance.randrange(3))
                for name in ("node", "device", "rack")
                if chance.random() < 0.6
            },
            chance.choice([State.FIRING, State.PENDING]),
        )
        for _ in range(60)
    ]
    assert muted(alerts, known) == compared(alerts, known)
    assert muted(alerts, known)


def test_a_warm_rack_of_thousands_is_not_compared_with_each_other() -> None:
    known = rules(slowed=("hot",), hot=())
    devices = [{"node": f"n{place // 8}", "device": str(place)} for place in range(4000)]
    alerts = [alert(rule, one) for one in devices for rule in ("slowed", "hot")]
    assert set(muted(alerts, known).values()) == {"slowed"}
    assert len(muted(alerts, known)) == 4000
