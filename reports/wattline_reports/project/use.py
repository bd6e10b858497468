"""Where the project's GPU time went, how its jobs ended, and what they took."""

from __future__ import annotations

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import ACCOUNTS
from wattline_reports.cells import FIGURE_COLUMNS, bare, column_cells, figure_row
from wattline_reports.charts import Bar, account_bars
from wattline_reports.document import Block, Cell, Chart, Column, Row, Section, Table
from wattline_reports.project.book import Book
from wattline_reports.quoted import Quoted, percent, said, source_line, why
from wattline_reports.words import grouped, listed, sentence, shown

CAUSES = {
    "ok": ("ended as they should", "busy"),
    "user": ("failed by their own fault", "lost"),
    "infra": ("ended by a fault of the machine", "down"),
    "timeout": ("ran into their time limit", "held"),
    "preempt": ("had to give way", "reserved"),
    "unknown": ("ended for an unknown reason", "unmeasured"),
}
"""Words and colour of each outcome of A07."""

WAYS = {
    "location_annual": "by the grid's yearly factor",
    "location_hourly": "by the grid's hourly factors",
    "market": "by contracts (market-based)",
}


def time(book: Book) -> Section:
    """The chapter on efficiency."""
    blocks: list[Block] = []
    if book.accounts:
        bars = [
            Bar(_label(one), one.figure.dims["account"], (float(one.value or 0.0),))
            for one in book.accounts
        ]
        words = [f"{bar.label} {grouped(bar.values[0] or 0, 1)}" for bar in bars]
        blocks.append(
            Chart(
                label="",
                title=sentence(_told(book)),
                picture=account_bars("accounts", bars, ("GPU time",), "GPU-h"),
                alt=sentence(f"Bars of GPU-hours by account: {'; '.join(words)}"),
                source=source_line(book.accounts, _unread(book)),
                figures=tuple(one.id for one in book.accounts),
            )
        )
    rows = [one for id in ("E04", "E01", "E03", "E06", "P01", "P03", "P04", "S10")
            for one in book.kpis[id] if one.kpi]  # fmt: skip
    if rows:
        blocks.append(
            Table("", "How well the time was used.", FIGURE_COLUMNS,
                  tuple(figure_row(one, named(one)) for one in rows), source_line(rows))
        )  # fmt: skip
    return Section(
        id="use",
        title="GPU time and efficiency",
        question="Did the GPUs work while jobs held them?",
        answer=sentence(_told(book)),
        blocks=tuple(blocks),
    )


def _told(book: Book) -> str:
    whole = sum(float(one.value or 0.0) for one in book.accounts)
    if not whole:
        return f"nothing is booked to jobs of the project: {why(book.one('E04'))}"
    worked = [one for one in book.accounts if one.figure.dims["account"] in ("busy", "slowed")]
    rest = [one for one in book.accounts if one not in worked]
    told = sum(float(one.value or 0.0) for one in worked)
    text = f"the GPUs worked for {percent(told / whole)} of the time that jobs held them"
    if rest:
        text += f"; {listed([f'{said(one)} were {_label(one)}' for one in rest])}"
    return text


def named(one: Quoted) -> str:
    """A figure's name, with what it is restricted to beside the project: `MFU, training`."""
    name = one.figure.name[:1].upper() + one.figure.name[1:]
    more = [shown(value) for dim, value in one.figure.dims.items() if dim != "project"]
    return ", ".join([name, *more])


def _label(one: Quoted) -> str:
    return ACCOUNTS[Account(one.figure.dims["account"])].label.lower()


def _unread(book: Book) -> str:
    if book.unbooked is None:
        return ""
    return (
        f"{said(book.unbooked)} more are known from the scheduler alone: nobody read the devices."
    )


def outcomes(book: Book) -> Section:
    """The chapter on how jobs ended."""
    found = [one for one in book.kpis["A07"] if one.value is not None]
    if not found:
        return Section("outcomes", "Outcomes of jobs", _ENDED,
                       sentence(f"not known: {why(book.one('A07'))}"), ())  # fmt: skip
    ranked = sorted(found, key=lambda one: -(one.figure.numerator or 0.0))
    bars = [
        Bar(_cause(one)[0], _cause(one)[1], (float(one.figure.numerator or 0.0),)) for one in ranked
    ]
    hours = column_cells(ranked, "numerator")
    good = next((one for one in ranked if one.figure.dims.get("cause") == "ok"), None)
    answer = (
        f"{said(good)} of the GPU-hours of jobs that ended were of jobs that ended as they should"
        if good is not None
        else "no job that ended did so as it should"
    )
    return Section(
        id="outcomes",
        title="Outcomes of jobs",
        question=_ENDED,
        answer=sentence(answer),
        blocks=(
            Chart(
                label="",
                title=sentence(answer),
                picture=account_bars("causes", bars, ("GPU-hours",), "GPU-h"),
                alt=sentence("Bars of GPU-hours by outcome: " + "; ".join(
                    f"{bar.label} {grouped(bar.values[0] or 0, 1)}" for bar in bars)),
                source=source_line(ranked),
                figures=tuple(one.id for one in ranked),
            ),
            Table(
                label="",
                title="GPU-hours of jobs that ended in the period, by how they ended.",
                columns=(Column("Outcome", width=1), Column("Jobs", numeric=True),
                         Column("GPU time", "GPU-h", numeric=True),
                         Column("Share", "%", numeric=True)),
                rows=tuple(
                    Row((Cell(_cause(one)[0]), bare(one, "n"), hours[place], bare(one)))
                    for place, one in enumerate(ranked)
                ),
                source=source_line(ranked),
            ),
        ),
    )  # fmt: skip


_ENDED = "How did the jobs end, and how much time went into those that ended badly?"


def _cause(one: Quoted) -> tuple[str, str]:
    cause = one.figure.dims.get("cause", "unknown")
    return CAUSES.get(cause, (shown(cause), "unmeasured"))


def energy(book: Book) -> Section:
    """The chapter on energy, carbon and cost."""
    used = book.one("S12")
    carbon = [one for one in book.kpis["S13"] if one.kpi]
    rows = [figure_row(one) for one in (used,) if one.kpi]
    rows += [
        figure_row(one, f"Carbon, {WAYS.get(one.figure.dims.get('way', ''), 'by an unknown way')}")
        for one in carbon
    ]
    rows.append(figure_row(book.cost, "Cost of the energy, by the tariffs of the profile"))
    parts = [f"the jobs took {said(used)}" if used.value is not None else
             f"their energy is not known: {why(used)}"]  # fmt: skip
    emitted = next((one for one in carbon if one.value is not None), None)
    if emitted is not None:
        way = WAYS.get(emitted.figure.dims.get("way", ""), "")
        parts.append(f"that is {said(emitted)} {way}".rstrip())
    if book.cost.value is not None:
        parts.append(f"the energy cost {said(book.cost)}")
    return Section(
        id="energy",
        title="Energy, carbon and cost",
        question="What energy did the jobs take, and what did it cost?",
        answer=" ".join(sentence(part) for part in parts),
        blocks=(
            Table(
                "", "Energy of the jobs, and what follows from it.", FIGURE_COLUMNS, tuple(rows),
                source_line(
                    [*(one for one in (used, *carbon) if one.kpi), book.cost],
                    "Energy at the widest boundary that is metered; cooling and other overhead of "
                    "the site are not in it.",
                ),
            ),
        ),
    )  # fmt: skip
