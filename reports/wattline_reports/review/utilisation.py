"""Where the GPU-hours went: the waterfall, the accounts, the days, and OEE."""

from __future__ import annotations

from collections.abc import Sequence

from wattline_collector.ledger.accounts import ASSIGNED, MEANING, WORKING, Account
from wattline_collector.palette import ACCOUNTS, UNKNOWN
from wattline_reports.cells import bare, column_cells
from wattline_reports.charts import DayColumn, Level, Part, Series, stacked_days, waterfall
from wattline_reports.document import Block, Cell, Chart, Column, Row, Section, Table
from wattline_reports.quoted import Quoted, why, written
from wattline_reports.quoted import source_line as quoted_source
from wattline_reports.review.days import calendar, part_days
from wattline_reports.review.evidence import figure_table, methods
from wattline_reports.review.figures import (
    COMFORT,
    FACTORS,
    Book,
    percent,
    reason,
    source_line,
    value,
    value_and_unit,
)
from wattline_reports.review.pictures import Square, heat_map
from wattline_reports.source import Day, Source
from wattline_reports.words import (
    column,
    decimals_for,
    grouped,
    listed,
    long_day,
    sentence,
    summing_column,
)

_TAKEN: dict[str, tuple[Account, ...]] = {
    "installed": (Account.MAINTENANCE,),
    "planned": (Account.DOWN, Account.UNOBSERVED),
    "offered": (Account.FREE,),
    "assigned": (Account.HELD, Account.UNMEASURED),
    "working": (Account.SLOWED,),
    "unthrottled": (Account.LOST,),
}
"""The accounts that leave the waterfall after each step."""

_DARK = (Account.UNMEASURED, Account.UNOBSERVED)

_AFTER_ACTIVITY = ("working", "unthrottled", "kept")
"""Steps that only measured activity can tell."""


def section(book: Book) -> Section:
    """The chapter on GPU-hours."""
    blocks: list[Block] = [_waterfall(book), _accounts(book), _days(book), _oee(book)]
    waits = book.quote("U07")
    if chart := _waits(waits):
        blocks.append(chart)
        blocks.append(_sizes(waits))
    rest = [one for id in ("U03", "U06", "U09") for one in book.quote(id)]
    if not chart:
        rest += waits
    if rest:
        blocks.append(figure_table("Offered capacity and large jobs.", rest))
    return Section(
        id="utilisation",
        title="Utilisation",
        question="Where did the installed GPU-hours go?",
        answer=_answer(book),
        blocks=tuple(blocks),
    )


def _waits(figures: Sequence[Quoted]) -> Chart | None:
    """Waits by size of job: the median and the 95th of a hundred."""
    sizes = list(dict.fromkeys(one.figure.dims.get("size", "all") for one in figures))
    words = {"median": "median", "p95": "95 % within"}
    known = {
        (sizes.index(one.figure.dims.get("size", "all")), list(words).index(which)): one
        for one in figures
        if (which := one.figure.dims.get("figure", "")) in words and one.value is not None
    }
    if not known:
        return None
    longest = max(known.values(), key=lambda one: one.value or 0.0)
    size = longest.figure.dims.get("size", "all")
    of = "over all jobs" if size == "all" else f"for jobs of {spoken_size(size)}"
    title = f"waits were longest {of}: {words[longest.figure.dims['figure']]} {written(longest)}"
    return Chart(
        label="",
        title=sentence(title),
        picture=heat_map(
            "waits", ["all jobs" if size == "all" else spoken_size(size) for size in sizes],
            list(words.values()),
            {place: Square(float(one.value or 0)) for place, one in known.items()},
            "hours waited",
        ),
        alt=sentence("Heat map of hours waited by size of job: " + "; ".join(
            f"{one.figure.dims.get('size')} {words[one.figure.dims['figure']]} {written(one)}"
            for one in known.values()
        )),
        source=quoted_source(list(known.values())[:2]),
        figures=tuple(one.id for one in known.values()),
    )  # fmt: skip


def _sizes(figures: Sequence[Quoted]) -> Table:
    """Waits and expansion, a row for each size of job."""
    sizes: dict[str, dict[str, Quoted]] = {}
    for one in figures:
        words = one.figure.dims
        sizes.setdefault(words.get("size", "all"), {})[words.get("figure", "")] = one
    kinds = ("median", "p95", "expansion")
    columns = []
    for kind in kinds:
        cells = column_cells([found[kind] for found in sizes.values() if kind in found])
        columns.append(iter(cells))
    rows = []
    for size, found in sizes.items():
        hidden = next((one for one in found.values() if one.value is None), None)
        rows.append(
            Row(
                (
                    Cell(
                        "all jobs" if size == "all" else spoken_size(size),
                        note="" if hidden is None else sentence(why(hidden)),
                    ),
                    *(
                        next(cells) if kind in found else Cell(UNKNOWN)
                        for kind, cells in zip(kinds, columns, strict=True)
                    ),
                    bare(next(iter(found.values())), "n"),
                )
            )
        )
    return Table(
        label="",
        title="Waits and expansion by size of job.",
        columns=(
            Column("Size", width=1),
            Column("Median", "h", numeric=True),
            Column("95 % within", "h", numeric=True),
            Column("Expansion", numeric=True),
            Column("n", numeric=True),
        ),
        rows=tuple(rows),
        source=methods(figures) + "Expansion: wait and run over run.",
    )


def spoken_size(size: str) -> str:
    """A class of sizes as people say it: `1 GPU`, `2-4 GPUs`."""
    return f"{size} GPU{'' if size == '1' else 's'}"


def hours(source: Source) -> dict[Account, float]:
    """GPU-hours by account."""
    return {entry.account: entry.device_hours for entry in source.accounts}


def levels(source: Source) -> tuple[Level, ...]:
    """The waterfall with what left it at each step.

    Where the accounts do not explain a step to the millisecond, it is shown as not explained,
    rather than pictured as something it is not.
    """
    booked = hours(source)
    steps = source.waterfall
    some, nearly_all = known_work(source)
    result = []
    for place, step in enumerate(steps):
        drops: tuple[Part, ...] = ()
        if place + 1 < len(steps):
            taken = step.device_hours - steps[place + 1].device_hours
            accounts = _TAKEN[step.name]
            explained = sum(booked[account] for account in accounts)
            if abs(taken - explained) <= 1e-6 * max(1.0, source.installed_hours):
                drops = tuple(
                    Part(ACCOUNTS[account].label, booked[account], account.value)
                    for account in accounts
                )
            else:
                drops = (Part("not explained", max(taken, 0.0), "mark"),)
        if step.name not in _AFTER_ACTIVITY:
            result.append(Level(step.name, step.device_hours, drops))
        elif some:
            result.append(Level(step.name, step.device_hours, drops, not nearly_all))
        else:
            drops = tuple(Part(part.label, None, part.fill) for part in drops)
            result.append(Level(step.name, None, drops))
    return tuple(result)


def known_work(source: Source) -> tuple[bool, bool]:
    """Whether it is known what of the assigned time was work, and whether of all of it."""
    booked = hours(source)
    assigned = sum(booked[account] for account in ASSIGNED)
    unmeasured = booked[Account.UNMEASURED] / assigned if assigned else 0.0
    return unmeasured < 0.999, unmeasured <= 1 - COMFORT


def kept(source: Source) -> str:
    """The share of installed time whose work was kept, as far as it is known; empty if it is not.

    Time without measured activity may have been work, so with much of it the share is a least one.
    """
    some, nearly_all = known_work(source)
    if not some or not source.installed_hours:
        return ""
    share = percent(source.waterfall[-1].device_hours / source.installed_hours)
    return share if nearly_all else f"at least {share}"


def _answer(book: Book) -> str:
    parts = []
    for id, words in (
        ("U01", "of the GPU-hours offered, {} were assigned to jobs"),
        ("U02", "weighted with their activity, {} were used"),
        ("E06", "{} were wasted"),
    ):
        figure = book.figure(id)
        if figure.value is None:
            parts.append(f"{figure.name}: not known ({reason(figure)})")
        else:
            parts.append(words.format(value(figure)))
    return sentence("; ".join(parts))


def _waterfall(book: Book) -> Chart:
    source = book.source
    whole = source.installed_hours
    drops = [part for level in levels(source) for part in level.drops]
    largest = max(drops, key=lambda part: part.value or 0.0, default=None)
    if share := kept(source):
        finding = f"{share} of the installed GPU-hours were kept"
    else:
        finding = "How many GPU-hours worked is not known: no activity was measured"
    if share and largest is not None and largest.value and whole:
        what = f"{largest.label} time" if largest.label != "maintenance" else largest.label
        finding += f"; {what} took most of the rest, {percent(largest.value / whole)}"
    steps = [
        f"{level.label} {column([level.value], decimals_for(whole))[0]}" for level in levels(source)
    ]
    return Chart(
        label="",
        title=sentence(finding),
        picture=waterfall("waterfall", levels(source), "GPU-hours"),
        alt=sentence(f"Waterfall of GPU-hours: {', '.join(steps)}. {finding}"),
        source=source_line(
            [book.figure(id) for id in ("U01", "U02", "E06")],
            "From the accounts of the ledger; a device-hour is in exactly one",
        ),
    )


def _accounts(book: Book) -> Table:
    source = book.source
    amounts = [entry.device_hours for entry in source.accounts]
    whole = sum(amounts)
    # One digit more than the waterfall shows, so that neither contradicts the other.
    numbers, total = summing_column(amounts, decimals_for(whole) + 1)
    shares, all_of_it = (
        summing_column([amount / whole * 100 for amount in amounts], 1)
        if whole
        else ([UNKNOWN] * len(amounts), UNKNOWN)
    )
    rows = [
        Row(
            (
                Cell(ACCOUNTS[entry.account].label, fill=entry.account.value),
                Cell(MEANING[entry.account]),
                Cell(numbers[place]),
                Cell(shares[place]),
            )
        )
        for place, entry in enumerate(source.accounts)
    ]
    agree = source.accounts_agree
    rows.append(
        Row((Cell("installed"), Cell("every device, all the time"), Cell(total), Cell(all_of_it)),
            total=True)
    )  # fmt: skip
    return Table(
        label="",
        title=(
            "The nine accounts add up to the GPU-hours installed."
            if agree
            else "The nine accounts do NOT add up to the "
            f"{grouped(source.installed_hours, 1)}\u00a0GPU-hours installed."
        ),
        columns=(
            Column("Account"),
            Column("When", width=1),
            Column("GPU-hours", numeric=True),
            Column("Share", "%", numeric=True),
        ),
        rows=tuple(rows),
        source="Ledger, device-time; printed numbers are rounded so that each column adds up.",
    )


def _days(book: Book) -> Chart:
    days = calendar(book.source)
    used = [entry for entry in book.source.accounts if entry.device_hours > 0]
    columns = [
        DayColumn(
            day,
            None
            if entry is None
            else tuple(entry.device_hours.get(one.account, 0.0) for one in used),
            entry.coverage if entry else None,
        )
        for day, entry in days
    ]
    series = [Series(ACCOUNTS[one.account].label, one.account.value) for one in used]
    finding = _worst_day(book.source)
    return Chart(
        label="",
        title=finding,
        picture=stacked_days("accounts", columns, series, "GPU-hours", prefixed=False),
        alt=sentence(
            f"Stacked bars of GPU-hours by account, one per day from {long_day(days[0][0])} to "
            f"{long_day(days[-1][0])}: {listed([one.label for one in series]) or 'no account'}. "
            + finding
        ),
        source=source_line(
            [book.figure("Q03")], "Ledger, device-time per UTC day" + part_days(book.source)
        ),
    )


def _worst_day(source: Source) -> str:
    def share(day: Day) -> float:
        work = sum(day.device_hours.get(account, 0.0) for account in WORKING)
        return work / sum(day.device_hours.values())

    def told(day: Day) -> bool:
        whole = sum(day.device_hours.values())
        dark = sum(day.device_hours.get(account, 0.0) for account in _DARK)
        return whole > 0 and dark / whole <= 1 - COMFORT

    observed = [day for day in source.days if told(day)]
    if not observed:
        return "No day was measured well enough to say how much the GPUs worked."
    if len(observed) == 1:
        only = observed[0]
        return sentence(f"GPUs worked {percent(share(only))} of {long_day(only.day)}")
    best, worst = max(observed, key=share), min(observed, key=share)
    return sentence(
        f"GPUs worked {percent(share(best))} of the day on {long_day(best.day)} and "
        f"{percent(share(worst))} on {long_day(worst.day)}"
    )


def _made_of(book: Book, id: str) -> str:
    entry = book.entries[id]
    return f"{entry.numerator} ÷ {entry.denominator}" if entry.denominator else entry.formula


def _oee(book: Book) -> Table:
    ids = ("OEE", *FACTORS)
    rows = []
    for id in ids:
        figure = book.figure(id)
        number, unit = value_and_unit(figure)
        note = "" if figure.value is not None else sentence(reason(figure))
        rows.append(
            Row(
                (
                    Cell(book.name(id)),
                    Cell(_made_of(book, id), note=note),
                    Cell(f"{number}\u202f{unit}" if number != UNKNOWN else number),
                    Cell(percent(figure.coverage)),
                ),
                total=id == "OEE",
            )
        )
    figure = book.figure("OEE")
    return Table(
        label="",
        title=sentence(
            f"Overall equipment effectiveness is {value(figure)}"
            if figure.value is not None
            else f"Overall equipment effectiveness is not known: {reason(figure)}"
        ),
        columns=(
            Column("Factor"),
            Column("Made of", width=1),
            Column("Value", numeric=True),
            Column("Coverage", numeric=True),
        ),
        rows=tuple(rows[1:] + rows[:1]),
        source=source_line([book.figure(id) for id in ids]),
    )
