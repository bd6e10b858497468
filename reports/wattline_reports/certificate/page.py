"""What stands on the certificate's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from wattline_collector.efficiency.writing import scale
from wattline_reports import definitions
from wattline_reports.cells import FIGURE_COLUMNS, figure_row
from wattline_reports.certificate.annex import MEASURED_FROM, Annex
from wattline_reports.certificate.chosen import Chosen
from wattline_reports.document import Block, Bullets, Paragraph, Section, Table
from wattline_reports.project.use import WAYS, named
from wattline_reports.quoted import Figures, Quoted, clean, percent, said, why
from wattline_reports.words import count_of, long_day, sentence, shown, tied

NOT_PROVED = (
    "that the meters and counters of the site are right; what they counted is only shown to add up",
    "that the work was worth doing, or that the model made is good",
    "what ran elsewhere, or outside the period; and of named jobs, that they are typical",
    "what people say of their own jobs, such as the size of a model",
)
"""What a signature does not make true."""

Kpis = Mapping[str, Sequence[Quoted]]


def sections(
    chosen: Chosen, kpis: Kpis, annex: Annex, figures: Figures, by: tuple[str, date] | None
) -> tuple[Section, ...]:
    """Figures, the statement of Annex XI, what is proved; then the definitions."""
    found = [_figures(chosen, kpis), _annex(annex), _proof(by)]
    defined = definitions.section(figures)
    return (*found, defined) if any(one.kpi for one in figures) else tuple(found)


def _figures(chosen: Chosen, kpis: Kpis) -> Section:
    shown_ones = [one for id in ("E04", "E01", "E03", "E06", "P01", "P03", "S10", "S12")
                  for one in kpis[id] if one.value is not None]  # fmt: skip
    ended = [one for one in kpis["A07"] if one.figure.dims.get("cause") == "ok"]
    carbon = [one for one in kpis["S13"] if one.value is not None]
    rows = [figure_row(one, named(one) if one.kpi else "", note="") for one in shown_ones]
    rows += [figure_row(one, "GPU-hours of jobs that ended as they should", note="")
             for one in ended]  # fmt: skip
    rows += [
        figure_row(one, f"Carbon, {WAYS.get(one.figure.dims.get('way', ''), '')}", note="")
        for one in carbon
    ]
    if chosen.share is not None:
        rows.append(figure_row(chosen.share, "Part of the GPU-hours of their projects"))
    blocks: tuple[Block, ...] = ()
    if rows:
        method = "; ".join(dict.fromkeys(
            clean(one.figure.method) for one in shown_ones if one.figure.method
        ))  # fmt: skip
        blocks = (Table("", "Use and yield, each with its coverage.", FIGURE_COLUMNS, tuple(rows),
                        f"Methods: {method}."),)  # fmt: skip
    return Section(
        "figures", "Use and yield", "What did the jobs use, and what did they make of it?",
        _answer(kpis), blocks,
    )  # fmt: skip


def _answer(kpis: Kpis) -> str:
    active, energy, wasted = (next(iter(kpis[id]), None) for id in ("E04", "S12", "E06"))
    parts = []
    if active is not None and active.value is not None:
        parts.append(f"the GPUs were active for {said(active)} of the time the jobs held them")
    if wasted is not None and wasted.value is not None:
        parts.append(f"{said(wasted)} were wasted")
    if energy is not None:
        parts.append(f"the jobs took {said(energy)}" if energy.value is not None
                     else f"their energy is not known: {why(energy)}")  # fmt: skip
    return " ".join(sentence(part) for part in parts) or "Nothing is known of the jobs."


def _annex(annex: Annex) -> Section:
    title = "Compute and energy (Regulation (EU) 2024/1689, Annex XI, section 1)"
    question = "What compute and energy did training take?"
    if not annex.jobs:
        none = "None of the jobs is known to train a model: there is no statement."
        return Section("annex-xi", title, question, none, ())
    compute, energy = annex.compute, annex.energy
    word = "estimated" if annex.estimated else "known"
    answer = [
        f"compute: {said(compute)}" if compute.value is not None
        else f"compute is not known: {why(compute)}",
        f"{word} energy: {said(energy)}" if energy.value is not None
        else f"energy is not known: {why(energy)}",
    ]  # fmt: skip
    rows = (
        figure_row(compute, "Compute of training, point 2(d)", note=""),
        figure_row(energy, f"Energy of training, {word}, point 2(e)", note=""),
        figure_row(annex.time, "Time in which training ran, point 2(d)", note=""),
        figure_row(annex.hours, "GPU-hours of training", note=""),
    )
    models = [
        f"{shown(name)} ({tied(scale(count))} parameters)" if count else shown(name)
        for name, count in annex.models[:4]
    ]
    more = len(annex.models) - len(models)
    notes = [f"Energy at the widest boundary that is metered, without cooling; called estimated "
             f"where under {percent(MEASURED_FROM)} of it was metered."]  # fmt: skip
    if models:
        listed = ", ".join(models) + (f" and {more} more" if more > 0 else "")
        notes.insert(0, f"Models, as the jobs name them: {listed}.")
    return Section(
        "annex-xi", title, question, " ".join(sentence(one) for one in answer),
        (Table("", f"Of {count_of(annex.jobs, 'training job')} in this period.", FIGURE_COLUMNS,
               rows, " ".join(notes)),),
    )  # fmt: skip


def _proof(by: tuple[str, date] | None) -> Section:
    if by is None:
        answer = ("Nobody signed this page: it proves nothing to others. The site signs it with "
                  "“--key”.")  # fmt: skip
    else:
        answer = (
            f"The site signed the JSON of this page with its key {by[0]} on {long_day(by[1])}: it "
            "says that these figures are from its books, and nobody changed them since."
        )
    blocks: list[Block] = [
        Paragraph("It does not prove:"),
        Bullets(tuple(("", f"{one}.") for one in NOT_PROVED)),
        Paragraph(
            "To check: “wattline report certificate --verify FILE.json --ring keys.json”, offline; "
            "the code it prints is the one on this page. What each figure means stands in the "
            "HTML form and in the workbook.", "note",
        ),
    ]  # fmt: skip
    return Section("proof", "What this proves", "What does the signature say, and what not?",
                   answer, tuple(blocks))  # fmt: skip
