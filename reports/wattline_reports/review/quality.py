"""How far the figures may be trusted: coverage, gaps, the audit, and the seven criteria."""

from __future__ import annotations

import re
from datetime import date

from wattline_collector.palette import UNKNOWN
from wattline_reports.charts import Cell as NodeCell
from wattline_reports.charts import DayColumn, coverage_cells, coverage_days
from wattline_reports.document import (
    Block,
    Bullets,
    Cell,
    Chart,
    Column,
    Heading,
    Paragraph,
    Row,
    Section,
    Table,
)
from wattline_reports.review.days import calendar, part_days
from wattline_reports.review.evidence import figure_table
from wattline_reports.review.figures import (
    ANSWER,
    COMFORT,
    Book,
    percent,
    reason,
    shown_note,
    source_line,
    value,
)
from wattline_reports.source import NodeCoverage, Source
from wattline_reports.words import (
    column,
    count_of,
    day_month,
    grouped,
    listed,
    long_day,
    sentence,
    shown,
)

WORST = 12
"""Nodes listed by name: enough to act on; the picture shows them all."""


def section(book: Book) -> Section:
    """The chapter on data quality."""
    blocks: list[Block] = [days_chart(book)]
    if book.source.coverage:
        blocks.append(nodes_chart(book.source))
    if reports := book.quote("Q04"):
        blocks.append(
            figure_table("Reports handed in, and how long before their last day.", reports)
        )
    blocks += [
        Heading("Gaps"),
        Bullets(gaps(book.source)),
        Heading("Audit of the books"),
        Paragraph(audit(book.source)),
        *_findings(book.source),
        Heading("Quality criteria of Regulation (EC) No 223/2009, Article 12"),
        Bullets(criteria(book)),
    ]
    return Section(
        id="quality",
        title="Quality statement",
        question="How far can these figures be trusted?",
        answer=_answer(book),
        blocks=tuple(blocks),
    )


def audit(source: Source) -> str:
    """What the audit proved, or what it found."""
    checked = count_of(round(source.audit.checked_hours), "hour")
    if not source.accounts_agree:
        return (
            f"The nine accounts add up to {_booked(source)} GPU-hours, and "
            f"{grouped(source.installed_hours, 3)} were installed. No figure of this report may "
            "be relied on until this is explained; “wattline audit” shows where."
        )
    if not source.balanced:
        count = max(source.audit.findings, len(source.findings), 1)
        return (
            f"The audit of {checked} has {count_of(count, 'finding')}: there the books differ from "
            "what was installed, metered or counted, or were altered. Figures of this report may "
            "be wrong. The data quality chapter says more; “wattline audit” lists every finding."
        )
    if not source.audit.checked_hours:
        return "No hour has been booked and audited in this period."
    return (
        f"In all {checked} checked, the seconds of the accounts add up to the time devices were "
        "installed, their joules to what the meters counted, and tokens booked to tokens counted."
    )


def _findings(source: Source) -> list[Block]:
    if not source.findings:
        return []
    items = [("", shown_note(line)) for line in source.findings[:WORST]]
    more = len(source.findings) - WORST
    if more > 0:
        items.append(("", sentence(f"{grouped(more)} more")))
    return [Bullets(tuple(items))]


def gaps(source: Source) -> tuple[tuple[str, str], ...]:
    """Days of which little or nothing is known, as dates a person can act on."""
    days = calendar(source)
    none = [day for day, entry in days if entry is None or not entry.observed]
    thin = [
        (day, entry.coverage)
        for day, entry in days
        if entry is not None and entry.observed and entry.coverage is not None
        and entry.coverage < COMFORT
    ]  # fmt: skip
    items = []
    if none:
        items.append(("Nothing observed:", sentence(_runs(none))))
    if thin:
        worst = min(thin, key=lambda pair: pair[1] or 0.0)
        least = "" if len(thin) == 1 else f"; least on {long_day(worst[0])}"
        text = f"{_runs([day for day, _ in thin])}{least}, with {percent(worst[1])}"
        items.append(("Under 95 % coverage:", sentence(text)))
    if not items:
        items.append(("", "No day of the period was observed for less than 95 % of its time."))
    return tuple(items)


def criteria(book: Book) -> tuple[tuple[str, str], ...]:
    """The criteria on which the figures themselves have something to say."""
    source = book.source
    known = sum(1 for id in ANSWER if book.figure(id).value is not None)
    completeness, closure = book.figure("Q03"), book.figure("S14")
    accuracy = [
        f"{value(completeness)} of the expected samples arrived (Q03)"
        if completeness.value is not None
        else f"the share of samples that arrived is not known (Q03: {reason(completeness)})"
    ]
    if closure.value is not None:
        accuracy.append(f"{value(closure)} of metered energy is attributed (S14)")
    accuracy.append("energy comes from hardware counters where there are any, and each says so")
    return (
        ("Relevance.", f"{'All' if known == len(ANSWER) else f'{known} of'} {len(ANSWER)} KPIs of "
         "the overview have a value; the first chapter says what is missing."),
        ("Accuracy.", sentence("; ".join(accuracy))),
        ("Timeliness and punctuality.", _punctual(book)),
        ("Accessibility and clarity.", "HTML without scripts, tagged PDF, workbook and JSON have "
         "the same figures, each with formula, sums, n and coverage."),
        ("Comparability.", "Every ratio is formed from sums by one definition, so periods and "
         "systems compare; figures at different energy boundaries do not, and each names its own."),
        ("Coherence.", "All figures come from one ledger, in which the accounts "
         + ("add up to what was installed." if source.balanced
            else "do not add up to what was installed or metered.")),
    )  # fmt: skip


def _punctual(book: Book) -> str:
    known = [one for one in book.quote("Q04") if one.value is not None]
    if not known:
        return "No report handed in is in the register of activities (Q04)."
    late = sum((one.value or 0) < 0 for one in known)
    return sentence(f"of {count_of(len(known), 'report')} handed in, {late} came late (Q04)")


def _answer(book: Book) -> str:
    source = book.source
    completeness = book.figure("Q03")
    parts = [
        f"{value(completeness)} of the expected samples arrived (Q03)"
        if completeness.value is not None
        else f"how many samples arrived is not known (Q03): {reason(completeness)}"
    ]
    thin = [node for node in source.coverage if (node.ratio or 0.0) < COMFORT]
    if source.coverage:
        parts.append(
            f"nodes observed for less than 95 % of the time: {grouped(len(thin))} of "
            f"{grouped(len(source.coverage))}"
        )
    parts.append("the books balance" if source.balanced else "the books do NOT balance")
    return sentence("; ".join(parts))


def days_chart(book: Book) -> Chart:
    """A cell per day, filled as far as it was observed."""
    days = calendar(book.source)
    cells = [DayColumn(day, None, entry.coverage if entry else None) for day, entry in days]
    good = sum(1 for cell in cells if cell.coverage is not None and cell.coverage >= COMFORT)
    title = f"Days observed for 95 % of the time or more: {grouped(good)} of {grouped(len(cells))}"
    return Chart(
        label="",
        title=sentence(title),
        picture=coverage_days("days", cells),
        alt=sentence(f"Strip with one cell per day, filled as far as it was observed. {title}"),
        source=source_line(
            [book.figure("Q03")],
            "Coverage is observed over expected device-time" + part_days(book.source),
        ),
    )


def nodes_chart(source: Source, *, named: bool = False) -> Chart:
    """A cell per node, filled as far as it was observed.

    Args:
        source: The overview.
        named: Whether the first and the last of a row are named; never in what leaves the site.
    """
    nodes = sorted(source.coverage, key=_counted)
    thin = [node for node in nodes if (node.ratio or 0.0) < COMFORT]
    title = f"Nodes observed for less than 95 % of the time: {grouped(len(thin))} of "
    title += grouped(len(nodes))
    cells = [NodeCell(_node(source, one) if named else "", one.ratio) for one in nodes]
    ends = (
        f" from {_node(source, nodes[0])} to {_node(source, nodes[-1])}" if named and nodes else ""
    )
    return Chart(
        label="",
        title=sentence(title),
        picture=coverage_cells("nodes", cells),
        alt=sentence(f"A cell per node, in the order of their names{ends}. {title}"),
        source=source_line([], f"Ledger, {count_of(len(nodes), 'node')}; observed over expected "
                           "time of each"),
    )  # fmt: skip


def worst(source: Source) -> Table | None:
    """Nodes observed least, by name, for who runs them; None where all were observed."""

    def key(node: NodeCoverage) -> tuple[float, str]:
        return (node.ratio or 0.0, node.node)

    thin = sorted((n for n in source.coverage if (n.ratio or 0.0) < COMFORT), key=key)
    if not thin:
        return None
    shown_nodes = thin[:WORST]
    expected = column([n.expected_hours for n in shown_nodes], 1)
    observed = column([n.observed_hours for n in shown_nodes], 1)
    rows = [
        Row(
            (
                Cell(_node(source, node)),
                Cell(expected[place]),
                Cell(observed[place]),
                Cell(percent(node.ratio), strong=True),
                Cell(grouped(node.samples) if node.samples_expected else UNKNOWN),
                Cell(grouped(node.samples_expected) if node.samples_expected else UNKNOWN),
            )
        )
        for place, node in enumerate(shown_nodes)
    ]
    more = len(thin) - len(shown_nodes)
    title = f"Nodes observed least{f'; {grouped(more)} more are under 95 %' if more else ''}"
    return Table(
        label="",
        title=sentence(title),
        columns=(
            Column("Node", width=1),
            Column("Expected", "device-h", numeric=True),
            Column("Observed", "device-h", numeric=True),
            Column("Coverage", numeric=True),
            Column("Samples", numeric=True),
            Column("of expected", numeric=True),
        ),
        rows=tuple(rows),
        source="Ledger, by node. Next: ask the agent of each; it reports what it cannot read.",
    )


def _counted(node: NodeCoverage) -> list[tuple[int, str]]:
    """Names in the order people count: node2 before node10."""
    parts = re.split(r"(\d+)", f"{node.system} {node.node}")
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


def _node(source: Source, node: NodeCoverage) -> str:
    name = shown(node.node)
    return f"{shown(node.system)} {name}" if len(source.systems) > 1 else name


def _booked(source: Source) -> str:
    return grouped(sum(entry.device_hours for entry in source.accounts), 3)


def _runs(days: list[date]) -> str:
    """Days as runs: `3 Nov to 5 Nov and 9 Nov`."""
    runs: list[list[date]] = []
    for day in days:
        if runs and (day - runs[-1][-1]).days == 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    words = [
        day_month(run[0]) if len(run) == 1 else f"{day_month(run[0])} to {day_month(run[-1])}"
        for run in runs
    ]
    if len(words) > 8:
        words = [*words[:8], f"{len(words) - 8} more stretches"]
    return f"{count_of(len(days), 'day')}: {listed(words)}"
