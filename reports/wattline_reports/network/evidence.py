"""What the report rests on: which bundles, who signed them, and which were left out."""

from __future__ import annotations

from wattline_reports.document import (
    Block,
    Bullets,
    Cell,
    Column,
    Heading,
    Paragraph,
    Row,
    Section,
    Statement,
    Table,
)
from wattline_reports.network.taken import Taken
from wattline_reports.words import count_of, grouped, listed, sentence, shown


def statement(taken: Taken) -> Statement:
    """What the cover says of the bundles."""
    whole = len(taken.sent) + len(taken.left_out)
    odd = [one.factory for one in taken.sent if not one.bundle.manifest.books.balanced]
    text = (
        f"{count_of(len(taken.sent), 'bundle')} verified: signature, files, dictionary and "
        "disclosure. What a factory's books say of themselves stands in its bundle."
    )
    if odd:
        text += f" The books of {listed(odd)} do not balance."
    if taken.left_out:
        files = [one.file for one in taken.left_out]
        return Statement(
            False,
            f"{grouped(len(files))} of {count_of(whole, 'bundle')} "
            f"{'is' if len(files) == 1 else 'are'} left out",
            f"{text} Left out: {listed(files)}.",
        )
    if odd:
        return Statement(False, "Not all books balance", text)
    return Statement(True, "All bundles hold, and all books balance", text)


def section(taken: Taken) -> Section:
    """The chapter on the bundles."""
    blocks: list[Block] = [
        Table(
            label="",
            title="Bundles that this report is made of.",
            columns=(
                Column("Factory"), Column("File", width=1), Column("Revision", numeric=True),
                Column("Books"), Column("Hours checked", numeric=True), Column("Hidden cells"),
                Column("Digest"),
            ),
            rows=tuple(
                Row(
                    (
                        Cell(one.factory),
                        Cell(shown(one.file), note=f"signed by {listed(one.signers)}"),
                        Cell(str(one.bundle.manifest.revision)),
                        Cell(
                            "balance" if one.bundle.manifest.books.balanced else "do not balance",
                            strong=not one.bundle.manifest.books.balanced,
                        ),
                        Cell(grouped(one.bundle.manifest.books.checked_hours)),
                        Cell(_hidden(one.bundle.cubes)),
                        Cell(one.bundle.manifest.digest[:16]),
                    )
                )
                for one in taken.sent
            ),
            source="The digest is the start of the SHA-256 of the manifest: what is signed.",
        )
    ]  # fmt: skip
    if taken.left_out:
        blocks += [
            Heading("Left out"),
            Bullets(tuple((one.file, sentence(one.why)) for one in taken.left_out)),
        ]
    blocks.append(
        Paragraph(
            "Each bundle is verified by itself, as “wattline bundle verify” does; that it follows "
            "those that its factory sent before is checked there, with --earlier.",
            "note",
        )
    )
    left = len(taken.left_out)
    more = (
        f"; {count_of(left, 'other')} did not hold or could not stand beside them" if left else ""
    )
    return Section(
        id="bundles",
        title="Bundles",
        question="What does this report rest on?",
        answer=sentence(
            f"on {count_of(len(taken.sent), 'bundle')} of "
            f"{listed(taken.factories)}, each verified{more}"
        ),
        blocks=tuple(blocks),
    )


def _hidden(cubes: object) -> str:
    assert isinstance(cubes, dict)
    cells = [row for table in cubes.values() for row in table.values()]
    return f"{sum(row is None for row in cells)} of {len(cells)}"
