"""C03: how long a model would train here: T = 6 N D / (F_ach x ETTR x 86 400) days.

6 N is the work of one token of a dense model of N parameters (of a mixture of experts: the active
ones), forward and backward, without attention. F_ach is what the devices achieve of it while they
train, and ETTR the share of the time in which they do: MFU as in PaLM (Chowdhery et al., arXiv
2204.02311, appendix B), ETTR as in Kokolis et al., arXiv 2410.21680.

"Ten billion parameters in 45 days" says nothing without D: 9 H100 do it for 0.2 T tokens, and it
takes 651 for 15 T. So D is always stated, and N, MFU, ETTR, peak and devices beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wattline_collector.capability.batch_means import mean_of

DAY_SECONDS = 86_400.0
BUDGET_DAYS = 45.0
"""In which a 10-billion-parameter model is to be trained."""
FLOPS_PER_PARAMETER = 6.0
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Plan:
    """A training run that is planned, with everything its time depends on.

    Attributes:
        parameters: N: those a token goes through.
        tokens: D: what it trains on.
        devices: How many.
        peak_flops: What one device does at most in the number format used, FLOP/s, dense.
        mfu: Share of that which it achieves while it trains, 0 to 1.
        ettr: Share of the time in which it makes steps that last, 0 to 1.
        budget_days: In which it is to be done.
        extra_flops_per_token: Work of a token beside 6 N: attention, `12 L H Q T`.
    """

    parameters: float
    tokens: float
    devices: float
    peak_flops: float
    mfu: float
    ettr: float
    budget_days: float = BUDGET_DAYS
    extra_flops_per_token: float = 0.0

    def __post_init__(self) -> None:
        """Check that it can be computed with.

        Raises:
            ValueError: A number is not what its name says; the message names it.
        """
        for name in ("parameters", "tokens", "devices", "peak_flops", "budget_days"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name}: not a number above 0: {value}")
        for name in ("mfu", "ettr"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise ValueError(f"{name}: not a share above 0 and up to 1: {value}")
        if not (math.isfinite(self.extra_flops_per_token) and self.extra_flops_per_token >= 0):
            raise ValueError("extra_flops_per_token: not a number from 0")

    @property
    def flops(self) -> float:
        """Operations the whole run takes."""
        per_token = FLOPS_PER_PARAMETER * self.parameters + self.extra_flops_per_token
        return per_token * self.tokens

    @property
    def sustained_needed(self) -> float:
        """FLOP/s that must be kept up over the whole budget, interruptions and all."""
        return self.flops / (self.budget_days * DAY_SECONDS)

    @property
    def devices_needed(self) -> float:
        """Devices that take exactly the budget; not rounded."""
        return self.sustained_needed / (self.peak_flops * self.mfu * self.ettr)


@dataclass(frozen=True, slots=True)
class Window:
    """Steps that were measured.

    Attributes:
        step_seconds: How long each took, in their order, evaluation and checkpoints left out.
        tokens_per_step: Tokens of one step, of all its devices.
        devices: How many made them.
    """

    step_seconds: Sequence[float]
    tokens_per_step: float
    devices: float

    def __post_init__(self) -> None:
        """Check that it can be computed with.

        Raises:
            ValueError: There is no step, one took no time, or nothing was made.
        """
        if not self.step_seconds or not all(
            math.isfinite(seconds) and seconds > 0 for seconds in self.step_seconds
        ):
            raise ValueError("step_seconds: needs steps, each of which took time")
        for name in ("tokens_per_step", "devices"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name}: not a number above 0")


@dataclass(frozen=True, slots=True)
class Projection:
    """A time to train, with what it rests on.

    Attributes:
        plan: What was asked.
        days: How long it takes.
        low: Lower end of the interval, days; None where none is known.
        high: Upper end, days.
        confidence: Of the interval.
        steps: Steps it was measured with; 0 where MFU was stated.
        assumptions: What must hold for it, in sentences.
    """

    plan: Plan
    days: float
    low: float | None
    high: float | None
    confidence: float
    steps: int
    assumptions: tuple[str, ...]

    @property
    def margin(self) -> float:
        """Budget over time: 1 is just in time, below 1 is too late."""
        return self.plan.budget_days / self.days

    @property
    def devices(self) -> int:
        """Whole devices that keep the budget."""
        # A hair above a whole number is that number, said with the rounding of floats.
        return math.ceil(self.plan.devices_needed * (1 - 1e-12))

    def to_json(self) -> dict[str, object]:
        """For programs."""
        plan = self.plan
        return {
            "kpi": "C03", "days": self.days, "days_low": self.low, "days_high": self.high,
            "confidence": self.confidence if self.low is not None else None,
            "margin": self.margin, "budget_days": plan.budget_days, "steps_measured": self.steps,
            "parameters": plan.parameters, "tokens": plan.tokens, "devices": plan.devices,
            "peak_flops": plan.peak_flops, "mfu": plan.mfu, "ettr": plan.ettr, "flops": plan.flops,
            "sustained_flops_needed": plan.sustained_needed,
            "devices_needed": plan.devices_needed, "devices_needed_whole": self.devices,
            "assumptions": list(self.assumptions),
        }  # fmt: skip


def project(plan: Plan) -> Projection:
    """How long a planned run takes, by what its plan states; without an interval."""
    achieved = plan.devices * plan.peak_flops * plan.mfu
    days = plan.flops / (achieved * plan.ettr * DAY_SECONDS)
    told = ("MFU and ETTR are stated, not measured: the time is as good as they are",)
    return Projection(plan, days, None, None, CONFIDENCE, 0, told)


def project_from(
    window: Window,
    *,
    parameters: float,
    tokens: float,
    devices: float,
    peak_flops: float,
    ettr: float,
    budget_days: float = BUDGET_DAYS,
    extra_flops_per_token: float = 0.0,
    scaling_efficiency: float | None = None,
    confidence: float = CONFIDENCE,
) -> Projection:
    """How long a run takes, by steps that were measured.

    The interval is of the mean step time of the steps to come (`batch_means`): what the
    steps' scatter allows to say, and nothing else. ETTR and the model's work are taken as stated.

    Args:
        window: The steps.
        parameters: N, of the model that is planned.
        tokens: D.
        devices: How many it is to train on.
        peak_flops: Of one device, FLOP/s.
        ettr: Share of the time in which it makes steps that last.
        budget_days: In which it is to be done.
        extra_flops_per_token: Work of a token beside 6 N.
        scaling_efficiency: Share of the rate of a device that is left on so many devices, where
            they are not those of the window; 1 if not given.
        confidence: Of the interval.

    Raises:
        ValueError: A number is not what its name says, or the steps outdo the devices' peak.
    """
    efficiency = 1.0 if scaling_efficiency is None else scaling_efficiency
    if not 0 < efficiency <= 1:
        raise ValueError(f"scaling_efficiency: not a share above 0 and up to 1: {efficiency}")
    mean = mean_of(window.step_seconds)
    per_token = FLOPS_PER_PARAMETER * parameters + extra_flops_per_token
    per_device = window.tokens_per_step * per_token / mean.value / window.devices
    mfu = per_device / peak_flops * efficiency
    if not 0 < mfu <= 1:
        raise ValueError(
            f"mfu: {mfu:.3g}: the steps do more than the devices can; are N, the tokens of a step, "
            "the devices and the peak those of the window?"
        )
    plan = Plan(
        parameters, tokens, devices, peak_flops, mfu, ettr, budget_days, extra_flops_per_token
    )
    days = project(plan).days
    # Steps of the same number of tokens as those measured.
    half = mean.half_width(confidence, ahead=max(1.0, tokens / window.tokens_per_step))
    low = high = None
    if half is not None:
        # Time is proportional to the mean step, so its ends are those of the step.
        low = days * max(0.0, 1 - half / mean.value)
        high = days * (1 + half / mean.value)
    return Projection(
        plan, days, low, high, confidence, mean.n, tuple(_assumed(window, devices, efficiency,
        scaling_efficiency is not None, mean.why))
    )  # fmt: skip


def _assumed(
    window: Window, devices: float, efficiency: float, is_stated: bool, why: str
) -> list[str]:
    told = ["steps to come are like those measured; ETTR is stated, not measured"]
    if devices != window.devices:
        way = f"scaling efficiency {efficiency:g} as stated" if is_stated else "linear scaling"
        told.append(f"measured on {window.devices:g} devices, planned on {devices:g}: {way}")
    if why:
        told.append(f"no interval: {why}")
    return told


def requirement_table(
    tokens: Sequence[float],
    peaks: Sequence[float],
    *,
    parameters: float = 10e9,
    mfu: float = 0.40,
    ettr: float = 0.90,
    budget_days: float = BUDGET_DAYS,
) -> list[dict[str, Any]]:
    """What it takes to keep the budget, by tokens and device.

    Returns:
        Per number of tokens: `tokens`, `flops`, `sustained_flops` and `devices`, which are those
        needed of each peak, not rounded.
    """
    rows = []
    for count in tokens:
        plans = [
            Plan(parameters, count, 1, peak, mfu, ettr, budget_days) for peak in peaks
        ]  # fmt: skip
        rows.append(
            {
                "tokens": count,
                "flops": plans[0].flops,
                "sustained_flops": plans[0].sustained_needed,
                "devices": [plan.devices_needed for plan in plans],
            }
        )
    return rows
