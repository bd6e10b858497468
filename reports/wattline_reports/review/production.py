"""What the factory made: tokens per day by kind, and the jobs that made them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wattline_collector.palette import UNKNOWN, format_si
from wattline_reports.charts import DayColumn, Series, stacked_days
from wattline_reports.document import Block, Cell, Chart, Column, Paragraph, Row, Section, Table
from wattline_reports.review.days import calendar, part_days
from wattline_reports.review.figures import Book, percent, reason, source_line, thin, value
from wattline_reports.source import Day, Job, Source
from wattline_reports.words import (
    column,
    count_of,
    decimals_for,
    grouped,
    listed,
    long_day,
    scale_for,
    sentence,
    shown,
    tied,
)

TOP = 12
"""Jobs in the table: what fits on a page under its figure and is read to the end."""

_KINDS: tuple[tuple[str, Callable[[Day], int | None]], ...] = (
    ("trained", lambda day: day.tokens_trained),
    ("prompt", lambda day: day.tokens_prompt),
    ("generated", lambda day: day.tokens_generated),
)


def section(book: Book) -> Section:
    """The chapter on tokens and jobs."""
    blocks: list[Block] = [_chart(book)]
    if book.source.jobs:
        blocks.append(_jobs(book))
    else:
        blocks.append(Paragraph("No job ran in the period.", "note"))
    return Section(
        id="production",
        title="Production",
        question="What did the factory make, and which jobs made it?",
        answer=_answer(book),
        blocks=tuple(blocks),
    )


def _answer(book: Book) -> str:
    parts = []
    for id, words in (
        ("P01", "training took in {}"),
        ("P03", "inference served {}, prompts included"),
        ("P02", "the mean rate was {}"),
        ("S10", "jobs made {}"),
    ):
        figure = book.figure(id)
        if figure.value is not None:
            parts.append(words.format(value(figure)))
        else:
            parts.append(f"{figure.name}: not known ({reason(figure)})")
    return sentence("; ".join(parts))


def _chart(book: Book) -> Chart:
    days = calendar(book.source)
    columns = [
        DayColumn(day, _tokens(entry), entry.coverage if entry else None) for day, entry in days
    ]
    series = [
        Series(f"{kind} {tied(format_si(_total(book.source, get), 'tok'))}", f"tokens-{kind}")
        for kind, get in _KINDS
    ]
    unknown = sum(1 for column in columns if column.values is None)
    peak = max(
        (column for column in columns if column.values),
        key=lambda column: sum(column.values or ()),
        default=None,
    )
    if peak is None or not peak.values:
        finding = "Nothing is known of the tokens of any day"
    elif not sum(peak.values):
        finding = "No tokens were counted on any day observed"
    else:
        top = tied(format_si(float(sum(peak.values)), "tok"))
        if len(columns) == unknown + 1:
            finding = f"{top} were made on {long_day(peak.day)}"
        else:
            finding = f"Production was highest on {long_day(peak.day)}, with {top}"
        if unknown:
            finding += f"; nothing is known of {count_of(unknown, 'day')}"
    return Chart(
        label="",
        title=sentence(finding),
        picture=stacked_days("tokens", columns, series, "tok"),
        alt=sentence(
            f"Stacked bars, one per day from {long_day(days[0][0])} to {long_day(days[-1][0])}: "
            f"{listed([one.label for one in series])} in all. {finding}"
        ),
        source=source_line(
            [book.figure("P01"), book.figure("P03")],
            "Tokens counted by the jobs themselves, per UTC day" + part_days(book.source),
        ),
    )


def _total(source: Source, get: Callable[[Day], int | None]) -> int | None:
    counts = [count for day in source.days if (count := get(day)) is not None]
    return sum(counts) if counts else None


def _tokens(day: Day | None) -> tuple[float, ...] | None:
    """A day's tokens by kind; null where nothing was counted and nothing observed."""
    if day is None:
        return None
    counts = [get(day) for _, get in _KINDS]
    if all(count is None for count in counts):
        return None
    if not any(counts) and not day.observed:
        return None
    return tuple(float(count or 0) for count in counts)


def _jobs(book: Book) -> Table:
    source = book.source
    jobs = sorted(source.jobs, key=lambda job: (-job.device_hours, job.system, job.job))
    top, rest = jobs[:TOP], jobs[TOP:]
    hours = _plain([job.device_hours for job in top])
    tokens, tokens_unit = _scaled([job.tokens for job in top], "tok")
    energies, energy_unit = _scaled([_watt_hours(job) for job in top], "Wh")
    yields = _plain([job.tokens_per_joule for job in top])
    held = column([_held(job) for job in top], 1)
    boundaries = sorted({job.boundary for job in top if job.boundary})
    if len(boundaries) == 1:
        energy_unit += f", {_boundary(boundaries[0])}"
    rows = [
        Row(
            (
                _job_cell(job, len(source.systems) > 1),
                Cell(shown(job.kind) if job.kind else UNKNOWN),
                Cell(UNKNOWN if job.devices is None else grouped(job.devices)),
                Cell(hours[place]),
                Cell(tokens[place]),
                Cell(energies[place], note=_boundary(job.boundary) if len(boundaries) > 1 else ""),
                Cell(yields[place]),
                Cell(percent(job.sm_active_ratio)),
                Cell(held[place]),
                Cell(percent(job.coverage), strong=thin(job.coverage)),
            )
        )
        for place, job in enumerate(top)
    ]
    extra = "ranked by GPU-hours within the period"
    return Table(
        label="",
        title=_jobs_title(source, top, rest),
        columns=(
            Column("Job", width=1),
            Column("Kind"),
            Column("GPUs", numeric=True),
            Column("GPU-h", numeric=True),
            Column("Tokens", tokens_unit, numeric=True),
            Column("Energy", energy_unit, numeric=True),
            Column("Yield", "tok/J", numeric=True),
            Column("SM active", numeric=True),
            Column("Held", "GPU-h", numeric=True),
            Column("Coverage", numeric=True),
        ),
        rows=tuple(rows),
        source=source_line(
            [book.figure("S10"), book.figure("S12")],
            f"{extra}. An en dash: not counted, or not measured",
        ),
    )


def _jobs_title(source: Source, top: Sequence[Job], rest: Sequence[Job]) -> str:
    if not rest:
        many = f"All {grouped(len(top))} jobs" if len(top) > 1 else "The one job"
        return sentence(f"{many} of the period, by GPU-hours")
    assigned = next(step.device_hours for step in source.waterfall if step.name == "assigned")
    share = sum(job.device_hours for job in top) / assigned if assigned else None
    return sentence(
        f"The {len(top)} largest jobs took {percent(share)} of the GPU-hours that were assigned"
    )


def _job_cell(job: Job, several: bool) -> Cell:
    key = shown(job.job)
    return Cell(
        f"{shown(job.system)} {key}" if several else key,
        note=shown(job.name) if job.name and job.name != job.job else "",
    )


def _boundary(name: str | None) -> str:
    return {None: "", "gpu": "GPU", "node": "node"}.get(name, shown(name or ""))


def _held(job: Job) -> float | None:
    """Hours held; a job whose activity nobody measured may have held any."""
    return None if job.sm_active_ratio is None and not job.held_hours else job.held_hours


def _watt_hours(job: Job) -> float | None:
    return None if job.energy_joules is None else job.energy_joules / 3600


def _plain(values: Sequence[float | None]) -> list[str]:
    most = max((value for value in values if value is not None), default=0.0)
    return column(values, decimals_for(most))


def _scaled(values: Sequence[float | None], unit: str) -> tuple[list[str], str]:
    """One column's numbers under one prefix, and the unit with that prefix."""
    most = max((value for value in values if value is not None), default=0.0)
    prefix, factor = scale_for(most)
    return _plain([None if value is None else value / factor for value in values]), prefix + unit
