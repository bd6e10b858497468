"""Whose access time it was, factory beside factory, from the cubes; hidden cells stay hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wattline_collector.kpi.figure import Figure, Period, Status
from wattline_collector.registers.words import ACCESS_MODES
from wattline_reports.cells import column_cells
from wattline_reports.document import (
    Block,
    Cell,
    Chart,
    Column,
    Paragraph,
    Row,
    Section,
    Table,
)
from wattline_reports.exchange.bundle import Bundle
from wattline_reports.exchange.cubes import CUBES
from wattline_reports.exchange.cubes import UNKNOWN as NOBODY_SAID
from wattline_reports.exchange.cubes import Row as CubeRow
from wattline_reports.exchange.disclosure.table import TOTAL, Key
from wattline_reports.exchange.merge import Merged
from wattline_reports.network.compared import HIDDEN
from wattline_reports.quoted import Quoted, quoted
from wattline_reports.review.disclosed import spoken
from wattline_reports.review.pictures import Square, heat_map
from wattline_reports.words import listed, sentence

_CUBE = "access"
_USED = CUBES[_CUBE].measures.index("USED_GPU_HOURS")
_PROJECTS = CUBES[_CUBE].measures.index("PROJECTS")
_WHOLE: Key = (TOTAL, TOTAL, TOTAL, TOTAL)
_NONE: CubeRow = (0.0,) * len(CUBES[_CUBE].measures)
ALL = "all together"
MOST = 6
"""Modes beside each other, so that their names have room."""


def figures(bundles: Sequence[Bundle], merged: Merged, period: Period) -> list[Quoted]:
    """Share of each access mode in a factory's used time, of every factory and of all together."""
    tables = [(one.manifest.factory, one.cubes[_CUBE]) for one in bundles if _CUBE in one.cubes]
    if not tables:
        return []
    tables.append((ALL, merged.cubes[_CUBE]))
    modes = [
        mode
        for mode in (*ACCESS_MODES, NOBODY_SAID)
        if any(_key(mode) in cells for _, cells in tables)
    ]
    return [_share(factory, mode, cells, period) for factory, cells in tables for mode in modes]


def _key(mode: str) -> Key:
    return (TOTAL, TOTAL, mode, TOTAL)


def _share(factory: str, mode: str, cells: Mapping[Key, CubeRow | None], period: Period) -> Quoted:
    whole = cells.get(_WHOLE, _NONE)
    # A cell that is not there is nought: nobody had time of that mode.
    part = cells.get(_key(mode), _NONE)
    used = None if part is None else part[_USED] or 0.0
    total = None if whole is None else whole[_USED] or 0.0
    note = ""
    if used is None or total is None:
        note = (
            "a factory hides its part, so the sum is hidden"
            if factory == ALL
            else f"the bundle of {factory} {HIDDEN}"
        )
    elif not total:
        note = f"by the bundle of {factory} no time was used"
    value = 100 * used / total if used is not None and total else None
    status = Status.OK if value is not None else Status.UNKNOWN
    if used is None or total is None:
        status = Status.WITHHELD
    return quoted(
        Figure(
            id="access_share", name=f"share of {spoken(mode)} in used access time", unit="%",
            value=value, numerator=used, denominator=total,
            n=0 if part is None else int(part[_PROJECTS] or 0), coverage=None,
            method="cubes/access.csv, as let out", status=status, period=period, note=note,
            dims={"factory": factory, "access_mode": mode}, numerator_unit="GPU-h",
            denominator_unit="GPU-h", level="derived",
        ),
        is_kpi=False,
    )  # fmt: skip


def section(shares: Sequence[Quoted]) -> Section:
    """The chapter on whose time it was."""
    title, question = "Access", "By which access modes was the time used?"
    if not shares:
        lack = "No bundle has a table of access time."
        return Section("access", title, question, lack, (Paragraph(lack, "note"),))
    factories = list(dict.fromkeys(one.figure.dims["factory"] for one in shares))
    modes = list(dict.fromkeys(one.figure.dims["access_mode"] for one in shares))
    by_place = {(one.figure.dims["factory"], one.figure.dims["access_mode"]): one for one in shares}
    hidden = sum(one.figure.status is Status.WITHHELD for one in shares)
    said = f"{hidden} of {len(shares)} cells are hidden" if hidden else "no cell is hidden"
    blocks: list[Block] = []
    for start in range(0, len(modes), MOST):
        some = modes[start : start + MOST]
        blocks += [_map(by_place, factories, some, start), _table(by_place, factories, some)]
    return Section(
        id="access",
        title=title,
        question=question,
        answer=f"{_answer(by_place, modes)} {sentence(said)}",
        blocks=tuple(blocks),
    )


_ByPlace = Mapping[tuple[str, str], Quoted]


def _map(by_place: _ByPlace, factories: Sequence[str], modes: Sequence[str], start: int) -> Chart:
    squares, words = {}, []
    for down, factory in enumerate(factories):
        for across, mode in enumerate(modes):
            one = by_place[factory, mode]
            is_hidden = one.figure.status is Status.WITHHELD
            if one.value or is_hidden:
                squares[down, across] = Square(
                    None if one.value is None else float(one.value), is_hidden
                )
                text = "hidden" if one.value is None else f"{float(one.value):.3g} %"
                words.append(f"{factory}, {spoken(mode)}: {text}")
    names = [spoken(mode) for mode in modes]
    return Chart(
        label="",
        title=sentence(f"shares of {listed(names)} in each factory's used time"),
        picture=heat_map(
            f"access-{start}", factories, names, squares, "% of a factory's used GPU-hours"
        ),
        alt=sentence(f"Matrix of factories by access mode: {'; '.join(words) or 'nothing'}"),
        source="What a bundle hides is hatched, here and in the sum, and is not inferred.",
        figures=tuple(by_place[factory, mode].id for factory in factories for mode in modes),
    )


def _table(by_place: _ByPlace, factories: Sequence[str], modes: Sequence[str]) -> Table:
    columns = [_cells([by_place[factory, mode] for factory in factories]) for mode in modes]
    return Table(
        label="",
        title="Shares of used access time, by mode.",
        columns=(
            Column("Factory", width=1),
            *(Column(_capital(spoken(mode)), unit="%", numeric=True) for mode in modes),
        ),
        rows=tuple(
            Row(
                (Cell(_capital(factory) if factory == ALL else factory),
                 *(column[place] for column in columns)),
                total=factory == ALL,
            )
            for place, factory in enumerate(factories)
        ),
        source="Cubes of the bundles, after suppression and rounding.",
    )  # fmt: skip


def _answer(by_place: _ByPlace, modes: Sequence[str]) -> str:
    whole = [(mode, by_place[ALL, mode]) for mode in modes]
    known = [(float(one.value), mode) for mode, one in whole if one.value is not None]
    if not known:
        return "How the time of all together splits is hidden, as a factory hides its part."
    share, mode = max(known)
    return sentence(f"of all used time that is told, {share:.3g} % was {spoken(mode)}")


def _cells(column: Sequence[Quoted]) -> list[Cell]:
    return [
        Cell(shown.text, note="hidden", number=shown.number, fill="mark")
        if one.figure.status is Status.WITHHELD
        else shown
        for one, shown in zip(column, column_cells(column), strict=True)
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
