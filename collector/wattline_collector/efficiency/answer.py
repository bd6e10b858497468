"""The report of a job as JSON, and back: what a collector answers and whoever asks reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from wattline_agents.errors import InputError
from wattline_collector import registers
from wattline_collector.advice.evaluate import Advice, Finding, Unjudged, advise
from wattline_collector.advice.read import advisor, advisor_of
from wattline_collector.advice.rule import Severity
from wattline_collector.efficiency.compute import report
from wattline_collector.efficiency.evidence import Evidence
from wattline_collector.efficiency.figures import FIGURES, Bag
from wattline_collector.efficiency.gather import Question, gather
from wattline_collector.efficiency.report import (
    AccountTime,
    DeviceRow,
    Identity,
    JobReport,
    Latency,
    MfuBasis,
    Stretch,
    Strip,
    Timeline,
)
from wattline_collector.kpi.figure import Period, iso
from wattline_collector.kpi.latency import Quantile
from wattline_collector.kpi.view import utc
from wattline_collector.ledger.accounts import Account
from wattline_collector.profile.kept import readable_profile
from wattline_collector.store.store import Store

Json = dict[str, object]


def _time(ms: int | None) -> str | None:
    """A moment as it leaves the program."""
    return None if ms is None else iso(utc(ms))


def judged(
    store: Path, question: Question, live: Store | None = None, rules: Path | None = None
) -> tuple[JobReport, Advice]:
    """A job of a store and the advice on it; see `looked_at`."""
    _, found, advice = looked_at(store, question, live, rules)
    return found, advice


def looked_at(
    store: Path, question: Question, live: Store | None = None, rules: Path | None = None
) -> tuple[Evidence, JobReport, Advice]:
    """A job of a store, the advice on it, and what both are made of.

    Args:
        store: The store's directory.
        question: Which job, and who asks.
        live: The store, where this process has it open for writing.
        rules: The site's rules; those in the store if None.

    Raises:
        NotThere: There is no such job, or it is not the viewer's.
        Several: The id fits more than one.
        UsageError: As `gather`.
        InputError: As `gather`, or the rules or the profile are not what they should be.
    """
    judge = advisor_of(store) if rules is None else advisor(rules)
    evidence = gather(store, question, live)
    found = report(evidence, judge.site, readable_profile(store), _factors(store))
    return evidence, found, advise(found, judge.rules)


def _factors(store: Path) -> pl.DataFrame | None:
    """The register of yearly carbon factors; None where it is not the reader's to read."""
    try:
        return registers.factors(store)
    except InputError:
        return None


def answered(store: Path, question: Question, live: Store | None = None) -> Json:
    """The same as JSON."""
    return answer(*judged(store, question, live))


def answer(found: JobReport, advice: Advice) -> Json:
    """As it leaves the program; the shape is documented, and only grows."""
    identity = found.identity
    dims = {"system": identity.system, "job": identity.job}
    return {
        "identity": {
            "system": identity.system,
            "job": identity.job,
            "job_id": identity.job_id,
            "name": identity.name,
            "user": identity.user,
            "project": identity.project,
            "project_title": identity.project_title,
            "kind": identity.kind,
            "state": identity.state,
            "reason": identity.reason,
            "exit": identity.exit,
            "partition": identity.partition,
            "submit": _time(identity.submit_ms),
            "start": _time(identity.start_ms),
            "end": _time(identity.end_ms),
            "nodes": list(identity.nodes),
            "devices": dict(identity.models),
            "attempts": [{"job": job, "state": state} for job, state in identity.attempts],
            "model": identity.model,
        },
        "period": found.period.to_json(),
        "as_of": _time(found.as_of_ms),
        "asked": _time(found.now_ms),
        "age_seconds": None if found.age_ms is None else found.age_ms / 1000,
        "figures": [{**found.figures[id].to_json(), "dims": dims} for id in found.figures],
        "accounts": [_account(account) for account in found.accounts],
        "devices": [_device(row) for row in found.devices],
        "timeline": {
            "start": _time(found.timeline.start_ms),
            "step_seconds": found.timeline.step_ms / 1000,
            "tokens_per_second": list(found.timeline.tokens_per_second),
            "devices": [
                {
                    "device": strip.device,
                    "activity": list(strip.activity),
                    "power_watts": list(strip.watts),
                    "account": [None if a is None else a.value for a in strip.accounts],
                }
                for strip in found.timeline.strips
            ],
        },
        "latencies": [
            {
                "kind": latency.kind,
                "count": latency.count,
                "mean_seconds": latency.mean_seconds,
                "quantiles": [
                    {"part": part, "over_seconds": q.low, "at_most_seconds": q.high}
                    for part, q in latency.quantiles
                ],
            }
            for latency in found.latencies
        ],
        "mfu": None
        if found.mfu is None
        else {
            "formula": found.mfu.formula,
            "parameters": found.mfu.parameters,
            "flops_per_token": found.mfu.flops_per_token,
            "peaks": list(found.mfu.peaks),
        },
        "attribution": dict(found.attribution),
        "notes": list(found.notes),
        "advice": advice.to_json(),
    }


def _account(account: AccountTime) -> Json:
    return {
        "account": account.account.value,
        "device_seconds": account.device_ms / 1000,
        "energy_joules": account.joules,
        "when": [{"from": _time(s.start_ms), "to": _time(s.end_ms)} for s in account.stretches],
        "omitted": account.omitted,
    }


def _device(row: DeviceRow) -> Json:
    return {
        "device": row.device,
        "node": row.node,
        "index": row.index,
        "model": row.model,
        "device_seconds": {a.value: ms / 1000 for a, ms in row.account_ms.items()},
        "activity": row.activity,
        "sm_active": row.sm_active,
        "busy": row.busy,
        "tensor_active": row.tensor,
        "dram_active": row.dram,
        "memory_peak_bytes": row.memory_peak_bytes,
        "memory_size_bytes": row.memory_size_bytes,
        "power_mean_watts": row.power_mean_watts,
        "power_max_watts": row.power_max_watts,
        "temperature_max_celsius": row.temperature_max_celsius,
        "energy_joules": row.joules,
        "idle": row.idle,
    }


def read_answer(found: Mapping[str, Any]) -> tuple[JobReport, Advice]:
    """A job and its advice, from what a collector answered.

    Raises:
        InputError: It is not the report of a job.
    """
    try:
        return _report(found), _advice(found["advice"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError("the collector answered something else than a job") from error


def _ms(text: str | None) -> int | None:
    return None if text is None else _surely_ms(text)


def _surely_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _report(found: Mapping[str, Any]) -> JobReport:
    period = Period(*(datetime.fromisoformat(found["period"][end]) for end in ("from", "to")))
    bag = Bag(period)
    for figure in found["figures"]:
        if figure["id"] not in FIGURES:
            continue  # a newer collector knows more figures
        bag.put(
            figure["id"],
            figure["numerator"],
            figure["denominator"],
            n=figure["n"],
            coverage=figure["coverage"],
            method=figure["method"],
            note=figure["note"],
        )
    return JobReport(
        identity=_identity(found["identity"]),
        period=period,
        as_of_ms=_ms(found["as_of"]),
        now_ms=_surely_ms(found["asked"]),
        figures=bag,
        accounts=tuple(_read_account(one) for one in found["accounts"]),
        devices=tuple(_read_device(one) for one in found["devices"]),
        timeline=_timeline(found["timeline"]),
        latencies=tuple(_latency(one) for one in found["latencies"]),
        mfu=None
        if found["mfu"] is None
        else MfuBasis(**{**found["mfu"], "peaks": tuple(found["mfu"]["peaks"])}),
        attribution=dict(found["attribution"]),
        notes=tuple(found["notes"]),
    )


def _identity(found: Mapping[str, Any]) -> Identity:
    same = ("system", "job", "job_id", "name", "user", "project", "project_title", "kind", "state",
            "reason", "exit", "partition", "model")  # fmt: skip
    return Identity(
        **{name: found[name] for name in same},
        submit_ms=_ms(found["submit"]),
        start_ms=_ms(found["start"]),
        end_ms=_ms(found["end"]),
        nodes=tuple(found["nodes"]),
        models=dict(found["devices"]),
        attempts=tuple((one["job"], one["state"]) for one in found["attempts"]),
    )


def _read_account(found: Mapping[str, Any]) -> AccountTime:
    return AccountTime(
        Account(found["account"]),
        round(found["device_seconds"] * 1000),
        found["energy_joules"],
        tuple(Stretch(_surely_ms(one["from"]), _surely_ms(one["to"])) for one in found["when"]),
        found["omitted"],
    )


def _read_device(found: Mapping[str, Any]) -> DeviceRow:
    same = ("device", "node", "index", "model", "activity", "sm_active", "busy",
            "memory_peak_bytes", "memory_size_bytes", "power_mean_watts", "power_max_watts",
            "temperature_max_celsius", "idle")  # fmt: skip
    return DeviceRow(
        **{name: found[name] for name in same},
        tensor=found["tensor_active"],
        dram=found["dram_active"],
        joules=found["energy_joules"],
        account_ms={Account(a): round(s * 1000) for a, s in found["device_seconds"].items()},
    )


def _timeline(found: Mapping[str, Any]) -> Timeline:
    return Timeline(
        _surely_ms(found["start"]),
        round(found["step_seconds"] * 1000),
        tuple(found["tokens_per_second"]),
        tuple(
            Strip(
                one["device"],
                tuple(one["activity"]),
                tuple(one["power_watts"]),
                tuple(None if a is None else Account(a) for a in one["account"]),
            )
            for one in found["devices"]
        ),
    )


def _latency(found: Mapping[str, Any]) -> Latency:
    quantiles = tuple(
        (one["part"], Quantile(one["over_seconds"], one["at_most_seconds"]))
        for one in found["quantiles"]
    )
    return Latency(found["kind"], found["count"], found["mean_seconds"], quantiles)


def _advice(found: Mapping[str, Any]) -> Advice:
    return Advice(
        tuple(
            Finding(**{**one, "severity": Severity(one["severity"])}) for one in found["findings"]
        ),
        tuple((one["rule"], one["by"]) for one in found["muted"]),
        tuple(Unjudged(**{**one, "rules": tuple(one["rules"])}) for one in found["unjudged"]),
    )
