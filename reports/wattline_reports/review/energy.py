"""Where the energy went: by account and boundary, per job, and whether every joule has a place."""

from __future__ import annotations

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import ACCOUNTS, NODE_OVERHEAD, UNKNOWN, format_energy
from wattline_reports.charts import Bar, account_bars
from wattline_reports.document import Block, Cell, Chart, Column, Paragraph, Row, Section, Table
from wattline_reports.quoted import said
from wattline_reports.review.evidence import figure_table
from wattline_reports.review.figures import (
    Book,
    percent,
    reason,
    source_line,
    value,
    value_and_unit,
)
from wattline_reports.source import NODE_OVERHEAD as OVERHEAD
from wattline_reports.source import Source
from wattline_reports.words import (
    column,
    decimals_for,
    grouped,
    scale_for,
    sentence,
    summing_column,
    tied,
)

BOUNDARIES = (("gpu", "GPU boundary"), ("node", "Node boundary"))
"""Where joules are metered: the accelerator's own meter, and the whole node's."""


def _spoken(boundary: str) -> str:
    return {"gpu": "GPU boundary"}.get(boundary, f"{boundary} boundary")


def section(book: Book) -> Section:
    """The chapter on energy."""
    blocks: list[Block] = []
    if any(entry.energy_joules is not None for entry in book.source.energy):
        blocks += [_chart(book), _table(book)]
    else:
        blocks.append(Paragraph("No meter saw any energy in the period.", "note"))
    blocks.append(_kpis(book))
    site = [one for number in range(1, 10) for one in book.quote(f"S0{number}")]
    if site:
        blocks.append(
            figure_table(
                "The site: energy, water, heat, renewables and carbon.", site,
                "Indicators of Delegated Regulation (EU) 2024/1364; the return is a report of its "
                "own.",
            )
        )  # fmt: skip
    return Section(
        id="energy",
        title="Energy and sustainability",
        question="Where did the energy go, and what did it cost the world around?",
        answer=_answer(book),
        blocks=tuple(blocks),
    )


def by_account(source: Source, boundary: str) -> dict[str, float | None]:
    """Joules by account at a boundary; an account without an entry is not known."""
    found: dict[str, float | None] = {account.value: None for account in Account}
    for entry in source.energy:
        if entry.boundary == boundary and entry.account != OVERHEAD:
            found[entry.account] = entry.energy_joules
    return found


def overhead(source: Source) -> float | None:
    """Joules of nodes beyond their devices' own meters."""
    return next((e.energy_joules for e in source.energy if e.account == OVERHEAD), None)


def total(source: Source, boundary: str) -> float | None:
    """All joules known at a boundary; null where none are."""
    known = [joules for joules in by_account(source, boundary).values() if joules is not None]
    return sum(known) if known else None


def _answer(book: Book) -> str:
    seen = [
        f"{words} {tied(format_energy(joules))} by their own meters"
        for boundary, words in (("gpu", "accelerators took"), ("node", "whole nodes took"))
        if (joules := total(book.source, boundary)) is not None
    ]
    parts = [", ".join(seen) if seen else "no meter saw any energy"]
    beyond = overhead(book.source)
    if beyond is not None:
        parts.append(f"{tied(format_energy(beyond))} of that was node overhead")
    closure = book.figure("S14")
    if closure.value is not None:
        parts.append(f"{value(closure)} of the metered energy has an account")
    else:
        parts.append(f"attribution closure (S14) is not known: {reason(closure)}")
    pue = next(iter(book.quote("S03")), None)
    if pue is not None and pue.value is not None:
        parts.append(f"the PUE was {said(pue)}")
    return sentence("; ".join(parts))


def _rows(source: Source) -> list[tuple[str, str, tuple[float | None, ...]]]:
    gpu, node = (by_account(source, boundary) for boundary, _ in BOUNDARIES)
    return [
        (ACCOUNTS[account].label, account.value, (gpu[account.value], node[account.value]))
        for account in Account
    ]


def _chart(book: Book) -> Chart:
    source = book.source
    rows = _rows(source)
    beyond = overhead(source)
    every = [v for _, _, values in rows for v in values if v is not None] + [beyond or 0.0]
    prefix, factor = scale_for(max(every) / 3600)
    bars = [
        Bar(label, fill, tuple(None if v is None else v / 3600 / factor for v in values))
        for label, fill, values in rows
    ]
    if beyond is not None:
        bars.append(
            Bar(NODE_OVERHEAD.label, "node-overhead", (None, beyond / 3600 / factor), only=1)
        )
    boundary = "gpu" if total(source, "gpu") is not None else "node"
    whole = total(source, boundary)
    working = [by_account(source, boundary)[a.value] for a in (Account.BUSY, Account.SLOWED)]
    if whole and any(working):
        share = sum(v for v in working if v is not None) / whole
        finding = (
            f"{percent(share)} of the energy at the {_spoken(boundary)} was used while working"
        )
    else:
        finding = _largest(source, boundary, whole or 0.0)
    spoken = [
        f"{label} {tied(format_energy(values[0] if boundary == 'gpu' else values[1]))}"
        for label, _, values in rows
    ]
    return Chart(
        label="",
        title=sentence(finding),
        picture=account_bars("energy", bars, [name for _, name in BOUNDARIES], prefix + "Wh"),
        alt=sentence(
            f"Horizontal bars of energy by account at the {_spoken(boundary)}: "
            f"{', '.join(spoken)}"
            + (f"; node overhead {tied(format_energy(beyond))}" if beyond is not None else "")
        ),
        source=source_line([book.figure("S12"), book.figure("S14")], "An en dash: no meter saw it"),
    )


def _largest(source: Source, boundary: str, whole: float) -> str:
    """Which account took most, where no energy is known to have done work."""
    known = {name: joules for name, joules in by_account(source, boundary).items() if joules}
    if not known or not whole:
        return "No energy is known to have been used while working"
    most = max(known, key=lambda name: known[name])
    label, where = ACCOUNTS[Account(most)].label, _spoken(boundary)
    return f"{percent(known[most] / whole)} of the energy at the {where} went to {label} time"


def _table(book: Book) -> Table:
    source = book.source
    seen = [place for place, (name, _) in enumerate(BOUNDARIES) if total(source, name) is not None]
    rows = _rows(source)
    prefix, factor = scale_for(max(total(source, BOUNDARIES[m][0]) or 0.0 for m in seen) / 3600)
    largest = max(v or 0.0 for _, _, values in rows for v in values) / 3600 / factor
    # One digit more than the picture shows, so that neither contradicts the other.
    decimals = decimals_for(largest) + 1
    columns, sums = [], []
    for measure in seen:
        values = [values[measure] for _, _, values in rows]
        known = [v / 3600 / factor for v in values if v is not None]
        texts, whole = summing_column(known, decimals)
        remaining = iter(texts)
        columns.append([UNKNOWN if v is None else next(remaining) for v in values])
        sums.append(whole)
    body = [
        Row((Cell(label, fill=fill), *(Cell(texts[place]) for texts in columns)))
        for place, (label, fill, _) in enumerate(rows)
    ]
    body.append(Row((Cell("all that was metered"), *map(Cell, sums)), total=True))
    beyond = overhead(source)
    if beyond is not None and 1 in seen:
        text = column([beyond / 3600 / factor], decimals)[0]
        blank = [Cell("")] * (len(seen) - 1)
        body.append(Row((Cell("of which node overhead", fill="node-overhead"), *blank, Cell(text))))
    both = "The energy of a node contains that of its accelerators, so the two are never added. "
    return Table(
        label="",
        title="Energy by account, at each boundary where it is metered.",
        columns=(
            Column("Account", width=1),
            *(Column(BOUNDARIES[m][1], prefix + "Wh", numeric=True) for m in seen),
        ),
        rows=tuple(body),
        source="Ledger; counters before integrated power. "
        + (both if len(seen) > 1 else "")
        + "An en dash: no meter saw it.",
    )  # fmt: skip


def _kpis(book: Book) -> Table:
    rows = []
    for id in ("S10", "S12", "S14"):
        figure = book.figure(id)
        number, unit = value_and_unit(figure)
        rows.append(
            Row(
                (
                    Cell(id),
                    Cell(book.name(id), note=sentence(reason(figure))),
                    Cell(number, strong=figure.value is not None),
                    Cell(unit),
                    Cell(percent(figure.coverage)),
                    Cell(figure.method or UNKNOWN),
                )
            )
        )
    return Table(
        label="",
        title="Energy of jobs, what it made, and how far the books close on the meters.",
        columns=(
            Column("KPI"),
            Column("What", width=1),
            Column("Value", numeric=True),
            Column("Unit"),
            Column("Coverage", numeric=True),
            Column("Method", width=0.8),
        ),
        rows=tuple(rows),
        source=_residual(book),
    )


def _residual(book: Book) -> str:
    closure = book.figure("S14")
    if closure.numerator is None or closure.denominator is None:
        return "The residual between books and meters is not known."
    to_joules = {"J": 1.0, "kWh": 3.6e6}.get(closure.denominator_unit)
    if to_joules is None:
        return "The two sums of S14 stand among the definitions."
    rest = (closure.denominator - closure.numerator) * to_joules
    amount = tied(format_energy(rest)) if abs(rest) >= 3600 else f"{grouped(rest)}\u202fJ"
    if abs(rest) < 1:
        amount = "less than 1\u202fJ"
    whole = tied(format_energy(closure.denominator * to_joules))
    return f"Residual between books and meters (S14): {amount} of {whole}."
