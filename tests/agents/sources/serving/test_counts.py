from __future__ import annotations

import math
from collections.abc import Callable

from wattline_agents.sources.serving.counts import Counts
from wattline_agents.sources.serving.engines import VLLM
from wattline_agents.sources.serving.reading import Histogram, Reading, read

Page = Callable[..., str]
NAME = "vllm:generation_tokens_total"


def tokens(page: Page, value: float, started: float | None = None, worker: str = "a") -> Reading:
    series = {f'{NAME}{{w="{worker}"}}': value}
    if started is not None:
        series["process_start_time_seconds"] = started
    return read(page(series))


def test_a_counter_that_fell_begins_a_new_life(page: Page) -> None:
    counts = Counts()
    assert counts.take(tokens(page, 100))
    assert not counts.take(tokens(page, 150))
    assert counts.take(tokens(page, 7))
    assert counts.total("tokens_generated_total") == 7


def test_a_process_that_began_anew_begins_a_new_life_even_if_no_counter_fell(page: Page) -> None:
    counts = Counts()
    counts.take(tokens(page, 100, started=1000.0))
    assert not counts.take(tokens(page, 100, started=1000.01))
    assert counts.take(tokens(page, 100, started=2000.0))


def test_a_worker_that_left_the_page_has_made_what_it_said(page: Page) -> None:
    counts = Counts()
    counts.take(read(page({f'{NAME}{{w="a"}}': 100, f'{NAME}{{w="b"}}': 10})))
    assert not counts.take(tokens(page, 20, worker="b"))
    assert not counts.take(tokens(page, 5, worker="c"))
    assert counts.total("tokens_generated_total") == 125


def test_what_a_page_never_said_is_not_known(page: Page) -> None:
    counts = Counts()
    counts.take(tokens(page, 100))
    assert counts.total("requests_total") is None
    assert counts.in_flight is None
    assert counts.totals() == {"tokens_generated_total": 100}


def test_series_that_come_and_go_are_bounded() -> None:
    counts = Counts()
    for number in range(40):
        keys = range(100 * number, 100 * number + 100)
        counts.take(
            Reading(
                VLLM,
                counters={"tokens_generated_total": dict.fromkeys(keys, 1.0)},
                histograms={"request": {key: Histogram(((math.inf, 1.0),), 1.0) for key in keys}},
            )
        )
    assert len(counts._counters["tokens_generated_total"]) <= 2_048
    assert len(counts._histograms["request"]) <= 128
