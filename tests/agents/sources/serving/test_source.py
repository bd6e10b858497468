from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from wattline_agents.assignment.spoken import Spoken
from wattline_agents.catalogue import TABLES
from wattline_agents.errors import ReadFailed
from wattline_agents.rows import checked_row
from wattline_agents.sources.deadline import WithDeadline
from wattline_agents.sources.serving.goodput import Targets
from wattline_agents.sources.serving.source import ServingSource
from wattline_agents.sources.serving.told import Place, told
from wattline_agents.sources.source import Readings

A, B = "http://127.0.0.1:8000/metrics", "http://127.0.0.1:8001/metrics"
TOKENS = "vllm:generation_tokens_total"
PROMPTS = "vllm:prompt_tokens_total"
Page = Callable[..., str]
Source = Callable[..., ServingSource]


def place(url: str = A, job: str | None = "j", **more: Any) -> Place:
    return Place((url,), job=job, is_told=True, **more)


@dataclass
class Found:
    """What looks like `Listeners`: says what a test says."""

    places: list[Place] = field(default_factory=list)
    owners: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    jobs: dict[int, str] = field(default_factory=dict)

    def find(self) -> list[Place]:
        return self.places

    def owner_of(self, port: int) -> tuple[int, int | None] | None:
        return self.owners.get(port)

    def job_of(self, pid: int) -> str | None:
        return self.jobs.get(pid)


def vllm(page: Page, generated: float, prompt: float | None = None, running: float = 1) -> str:
    series = {TOKENS: generated, "vllm:num_requests_running": running}
    return page(series | ({} if prompt is None else {PROMPTS: prompt}))


class Driver:
    """Reads a source every five seconds of its clock."""

    def __init__(self, source: ServingSource, clock: Any) -> None:
        self.source, self.clock = source, clock
        self.rows: dict[str, list[Any]] = {}

    def read(self, after: float = 5.0) -> Readings:
        self.clock.sleep(after)
        found = self.source.read(self.clock.now_ms)
        for table, rows in found.items():
            for row in rows:
                checked_row(TABLES[table], row)
            self.rows.setdefault(table, []).extend(rows)
        return found

    def last(self, column: str = "tokens_generated_total", job: str = "j") -> object:
        return [row for row in self.rows["job"] if row["job"] == job][-1].get(column)


@pytest.fixture
def driver(source: Source, clock: Any) -> Callable[..., Driver]:
    return lambda *places, **more: Driver(source(*places, **more), clock)


def test_an_engine_that_began_while_we_look_is_counted_from_its_first_token(
    driver: Callable[..., Driver], pages: Any, page: Page, clock: Any
) -> None:
    one = driver(place())
    began_ms = clock.now_ms + 1_000
    clock.sleep(55)
    pages.texts[A] = vllm(page, 700) + page(process_start_time_seconds=began_ms / 1000)
    one.read()
    assert [(r["time_unix_ms"], r["tokens_generated_total"]) for r in one.rows["job"]] == [
        (began_ms, 0),
        (clock.now_ms, 700),
    ]


def test_an_engine_that_was_there_before_us_begins_with_nought(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    one = driver(place())
    pages.texts[A] = vllm(page, 1_000_000)
    one.read()
    assert one.last() == 0
    assert one.rows["serving"][-1]["tokens_generated_total"] == 1_000_000
    pages.texts[A] = vllm(page, 1_000_060)
    one.read()
    assert one.last() == 60


def test_a_jobs_totals_never_fall_when_an_engine_restarts(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    one = driver(place(A), place(B))
    pages.texts |= {A: vllm(page, 0), B: vllm(page, 0)}
    one.read()
    pages.texts |= {A: vllm(page, 100), B: vllm(page, 10)}
    one.read()
    assert one.last() == 110
    del pages.texts[A]
    pages.texts[B] = vllm(page, 20)
    one.read()
    pages.texts |= {A: vllm(page, 30), B: vllm(page, 25)}
    one.read(60)
    assert one.last() == 155
    totals = [row["tokens_generated_total"] for row in one.rows["job"]]
    assert totals == sorted(totals)


def test_of_a_frontend_and_its_engine_only_the_engine_counts(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    one = driver(place(A), place(B))
    frontend = "dynamo_frontend_output_tokens_total"
    pages.texts[A] = page({frontend: 0})
    one.read()
    pages.texts[A] = page({frontend: 50})
    one.read()
    assert one.last() == 50, "it is all there is"
    pages.texts |= {A: page({frontend: 60}), B: vllm(page, 60)}
    one.read(30)
    before = one.last()
    pages.texts |= {A: page({frontend: 100}), B: vllm(page, 100)}
    one.read()
    assert before in (50, 60)
    assert one.last() == before + 40
    assert {row["framework"] for row in one.rows["serving"]} == {"dynamo", "vllm"}


def test_a_frontend_that_was_only_found_never_counts(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    found = Found([Place((A,), job="j", pid=7, began_ms=1)])
    one = driver(listeners=found)
    pages.texts[A] = page({"dynamo_frontend_output_tokens_total": 5})
    one.read()
    pages.texts[A] = page({"dynamo_frontend_output_tokens_total": 500})
    one.read()
    assert "job" not in one.rows
    assert one.rows["serving"][-1]["tokens_generated_total"] == 500


def test_prompts_count_where_they_are_computed_and_answers_where_they_are(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    one = driver(place(A, role="prefill"), place(B, role="decode"))
    for prompt, generated in ((0, 0), (1000, 50)):
        # Both count the whole request: that is what goes wrong if both are added.
        pages.texts |= {A: vllm(page, generated / 50, prompt), B: vllm(page, generated, prompt)}
        one.read()
    assert one.last("tokens_prompt_total") == 1000
    assert one.last() == 50


def test_a_router_gives_requests_where_no_engine_does_and_never_tokens(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    one = driver(place(A))
    for count in (0, 9):
        pages.texts[A] = page(
            llm_d_epp_request_total=count, llm_d_epp_request_output_tokens_sum=count * 100
        )
        one.read()
    assert one.last("requests_total") == 9
    assert one.last() is None


def test_good_requests_are_counted_while_every_engine_tells_them(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    one = driver(place(A), place(B), targets=Targets(first_token=0.5))

    def served(count: int, name: str = "vllm:time_to_first_token_seconds") -> str:
        series: dict[str, float] = {"vllm:request_success_total": count}
        series |= {f'{name}_bucket{{le="0.5"}}': count - 1, f"{name}_count": count}
        return page(series | {f"{name}_sum": count})

    pages.texts[A] = served(1)
    one.read()
    pages.texts[A] = served(11)
    one.read()
    assert one.last("requests_good_total") == 10
    pages.texts[B] = page({"vllm:request_success_total": 0})
    one.read(30)
    assert one.last("requests_good_total") is None


def test_a_target_no_bucket_ends_at_is_said_with_the_bounds_there_are(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    one = driver(place(), targets=Targets(first_token=0.4))
    name = "vllm:time_to_first_token_seconds"
    pages.texts[A] = page({f'{name}_bucket{{le="0.5"}}': 1, f"{name}_count": 1, f"{name}_sum": 1})
    one.read()
    ((what, why),) = one.source.why_not()[""].items()
    assert what == "127.0.0.1:8000 requests_good_total (first_token)"
    assert why == "the target is no bound of a bucket; there are 0.5"


def test_the_chosen_names_are_said_once(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    said: list[str] = []
    one = driver(place(), say=said.append)
    for count in (1, 2, 3):
        pages.texts[A] = page({"ray_vllm_generation_tokens": count})
        one.read()
    assert said == [
        "127.0.0.1:8000 is ray of job j: tokens_generated_total"
        " from ray_vllm_generation_tokens_total"
    ]


def test_the_job_is_that_of_the_process_behind_the_port(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    found = Found(owners={8000: (7, 1)}, jobs={7: "1234"})
    one = driver(place(job=None), listeners=found, discover=False)
    pages.texts[A] = vllm(page, 5)
    one.read()
    assert {row["job"] for row in one.rows["serving"]} == {"1234"}
    found.owners, found.jobs = {8000: (8, 2)}, {8: "1235"}
    pages.texts[A] = vllm(page, 3)
    one.read()
    assert one.rows["serving"][-1]["job"] == "1235", "the port is another job's now"
    pages.texts[A] = vllm(page, 9)
    one.read()
    assert one.last(job="1235") == 9
    assert one.last(job="1234") == 0


def test_a_page_of_nobodys_stands_for_itself(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    elsewhere = "http://[2001:db8::1]:9000/metrics"
    one = driver(place(job=None), place(elsewhere, job=None))
    pages.texts |= {A: vllm(page, 5), elsewhere: vllm(page, 5)}
    one.read()
    keys = {row["job"] for row in one.rows["job"]}
    assert keys == {"serving@n01:8000", "serving@2001:db8::1:9000"}


def test_an_engine_that_hangs_holds_up_neither_the_others_nor_the_agent(
    driver: Callable[..., Driver], pages: Any, page: Page, clock: Any
) -> None:
    hanging = [f"http://127.0.0.1:{port}/metrics" for port in range(9000, 9010)]
    one = driver(*(place(url, job="h") for url in hanging), place(A))
    for url in hanging:
        pages.slow[url] = 2.0
        pages.texts[url] = ReadFailed(f"{url}: no whole page in time")
    pages.texts[A] = vllm(page, 5)
    longest = 0.0
    for _ in range(60):
        before = clock.now_ms
        with suppress(ReadFailed):
            one.read()
        longest = max(longest, (clock.now_ms - before) / 1000 - 5)
    assert longest < 5, "the agent waits five seconds for a source"
    times = [row["time_unix_ms"] for row in one.rows["serving"]]
    gaps = [b - a for a, b in pairwise(times)]
    assert max(gaps[10:]) < 30_000
    assert len(one.source.why_not()[""]) == len(hanging)


def test_a_source_of_pages_is_read_behind_a_deadline(source: Source, clock: Any) -> None:
    one = source()
    assert one.may_block
    around = WithDeadline(one, 5.0, clock)
    assert around.name == "serving" and around.every_seconds == 5.0
    assert around.read_now(clock.now_ms, 5.0) == {}
    around.close()


def test_that_no_page_can_be_read_is_a_failure_and_one_of_two_is_not(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    one = driver(place(A), place(B))
    with pytest.raises(ReadFailed, match="Connection refused"):
        one.read()
    pages.texts[A] = vllm(page, 5)
    one.read(30)
    assert list(one.source.why_not()[""]) == ["127.0.0.1:8001"]


def test_a_process_that_was_found_and_has_no_page_is_let_alone(
    driver: Callable[..., Driver], pages: Any
) -> None:
    urls = ("http://127.0.0.1:8000/metrics", "http://127.0.0.1:8000/prometheus/metrics")
    found = Found([Place(urls, job="j", pid=7, began_ms=1)])
    one = driver(listeners=found)
    pages.texts |= {url: ReadFailed(f"{url}: HTTP 404") for url in urls}
    for _ in range(100):
        one.read()
    assert pages.asked == list(urls)
    found.places = [Place(urls, job="j", pid=8, began_ms=2)]
    one.read(30)
    assert len(pages.asked) == 4, "another process listens there now"


def test_a_process_that_does_not_answer_yet_is_asked_again_ever_less_often(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    found = Found([Place((A,), job="j", pid=7, began_ms=1)])
    one = driver(listeners=found)
    pages.texts[A] = ReadFailed(f"{A}: HTTP 503")
    for _ in range(2_000):
        one.read()
    assert len(pages.asked) == 8


def test_an_engine_is_read_where_it_answers(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    urls = ("http://127.0.0.1:8000/metrics", "http://127.0.0.1:8000/prometheus/metrics")
    one = driver(listeners=Found([Place(urls, job="j", pid=7, began_ms=1)]))
    pages.texts |= {urls[0]: page(up=1), urls[1]: page(trtllm_generation_tokens_total=5)}
    one.read()
    one.read()
    assert pages.asked == [*urls, urls[1]]
    assert one.rows["serving"][0]["framework"] == "tensorrt-llm"


def test_an_engine_that_was_told_is_not_found_once_more(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    found = Found(
        [Place((A, "http://127.0.0.1:8000/prometheus/metrics"), job="j", pid=7, began_ms=1)]
    )
    one = driver(told("http://localhost:8000/metrics"), listeners=found)
    pages.texts |= {A: vllm(page, 5), "http://localhost:8000/metrics": vllm(page, 5)}
    one.read()
    assert pages.asked == ["http://localhost:8000/metrics"]


def test_latencies_come_every_fifteen_seconds_while_they_grow(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    one = driver(place())
    name = "vllm:e2e_request_latency_seconds"
    for count in range(13):
        pages.texts[A] = page(
            {f'{name}_bucket{{le="1"}}': 0, f"{name}_count": count, f"{name}_sum": count * 2.0}
        )
        one.read()
    assert len(one.rows["latency"]) == 5 * 2
    last, whole = one.rows["latency"][-2:]
    assert (last["le_seconds"], last["latency_count_total"]) == (1.0, 0)
    assert (whole["le_seconds"], whole["latency_count_total"]) == (None, 12)
    assert whole["latency_seconds_total"] == 24.0
    for _ in range(12):
        one.read()
    assert len(one.rows["latency"]) == 5 * 2


def test_what_a_job_is_is_said_at_first_and_every_ten_minutes(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    one = driver(place())
    pages.texts[A] = page({f'{TOKENS}{{model_name="org/m"}}': 5})
    for _ in range(130):
        one.read()
    assert [row["kind"] for row in one.rows["job_info"]] == ["inference"] * 2
    assert [row["model"] for row in one.rows["job_model"]] == ["org/m"] * 2


def test_a_row_of_a_job_waits_for_an_engine_that_does_not_answer(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    one = driver(place(A), place(B))
    pages.texts |= {A: vllm(page, 0), B: vllm(page, 0)}
    one.read()
    told_before = len(one.rows["job"])
    pages.texts |= {A: vllm(page, 10), B: ReadFailed(f"{B}: no whole page in time")}
    one.read()
    assert len(one.rows["job"]) == told_before
    pages.texts[B] = vllm(page, 30)
    one.read(10)
    one.read(20)
    assert one.last() == 40


def test_the_last_tokens_of_an_engine_that_ended_are_told(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    one = driver(place())
    lumpy = {"tgi_batch_current_size": 1}
    pages.texts[A] = page(lumpy, tgi_request_generated_tokens_sum=1)
    one.read()
    pages.texts[A] = page(lumpy, tgi_request_generated_tokens_sum=500)
    one.read()
    assert one.last() == 0, "another request is in flight"
    del pages.texts[A]
    one.read()
    assert one.last() == 499
    count = len(one.rows["job"])
    with pytest.raises(ReadFailed):
        one.read(60)
    assert len(one.rows["job"]) == count


def spoken(*columns: str, model: bool = False) -> Callable[[], dict[str, Spoken]]:
    return lambda: {"j": Spoken(frozenset(columns), model)}


def test_what_a_job_counts_itself_is_not_counted_at_its_engine_as_well(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    one = driver(place())
    one.source.heed(spoken("tokens_generated_total", "tokens_trained_total"))
    pages.texts[A] = vllm(page, 0, 0)
    one.read()
    pages.texts[A] = vllm(page, 70, 90)
    one.read()
    assert [set(row) for row in one.rows["job"]] == [
        {"time_unix_ms", "job", "tokens_prompt_total"}
    ] * 2
    assert one.last("tokens_prompt_total") == 90
    assert one.rows["serving"][-1]["tokens_generated_total"] == 70, "the engine's own are told"


def test_a_job_that_counts_all_of_it_has_no_rows_of_its_engine(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    one = driver(place())
    one.source.heed(spoken("tokens_generated_total"))
    pages.texts[A] = vllm(page, 0)
    assert "job" not in one.read()


def test_engines_wait_for_the_jobs_own_word(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    one = driver(place())
    one.source.heed(lambda: None)
    pages.texts[A] = vllm(page, 0)
    one.read()
    pages.texts[A] = vllm(page, 40)
    assert set(one.read()) == {"serving"}, "an agent that just began does not know who counts"
    one.source.heed(dict)
    found = one.read()
    assert one.last() == 40 and {"job", "job_info"} <= set(found)


def test_a_job_is_of_the_kind_and_model_it_says_itself(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    one = driver(place())
    one.source.heed(spoken("tokens_trained_total"))
    pages.texts[A] = page({TOKENS + '{model_name="org/m"}': 1})
    one.read()
    assert "job_info" not in one.rows, "one that trains and serves is training if it says so"
    assert [row["model"] for row in one.rows["job_model"]] == ["org/m"]
    other = driver(place())
    other.source.heed(spoken(model=True))
    other.read()
    assert {"job_info", "job_model"}.isdisjoint(other.rows)


def test_a_page_that_takes_long_to_take_apart_is_asked_for_less_often(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    used = iter(range(1000))
    one = driver(place(), busy=lambda: float(next(used)))  # a second for each
    pages.texts[A] = vllm(page, 1)
    for _ in range(21):
        one.read(5.0)
    assert len(pages.asked) == 3, "once in fifty seconds"


def test_numbers_beyond_all_bounds_are_left_out(
    driver: Callable[..., Driver], pages: Any, page: Page
) -> None:
    one = driver(place())
    hostile = {
        TOKENS: 5,
        PROMPTS: 1e300,
        "vllm:num_requests_running": 1e30,
        "vllm:num_requests_waiting": -4,
        'vllm:e2e_request_latency_seconds_bucket{le="1"}': 3,
        "vllm:e2e_request_latency_seconds_count": 3,
        "vllm:e2e_request_latency_seconds_sum": -7,
        'vllm:request_queue_time_seconds_bucket{le="1"}': 1e200,
        "vllm:request_queue_time_seconds_count": 1e200,
        "process_start_time_seconds": 1e300,
    }
    pages.texts[A] = page(hostile)
    one.read()
    (row,) = one.rows["serving"]
    assert row["tokens_generated_total"] == 5
    assert row.get("tokens_prompt_total") in (None, 0) and row.get("requests_running") is None
    assert {row["kind"] for row in one.rows["latency"]} == {"request"}
    assert {row.get("latency_seconds_total") for row in one.rows["latency"]} == {None}


def test_a_job_whose_engine_seems_to_begin_again_and_again_stays_within_bounds(
    driver: Callable[..., Driver], pages: Any, page: Page, clock: Any
) -> None:
    one = driver(place())
    for number in range(1_100):
        started = clock.now_ms / 1000 + 10 * (number % 2)
        pages.texts[A] = vllm(page, 1e15) + page(process_start_time_seconds=started)
        one.read(30.0)
    assert one.last() == 10**18
