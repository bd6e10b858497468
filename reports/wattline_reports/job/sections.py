"""The chapters of a job's report but for its devices over time."""

from __future__ import annotations

from wattline_collector.efficiency.figures import FIGURES
from wattline_collector.efficiency.report import AccountTime, Latency
from wattline_collector.efficiency.terminal.top import headline
from wattline_collector.kpi.view import utc
from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import ACCOUNTS
from wattline_reports.charts import Bar, account_bars
from wattline_reports.document import (
    Block,
    Bullets,
    Cell,
    Chart,
    Column,
    Definition,
    Definitions,
    Heading,
    Paragraph,
    Row,
    Section,
    Table,
)
from wattline_reports.job import numbers
from wattline_reports.job.book import Book
from wattline_reports.job.numbers import spoken
from wattline_reports.quoted import clean, percent, source_line, why
from wattline_reports.words import count_of, grouped, listed, sentence, tied

TITLE = "The job on one page"
_FIRST = (
    "run_seconds", "wait_seconds", "gpus", "gpu_time", "activity", "tokens", "tokens_per_second",
    "mfu", "goodput", "serving_goodput", "energy", "joules_per_token", "energy_co2",
    "energy_euro", "wasted_gpu_hours",
)  # fmt: skip
_MADE = (
    "tokens", "tokens_trained", "tokens_prompt", "tokens_prompt_cached", "tokens_generated",
    "tokens_replayed", "tokens_per_second", "steps", "step_seconds", "step_spread",
    "steps_replayed", "requests", "requests_failed", "checkpoints", "checkpoint_save_seconds",
    "checkpoint_interval_seconds", "checkpoint_best_seconds", "goodput", "serving_goodput", "mfu",
    "mfu_stepping", "parameters",
)  # fmt: skip
_USE = (
    "sm_active", "gpu_busy", "tensor_active", "dram_active", "lowest_activity", "gpu_memory_peak",
    "throttled_power", "throttled_heat", "throttled_brake", "cpu_used", "memory_used",
)  # fmt: skip
_ENERGY = (
    "energy", "gpu_energy", "node_energy", "scheduler_energy", "power_mean_watts",
    "power_max_watts", "power_limit_watts", "temperature_max_celsius", "joules_per_token",
    "joules_per_output_token", "energy_co2", "energy_euro", "wasted_energy", "wasted_co2",
    "wasted_euro",
)  # fmt: skip
_PHASES = tuple(id for id in FIGURES if id.startswith("phase_"))
_PHASE_FILLS = {
    "phase_step": "busy", "phase_data_wait": "held", "phase_checkpoint_save": "slowed",
    "phase_restore": "lost", "phase_init": "reserved", "phase_eval": "tokens-generated",
}  # fmt: skip
_MOST_WHEN = 12
_KINDS = {
    "first_token": "first token", "per_token": "per token", "inter_token": "between tokens",
    "request": "whole request", "queue": "in the queue",
}  # fmt: skip


def answer(book: Book) -> Section:
    """The chapter a reader with one minute reads."""
    blocks: list[Block] = [numbers.table("The job in figures.", book.known(*_FIRST))]
    if book.advice.findings:
        blocks += [
            Heading("What to do"),
            Bullets(tuple(
                (f"{clean(one.title)}.", sentence(clean(one.action)))
                for one in book.advice.findings[:5]
            )),
        ]  # fmt: skip
    if book.missing:
        blocks += [
            Heading("What is missing"),
            Bullets(tuple((one.what, one.why) for one in book.missing)),
        ]
    return Section(
        "answer", TITLE, "Did the job use what it was given?", tied(headline(book.found)),
        tuple(blocks),
    )  # fmt: skip


def time(book: Book) -> Section:
    """The chapter on where GPU time went, and when it was wasted."""
    hours = book.hours
    if not hours:
        return Section("time", "GPU time and waste", _TIME,
                       "No device time is booked to the job.", ())  # fmt: skip
    bars = [
        Bar(ACCOUNTS[account].label.lower(), account.value, (float(one.value or 0.0),))
        for account, one in hours.items()
    ]
    told = [f"{bar.label} {grouped(bar.values[0] or 0, 2)}" for bar in bars]
    wasted = book.known("wasted_gpu_hours")
    text = "nothing was wasted"
    if wasted and wasted[0].value:
        text = f"{spoken(wasted[0])} brought nothing: {_parts(book)}"
    elif not wasted:
        text = f"how much was wasted is not known: {why_of(book, 'wasted_gpu_hours')}"
    unusual = [one for one in book.found.accounts if one.account is not Account.BUSY]
    blocks: list[Block] = [
        Chart(
            label="",
            title=sentence(text),
            picture=account_bars("accounts", bars, ("GPU time",), "GPU-h"),
            alt=sentence(f"Bars of GPU-hours by account: {'; '.join(told)}"),
            source=source_line(hours.values()),
            figures=tuple(one.id for one in hours.values()),
        )
    ]
    if unusual:
        blocks.append(_when(book, unusual))
    use = book.known(*_USE)
    if use:
        blocks.append(numbers.table("How hard its devices and nodes worked.", use))
    return Section("time", "GPU time and waste", _TIME, sentence(text), tuple(blocks))


_TIME = "Where did the GPU time go, and when was it wasted?"


def _parts(book: Book) -> str:
    parts = [
        f"{spoken(book.hours[account])} {word}"
        for account, word in ((Account.HELD, "held idle"), (Account.LOST, "of work that was lost"))
        if account in book.hours and book.hours[account].value
    ]
    return listed(parts) or "held idle or lost"


def _when(book: Book, unusual: list[AccountTime]) -> Table:
    """The stretches in which something else happened than work, longest first."""
    every = [(stretch, one.account) for one in unusual for stretch in one.stretches]
    longest = sorted(every, key=lambda each: (each[0].start_ms - each[0].end_ms, each[0].start_ms))
    kept = sorted(longest[:_MOST_WHEN], key=lambda each: each[0].start_ms)
    more = len(every) - len(kept) + sum(one.omitted for one in unusual)
    rows = tuple(
        Row((
            Cell(ACCOUNTS[account].label.lower(), fill=account.value),
            Cell(f"{utc(stretch.start_ms):%Y-%m-%d %H:%M}"),
            Cell(f"{utc(stretch.end_ms):%Y-%m-%d %H:%M}"),
            Cell(grouped((stretch.end_ms - stretch.start_ms) / 60_000)),
        ))
        for stretch, account in kept
    )  # fmt: skip
    rest = f" {count_of(more, 'shorter stretch', 'shorter stretches')} more." if more > 0 else ""
    return Table(
        label="",
        title="When the devices did something else than work, on any of them, in UTC.",
        columns=(Column("What", width=1), Column("From"), Column("Until"),
                 Column("Length", "min", numeric=True)),
        rows=rows,
        source=f"Ledger, minute by minute; of a job of over eight days, hour by hour.{rest}",
    )  # fmt: skip


def made(book: Book) -> Section:
    """The chapter on what it made."""
    known = book.known(*_MADE)
    phases = [one for one in book.known(*_PHASES) if (one.value or 0) >= 0.0005]
    if not known and not phases:
        return Section(
            "made", "What it made", _MADE_Q,
            "It counted neither tokens nor steps: the job library or its engine can.", (),
        )  # fmt: skip
    blocks: list[Block] = [numbers.table("Tokens, steps and requests.", known)] if known else []
    if book.found.mfu is not None:
        basis = [clean(book.found.mfu.formula), *(clean(one) for one in book.found.mfu.peaks)]
        blocks.append(Paragraph(f"MFU by {', '.join(basis)}.", "note"))
    if phases:
        bars = [
            Bar(one.figure.name, _PHASE_FILLS.get(one.id, "node-overhead"),
                (100 * float(one.value or 0.0),))
            for one in phases
        ]  # fmt: skip
        first = max(phases, key=lambda one: one.value or 0.0)
        blocks.append(
            Chart(
                label="",
                title=sentence(f"{percent(first.value)} of its processes\u2019 time went into "
                               f"{first.figure.name}"),
                picture=account_bars("phases", bars, ("share",), "% of its processes\u2019 time"),
                alt=sentence("Bars of the share of time by phase: " + "; ".join(
                    f"{one.figure.name} {percent(one.value)}" for one in phases)),
                source=source_line(phases),
                figures=tuple(one.id for one in phases),
            )
        )  # fmt: skip
    if book.found.latencies:
        blocks.append(_latencies(book.found.latencies))
    tokens = book.known("tokens", "tokens_per_second")
    text = "what it made is in the table below"
    if len(tokens) == 2:
        text = f"it made {spoken(tokens[0])}, {spoken(tokens[1])} while it ran"
    return Section("made", "What it made", _MADE_Q, sentence(text), tuple(blocks))


_MADE_Q = "What did it make of the time?"


def _latencies(found: tuple[Latency, ...]) -> Table:
    parts = [part for part, _ in found[0].quantiles]
    return Table(
        label="",
        title="How long requests took: the bucket that each part of them lies in.",
        columns=(
            Column("Latency", width=1), Column("Requests", numeric=True),
            *(Column(f"p{part * 100:g}", numeric=True) for part in parts),
        ),
        rows=tuple(
            Row((Cell(_KINDS.get(one.kind, clean(one.kind))), Cell(grouped(one.count)),
                 *(Cell(tied(str(quantile))) for _, quantile in one.quantiles)))
            for one in found
        ),
        source="Histograms of the serving engine, at their own bounds.",
    )  # fmt: skip


def energy(book: Book) -> Section:
    """The chapter on energy, carbon and cost."""
    known = book.known(*_ENERGY)
    total = book.known("energy")
    if not total:
        text = f"its energy is not known: {why_of(book, 'energy')}"
    else:
        more = [f"{spoken(one)} of {one.figure.name}"
                for one in book.known("energy_co2", "energy_euro")]  # fmt: skip
        text = f"it took {spoken(total[0])}" + (f"; {listed(more)}" if more else "")
    blocks = (numbers.table("Power, energy, carbon and money.", known),) if known else ()
    return Section(
        "energy", "Energy, carbon and cost", "What energy did it take, and what did that cost?",
        sentence(text), blocks,
    )  # fmt: skip


def advice(book: Book) -> Section:
    """The chapter on findings."""
    found = book.advice.findings
    blocks: list[Block] = []
    if found:
        blocks.append(
            Table(
                label="",
                title="Findings, the most worth first.",
                columns=(Column("Finding", width=1), Column("What to do", width=1),
                         Column("Coverage", numeric=True)),
                rows=tuple(
                    Row((
                        Cell(f"{clean(one.title)}.", note=sentence(clean(one.text)), strong=True),
                        Cell(sentence(clean(one.action)),
                             note=f"See {clean(one.link)}." if one.link else ""),
                        Cell(percent(one.coverage)),
                    ))
                    for one in found
                ),
                source="Rules of advice; “wattline job --list-rules” prints all of them.",
            )
        )  # fmt: skip
    parts = [(method, seconds / 3600) for method, seconds in book.found.attribution.items()]
    if parts:
        told = [f"{grouped(hours, 1)}\u202fGPU-h by {clean(method)}" for method, hours in parts]
        blocks.append(Paragraph(sentence(f"Whose the time was is known: {listed(told)}"), "note"))
    count = count_of(len(found), "thing")
    return Section(
        "advice", "Advice", "What could its owner change?",
        f"{count} to change {'was' if len(found) == 1 else 'were'} found." if found
        else "Nothing to change was found.",
        tuple(blocks),
    )  # fmt: skip


def definitions(book: Book) -> Section:
    """What each figure is."""
    items = tuple(
        Definition(str(place), FIGURES[id].name[:1].upper() + FIGURES[id].name[1:],
                   (("Id", id), ("What", FIGURES[id].help), ("Here", _here(book, id))))
        for place, id in enumerate(
            (id for id in book.found.figures if book.figures[id].value is not None), 1
        )
    )  # fmt: skip
    return Section(
        "definitions", "Definitions", "What exactly does each figure mean?",
        "The ids are those of “wattline job --json”; every ratio is a sum over a sum.",
        (Definitions(items),),
    )  # fmt: skip


def _here(book: Book, id: str) -> str:
    one = book.figures[id]
    parts = [spoken(one), f"coverage {percent(one.figure.coverage)}"]
    return ", ".join([*parts, clean(one.figure.method)] if one.figure.method else parts)


def why_of(book: Book, id: str) -> str:
    """Why a figure of the job has no value."""
    return clean(book.found.figures[id].note) or why(book.figures[id])
