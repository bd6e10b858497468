"""The report of one job: everything `wattline job` shows, and what programs get as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wattline_collector.efficiency.figures import Bag
from wattline_collector.kpi.figure import Figure, Period
from wattline_collector.kpi.latency import Quantile
from wattline_collector.ledger.accounts import Account


@dataclass(frozen=True, slots=True)
class Identity:
    """Which job it is.

    Attributes:
        system: Where it ran.
        job: Its key.
        job_id: The id people know.
        name: What its owner called it.
        user: Its owner.
        project: What it ran under, as the scheduler or the job names it.
        project_title: What the register of projects says of it; null: not registered.
        kind: training, inference or other.
        state: As its scheduler says, else as it says itself.
        reason: Why it waits or ended, in the scheduler's words.
        exit: How it ended: its code, or the signal that ended it.
        partition: Where it was queued.
        submit_ms: When it was submitted.
        start_ms: When it started; null: it never did.
        end_ms: When it ended; null: it has not, as far as is known.
        nodes: The nodes it ran on.
        models: Its devices by model.
        attempts: All its starts as (key, state), oldest first.
        model: The model it trains or serves.
    """

    system: str
    job: str
    job_id: str
    name: str | None
    user: str | None
    project: str | None
    project_title: str | None
    kind: str | None
    state: str | None
    reason: str | None
    exit: str | None
    partition: str | None
    submit_ms: int | None
    start_ms: int | None
    end_ms: int | None
    nodes: tuple[str, ...]
    models: Mapping[str, int]
    attempts: tuple[tuple[str, str | None], ...]
    model: str | None

    @property
    def runs(self) -> bool:
        """Whether it still runs."""
        return self.state in ("running", "suspended") and self.end_ms is None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring minutes."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class AccountTime:
    """Where device time and its energy went.

    Attributes:
        account: Which account.
        device_ms: Device time.
        joules: Energy of that time by its own meter; null: not metered.
        stretches: When, on any of its devices: the longest ones, in order of time.
        omitted: How many shorter ones are not listed.
    """

    account: Account
    device_ms: int
    joules: float | None
    stretches: tuple[Stretch, ...]
    omitted: int


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One of its devices; ratios are over the time in which they are known.

    Attributes:
        device: Its id.
        node: Its node.
        index: Its place on the node.
        model: What it is.
        account_ms: Time per account.
        activity: Compute units at work, else time in which any kernel ran.
        sm_active: Compute units at work.
        busy: Time in which any kernel ran.
        tensor: Time the matrix units were active.
        dram: Time device memory moved data.
        memory_peak_bytes: Most memory in use.
        memory_size_bytes: Memory it has.
        power_mean_watts: Mean power.
        power_max_watts: Most power.
        temperature_max_celsius: Highest temperature.
        joules: Its energy.
        idle: Whether it did nothing for practically all of the time it was measured.
    """

    device: str
    node: str
    index: int | None
    model: str | None
    account_ms: Mapping[Account, int]
    activity: float | None
    sm_active: float | None
    busy: float | None
    tensor: float | None
    dram: float | None
    memory_peak_bytes: int | None
    memory_size_bytes: int | None
    power_mean_watts: float | None
    power_max_watts: float | None
    temperature_max_celsius: float | None
    joules: float | None
    idle: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """One device over time; all strips of a report have the same steps.

    Attributes:
        device: Its id.
        activity: Per step; null: not known.
        watts: Likewise.
        accounts: Where most of the step's time went; null: not the job's.
    """

    device: str
    activity: tuple[float | None, ...]
    watts: tuple[float | None, ...]
    accounts: tuple[Account | None, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened when.

    Attributes:
        start_ms: Its first moment.
        step_ms: Length of a step.
        tokens_per_second: Of the whole job, per step; null: it counted none then.
        strips: Of its devices, the most remarkable ones where they are many.
    """

    start_ms: int
    step_ms: int
    tokens_per_second: tuple[float | None, ...]
    strips: tuple[Strip, ...]


@dataclass(frozen=True, slots=True)
class Latency:
    """One kind of latency, from buckets.

    Attributes:
        kind: What took that long.
        count: How many were observed.
        mean_seconds: Their sum over their count; null: no sum is kept.
        quantiles: How long so large a part of all took at most: the bucket that it lies in.
    """

    kind: str
    count: int
    mean_seconds: float | None
    quantiles: tuple[tuple[float, Quantile], ...]


@dataclass(frozen=True, slots=True)
class MfuBasis:
    """What an MFU is made of, so that it can be checked.

    Attributes:
        formula: How operations per token were counted.
        parameters: How many went in.
        flops_per_token: Operations of one token.
        peaks: The peak taken of each device model, in words.
    """

    formula: str
    parameters: int | None
    flops_per_token: float | None
    peaks: tuple[str, ...]


@dataclass(frozen=True)
class JobReport:
    """One job.

    Attributes:
        identity: Which.
        period: The time looked at.
        as_of_ms: Up to when the books are kept.
        now_ms: When it was asked for.
        figures: All figures.
        accounts: Where its device time went, in the ledger's order.
        devices: Its devices: by node and place.
        timeline: What happened when.
        latencies: Of a service.
        mfu: What its MFU is made of.
        attribution: Device seconds by the method that told whose they are.
        notes: What a reader must know.
    """

    identity: Identity
    period: Period
    as_of_ms: int | None
    now_ms: int
    figures: Bag
    accounts: tuple[AccountTime, ...]
    devices: tuple[DeviceRow, ...]
    timeline: Timeline
    latencies: tuple[Latency, ...]
    mfu: MfuBasis | None
    attribution: Mapping[str, float]
    notes: tuple[str, ...]

    def figure(self, id: str) -> Figure:
        """The figure of that id."""
        return self.figures[id]

    @property
    def age_ms(self) -> int | None:
        """How old the newest data is; null: there is none, or the job is over."""
        if not self.identity.runs or self.as_of_ms is None:
            return None
        return max(0, self.now_ms - self.as_of_ms)
