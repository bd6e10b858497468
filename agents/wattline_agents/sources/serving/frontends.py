"""Frontends and routers: what stands before engines and counts their work a second time."""

from __future__ import annotations

from wattline_agents.sources.serving.names import FRONTEND, ROUTER, Framework, Series, one_of

DYNAMO = Framework(
    name="dynamo",
    prefixes=("dynamo_frontend_",),
    layer=FRONTEND,
    counters={
        "tokens_prompt_total": one_of("dynamo_frontend_input_sequence_tokens_sum"),
        "tokens_prompt_cached_total": one_of("dynamo_frontend_cached_tokens_sum"),
        "tokens_generated_total": (
            *one_of("dynamo_frontend_output_tokens_total"),
            *one_of("dynamo_frontend_output_sequence_tokens_sum", at_end=True),
        ),
        "requests_total": ((Series("dynamo_frontend_requests_total", "status", ("success",)),),),
        "requests_failed_total": (
            (Series("dynamo_frontend_requests_total", "status", ("success",), is_other=True),),
        ),
    },
    gauges={
        "requests_running": one_of(
            "dynamo_frontend_active_requests", "dynamo_frontend_inflight_requests"
        ),
        "requests_waiting": one_of("dynamo_frontend_queued_requests"),
    },
    histograms={
        "first_token": ("dynamo_frontend_time_to_first_token_seconds",),
        "inter_token": ("dynamo_frontend_inter_token_latency_seconds",),
        "request": ("dynamo_frontend_request_duration_seconds",),
    },
    models=("model",),
)


def _picker(*prefixes: str) -> Framework:
    """llm-d's endpoint picker, under the names it has had; the newest first."""

    def of(suffix: str) -> tuple[tuple[Series, ...], ...]:
        return one_of(*(prefix + suffix for prefix in prefixes))

    return Framework(
        name="llm-d",
        prefixes=prefixes,
        layer=ROUTER,
        counters={
            "requests_total": of("request_total"),
            "requests_failed_total": of("request_error_total"),
        },
        gauges={"requests_running": of("request_running") + of("running_requests")},
        histograms={
            "first_token": tuple(prefix + "request_ttft_seconds" for prefix in prefixes),
            "per_token": (
                "llm_d_epp_request_streaming_tpot_seconds",
                *(prefix + "request_tpot_seconds" for prefix in prefixes),
            ),
            "request": tuple(prefix + "request_duration_seconds" for prefix in prefixes),
        },
        misses={
            "first_token": of("request_ttft_slo_violation_total"),
            "per_token": of("request_tpot_slo_violation_total"),
        },
    )


LLM_D = _picker("llm_d_epp_", "inference_objective_", "inference_model_")

FRONTENDS = (DYNAMO, LLM_D)
