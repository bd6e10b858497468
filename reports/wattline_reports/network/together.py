"""What the factories did with one another, and where two of their records disagree."""

from __future__ import annotations

from collections.abc import Sequence

from wattline_collector.kpi.figure import Period
from wattline_reports.cells import number_of
from wattline_reports.document import Block, Cell, Chart, Column, Paragraph, Row, Section, Table
from wattline_reports.exchange.cubes import UNKNOWN as NOT_NAMED
from wattline_reports.exchange.exchanged import MIRRORS, STAFF, Mismatch, Record
from wattline_reports.exchange.merge import Merged
from wattline_reports.quoted import Quoted, stated
from wattline_reports.review.disclosed import spoken
from wattline_reports.review.pictures import Square, heat_map
from wattline_reports.words import count_of, grouped, listed, sentence

OTHERS, UNNAMED = "other factories", "not named"
_METHOD = "cubes/exchanges.csv, as declared"
_DECLARED = "Exchanges of the bundles, as each factory declares them in its register of activities."
_NEITHER = (
    "Two records of the same exchange that do not agree do not say which of them is right: either "
    "side may lack a record, or have booked it in another period. Assets that one shares and the "
    "other does not reuse are no mismatch, and of referrals only one side keeps a record."
)


def figures(merged: Merged, period: Period) -> list[Quoted]:
    """A figure of every record, and two of every mismatch: what either side says."""
    found = [
        stated(
            "exchange", f"{spoken(one.kind)} that a factory declares", _unit(one.kind), one.amount,
            period=period, method=_METHOD, n=round(one.activities), dims=_dims(one),
        )
        for one in merged.exchanges
    ]  # fmt: skip
    known = {tuple(sorted(one.figure.dims.items())): one for one in found}
    for told in merged.mismatches:
        for factory, other, kind, amount in _sides(told):
            dims = {"factory": factory, "counterpart": other, "kind": kind}
            if amount is None and tuple(sorted(dims.items())) not in known:
                found.append(
                    stated(
                        "exchange", f"{spoken(kind)} that a factory declares", _unit(kind), 0.0,
                        period=period, method=f"{_METHOD}: no record", dims=dims,
                    )
                )  # fmt: skip
    return [Quoted(_id(one), one.kpi, one.figure) for one in found]


def _id(one: Quoted) -> str:
    dims = one.figure.dims
    return f"exchange/{dims['kind']}/{dims['factory']}/{dims['counterpart']}"


def _dims(one: Record) -> dict[str, str]:
    return {"factory": one.factory, "counterpart": one.counterpart, "kind": one.kind}


def _unit(kind: str) -> str:
    return "person-days" if kind == STAFF else "activities"


def _sides(told: Mismatch) -> list[tuple[str, str, str, float | None]]:
    return [
        (told.first, told.second, told.kind, told.first_says),
        (told.second, told.first, MIRRORS[told.kind], told.second_says),
    ]


def section(
    merged: Merged, exchanges: Sequence[Quoted], factories: Sequence[str], silent: Sequence[str]
) -> Section:
    """The chapter on coordination."""
    by_id = {one.id: one for one in exchanges}
    blocks: list[Block] = []
    for is_staff, unit in ((False, "activities"), (True, "person-days of staff")):
        rows = [one for one in merged.exchanges if (one.kind == STAFF) == is_staff]
        if rows:
            blocks.append(_matrix(rows, by_id, factories, unit))
    if merged.exchanges:
        blocks.append(_table(merged.exchanges, by_id))
    if merged.mismatches:
        blocks.append(_mismatched(merged.mismatches, by_id))
    if len(factories) - len(silent) > 1:
        blocks.append(Paragraph(_NEITHER, "note"))
    if silent:
        blocks.append(
            Paragraph(
                f"The {'bundle' if len(silent) == 1 else 'bundles'} of {listed(silent)} "
                f"{'says' if len(silent) == 1 else 'say'} nothing of exchanges, not even that "
                "there were none: a factory that keeps the register of activities has them in its "
                "next bundle.",
                "note",
            )
        )
    return Section(
        id="coordination",
        title="Coordination",
        question="Who exchanges with whom, and do both sides say the same?",
        answer=_answer(merged, factories, silent),
        blocks=tuple(blocks),
    )


def _answer(merged: Merged, factories: Sequence[str], silent: Sequence[str]) -> str:
    if len(silent) == len(factories):
        return "No bundle says anything of exchanges with other factories."
    if not merged.exchanges:
        return "No exchange between factories was declared."
    pairs = {
        frozenset((one.factory, one.counterpart))
        for one in merged.exchanges
        if one.counterpart in factories and one.counterpart != one.factory
    }
    possible = len(factories) * (len(factories) - 1) // 2
    first = (
        f"{grouped(len(pairs))} of {count_of(possible, 'pair')} of factories "
        f"{'has' if len(pairs) == 1 else 'have'} an exchange that at least one of them declares"
    )
    wrong = len(merged.mismatches)
    second = (
        f"of {count_of(wrong, 'exchange')} the two sides tell different amounts"
        if wrong
        else "no two records of the same exchange contradict each other"
    )
    return f"{sentence(first)} {sentence(second)}"


def _matrix(
    rows: Sequence[Record], by_id: dict[str, Quoted], factories: Sequence[str], unit: str
) -> Chart:
    heads = [*factories]
    for word in (OTHERS, UNNAMED):
        if any(_column(one, factories) == word for one in rows):
            heads.append(word)
    sums: dict[tuple[int, int], float] = {}
    for one in rows:
        place = factories.index(one.factory), heads.index(_column(one, factories))
        sums[place] = sums.get(place, 0.0) + one.amount
    words = [
        f"{factories[down]} with {heads[across]}: {grouped(amount)}"
        for (down, across), amount in sorted(sums.items())
    ]
    return Chart(
        label="",
        title=sentence(f"{unit} with others, as the factory at the left declares them"),
        picture=heat_map(
            f"exchange-{'staff' if unit.startswith('person') else 'activities'}",
            list(factories), heads,
            {place: Square(amount) for place, amount in sums.items()}, unit,
        ),
        alt=sentence(f"Matrix of who declares what with whom, in {unit}: {'; '.join(words)}"),
        source=_DECLARED,
        figures=tuple(by_id[_id_of(one)].id for one in rows),
    )  # fmt: skip


def _id_of(one: Record) -> str:
    return f"exchange/{one.kind}/{one.factory}/{one.counterpart}"


def _column(one: Record, factories: Sequence[str]) -> str:
    if one.counterpart in factories:
        return one.counterpart
    return UNNAMED if one.counterpart == NOT_NAMED else OTHERS


def _table(rows: Sequence[Record], by_id: dict[str, Quoted]) -> Table:
    return Table(
        label="",
        title="Every exchange that a bundle declares.",
        columns=(
            Column("Factory"), Column("What", width=1), Column("With"),
            Column("How much", numeric=True), Column("Unit"),
        ),
        rows=tuple(
            Row(
                (
                    Cell(one.factory),
                    Cell(spoken(one.kind)),
                    Cell(UNNAMED if one.counterpart == NOT_NAMED else one.counterpart),
                    _says(by_id[_id_of(one)]),
                    Cell(_unit(one.kind)),
                )
            )
            for one in rows
        ),
        source=_DECLARED,
    )  # fmt: skip


def _mismatched(found: Sequence[Mismatch], by_id: dict[str, Quoted]) -> Table:
    rows = []
    for one in found:
        first, second = (
            by_id[f"exchange/{kind}/{factory}/{other}"] for factory, other, kind, _ in _sides(one)
        )
        note = ""
        if one.unnamed:
            note = sentence(
                f"{grouped(one.unnamed)} with a counterpart that is not named may be it"
            )
        rows.append(
            Row(
                (
                    Cell(spoken(one.kind), note=note),
                    Cell(one.first),
                    _says(first),
                    Cell(one.second),
                    _says(second),
                    Cell(one.unit),
                )
            )
        )
    return Table(
        label="",
        title="Records of the same exchange that do not agree.",
        columns=(
            Column("What", width=1), Column("One"), Column("says", numeric=True),
            Column("The other"), Column("says", numeric=True), Column("Unit"),
        ),
        rows=tuple(rows),
        source="A factory without a record of it says 0 here.",
    )  # fmt: skip


def _says(one: Quoted) -> Cell:
    amount = float(one.value or 0.0)
    return Cell(grouped(amount, 0 if amount == int(amount) else 1), number=number_of(one))
