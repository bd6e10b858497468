from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from wattline_agents.sources.serving.names import ENGINE, FRONTEND, ROUTER
from wattline_agents.sources.serving.reading import FRAMEWORKS, Reading, read, summed

Page = Callable[..., str]


def total(reading: Reading, column: str) -> float | None:
    series = reading.counters.get(column)
    return None if series is None else sum(series.values())


def totals(reading: Reading) -> dict[str, float]:
    return {column: sum(series.values()) for column, series in reading.counters.items()}


def test_a_page_of_vllm_gives_prompts_with_cached_ones_among_them(page: Page) -> None:
    found = read(
        page(
            {
                'vllm:prompt_tokens_total{engine="0",model_name="m"}': 100,
                'vllm:prompt_tokens_total{engine="1",model_name="m"}': 50,
                'vllm:prompt_tokens_cached_total{engine="0",model_name="m"}': 40,
                'vllm:generation_tokens_total{engine="0",model_name="m"}': 7,
                'vllm:request_success_total{finished_reason="stop",model_name="m"}': 5,
                'vllm:request_success_total{finished_reason="length",model_name="m"}': 4,
                'vllm:request_success_total{finished_reason="abort",model_name="m"}': 2,
                'vllm:request_success_total{finished_reason="error",model_name="m"}': 1,
                'vllm:kv_cache_usage_perc{engine="0",model_name="m"}': 0.2,
                'vllm:kv_cache_usage_perc{engine="1",model_name="m"}': 0.4,
                'vllm:num_requests_running{engine="0",model_name="m"}': 3,
                'vllm:num_requests_running{engine="1",model_name="m"}': 2,
            }
        )
    )
    assert (found.framework.name, found.framework.layer, found.models) == ("vllm", ENGINE, ("m",))
    assert totals(found) == {
        "tokens_prompt_total": 150,
        "tokens_prompt_cached_total": 40,
        "tokens_generated_total": 7,
        "requests_total": 9,
        "requests_failed_total": 3,
    }
    assert found.gauges == {"requests_running": 5, "kv_cache_used_ratio": pytest.approx(0.3)}
    assert not found.at_end


def test_cached_prompts_of_vllm_may_stand_by_source(page: Page) -> None:
    name = "vllm:prompt_tokens_by_source_total"
    found = read(
        page(
            {
                f'{name}{{source="local_compute"}}': 10,
                f'{name}{{source="local_cache_hit"}}': 3,
                f'{name}{{source="external_kv_transfer"}}': 2,
            }
        )
    )
    assert total(found, "tokens_prompt_cached_total") == 5


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ("vllm:gpu_cache_usage_perc", "vllm:kv_cache_usage_perc", "kv_cache_used_ratio"),
        ("trtllm_num_active_requests", "trtllm_num_requests_running", "requests_running"),
        (
            "dynamo_frontend_inflight_requests",
            "dynamo_frontend_active_requests",
            "requests_running",
        ),
    ],
)
def test_a_name_that_was_changed_is_found_under_both_and_counted_once(
    page: Page, old: str, new: str, column: str
) -> None:
    assert read(page({old: 0.5})).gauges[column] == 0.5
    both = read(page({old: 0.5, new: 0.25}))
    assert (both.gauges[column], both.chosen[column]) == (0.25, new)


def test_counters_are_found_with_and_without_total_and_never_as_both(page: Page) -> None:
    assert total(read(page({"ray_vllm_generation_tokens": 5})), "tokens_generated_total") == 5
    both = {"ray_vllm_generation_tokens": 5, "ray_vllm_generation_tokens_total": 5}
    assert total(read(page(both)), "tokens_generated_total") == 5
    assert total(read(page({"tgi_request_success_total": 5})), "requests_total") == 5


def test_times_of_creation_are_no_counts(page: Page) -> None:
    found = read(
        page(
            {
                "vllm:generation_tokens_total": 5,
                "vllm:generation_tokens_created": 1.77e9,
                "vllm:time_to_first_token_seconds_created": 1.77e9,
            }
        )
    )
    assert totals(found) == {"tokens_generated_total": 5}
    assert not found.histograms


def test_exponents_are_numbers(page: Page) -> None:
    text = 'sglang:prompt_tokens_total{model_name="m"} 8.128902e+06\n'
    assert total(read(text), "tokens_prompt_total") == 8_128_902


def test_live_counters_of_sglang_go_before_those_of_ended_requests(page: Page) -> None:
    ranks = 'engine_type="unified",model_name="m"'
    series = {
        f'sglang:realtime_tokens_total{{{ranks},mode="prefill_compute",tp_rank="0"}}': 100.0,
        f'sglang:realtime_tokens_total{{{ranks},mode="prefill_cache",tp_rank="0"}}': 900.0,
        f'sglang:realtime_tokens_total{{{ranks},mode="decode",tp_rank="0"}}': 70.0,
        f"sglang:prompt_tokens_total{{{ranks}}}": 500.0,
        f"sglang:generation_tokens_total{{{ranks}}}": 30.0,
        f'sglang:cached_tokens_total{{{ranks},cache_source="device"}}': 20.0,
        f'sglang:cached_tokens_total{{{ranks},cache_source="host"}}': 1.0,
    }
    live = read(page(series))
    assert totals(live) == {
        "tokens_prompt_total": 1000,
        "tokens_prompt_cached_total": 900,
        "tokens_generated_total": 70,
    }
    assert not live.at_end
    ended = read(page({name: n for name, n in series.items() if "realtime" not in name}))
    assert totals(ended) == {
        "tokens_prompt_total": 500,
        "tokens_prompt_cached_total": 21,
        "tokens_generated_total": 30,
    }
    assert ended.at_end


def test_what_was_chosen_stays_while_it_is_on_the_page(page: Page) -> None:
    old = "sglang:generation_tokens_total"
    new = 'sglang:realtime_tokens_total{mode="decode"}'
    first = read(page({old: 10}))
    both = page({old: 10, new: 99})
    assert total(read(both, before=first.chosen), "tokens_generated_total") == 10
    assert total(read(both), "tokens_generated_total") == 99


def test_of_ranks_that_all_say_the_same_one_speaks_and_data_parallel_ones_add_up(
    page: Page,
) -> None:
    def series(dp: str, tp: str, pp: str = "0") -> str:
        ranks = f'dp_rank="{dp}",tp_rank="{tp}",pp_rank="{pp}",moe_ep_rank="0"'
        return f'sglang:realtime_tokens_total{{{ranks},mode="decode"}}'

    found = read(
        page(
            {
                series("0", "10"): 11.0,
                series("0", "2"): 10.0,
                series("0", "2", "1"): 12.0,
                series("1", "3"): 100.0,
            }
        )
    )
    assert total(found, "tokens_generated_total") == 110


def test_lengths_of_tgi_are_histograms_whose_sum_is_all_tokens(page: Page) -> None:
    found = read(
        page(
            tgi_request_count=9,
            tgi_request_success=7,
            tgi_request_failure=2,
            tgi_request_input_length_sum=700,
            tgi_request_input_length_count=7,
            tgi_request_generated_tokens_sum=70,
            tgi_request_generated_tokens_count=7,
            tgi_queue_size=1,
            tgi_batch_current_size=3,
        )
    )
    assert totals(found) == {
        "tokens_prompt_total": 700,
        "tokens_generated_total": 70,
        "requests_total": 7,
        "requests_failed_total": 2,
    }
    assert found.at_end


def test_llamacpp_counts_cached_prompts_apart(page: Page) -> None:
    series = {"llamacpp:prompt_tokens_total": 30.0, "llamacpp:tokens_predicted_total": 8.0}
    old = read(page(series))
    assert totals(old) == {"tokens_prompt_total": 30, "tokens_generated_total": 8}
    new = read(page({**series, "llamacpp:prompt_tokens_cached_total": 12.0}))
    assert totals(new) == {
        "tokens_prompt_total": 42,
        "tokens_prompt_cached_total": 12,
        "tokens_generated_total": 8,
    }


def test_gauges_of_an_iteration_are_no_totals_of_tokens(page: Page) -> None:
    found = read(
        page(
            {
                'nv_inference_request_success{model="m",version="1"}': 5,
                'nv_inference_request_failure{model="m",version="1",reason="BACKEND"}': 1,
                'nv_trt_llm_general_metrics{model="m",type="total_generation_tokens"}': 99,
            }
        )
    )
    assert totals(found) == {"requests_total": 5, "requests_failed_total": 1}


def test_an_older_tensorrt_llm_counts_requests_and_no_tokens(page: Page) -> None:
    found = read(
        page(
            {
                'trtllm_request_success_total{finished_reason="length"}': 5,
                'trtllm_request_success_total{finished_reason="timeout"}': 1,
            }
        )
    )
    assert totals(found) == {"requests_total": 5, "requests_failed_total": 1}


def test_a_frontend_of_dynamo_is_a_frontend_and_its_worker_an_engine(page: Page) -> None:
    frontend = {
        'dynamo_frontend_requests_total{status="success",model="m"}': 5.0,
        'dynamo_frontend_requests_total{status="error",model="m"}': 2.0,
        'dynamo_frontend_output_tokens_total{model="m"}': 50.0,
        'dynamo_frontend_input_sequence_tokens_sum{model="m"}': 500.0,
        'dynamo_frontend_cached_tokens_sum{model="m"}': 100.0,
    }
    found = read(page(frontend))
    assert (found.framework.name, found.framework.layer) == ("dynamo", FRONTEND)
    assert totals(found) == {
        "tokens_prompt_total": 500,
        "tokens_prompt_cached_total": 100,
        "tokens_generated_total": 50,
        "requests_total": 5,
        "requests_failed_total": 2,
    }
    worker = {"dynamo_component_requests_total": 5.0, "vllm:generation_tokens_total": 50.0}
    assert read(page(worker)).framework.name == "vllm"


@pytest.mark.parametrize("prefix", ["llm_d_epp_", "inference_objective_", "inference_model_"])
def test_the_endpoint_picker_counts_requests_under_each_of_its_names(
    page: Page, prefix: str
) -> None:
    found = read(
        page(
            {
                f"{prefix}request_total": 10,
                f"{prefix}request_error_total": 1,
                f"{prefix}input_tokens_sum": 999,
            }
        )
    )
    assert found.framework.layer == ROUTER
    assert totals(found) == {"requests_total": 10, "requests_failed_total": 1}


def test_a_deprecated_name_beside_the_new_one_is_not_added(page: Page) -> None:
    both = {"llm_d_epp_request_total": 10, "inference_objective_request_total": 10}
    assert total(read(page(both)), "requests_total") == 10


def test_a_page_of_somebody_else_is_refused(page: Page) -> None:
    with pytest.raises(LookupError, match=r"no metric of vllm, .*, llm-d"):
        read(page(node_load1=1, process_start_time_seconds=1.7e9))


def test_a_histogram_is_kept_as_cumulative_buckets(page: Page) -> None:
    name = "vllm:e2e_request_latency_seconds"
    found = read(
        page(
            {
                f'{name}_bucket{{engine="0",le="1.0"}}': 2,
                f'{name}_bucket{{engine="0",le="0.5"}}': 1,
                f'{name}_bucket{{engine="0",le="+Inf"}}': 3,
                f'{name}_count{{engine="0"}}': 3,
                f'{name}_sum{{engine="0"}}': 4.5,
            }
        )
    )
    (histogram,) = found.histograms["request"].values()
    assert histogram.buckets == ((0.5, 1), (1.0, 2), (math.inf, 3))
    assert histogram.seconds == 4.5


def test_histograms_add_up_at_the_bounds_they_share(page: Page) -> None:
    name = "vllm:e2e_request_latency_seconds"
    found = read(
        page(
            {
                f'{name}_bucket{{m="a",le="0.5"}}': 1,
                f'{name}_bucket{{m="a",le="1"}}': 2,
                f'{name}_count{{m="a"}}': 3,
                f'{name}_sum{{m="a"}}': 4,
                f'{name}_bucket{{m="b",le="1"}}': 10,
                f'{name}_count{{m="b"}}': 20,
                f'{name}_sum{{m="b"}}': 30,
            }
        )
    )
    histogram = summed(found.histograms["request"].values())
    assert histogram is not None
    assert histogram.buckets == ((1.0, 12), (math.inf, 23))
    assert histogram.seconds == 34


def test_buckets_that_fall_are_no_histogram(page: Page) -> None:
    name = "vllm:e2e_request_latency_seconds"
    text = page({f'{name}_bucket{{le="1"}}': 9, f"{name}_count": 3, f"{name}_sum": 1})
    assert not read(text).histograms["request"]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("org/model-7B", "org/model-7B"),
        ("<b>x</b>", "<b>x</b>"),
        ("a\\nb", "a b"),
        ("\u202eevil\u0007", "evil"),
        ("y" * 5_000, "y" * 160),
    ],
)
def test_a_models_name_changes_nothing_but_its_own_display(
    page: Page, written: str, shown: str
) -> None:
    found = read(page({f'vllm:generation_tokens_total{{model_name="{written}"}}': 5}))
    assert found.models == (shown,)
    assert total(found, "tokens_generated_total") == 5


def test_a_line_of_a_megabyte_costs_itself_alone(page: Page) -> None:
    long = f'vllm:generation_tokens_total{{model_name="{"x" * 1_000_000}"}} 7\n'
    found = read(long + page({'vllm:generation_tokens_total{model_name="m"}': 5}))
    assert (total(found, "tokens_generated_total"), found.bad_lines) == (5, 1)


@pytest.mark.recordings
def test_every_family_of_a_release_of_vllm_that_is_read_is_there(shared: Path) -> None:
    text = (shared / "data/09-llm-serving-metrics/vllm_metric_families_v0.26.0.txt").read_text()
    families = {line.split()[0] for line in text.splitlines() if line and line[0] != "#"}
    vllm = FRAMEWORKS["vllm"]
    newest = {alternatives[0][0].name for alternatives in vllm.counters.values()}
    newest |= {alternatives[0][0].name for alternatives in vllm.gauges.values()}
    newest |= {names[0] for names in vllm.histograms.values()}
    assert newest <= families
