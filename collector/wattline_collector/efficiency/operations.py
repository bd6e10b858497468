"""MFU: what the model needed, of what its devices can."""

from __future__ import annotations

from collections.abc import Sequence

from wattline_collector.efficiency.adding import added
from wattline_collector.efficiency.evidence import Evidence
from wattline_collector.efficiency.figures import Bag
from wattline_collector.efficiency.peaks import Unknown
from wattline_collector.efficiency.report import DeviceRow, MfuBasis
from wattline_collector.efficiency.token_work import per_token
from wattline_collector.ledger.accounts import ASSIGNED
from wattline_collector.profile.peaks import peak_of
from wattline_collector.profile.schema import FactoryProfile

_TRAINING = "training"


def put_mfu(
    bag: Bag,
    evidence: Evidence,
    rows: Sequence[DeviceRow],
    profile: FactoryProfile | None = None,
) -> MfuBasis | None:
    """Put MFU in, or why it is not known.

    Model operations over peak operations of the devices in the time the job had them
    (Chowdhery et al., arXiv 2204.02311, appendix B); sums over sums, so devices of different
    models count by what each can do. A peak that the factory's profile states is taken before the
    one that Wattline knows of the model.

    Returns:
        What it is made of; None where the job makes nothing to count.
    """
    model = evidence.model
    parameters = model.get("parameters_active") or model.get("parameters")
    bag.put("parameters", parameters, method="as the job says")
    tokens = bag.value("tokens")
    counted = evidence.made["flops"].drop_nulls()
    if tokens is None and counted.is_empty():
        return None
    each, formula = per_token(model, evidence.about.get("kind"))
    made = _made(bag, evidence, each)
    if made is None and not counted.is_empty():
        made, formula = float(counted.sum()), "as the job counted"
    if made is None:
        why = "the model's size is not known: the job library or the engine can say it"
        bag.put("mfu", None, note=why)
        return None
    able, peaks, why_not = _able(rows, model.get("dtype"), profile)
    # Time in which a node was silent was the job's all the same.
    booked = added(evidence.device, "duration_ms")
    able *= evidence.expected_ms / booked if booked else 1.0
    basis = MfuBasis(formula, parameters, each, tuple(peaks))
    if why_not is not None:
        bag.put("mfu", None, note=str(why_not))
        return basis
    method = f"{formula}, {'; '.join(peaks)}"
    coverage = bag["tokens"].coverage if tokens is not None else 1.0
    bag.put("mfu", made, able, n=len(rows), coverage=coverage, method=method)
    stepping = bag["phase_step"]
    if evidence.about.get("kind") == _TRAINING and stepping.value:
        bag.put("mfu_stepping", made, able * stepping.value, n=len(rows),
                coverage=stepping.coverage, method=method)  # fmt: skip
    return basis


def _made(bag: Bag, evidence: Evidence, each: float | None) -> float | None:
    """Operations the job's tokens took; prompt tokens from a cache took none."""
    if each is None or bag.value("tokens") is None:
        return None
    trained = bag.value("tokens_trained") or 0
    prompt = (bag.value("tokens_prompt") or 0) - (bag.value("tokens_prompt_cached") or 0)
    return each * (trained + prompt + (bag.value("tokens_generated") or 0))


def _able(
    rows: Sequence[DeviceRow], dtype: str | None, profile: FactoryProfile | None
) -> tuple[float, list[str], Unknown | None]:
    """Operations its devices can do in the time it had them, and the peaks taken."""
    able, peaks = 0.0, dict[str, None]()
    for row in rows:
        found = peak_of(profile, row.model, dtype)
        if isinstance(found, Unknown):
            return 0.0, [], found
        seconds = sum(row.account_ms.get(account, 0) for account in ASSIGNED) / 1000
        able += seconds * found.flops
        assumed = "" if dtype else ", assumed"
        peaks[f"{found.flops / 1e12:g} TFLOP/s {found.device} {found.dtype}{assumed}"] = None
    if not able:
        return 0.0, [], Unknown("no device time is booked to it")
    return able, list(peaks), None
