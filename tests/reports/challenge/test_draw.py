from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as some

from wattline_reports.challenge import draw

ENTRIES = {"a": "0" * 64, "b": "1" * 64}


@settings(max_examples=50)
@given(some.integers(1, 200), some.data())
def test_an_entrant_gets_as_many_items_as_the_rules_say_and_none_twice(
    count: int, data: some.DataObject
) -> None:
    take = data.draw(some.integers(1, count))
    found = draw.drawn("ab" * 32, "it4lia", count, take)
    assert len(set(found)) == take and list(found) == sorted(found)
    assert set(found) <= set(range(count))


def test_every_commitment_changes_the_draw_and_their_order_does_not() -> None:
    seed = draw.seed("f" * 64, ENTRIES)
    assert draw.seed("f" * 64, dict(reversed(ENTRIES.items()))) == seed
    others = {
        draw.seed("e" * 64, ENTRIES),
        draw.seed("f" * 64, {**ENTRIES, "b": "2" * 64}),
        draw.seed("f" * 64, {**ENTRIES, "c": "1" * 64}),
        draw.seed("f" * 64, {"a": "0" * 64}),
    }
    assert len(others | {seed}) == 5
    assert draw.drawn(seed, "a", 100, 5) != draw.drawn(seed, "b", 100, 5)


def test_no_item_is_drawn_more_often_than_chance_has_it() -> None:
    drawn = Counter(
        item
        for number in range(2000)
        for item in draw.drawn(draw.seed("f" * 64, {"a": str(number)}), "a", 10, 3)
    )
    # 600 of each are expected; six standard deviations of a binomial are 123.
    assert all(abs(drawn[item] - 600) < 123 for item in range(10))
