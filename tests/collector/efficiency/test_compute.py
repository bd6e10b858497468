from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from wattline_collector.efficiency import evidence as known
from wattline_collector.efficiency.compute import report
from wattline_collector.efficiency.report import JobReport
from wattline_collector.efficiency.site import Site
from wattline_collector.ledger.accounts import Account
from wattline_collector.ledger.schema import HOUR_MS

MINUTE = 60_000
Told = Callable[..., Any]


def value(found: JobReport, id: str) -> float | None:
    return found.figures.value(id)


# Asked for and got


def test_what_was_asked_for_stands_beside_what_was_used(told: Told, start_ms: int) -> None:
    job = told()
    accounting = {
        "job_id": "12_5", "submit_ms": start_ms - 600_000, "time_limit_seconds": 14_400.0,
        "nodes": 1, "cpus": 32, "memory_bytes": 512 * 10**9, "gpus": 2,
        "memory_peak_bytes": 128 * 10**9, "account": "proj", "exit_code": 0, "exit_signal": 9,
        "partition": "gpu",
    }  # fmt: skip
    found = report(job.evidence(accounting=accounting))
    assert value(found, "run_seconds") == 3600
    assert value(found, "wait_seconds") == 600
    assert value(found, "time_limit_used") == 0.25
    assert value(found, "cpus_per_gpu") == 16
    assert value(found, "memory_per_gpu_bytes") == 256 * 10**9
    assert value(found, "memory_used") == 0.25
    assert value(found, "node_gpus") == 4
    assert value(found, "least_nodes") == 1
    identity = found.identity
    assert (identity.job_id, identity.project, identity.exit) == ("12_5", "proj", "signal 9")
    assert identity.models == {"NVIDIA H100 80GB HBM3": 2}


def test_a_job_known_from_accounting_alone_says_so_and_accuses_nobody(told: Told) -> None:
    job = told()
    found = report(
        job.evidence(
            device=job.device_frame([]), devices=job.inventory().clear(),
            accounting={"gpus": 8, "nodes": 2, "time_limit_seconds": 7200.0, "energy_joules": 9e6},
        )
    )  # fmt: skip
    assert value(found, "gpus") == 8
    assert value(found, "time_limit_used") == 0.5
    assert value(found, "scheduler_energy") == pytest.approx(2.5)
    for unknown in ("gpu_time", "busy", "held", "activity", "energy", "idle_gpus", "wasted_energy"):
        assert value(found, unknown) is None, unknown
    assert "no agent measured its devices" in found.notes[0]
    assert found.devices == () and found.accounts == ()


def test_a_job_that_has_not_started_is_no_error(told: Told, start_ms: int) -> None:
    job = told(minutes=0)
    found = report(
        job.evidence(
            about={}, device=job.device_frame([]), accounting={"state": "pending", "gpus": 4}
        )
    )
    assert found.notes == ("it has not started: there is nothing to look at yet",)
    assert value(found, "run_seconds") is None
    assert found.identity.state == "pending"


@pytest.mark.parametrize(("partition", "is_one"), [("gpu", 0), ("jupyter-gpu", 1), (None, 0)])
def test_an_interactive_job_is_known_by_a_word(told: Told, partition: str, is_one: int) -> None:
    found = report(told().evidence(accounting={"partition": partition}))
    assert value(found, "interactive") == is_one


# Device time


def test_device_time_is_told_by_account_with_the_minutes_it_happened_in(
    told: Told, start_ms: int
) -> None:
    job = told(minutes=60, devices=2)
    rows = [
        job.device_minute(
            device, minute,
            "held" if 10 <= minute < 25 or (40 <= minute < 41 and device == 1) else "busy",
        )
        for device in range(2)
        for minute in range(60)
    ]  # fmt: skip
    found = report(job.evidence(device=job.device_frame(rows)))
    busy, held = found.accounts
    assert (busy.account, busy.device_ms) == (Account.BUSY, 89 * MINUTE)
    assert (held.account, held.device_ms) == (Account.HELD, 31 * MINUTE)
    assert [(s.start_ms, s.end_ms) for s in held.stretches] == [
        (start_ms + 10 * MINUTE, start_ms + 25 * MINUTE),
        (start_ms + 40 * MINUTE, start_ms + 41 * MINUTE),
    ]
    assert held.joules == pytest.approx(31 * 24_000)
    assert value(found, "gpu_time") == 2
    assert value(found, "held") == pytest.approx(31 / 120)
    assert value(found, "busy") == pytest.approx(89 / 120)
    assert value(found, "idle_gpus") == 0
    assert value(found, "wasted_gpu_hours") == pytest.approx(31 / 60)


def test_many_stretches_are_listed_in_part_and_counted(told: Told) -> None:
    job = told(minutes=240, devices=1)
    rows = [job.device_minute(0, m, "held" if m % 2 else "busy") for m in range(240)]
    held = report(job.evidence(device=job.device_frame(rows))).accounts[1]
    assert (len(held.stretches), held.omitted) == (50, 70)


def test_a_device_that_does_nothing_is_counted_though_another_works(told: Told) -> None:
    job = told(devices=4)
    rows = [
        job.device_minute(d, m, "held" if d == 2 else "busy", sm_active_ms=0.0 if d == 2 else 3e4)
        for d in range(4)
        for m in range(60)
    ]
    found = report(job.evidence(device=job.device_frame(rows)))
    assert value(found, "idle_gpus") == 1
    assert [row.idle for row in found.devices] == [False, False, True, False]
    # The idle one is not the slowest of those that work.
    assert value(found, "lowest_activity") == 1


def test_time_that_is_not_in_the_books_lowers_every_coverage(told: Told) -> None:
    job = told(devices=2)
    rows = [job.device_minute(d, m) for d in range(2) for m in range(60) if d == 0 or m < 30]
    found = report(job.evidence(device=job.device_frame(rows)))
    for id in ("gpu_time", "busy", "sm_active", "gpu_energy"):
        assert found.figure(id).coverage == pytest.approx(0.75), id
    assert any("75.0" in note and "fell silent" in note for note in found.notes)


def test_a_share_of_a_device_is_not_missing_time(told: Told) -> None:
    job = told(devices=1)
    rows = [job.device_minute(0, m, duration_ms=MINUTE // 2, measured_ms=0) for m in range(60)]
    held = job.frame(known.HELD, {"device": "gpu0", "start_ms": 0, "end_ms": HOUR_MS, "share": 0.5})
    found = report(job.evidence(device=job.device_frame(rows), held=held))
    assert found.figure("gpu_time").coverage == 1


def test_unmeasured_time_is_not_idle_time(told: Told) -> None:
    job = told(devices=1)
    rows = [
        job.device_minute(0, m, "unmeasured", measured_ms=0, sm_active_ms=None, busy_ms=None,
                          busy_measured_ms=0)
        for m in range(60)
    ]  # fmt: skip
    found = report(job.evidence(device=job.device_frame(rows)))
    assert value(found, "unmeasured") == 1
    for id in ("held", "busy", "idle_gpus", "wasted_gpu_hours", "activity"):
        assert value(found, id) is None, id


# Activity, memory, power


def test_ratios_are_sums_over_sums(told: Told) -> None:
    job = told(devices=2)
    rows = [job.device_minute(0, m, sm_active_ms=0.9 * MINUTE) for m in range(60)]
    rows += [job.device_minute(1, m, sm_active_ms=0.3 * MINUTE) for m in range(20)]
    found = report(job.evidence(device=job.device_frame(rows)))
    assert value(found, "sm_active") == pytest.approx((60 * 0.9 + 20 * 0.3) / 80)
    assert value(found, "activity") == value(found, "sm_active")
    assert found.devices[1].activity == pytest.approx(0.3)


def test_devices_that_only_tell_of_kernels_have_a_coarser_activity(told: Told) -> None:
    job = told(devices=1)
    rows = [job.device_minute(0, m, sm_active_ms=None, measured_ms=0) for m in range(60)]
    found = report(job.evidence(device=job.device_frame(rows)))
    assert value(found, "sm_active") is None
    assert value(found, "activity") == pytest.approx(0.9)
    assert found.figure("activity").method == "driver's busy ratio"


def test_telemetry_tells_of_matrix_units_memory_and_throttling(told: Told) -> None:
    job = told(devices=2)
    rows = [
        {"device": f"gpu{i}", "node": "n0", "read_ms": 3.6e6, "tensor_ms": 0.2 * 3.6e6,
         "tensor_known_ms": 3.6e6, "dram_ms": 0.4 * 3.6e6, "dram_known_ms": 3.6e6,
         "memory_known_ms": 3.6e6, "memory_peak_bytes": (20 + 40 * i) * 10**9,
         "memory_size_bytes": 80 * 10**9, "power_limit_watts": 600.0 + i,
         "power_limit_default_watts": 700.0, "throttle_power_cap_seconds": 900.0}
        for i in range(2)
    ]  # fmt: skip
    found = report(job.evidence(readings=job.frame(known.READINGS, *rows)))
    assert value(found, "tensor_active") == pytest.approx(0.2)
    assert value(found, "dram_active") == pytest.approx(0.4)
    assert value(found, "gpu_memory_peak_bytes") == 60 * 10**9
    assert value(found, "gpu_memory_peak") == 0.75
    assert value(found, "throttled_power") == pytest.approx(0.25)
    assert value(found, "throttled_heat") is None
    assert value(found, "power_limit_watts") == 600
    assert value(found, "power_lowered") == pytest.approx(100 / 700)
    assert found.devices[1].memory_peak_bytes == 60 * 10**9


def test_processors_are_told_only_where_the_job_had_its_nodes_alone(told: Told) -> None:
    job = told(devices=4)
    hosts = job.frame(
        known.HOSTS,
        {"node": "n0", "cores": 64, "busy_core_ms": 16 * 3.6e6, "known_ms": 3.6e6,
         "memory_size_bytes": 512 * 10**9},
    )  # fmt: skip
    alone = report(job.evidence(hosts=hosts, shared_nodes=False))
    assert value(alone, "cpu_used_cores") == pytest.approx(16)
    assert value(alone, "cpu_used") == pytest.approx(0.25)
    for shared in (True, None):
        assert value(report(job.evidence(hosts=hosts, shared_nodes=shared)), "cpu_used") is None
    part = report(job.evidence(hosts=hosts, shared_nodes=False, accounting={"cpus": 8, "gpus": 4}))
    assert value(part, "cpu_used") is None
    assert value(part, "cpus_over_fair") == pytest.approx(2 / 16)


# Energy


def test_energy_is_told_at_the_widest_boundary_that_is_metered(told: Told, start_ms: int) -> None:
    job = told(devices=2)
    at_gpu = report(job.evidence())
    assert value(at_gpu, "energy") == pytest.approx(2 * 60 * 24_000 / 3.6e6)
    assert at_gpu.figure("energy").method == "counter, gpu boundary"
    assert value(at_gpu, "power_mean_watts") == pytest.approx(400)
    nodes = job.node_frame(
        {"system": "test", "minute": start_ms + m * MINUTE, "node": "n0", "job": "1",
         "account": "busy" if m < 30 else "held", "duration_ms": float(MINUTE),
         "energy_joules": 90_000.0, "energy_method": "integrated", "energy_ms": float(MINUTE)}
        for m in range(60)
    )  # fmt: skip
    at_node = report(job.evidence(node=nodes))
    assert value(at_node, "energy") == pytest.approx(1.5)
    assert at_node.figure("energy").method == "integrated, node boundary"
    assert value(at_node, "gpu_energy") == value(at_gpu, "energy")
    assert value(at_node, "wasted_energy") == pytest.approx(0.75)


def test_money_and_carbon_are_told_only_where_the_site_says_prices(told: Told) -> None:
    job = told(devices=1)
    rows = [job.device_minute(0, m, "held") for m in range(60)]
    evidence = job.evidence(device=job.device_frame(rows))
    without = report(evidence)
    for id in ("wasted_euro", "wasted_co2", "energy_euro", "energy_co2"):
        assert id not in without.figures
    site = Site(euro_per_kwh=0.25, euro_per_gpu_hour=2.0, grams_co2e_per_kwh=300.0)
    priced = report(evidence, site)
    assert value(priced, "wasted_energy") == pytest.approx(0.4)
    assert value(priced, "wasted_euro") == pytest.approx(0.4 * 0.25 + 2.0)
    assert value(priced, "wasted_co2") == pytest.approx(120)
    assert value(report(evidence, Site(euro_per_gpu_hour=2.0)), "energy_euro") == 2
    assert "energy_co2" not in report(evidence, Site(euro_per_kwh=0.25)).figures


def test_energy_nobody_metered_is_null_and_not_nought(told: Told) -> None:
    job = told(devices=1)
    rows = [
        job.device_minute(0, m, energy_joules=None, energy_method=None, energy_ms=0)
        for m in range(60)
    ]
    found = report(job.evidence(device=job.device_frame(rows)), Site(euro_per_kwh=0.25))
    for id in ("energy", "gpu_energy", "power_mean_watts", "energy_euro", "wasted_energy"):
        assert value(found, id) is None, id


# What it made


def test_training_is_told_in_tokens_joules_and_goodput(told: Told) -> None:
    job = told(devices=2)
    made = job.made_frame(
        job.made_minute(
            m, tokens_trained=60_000, steps=6, steps_replayed=2, tokens_replayed=20_000,
            checkpoints=1 if m % 20 == 19 else 0, phase_step_ms=48_000.0,
            phase_data_wait_ms=6_000.0, phase_checkpoint_save_ms=3_000.0,
        )
        for m in range(60)
    )  # fmt: skip
    found = report(job.evidence(made=made), Site(node_mtti_hours=1000))
    assert value(found, "tokens") == 3_600_000
    assert value(found, "tokens_per_second") == pytest.approx(1000)
    assert value(found, "joules_per_token") == pytest.approx(2 * 60 * 24_000 / 3_600_000)
    assert value(found, "phase_data_wait") == pytest.approx(0.1)
    assert value(found, "phase_other") == pytest.approx(0.05)
    # 80 % in steps, a quarter of which were done before.
    assert value(found, "goodput") == pytest.approx(0.6)
    assert value(found, "replayed") == pytest.approx(0.25)
    assert value(found, "step_seconds") == pytest.approx(48 / 8)
    assert value(found, "checkpoints") == 3
    assert value(found, "checkpoint_save_seconds") == pytest.approx(60)
    assert value(found, "checkpoint_interval_seconds") == pytest.approx(1200)
    best = (2 * 60 * 3_600_000) ** 0.5
    assert value(found, "checkpoint_best_seconds") == pytest.approx(best)
    assert value(found, "checkpoint_interval_over_best") == pytest.approx(1200 / best)


def test_phases_of_every_rank_are_parts_of_the_ranks_time(told: Told) -> None:
    job = told(devices=4)
    made = job.made_frame(
        job.made_minute(m, steps=1, tokens_trained=10, phase_step_ms=4 * 45_000.0,
                        phase_data_wait_ms=4 * 12_000.0)
        for m in range(60)
    )  # fmt: skip
    found = report(job.evidence(made=made))
    assert value(found, "phase_step") == pytest.approx(0.75)
    assert value(found, "phase_data_wait") == pytest.approx(0.2)
    assert found.figure("phase_step").method == "phases of 4 processes"
    assert value(found, "step_seconds") == pytest.approx(45)


def test_a_job_without_tokens_has_no_energy_per_token(told: Told) -> None:
    job = told()
    made = job.made_frame(job.made_minute(m, tokens_trained=0) for m in range(60))
    found = report(job.evidence(made=made))
    assert value(found, "tokens") == 0
    assert value(found, "joules_per_token") is None
    silent = report(job.evidence())
    assert value(silent, "tokens") is None
    assert any("counts no tokens" in note for note in silent.notes)


def test_tokens_of_time_without_a_meter_do_not_make_a_token_cheap(told: Told) -> None:
    job = told(devices=1)
    rows = [
        job.device_minute(0, m, **({} if m < 30 else {"energy_joules": None, "energy_ms": 0}))
        for m in range(60)
    ]
    made = job.made_frame(job.made_minute(m, tokens_trained=24_000) for m in range(60))
    found = report(job.evidence(device=job.device_frame(rows), made=made))
    assert value(found, "joules_per_token") == pytest.approx(1)
    assert found.figure("joules_per_token").coverage == pytest.approx(0.5)


def test_serving_is_told_in_prompts_caches_and_requests_in_time(told: Told) -> None:
    job = told()
    made = job.made_frame(
        job.made_minute(m, tokens_prompt=800, tokens_prompt_cached=200, tokens_generated=150,
                        requests=10, requests_good=8, requests_failed=1)
        for m in range(60)
    )  # fmt: skip
    found = report(job.evidence(made=made, about={"kind": "inference", "start_ms": 1}))
    assert value(found, "tokens") == 950 * 60
    assert value(found, "prefill_share") == pytest.approx(600 / 750)
    assert value(found, "cache_hit") == pytest.approx(0.25)
    assert value(found, "serving_goodput") == pytest.approx(0.8)
    assert value(found, "requests_failed_share") == pytest.approx(1 / 11)
    assert value(found, "goodput") is None
    joules = value(found, "joules_per_output_token")
    assert joules == pytest.approx(2 * 24_000 / 150)


def test_a_quantile_beyond_the_last_bound_is_only_that(told: Told) -> None:
    job = told()
    rows = [
        {"kind": "first_token", "le_seconds": le, "count": count, "seconds": seconds}
        for le, count, seconds in ((1.0, 50, None), (30.0, 95, None), (None, 100, 400.0))
    ]
    (found,) = report(job.evidence(buckets=job.frame(known.BUCKETS, *rows))).latencies
    assert (found.kind, found.count, found.mean_seconds) == ("first_token", 100, 4.0)
    assert [(part, str(q)) for part, q in found.quantiles] == [
        (0.5, "<= 1 s"), (0.9, "1-30 s"), (0.99, "> 30 s"),
    ]  # fmt: skip


def test_the_slowest_nodes_steps_stand_out(told: Told) -> None:
    job = told()
    rows = [
        {"node": f"n{i}", "step_seconds": 3000.0 if i == 2 else 2000.0, "phase_seconds": 3600.0}
        for i in range(4)
    ]
    made = job.made_frame(job.made_minute(m, steps=1) for m in range(60))
    found = report(job.evidence(made=made, ranks=job.frame(known.RANKS, *rows)))
    assert value(found, "step_spread") == pytest.approx(1.5)


@pytest.mark.parametrize(("interruptions", "known_"), [(2, False), (4, True)])
def test_a_rate_of_interruptions_needs_some(told: Told, interruptions: int, known_: bool) -> None:
    job = told()
    made = job.made_frame(job.made_minute(m, steps=1) for m in range(60))
    found = report(
        job.evidence(
            made=made, interruptions=interruptions, node_seconds=4e6, accounting={"nodes": 10}
        )
    )
    assert value(found, "mtti_seconds") == (pytest.approx(1e5) if known_ else None)


# MFU


def test_mfu_is_what_the_model_needed_of_what_the_devices_can(told: Told) -> None:
    job = told(devices=2)
    made = job.made_frame(
        job.made_minute(m, tokens_trained=1_000_000, steps=1, phase_step_ms=48_000.0)
        for m in range(60)
    )
    model = {"parameters": 7_000_000_000, "flops_per_token": 4.2e10, "formula": "6n",
             "dtype": "bf16"}  # fmt: skip
    found = report(job.evidence(made=made, model=model))
    expected = 60e6 * 4.2e10 / (2 * 3600 * 989e12)
    assert value(found, "mfu") == pytest.approx(expected)
    assert value(found, "mfu_stepping") == pytest.approx(expected / 0.8)
    assert found.mfu is not None
    assert found.mfu.formula == "6n"
    assert found.mfu.peaks == ("989 TFLOP/s H100 SXM bf16",)


def test_operations_are_counted_by_the_facts_where_nobody_counted_them(told: Told) -> None:
    job = told(devices=1)
    made = job.made_frame(job.made_minute(m, tokens_trained=1000) for m in range(60))
    found = report(job.evidence(made=made, model={"parameters": 1_000_000_000}))
    assert found.mfu is not None
    assert (found.mfu.formula, found.mfu.flops_per_token) == ("6n", 6e9)
    assert "assumed" in found.mfu.peaks[0]


def test_prompt_tokens_from_a_cache_took_no_operations(told: Told) -> None:
    job = told(devices=1)
    made = job.made_frame(
        job.made_minute(m, tokens_prompt=1000, tokens_prompt_cached=600, tokens_generated=100)
        for m in range(60)
    )
    about = {"kind": "inference", "start_ms": 1, "end_ms": 2}
    found = report(job.evidence(made=made, about=about, model={"flops_per_token": 1e10}))
    assert found.figure("mfu").numerator == pytest.approx(500 * 60 * 1e10)


@pytest.mark.parametrize(
    ("device", "model", "why"),
    [
        ("NVIDIA L40S", {"flops_per_token": 1e9}, "the peak of a NVIDIA L40S is not known"),
        ("NVIDIA H100", {"flops_per_token": 1e9, "dtype": "int8"}, "H100 SXM in int8 is not known"),
        ("NVIDIA H100", {}, "the model's size is not known"),
        ("NVIDIA H100", {"parameters": -5}, "the model's size is not known"),
    ],
)
def test_without_a_peak_or_a_size_mfu_is_unknown_and_says_why(
    told: Told, device: str, model: dict[str, Any], why: str
) -> None:
    job = told(devices=1)
    made = job.made_frame(job.made_minute(m, tokens_trained=1000) for m in range(60))
    found = report(job.evidence(made=made, model=model, devices=job.inventory(model=device)))
    assert value(found, "mfu") is None
    assert why in found.figure("mfu").note


# Over time


def test_the_timeline_shows_what_each_device_did_when(told: Told, start_ms: int) -> None:
    job = told(devices=2)
    rows = [
        job.device_minute(d, m, "held" if d and m >= 30 else "busy",
                          sm_active_ms=0.0 if d and m >= 30 else 30_000.0)
        for d in range(2)
        for m in range(60)
    ]  # fmt: skip
    made = job.made_frame(job.made_minute(m, tokens_trained=600) for m in range(30))
    line = report(job.evidence(device=job.device_frame(rows), made=made)).timeline
    assert (line.start_ms, line.step_ms) == (start_ms, MINUTE)
    assert line.strips[1].activity == (0.5,) * 30 + (0.0,) * 30
    assert line.strips[1].accounts == (Account.BUSY,) * 30 + (Account.HELD,) * 30
    assert line.strips[0].watts == pytest.approx((400.0,) * 60)
    assert line.tokens_per_second == (10.0,) * 30 + (None,) * 30


def test_a_long_job_has_as_many_steps_as_a_terminal_can_show(told: Told) -> None:
    job = told(minutes=1440, devices=1)
    line = report(job.evidence()).timeline
    assert len(line.strips[0].activity) == 240
    assert line.step_ms == 6 * MINUTE


def test_a_report_is_a_pure_function_of_what_is_known(told: Told) -> None:
    evidence = told().evidence()
    once, again = report(evidence), report(evidence)
    assert dict(once.figures) == dict(again.figures)
    assert (once.devices, once.timeline) == (again.devices, again.timeline)


def test_an_empty_ledger_of_columns_not_yet_known_is_read(told: Told) -> None:
    job = told()
    made = job.made_frame(job.made_minute(m, tokens_trained=60) for m in range(60))
    older = made.drop("phase_step_ms", "checkpoints", "requests_good", "steps_replayed")
    found = report(job.evidence(made=older))
    assert value(found, "tokens") == 3600
    assert value(found, "goodput") is None


@pytest.mark.parametrize(
    ("signal", "code", "text"),
    [(9, 0, "signal 9"), (125, 0, "scheduler's code 125"), (None, 3, "exit code 3")],
)
def test_only_a_signal_is_called_one(told: Told, signal: int | None, code: int, text: str) -> None:
    found = report(told().evidence(accounting={"exit_signal": signal, "exit_code": code}))
    assert found.identity.exit == text
