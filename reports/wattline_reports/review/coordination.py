"""What was done with other factories, and how the challenges went."""

from __future__ import annotations

from wattline_reports.document import Block, Chart, Paragraph, Section
from wattline_reports.quoted import Quoted, source_line, why
from wattline_reports.review.disclosed import spoken
from wattline_reports.review.evidence import figure_table
from wattline_reports.review.figures import Book
from wattline_reports.review.pictures import Square, heat_map
from wattline_reports.words import grouped, listed, sentence

_OWN = "factory, not of a network"


def section(book: Book) -> Section:
    """The chapter on coordination and specialisation."""
    activity = [one for one in book.quote("I11") if one.value is not None]
    challenges = [one for id in ("C01", "C02", "C03", "C04", "C05") for one in book.quote(id)]
    known = [one for one in challenges if one.value is not None]
    blocks: list[Block] = []
    if activity:
        if len(activity) > 1:
            blocks.append(_matrix(activity))
        blocks.append(figure_table("Coordination, as declared.", activity))
    else:
        reason = next(
            (r for one in book.quote("I11") if (r := why(one))), "no activity is declared"
        )
        blocks.append(Paragraph(sentence(reason), "note"))
    if known:
        blocks.append(
            figure_table(
                "Challenges and capability.",
                known,
                "“wattline challenge verify” proves a score from what was published.",
            )
        )
    else:
        blocks.append(Paragraph("No result of a challenge is in the registers.", "note"))
    return Section(
        id="coordination",
        title="Coordination and specialisation",
        question="What did the factory share with others, and how does it do beside them?",
        answer=_answer(activity, known),
        blocks=tuple(blocks),
    )


def _answer(activity: list[Quoted], known: list[Quoted]) -> str:
    if activity:
        parts = [
            f"{grouped(one.value or 0)}"
            + (" person-days of" if one.figure.unit == "person-days" else "")
            + f" {spoken(one.figure.dims.get('kind', 'activity'))}"
            for one in activity
        ]
        text = sentence(f"declared are {listed(parts)}")
    else:
        text = "Nothing was declared on shared assets, joint projects, staff or referrals."
    ids = list(dict.fromkeys(one.kpi for one in known if one.kpi))
    more = f"Challenges and capability are told by {listed(ids)}." if ids else (
        "No result of a challenge is known."
    )  # fmt: skip
    return f"{text} {more}"


def _matrix(activity: list[Quoted]) -> Chart:
    def network(one: Quoted) -> str:
        word = one.figure.dims.get("network", "")
        return _OWN if word in ("", "none") else spoken(word)

    kinds = sorted({spoken(one.figure.dims.get("kind", "activity")) for one in activity})
    networks = sorted({network(one) for one in activity})
    squares = {
        (kinds.index(spoken(one.figure.dims.get("kind", "activity"))),
         networks.index(network(one))): Square(float(one.value or 0))
        for one in activity
    }  # fmt: skip
    words = [
        f"{spoken(one.figure.dims.get('kind', 'activity'))} with {network(one)}: "
        f"{grouped(one.value or 0)} {'' if one.figure.unit == '1' else one.figure.unit}".strip()
        for one in activity
    ]
    most = len({network(one) for one in activity if network(one) != _OWN})
    title = f"activities reached {grouped(most)} network{'s' if most != 1 else ''} by name"
    return Chart(
        label="",
        title=sentence(title),
        picture=heat_map("networks", kinds, networks, squares, "count, or person-days of staff"),
        alt=sentence("Matrix of activities by network: " + "; ".join(words)),
        source=source_line(activity[:1]),
        figures=tuple(one.id for one in activity),
    )
