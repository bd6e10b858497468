"""Engines: what computes tokens, and under which names each says so.

`tokens_prompt_total` is all tokens of prompts, those a cache answered included; where an engine
counts them apart they are added. Names that were changed stand in order of age, the newest first.
"""

from __future__ import annotations

from wattline_agents.sources.serving.names import Framework, Series, one_of

_FAILED = ("abort", "aborted", "error", "cancelled", "canceled", "timeout")
"""Reasons for which a request ended without the answer that was asked for."""


def _vllm(name: str, prefix: str) -> Framework:
    """Any vLLM, V0 and V1; Ray Serve writes `ray_vllm_` where it writes `vllm:`."""

    def finished(is_other: bool) -> tuple[tuple[Series, ...], ...]:
        reasons = f"{prefix}request_success_total"
        return ((Series(reasons, "finished_reason", _FAILED, is_other),),)

    return Framework(
        name=name,
        prefixes=(prefix,),
        counters={
            "tokens_prompt_total": one_of(f"{prefix}prompt_tokens_total"),
            "tokens_prompt_cached_total": (
                *one_of(f"{prefix}prompt_tokens_cached_total"),
                (
                    Series(
                        f"{prefix}prompt_tokens_by_source_total",
                        "source",
                        ("local_cache_hit", "external_kv_transfer"),
                    ),
                ),
            ),
            "tokens_generated_total": one_of(f"{prefix}generation_tokens_total"),
            "requests_total": finished(True),
            "requests_failed_total": finished(False),
        },
        gauges={
            "requests_running": one_of(f"{prefix}num_requests_running"),
            "requests_waiting": one_of(f"{prefix}num_requests_waiting"),
            "kv_cache_used_ratio": one_of(
                f"{prefix}kv_cache_usage_perc", f"{prefix}gpu_cache_usage_perc"
            ),
        },
        histograms={
            "first_token": (f"{prefix}time_to_first_token_seconds",),
            "per_token": (f"{prefix}request_time_per_output_token_seconds",),
            "inter_token": (
                f"{prefix}inter_token_latency_seconds",
                f"{prefix}time_per_output_token_seconds",
            ),
            "request": (f"{prefix}e2e_request_latency_seconds",),
            "queue": (f"{prefix}request_queue_time_seconds",),
        },
    )


VLLM = _vllm("vllm", "vllm:")
RAY = _vllm("ray", "ray_vllm_")

_REALTIME = "sglang:realtime_tokens_total"

SGLANG = Framework(
    name="sglang",
    prefixes=("sglang:",),
    counters={
        # The counters without `realtime` grow when a request ends, by all its tokens.
        "tokens_prompt_total": (
            (Series(_REALTIME, "mode", ("prefill_compute", "prefill_cache", "prefill")),),
            *one_of("sglang:prompt_tokens_total", at_end=True),
        ),
        "tokens_prompt_cached_total": (
            (Series(_REALTIME, "mode", ("prefill_cache",)),),
            *one_of("sglang:cached_tokens_total", at_end=True),
        ),
        "tokens_generated_total": (
            (Series(_REALTIME, "mode", ("decode",)),),
            *one_of("sglang:generation_tokens_total", at_end=True),
        ),
        "requests_total": one_of(
            "sglang:num_requests_total", "sglang:e2e_request_latency_seconds_count"
        ),
        "requests_failed_total": one_of("sglang:num_aborted_requests_total"),
    },
    gauges={
        "requests_running": one_of("sglang:num_running_reqs"),
        "requests_waiting": one_of("sglang:num_queue_reqs"),
        "kv_cache_used_ratio": one_of("sglang:token_usage"),
    },
    histograms={
        "first_token": ("sglang:time_to_first_token_seconds",),
        # The older name is observed for every token, too.
        "inter_token": (
            "sglang:inter_token_latency_seconds",
            "sglang:time_per_output_token_seconds",
        ),
        "request": ("sglang:e2e_request_latency_seconds",),
        "queue": ("sglang:queue_time_seconds",),
    },
    # With data parallelism each `dp_rank` has tokens of its own; within one all ranks do the same.
    ranks=("pp_rank", "tp_rank", "moe_ep_rank"),
)

TENSORRT_LLM = Framework(
    name="tensorrt-llm",
    prefixes=("trtllm_",),
    counters={
        # Older releases count requests and latencies only.
        "tokens_prompt_total": one_of("trtllm_prompt_tokens_total", at_end=True),
        "tokens_prompt_cached_total": one_of("trtllm_prompt_cached_tokens_total", at_end=True),
        "tokens_generated_total": one_of("trtllm_generation_tokens_total", at_end=True),
        "requests_total": (
            (Series("trtllm_request_success_total", "finished_reason", _FAILED, is_other=True),),
        ),
        "requests_failed_total": (
            (
                Series("trtllm_request_error_total"),
                Series("trtllm_request_success_total", "finished_reason", _FAILED),
            ),
            (Series("trtllm_request_error_total"),),
            (Series("trtllm_request_success_total", "finished_reason", _FAILED),),
        ),
    },
    gauges={
        "requests_running": one_of("trtllm_num_requests_running", "trtllm_num_active_requests"),
        "requests_waiting": one_of("trtllm_num_requests_waiting", "trtllm_server_queue_length"),
        "kv_cache_used_ratio": one_of("trtllm_kv_cache_utilization"),
    },
    histograms={
        "first_token": ("trtllm_time_to_first_token_seconds",),
        "per_token": ("trtllm_time_per_output_token_seconds",),
        "request": ("trtllm_e2e_request_latency_seconds",),
        "queue": ("trtllm_request_queue_time_seconds",),
    },
)

TGI = Framework(
    name="tgi",
    prefixes=("tgi_",),
    counters={
        # Lengths are histograms here: their sum is all tokens.
        "tokens_prompt_total": one_of("tgi_request_input_length_sum", at_end=True),
        "tokens_generated_total": one_of("tgi_request_generated_tokens_sum", at_end=True),
        "requests_total": one_of("tgi_request_success"),
        "requests_failed_total": one_of("tgi_request_failure"),
    },
    gauges={
        "requests_running": one_of("tgi_batch_current_size"),
        "requests_waiting": one_of("tgi_queue_size"),
    },
    histograms={
        # It counts the prefill in, and there is no histogram of first tokens.
        "per_token": ("tgi_request_mean_time_per_token_duration",),
        "request": ("tgi_request_duration",),
        "queue": ("tgi_request_queue_duration",),
    },
    models=("model_id", "model_name"),
)

LLAMACPP = Framework(
    name="llamacpp",
    prefixes=("llamacpp:",),
    counters={
        # What was computed; builds that count cached tokens count them apart.
        "tokens_prompt_total": (
            (
                Series("llamacpp:prompt_tokens_total"),
                Series("llamacpp:prompt_tokens_cached_total"),
            ),
            (Series("llamacpp:prompt_tokens_total"),),
        ),
        "tokens_prompt_cached_total": one_of("llamacpp:prompt_tokens_cached_total"),
        "tokens_generated_total": one_of("llamacpp:tokens_predicted_total", at_end=True),
    },
    gauges={
        "requests_running": one_of("llamacpp:requests_processing"),
        "requests_waiting": one_of("llamacpp:requests_deferred"),
        "kv_cache_used_ratio": one_of("llamacpp:kv_cache_usage_ratio"),
    },
    models=("model", "model_name"),
)

TRITON = Framework(
    name="triton",
    prefixes=("nv_inference_", "nv_trt_llm_"),
    counters={
        # It counts requests. What its TensorRT-LLM backend says of tokens are gauges of the
        # iteration at hand, and no total can be made of them.
        "requests_total": one_of("nv_inference_request_success"),
        "requests_failed_total": one_of("nv_inference_request_failure"),
    },
    gauges={"requests_waiting": one_of("nv_inference_pending_request_count")},
    models=("model",),
)

ENGINES = (VLLM, RAY, SGLANG, TENSORRT_LLM, TGI, LLAMACPP, TRITON)
