"""How challenges went: of a season that was given, and of scores that bundles carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from wattline_collector.kpi.figure import Period
from wattline_collector.palette import UNKNOWN
from wattline_reports.cells import bare
from wattline_reports.challenge import documents, files
from wattline_reports.challenge.documents import Kind
from wattline_reports.challenge.season import distinct
from wattline_reports.challenge.verify import scores_of, verify
from wattline_reports.document import Block, Cell, Column, Paragraph, Row, Section, Table
from wattline_reports.exchange.bundle import Bundle
from wattline_reports.exchange.keys import Ring
from wattline_reports.exchange.refused import Refused
from wattline_reports.quoted import Quoted, clean, stated
from wattline_reports.words import count_of, listed, sentence

_FOLDER = "challenge/"
_MEASURES = ("points", "score", "per_kwh", "baseline")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one challenge came to.

    Attributes:
        season: Its season.
        challenge: Its id.
        title: What people call it.
        unit: Of the score; empty where only its scores are known.
        entrants: As `challenge.verify.scores_of` tells them.
        proof: What makes it credible, in words.
    """

    season: str
    challenge: str
    title: str
    unit: str
    entrants: tuple[Mapping[str, Any], ...]
    proof: str

    @property
    def id(self) -> str:
        """Unique among outcomes."""
        return f"{self.season}/{self.challenge}"


def of_directory(directory: Path, ring: Ring, at: datetime) -> list[Outcome]:
    """The challenges of a season's directory, each proved from its files.

    Args:
        directory: A season, or one challenge.
        ring: Public keys.
        at: What was due by then and is not there is missed; what the files say later counts too.

    Raises:
        UsageError: There is no challenge in it.
        Refused: What an organiser did does not hold.
    """
    found = [
        (path, verify(files.read(path), ring, at, path)) for path in files.challenges(directory)
    ]
    distinct(found)
    return [
        Outcome(
            verdict.commit.place.season,
            verdict.commit.place.challenge,
            clean(verdict.rules.title),
            verdict.rules.unit,
            tuple(scores_of(verdict)["entrants"]) if verdict.is_opened else (),
            "proved from its files: commitments, receipts, runs and scores follow from one another"
            if verdict.is_opened
            else "not opened yet: nobody's result is shown",
        )
        for _, verdict in found
    ]


def of_bundles(bundles: Sequence[Bundle], ring: Ring) -> tuple[list[Outcome], list[str]]:
    """Scores that bundles carry as `challenge/NAME.json`, signed by their organiser.

    Returns:
        What they say, each challenge once; and what of them does not hold.
    """
    found: dict[str, Outcome] = {}
    wrong = []
    for one in bundles:
        for name in sorted(one.files):
            if not (name.startswith(_FOLDER) and name.endswith(".json")):
                continue
            try:
                document = documents.parse(one.files[name], Kind.SCORES, name)
                documents.verify(document, ring, name)
            except Refused as refused:
                wrong.append(f"in the bundle of {one.manifest.factory}, {refused}")
                continue
            place = document.place
            told = Outcome(
                place.season,
                place.challenge,
                place.challenge,
                "",
                tuple(document.body["entrants"]),
                f"scores as their organiser {document.author} signed them, carried by a bundle; "
                "--season DIR proves them from the runs",
            )
            before = found.setdefault(told.id, told)
            if before.entrants != told.entrants:
                wrong.append(
                    f"the bundle of {one.manifest.factory} carries other scores of {told.id} than "
                    f"another, and both are signed by {document.author}"
                )
    return list(found.values()), wrong


def gathered(proved: Sequence[Outcome], carried: Sequence[Outcome]) -> list[Outcome]:
    """Each challenge once; what is proved comes before what is only signed."""
    found = {one.id: one for one in (*carried, *proved)}
    return [found[id] for id in sorted(found)]


def figures(outcomes: Sequence[Outcome], period: Period) -> list[Quoted]:
    """Every number of every entrant that stands."""
    return [
        stated(
            f"{measure}/{one.id}/{told['entrant']}",
            f"{measure.replace('_', ' ')} of {told['entrant']} in {one.id}",
            {"score": one.unit, "per_kwh": "1/kWh"}.get(measure, ""),
            value,
            period=period,
            method="challenge scores",
            n=1,
            level="measured",
        )
        for one in outcomes
        for told in one.entrants
        if told["refused"] is None
        for measure in _MEASURES
        if (value := _value(told, measure)) is not None
    ]


def _value(told: Mapping[str, Any], measure: str) -> float | None:
    value = told["points"] if measure == "points" else told["measures"][measure]
    return None if value is None else float(value)


def section(
    outcomes: Sequence[Outcome], numbers: Sequence[Quoted], factories: Sequence[str]
) -> Section:
    """The chapter on challenges."""
    by_id = {one.id: one for one in numbers}
    blocks: list[Block] = []
    for one in outcomes:
        blocks += [_table(one, by_id, factories)] if one.entrants else []
        blocks.append(Paragraph(sentence(f"{one.title}, {one.id}: {one.proof}"), "note"))
    return Section(
        id="seasons",
        title="Seasons of challenges",
        question="How did the factories do on tasks that nobody could practise for?",
        answer=_answer(outcomes),
        blocks=tuple(blocks),
    )


def _answer(outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return "No bundle carries scores of a challenge, and none was given with --season."
    parts = []
    for one in outcomes:
        first = [told["entrant"] for told in one.entrants if told["rank"] == 1]
        if first:
            beside = "is" if len(first) == 1 else "are"
            parts.append(f"first in {one.challenge} {beside} {listed(first)}")
    told = f"{count_of(len(outcomes), 'challenge')}"
    if not parts:
        return sentence(f"{told}, of which none is scored yet")
    return (
        f"{sentence(told)} {sentence(listed(parts))} Ranks are by points, which weigh the score "
        "against energy, cost and peak rate as each challenge's rules say."
    )


def _table(one: Outcome, by_id: Mapping[str, Quoted], factories: Sequence[str]) -> Table:
    ordered = sorted(
        one.entrants, key=lambda told: (told["rank"] is None, told["rank"] or 0, told["entrant"])
    )
    rows = []
    for told in ordered:
        notes = [
            *([f"refused: {told['refused']}"] if told["refused"] else []),
            *([f"to be looked at: {', '.join(told['flags'])}"] if told["flags"] else []),
            *([] if told["entrant"] in factories else ["no bundle of it is among these"]),
        ]
        numbers = [by_id.get(f"{name}/{one.id}/{told['entrant']}") for name in _MEASURES]
        rows.append(
            Row(
                (
                    Cell(UNKNOWN if told["rank"] is None else str(told["rank"])),
                    Cell(told["entrant"], note=sentence("; ".join(notes))),
                    *(Cell(UNKNOWN) if number is None else bare(number) for number in numbers),
                )
            )
        )
    return Table(
        label="",
        title=sentence(f"{one.title} ({one.season})"),
        columns=(
            Column("Rank", numeric=True),
            Column("Entrant", width=1),
            Column("Points", numeric=True),
            Column("Score", unit=one.unit, numeric=True),
            Column("Per kWh", unit="1/kWh", numeric=True),
            Column("Over its baseline", numeric=True),
        ),
        rows=tuple(rows),
        source="Entrants whose points differ by no more than the tie of the rules share a rank.",
    )
