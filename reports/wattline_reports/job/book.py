"""One job's answer as a report's figures; it is the answer that `wattline job` gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from wattline_agents.errors import UsageError
from wattline_collector.access import viewer_of_store
from wattline_collector.advice.evaluate import Advice
from wattline_collector.efficiency.answer import judged
from wattline_collector.efficiency.figures import FIGURES
from wattline_collector.efficiency.find import NotThere, Several
from wattline_collector.efficiency.gather import Question
from wattline_collector.efficiency.report import AccountTime, DeviceRow, JobReport
from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.kpi.figure import Status
from wattline_collector.ledger.accounts import Account
from wattline_collector.ledger.books import Books
from wattline_reports.asked import Asked
from wattline_reports.document import Missing
from wattline_reports.missing import missing
from wattline_reports.period import EVER
from wattline_reports.quoted import Figures, Quoted, percent, quoted, stated

MOST_DEVICES = 64
"""Devices in the table; of more, the most remarkable ones."""

EXPECTED = ("busy", "activity", "energy", "energy_co2", "energy_euro")
"""What a reader takes for granted of any job with devices; what is not there is said."""
_MAKERS = ("training", "inference")


@dataclass(frozen=True, slots=True)
class Device:
    """A device's row.

    Attributes:
        row: What is known of it.
        active: Its activity.
        power: Its mean power, W.
        memory: Most memory in use, B.
        energy: Its energy, kWh.
        idle: Part of its time held idle.
    """

    row: DeviceRow
    active: Quoted
    power: Quoted
    memory: Quoted
    energy: Quoted
    idle: Quoted

    @property
    def figures(self) -> tuple[Quoted, ...]:
        """All of them."""
        return self.active, self.power, self.memory, self.energy, self.idle


@dataclass(frozen=True, slots=True)
class Book:
    """What every chapter is made from.

    Attributes:
        found: The job, as `wattline job` shows it.
        advice: What its owner is told.
        figures: All figures, those of the job under the ids that `wattline job --json` has.
        hours: GPU-hours by account.
        devices: Those in the table.
        missing: What the report lacks.
    """

    found: JobReport
    advice: Advice
    figures: Figures
    hours: Mapping[Account, Quoted]
    devices: Sequence[Device]
    missing: tuple[Missing, ...]

    def known(self, *ids: str) -> list[Quoted]:
        """Those of the figures that have a value."""
        return [
            self.figures[id] for id in ids
            if id in self.found.figures and self.found.figures[id].value is not None
        ]  # fmt: skip


def gathered(asked: Asked) -> Book:
    """Look at the job.

    Raises:
        UsageError: There is no such job, it is not theirs, the id fits several, or it did not
            run in the period.
    """
    if asked.as_of is not None:
        raise UsageError("--as-of: a job is told as its books stand; leave it out")
    found, advice = _judged(asked)
    if found.figures.value("run_seconds") is None:
        raise UsageError(
            f"job {asked.of[0][:60]} has not started: there is nothing to report; `wattline job` "
            "says what it waits for"
        )
    figures = Figures(quoted(found.figures[id], is_kpi=False) for id in found.figures)
    hours = {one.account: figures.add(_hours(found, one))[0] for one in found.accounts}
    devices = [_device(found, row, place) for place, row in enumerate(_shown(found), 1)]
    for device in devices:
        figures.add(*device.figures)
    return Book(found, advice, figures, hours, devices, _missing(found, advice, figures))


def _judged(asked: Asked) -> tuple[JobReport, Advice]:
    period = None if asked.period == EVER else asked.period
    question = Question(
        id=asked.of[0],
        viewer=viewer_of_store(asked.store),
        # The books' own end: the same books give the same report, whenever it is asked for.
        now_ms=_newest(asked),
        system=asked.options.get("system") or None,
        period=period,
    )
    try:
        with asked.said("looking at the job"):
            return judged(asked.store, question)
    except NotThere as error:
        raise UsageError(str(error)) from error
    except Several as error:
        raise UsageError(str(error)) from error


def _newest(asked: Asked) -> int:
    books = Books(asked.store)
    span = books.span()
    told = books.frame("accounting", ACCOUNTED)
    moments = [told[name].max() for name in ("submit_ms", "start_ms", "end_ms")]
    known = [at for at in moments if isinstance(at, int)]
    return max([*known, *([] if span is None else [span[1]])], default=0)


def _hours(found: JobReport, one: AccountTime) -> Quoted:
    return stated(
        "hours", f"{one.account.value} GPU time", "GPU-h", one.device_ms / 3.6e6,
        period=found.period, method="ledger", n=len(found.devices),
        dims={"account": one.account.value}, level="measured",
    )  # fmt: skip


def _shown(found: JobReport) -> Sequence[DeviceRow]:
    from wattline_collector.efficiency.time_spent import remarkable

    return remarkable(found.devices, MOST_DEVICES)


def _device(found: JobReport, row: DeviceRow, place: int) -> Device:
    def of(id: str, name: str, unit: str, value: float | None) -> Quoted:
        one = stated(
            f"device.{id}", name, unit, value, period=found.period, method="ledger, telemetry", n=1,
            dims={"device": str(place), "node": row.node}, level="measured",
            note="" if value is not None else "not read",
        )  # fmt: skip
        return replace(one, id=f"device-{place}.{id}")

    whole = sum(row.account_ms.values())
    measured = whole - row.account_ms.get(Account.UNMEASURED, 0)
    held = row.account_ms.get(Account.HELD, 0) / whole if whole and measured else None
    memory = None if row.memory_peak_bytes is None else float(row.memory_peak_bytes)
    return Device(
        row,
        of("activity", "activity", "1", row.activity),
        of("power", "power", "W", row.power_mean_watts),
        of("memory", "most memory in use", "B", memory),
        of("energy", "energy", "kWh", None if row.joules is None else row.joules / 3.6e6),
        of("held", "held idle", "1", held),
    )


def _missing(found: JobReport, advice: Advice, figures: Figures) -> tuple[Missing, ...]:
    expected = list(EXPECTED) if found.devices or found.figures.value("gpus") else []
    if found.identity.kind in _MAKERS:
        expected += ["tokens", "mfu"]
    if found.identity.kind == "training":
        expected.append("goodput")
    wanted = [
        quoted(found.figures[id], is_kpi=False) for id in expected
        if found.figures[id].value is None or _thin(figures[id])
    ]  # fmt: skip
    notes = [
        *found.notes,
        *(
            f"not judged: {FIGURES[thin.figure].name} is known for {percent(thin.coverage)} of the "
            f"time, and {percent(thin.needed)} is needed ({', '.join(thin.rules)})"
            for thin in advice.unjudged
        ),
    ]
    return missing(wanted, notes)


def _thin(one: Quoted) -> bool:
    return one.figure.status is Status.PARTIAL
