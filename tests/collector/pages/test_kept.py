from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from wattline_collector.pages.kept import Kept
from wattline_collector.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store.open(tmp_path / "store", write=True) as opened:
        yield opened


def test_a_value_is_made_once_until_it_is_too_old(store: Store) -> None:
    now, made = [0.0], []
    kept: Kept[int] = Kept(10.0, 2, lambda: now[0])

    def make() -> int:
        made.append(now[0])
        return len(made)

    assert [kept.get(store, "a", make), kept.get(store, "a", make)] == [1, 1]
    now[0] = 10.0
    assert kept.get(store, "a", make) == 2


def test_only_so_many_are_held(store: Store) -> None:
    kept: Kept[str] = Kept(10.0, 2)
    for question in "abc":
        kept.get(store, question, lambda one=question: one)  # type: ignore[misc]
    assert kept.get(store, "c", lambda: "new") == "c"
    assert kept.get(store, "a", lambda: "new") == "new"


def test_who_asks_while_it_is_made_waits_for_it(store: Store) -> None:
    kept: Kept[int] = Kept(10.0, 2)
    begun, go, made, got = threading.Event(), threading.Event(), [], []

    def make() -> int:
        made.append(1)
        begun.set()
        assert go.wait(60)
        return 7

    threads = [threading.Thread(target=lambda: got.append(kept.get(store, "a", make)))
               for _ in range(4)]  # fmt: skip
    for thread in threads:
        thread.start()
    assert begun.wait(60)
    go.set()
    for thread in threads:
        thread.join(60)
    assert (len(made), got) == (1, [7] * 4)


def test_a_failure_is_everybodys_and_is_tried_again(store: Store) -> None:
    kept: Kept[int] = Kept(10.0, 2)

    def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept.get(store, "a", fail)
    assert kept.get(store, "a", lambda: 1) == 1
