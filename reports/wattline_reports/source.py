"""The figures a report is made of: the collector's overview, read strictly.

A report is handed to people who will quote it, so what it is made of is checked at the door: a key
that is missing, of another type, negative where nothing can be, or an account out of order is an
error that names the field, not a blank in a table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TypeVar

from wattline_agents.errors import InputError
from wattline_collector.kpi.figure import Figure, Period, Status
from wattline_collector.ledger.accounts import Account

_T = TypeVar("_T")

NODE_OVERHEAD = "node_overhead"
"""Energy of a node beyond its devices; stands in `energy` beside the accounts."""

FINDINGS = "audit_findings"
"""Lines of a full audit of the store, where one was made; beside the overview's own keys."""

STEPS = ("installed", "planned", "offered", "assigned", "working", "unthrottled", "kept")
"""The waterfall of GPU-hours, from all there are to those whose work was kept."""


@dataclass(frozen=True, slots=True)
class AccountSum:
    """What the period booked to one account."""

    account: Account
    device_hours: float
    energy_joules: float | None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the waterfall."""

    name: str
    device_hours: float


@dataclass(frozen=True, slots=True)
class EnergySum:
    """The joules of one account (or of the node overhead) at one boundary."""

    boundary: str
    account: str
    energy_joules: float | None


@dataclass(frozen=True, slots=True)
class Day:
    """One UTC day."""

    day: date
    tokens_trained: int | None
    tokens_prompt: int | None
    tokens_generated: int | None
    energy_joules: float | None
    device_hours: Mapping[Account, float]
    coverage: float | None

    @property
    def observed(self) -> bool:
        """Whether anything at all is known of it."""
        return bool(self.coverage) or any(
            hours > 0
            for account, hours in self.device_hours.items()
            if account is not Account.UNOBSERVED
        )


@dataclass(frozen=True, slots=True)
class Job:
    """One job, as far as it falls into the period."""

    system: str
    job: str
    name: str | None
    kind: str | None
    state: str | None
    start: datetime | None
    end: datetime | None
    devices: int | None
    device_hours: float
    tokens: int | None
    energy_joules: float | None
    boundary: str | None
    tokens_per_joule: float | None
    sm_active_ratio: float | None
    held_hours: float | None
    coverage: float | None


@dataclass(frozen=True, slots=True)
class NodeCoverage:
    """How much of one node's time was observed; device-time where it has devices."""

    system: str
    node: str
    expected_hours: float
    observed_hours: float
    samples: float
    samples_expected: float

    @property
    def ratio(self) -> float | None:
        """Observed over expected; null where nothing was expected."""
        return self.observed_hours / self.expected_hours if self.expected_hours > 0 else None


@dataclass(frozen=True, slots=True)
class Audit:
    """What the proof of the books said."""

    balanced: bool
    findings: int
    checked_hours: float


@dataclass(frozen=True, slots=True)
class Source:
    """Everything a review is made of."""

    period: Period
    systems: tuple[str, ...]
    devices: int
    nodes: int
    figures: Mapping[str, Figure]
    accounts: tuple[AccountSum, ...]
    waterfall: tuple[Step, ...]
    energy: tuple[EnergySum, ...]
    days: tuple[Day, ...]
    jobs: tuple[Job, ...]
    coverage: tuple[NodeCoverage, ...]
    audit: Audit
    notes: tuple[str, ...]
    findings: tuple[str, ...]

    @property
    def installed_hours(self) -> float:
        """GPU-hours that were there: the first step of the waterfall."""
        return self.waterfall[0].device_hours

    @property
    def accounts_agree(self) -> bool:
        """Whether the accounts add up to what was installed, to the millisecond per account."""
        booked = sum(round(entry.device_hours * 3_600_000) for entry in self.accounts)
        return abs(booked - round(self.installed_hours * 3_600_000)) <= len(self.accounts)

    @property
    def balanced(self) -> bool:
        """Whether the books may be trusted: the audit says so, and the accounts add up here."""
        return self.audit.balanced and not self.findings and self.accounts_agree


def settled(overview: Mapping[str, object]) -> dict[str, object]:
    """The same overview with its measured numbers to nine digits.

    Sums of floats differ in their last bits from run to run, because threads add them up in
    another order. Nine digits are far more than any meter has, and hold still. Hours are exact
    (they are whole milliseconds) and stay as they are.
    """
    return {key: _settled(value, key) for key, value in overview.items()}


def _settled(value: object, key: str) -> object:
    if isinstance(value, Mapping):
        exact = key.endswith("_hours")
        return {k: _settled(v, key if exact else k) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_settled(item, key) for item in value]
    if isinstance(value, float) and not key.endswith("_hours"):
        return float(f"{value:.9g}")
    return value


def read(overview: Mapping[str, object]) -> Source:
    """Read an overview's JSON.

    Raises:
        InputError: A field is missing or not what it should be; the message names it.
    """
    top = _Fields(overview, "")
    accounts = tuple(_account(item) for item in top.objects("accounts"))
    if tuple(entry.account for entry in accounts) != tuple(Account):
        raise InputError("not the nine accounts in their order", path="overview", field="accounts")
    waterfall = tuple(
        Step(item.text("step"), item.amount("device_hours")) for item in top.objects("waterfall")
    )
    if tuple(step.name for step in waterfall) != STEPS:
        raise InputError(f"not the steps {', '.join(STEPS)}", path="overview", field="waterfall")
    figures = [_figure(item) for item in top.objects("figures")]
    audit = top.inner("audit")
    return Source(
        period=top.inner("period").period(),
        systems=tuple(top.texts("systems")),
        devices=top.count("devices"),
        nodes=top.count("nodes"),
        figures={figure.id: figure for figure in figures},
        accounts=accounts,
        waterfall=waterfall,
        energy=tuple(_energy(item) for item in top.objects("energy")),
        days=tuple(sorted((_day(item) for item in top.objects("days")), key=lambda d: d.day)),
        jobs=tuple(_job(item) for item in top.objects("jobs")),
        coverage=tuple(_coverage(item) for item in top.objects("coverage")),
        audit=Audit(audit.flag("balanced"), audit.count("findings"), audit.amount("checked_hours")),
        notes=tuple(top.texts("notes")),
        findings=tuple(top.texts(FINDINGS)) if FINDINGS in overview else (),
    )


def _account(item: _Fields) -> AccountSum:
    return AccountSum(
        account=item.account(item.text("account"), "account"),
        device_hours=item.amount("device_hours"),
        energy_joules=item.amount_or_none("energy_joules"),
    )


def _energy(item: _Fields) -> EnergySum:
    name = item.text("account")
    if name != NODE_OVERHEAD:
        item.account(name, "account")
    # An overhead is a difference of two meters, so it alone may be under zero.
    joules = item.number_or_none("energy_joules")
    return EnergySum(item.text("boundary"), name, joules)


def _day(item: _Fields) -> Day:
    text = item.text("day")
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise item.wrong("day", f"{text[:40]!r} is not a day such as 2026-11-01") from error
    hours = item.inner("device_hours")
    return Day(
        day=day,
        tokens_trained=item.count_or_none("tokens_trained"),
        tokens_prompt=item.count_or_none("tokens_prompt"),
        tokens_generated=item.count_or_none("tokens_generated"),
        energy_joules=item.amount_or_none("energy_joules"),
        device_hours={hours.account(name, name): hours.amount(name) for name in hours.values},
        coverage=item.ratio_or_none("coverage"),
    )


def _job(item: _Fields) -> Job:
    return Job(
        system=item.text("system"),
        job=item.text("job"),
        name=item.text_or_none("name"),
        kind=item.text_or_none("kind"),
        state=item.text_or_none("state"),
        start=item.time_or_none("start"),
        end=item.time_or_none("end"),
        devices=item.count_or_none("devices"),
        device_hours=item.amount("device_hours"),
        tokens=item.count_or_none("tokens"),
        energy_joules=item.amount_or_none("energy_joules"),
        boundary=item.text_or_none("boundary"),
        tokens_per_joule=item.amount_or_none("tokens_per_joule"),
        sm_active_ratio=item.amount_or_none("sm_active_ratio"),
        held_hours=item.amount_or_none("held_hours"),
        coverage=item.ratio_or_none("coverage"),
    )


def _coverage(item: _Fields) -> NodeCoverage:
    return NodeCoverage(
        system=item.text("system"),
        node=item.text("node"),
        expected_hours=item.amount("expected_hours"),
        observed_hours=item.amount("observed_hours"),
        samples=item.amount("samples"),
        samples_expected=item.amount("samples_expected"),
    )


def _figure(item: _Fields) -> Figure:
    status = item.text("status")
    if status not in tuple(Status):
        raise item.wrong("status", f"{status[:40]!r} is not one of {', '.join(Status)}")
    dims = item.inner("dims")
    return Figure(
        id=item.text("id"),
        name=item.text("name"),
        unit=item.text("unit"),
        value=item.number_or_none("value"),
        numerator=item.number_or_none("numerator"),
        denominator=item.number_or_none("denominator"),
        n=item.count("n"),
        coverage=item.ratio_or_none("coverage"),
        method=item.text("method"),
        status=Status(status),
        period=item.inner("period").period(),
        note=item.text("note"),
        dims={name: dims.text(name) for name in dims.values},
        numerator_unit=item.text("numerator_unit"),
        denominator_unit=item.text("denominator_unit"),
        low=item.number_or_none("low"),
        high=item.number_or_none("high"),
        level=item.text("level"),
    )


class _Fields:
    """One JSON object, and where it stands, so that an error can say so."""

    def __init__(self, values: object, place: str) -> None:
        if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
            raise InputError("not an object", path="overview", field=place or None)
        self.values: Mapping[str, object] = values
        self.place = place

    def wrong(self, key: str, reason: str) -> InputError:
        """The error for one of its fields."""
        return InputError(reason, path="overview", field=self._at(key))

    def _at(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def _get(self, key: str) -> object:
        if key not in self.values:
            raise self.wrong(key, "missing")
        return self.values[key]

    def text(self, key: str) -> str:
        value = self._get(key)
        if not isinstance(value, str):
            raise self.wrong(key, "not a text")
        return value

    def text_or_none(self, key: str) -> str | None:
        return self._or_none(key, self.text)

    def number(self, key: str) -> float | int:
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(key, "not a number")
        if not math.isfinite(value):
            raise self.wrong(key, "not a finite number")
        return value

    def number_or_none(self, key: str) -> float | int | None:
        return self._or_none(key, self.number)

    def amount(self, key: str) -> float:
        value = self.number(key)
        if value < 0:
            raise self.wrong(key, f"{value} is under zero")
        return value

    def amount_or_none(self, key: str) -> float | None:
        return self._or_none(key, self.amount)

    def ratio_or_none(self, key: str) -> float | None:
        value = self.amount_or_none(key)
        # A ratio of two sums of floats may pass 1 by a rounding; by more it is a mistake.
        if value is not None and value > 1 + 1e-6:
            raise self.wrong(key, f"{value} is over 1")
        return None if value is None else min(value, 1.0)

    def count(self, key: str) -> int:
        value = self.amount(key)
        if value != int(value):
            raise self.wrong(key, f"{value} is not a whole number")
        return int(value)

    def count_or_none(self, key: str) -> int | None:
        return self._or_none(key, self.count)

    def flag(self, key: str) -> bool:
        value = self._get(key)
        if not isinstance(value, bool):
            raise self.wrong(key, "neither true nor false")
        return value

    def time(self, key: str) -> datetime:
        text = self.text(key)
        try:
            time = datetime.fromisoformat(text)
        except ValueError as error:
            raise self.wrong(key, f"{text[:40]!r} is not a time") from error
        if time.tzinfo is None:
            raise self.wrong(key, f"{text[:40]!r} has no time zone")
        return time.astimezone(UTC)

    def time_or_none(self, key: str) -> datetime | None:
        return self._or_none(key, self.time)

    def period(self) -> Period:
        start, end = self.time("from"), self.time("to")
        if end <= start:
            raise self.wrong("to", "not after `from`")
        return Period(start, end)

    def account(self, name: str, key: str) -> Account:
        if name not in tuple(Account):
            raise self.wrong(key, f"{name[:40]!r} is no account")
        return Account(name)

    def inner(self, key: str) -> _Fields:
        return _Fields(self._get(key), self._at(key))

    def _list(self, key: str) -> Sequence[object]:
        value = self._get(key)
        if not isinstance(value, list | tuple):
            raise self.wrong(key, "not a list")
        return value

    def objects(self, key: str) -> list[_Fields]:
        return [
            _Fields(item, f"{self._at(key)}[{place}]") for place, item in enumerate(self._list(key))
        ]

    def texts(self, key: str) -> list[str]:
        items: list[str] = []
        for place, item in enumerate(self._list(key)):
            if not isinstance(item, str):
                raise self.wrong(f"{key}[{place}]", "not a text")
            items.append(item)
        return items

    def _or_none(self, key: str, read: Callable[[str], _T]) -> _T | None:
        return None if self._get(key) is None else read(key)
