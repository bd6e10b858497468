"""The network review, from bundles to a finished document."""

from __future__ import annotations

from pathlib import Path

from wattline_agents.errors import UsageError
from wattline_reports import definitions
from wattline_reports.asked import Asked
from wattline_reports.document import Missing, Report
from wattline_reports.exchange.exchanged import silent
from wattline_reports.exchange.merge import merge
from wattline_reports.finish import finished
from wattline_reports.missing import MOST, first, missing
from wattline_reports.network import KIND, evidence, seasons, shares, side_by_side, together
from wattline_reports.network.compared import compare
from wattline_reports.network.measures import THEMES
from wattline_reports.network.taken import LeftOut, Taken, read_ring, take
from wattline_reports.period import EVER
from wattline_reports.quoted import COMFORT, Figures, Quoted, percent
from wattline_reports.words import (
    count_of,
    listed,
    period_bounds,
    period_code,
    period_name,
    sentence,
)

_OWN_WORDS = (
    "Figures without an id are of this report alone: a sum of a bundle over another of the same "
    "bundle. Offered GPU-hours are what U01 is divided by, installed GPUs what U03 is divided by "
    "over the hours of the period, energy of the data centre what is above the line of S03. "
    "Median and quartiles count each factory once; quartiles are interpolated."
)


_SPREAD = (".median", ".lower_quartile", ".upper_quartile")


def of(asked: Asked) -> Report:
    """The network review that somebody asked for.

    Raises:
        UsageError: Fewer than two bundles can stand side by side, there is no ring, or a moment
            was asked for.
        Refused: The ring is not in order, or a season that was given does not hold.
    """
    if asked.as_of is not None:
        raise UsageError(
            "--as-of is not for network: a bundle says what its factory said when it was signed; "
            "give the revision that was sent by then"
        )
    ring = read_ring(Path(asked.options["ring"]))
    with asked.said("verifying bundles"):
        taken = take(
            [Path(one) for one in asked.of], ring, None if asked.period == EVER else asked.period
        )
    period, bundles, factories = taken.period, taken.bundles, taken.factories
    merged = merge(bundles)
    compared = [[compare(one, bundles, merged) for one in theme.measures] for theme in THEMES]
    everything = [one for theme in compared for one in theme]
    exchanges = together.figures(merged, period)
    access = shares.figures(bundles, merged, period)
    carried, wrong = seasons.of_bundles(bundles, ring)
    directory = asked.options["season"]
    proved = seasons.of_directory(Path(directory), ring, period.end) if directory else []
    outcomes = seasons.gathered(proved, carried)
    scores = seasons.figures(outcomes, period)
    figures = Figures()
    for one in everything:
        figures.add(*one.figures)
    figures.add(*access, *exchanges, *scores)
    quiet = silent(bundles)
    lacks = _missing(taken, figures, wrong, quiet)
    return finished(
        Report(
            kind=KIND.name,
            title=KIND.title,
            subject=f"{count_of(len(factories), 'factory', 'factories')}: {listed(factories)}",
            period=period_name(period),
            bounds=period_bounds(period),
            span=period,
            facts=(
                ("Bundles", f"{len(taken.sent)} verified, {len(taken.left_out)} left out"),
                ("Compared", "size for size: by offered GPU-hours, installed GPUs and energy"),
                ("Hidden", "what a factory hides is hatched and never inferred"),
            ),
            statement=evidence.statement(taken),
            missing=first(lacks, side_by_side.GLANCE),
            generator=asked.generator,
            name=f"{KIND.name}_{period_code(period)}",
            end_unix=int(period.end.timestamp()),
            sections=(
                side_by_side.glance(everything, factories, lacks if len(lacks) > MOST else ()),
                *(
                    side_by_side.chapter(theme, found, factories)
                    for theme, found in zip(THEMES, compared, strict=True)
                ),
                shares.section(access),
                together.section(merged, exchanges, factories, quiet),
                seasons.section(outcomes, scores, factories),
                evidence.section(taken),
                definitions.section(figures, _OWN_WORDS),
            ),
            figures=tuple(figures),
            data={
                "bundles": [
                    {
                        "factory": one.factory,
                        "file": one.file,
                        "digest": one.bundle.manifest.digest,
                        "revision": one.bundle.manifest.revision,
                        "signers": list(one.signers),
                    }
                    for one in taken.sent
                ],
                "left_out": [{"file": one.file, "why": one.why} for one in taken.left_out],
                "outliers": {
                    one.measure.key: [figure.id for figure in one.outliers] for one in everything
                },
                "exchanges": [one.to_json() for one in merged.exchanges],
                "mismatches": [one.to_json() for one in merged.mismatches],
            },
        )
    )


def _missing(
    taken: Taken, figures: Figures, wrong: list[str], quiet: tuple[str, ...]
) -> tuple[Missing, ...]:
    """What is left out first, then what bundles do not tell, then what rests on too little."""
    known = [one for one in figures if not one.id.endswith(_SPREAD)]
    thin: dict[str, list[Quoted]] = {}
    for one in known:
        coverage = one.figure.coverage
        if one.value is not None and coverage is not None and coverage < COMFORT:
            thin.setdefault(one.figure.dims.get("factory", "all together"), []).append(one)
    notes = [
        *wrong,
        *(
            f"of {factory} {listed([one.kpi or one.figure.name for one in found])} "
            f"{'rests' if len(found) == 1 else 'rest'} on under {percent(COMFORT)} of what should "
            f"have been observed, at the least on {percent(_least(found))}"
            for factory, found in thin.items()
        ),
    ]
    if quiet:
        notes.append(f"nothing is said of exchanges by {listed(quiet)}")
    lacking = [one for one in known if one.value is None]
    return (*(_left(one) for one in taken.left_out), *missing(lacking, notes))


def _least(found: list[Quoted]) -> float:
    return min(one.figure.coverage or 0.0 for one in found)


def _left(one: LeftOut) -> Missing:
    return Missing(one.file, sentence(f"left out. {one.why}"))
