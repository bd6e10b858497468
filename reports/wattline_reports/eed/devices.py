"""Measurement points and measuring devices, whose record is kept for ten years."""

from __future__ import annotations

from dataclasses import fields

from wattline_collector.palette import UNKNOWN
from wattline_reports.document import Block, Cell, Column, Paragraph, Row, Section, Table
from wattline_reports.eed.book import Book
from wattline_reports.words import count_of, shown


def section(book: Book) -> Section:
    """The chapter on where and with what it was measured."""
    points = {} if book.profile is None else book.profile.points
    devices = {} if book.profile is None else book.profile.measuring_devices
    blocks: list[Block] = []
    if points:
        blocks.append(_points(book))
    if devices:
        blocks.append(_devices(book))
    if book.readings.is_empty():
        blocks.append(Paragraph("No reading of a meter is in the register of meters.", "note"))
    else:
        blocks.append(_meters(book))
    lacking = [word for word, found in (("measurement point", points), ("device", devices))
               if not found]  # fmt: skip
    text = f"{count_of(len(points), 'point')} and {count_of(len(devices), 'device')} are on record."
    if lacking:
        text += (
            " The profile has none of: " + ", ".join(lacking) + ". The regulation asks for their "
            "record, kept for ten years."
        )
    return Section(
        id="devices",
        title="Measurement points and devices",
        question="Where was it measured, and with what?",
        answer=text,
        blocks=tuple(blocks),
    )


def points_json(book: Book) -> list[dict[str, object]]:
    """Measurement points as JSON."""
    return [] if book.profile is None else [_json(one) for one in book.profile.points.values()]


def devices_json(book: Book) -> list[dict[str, object]]:
    """Measuring devices as JSON."""
    found = {} if book.profile is None else book.profile.measuring_devices
    return [_json(one) for one in found.values()]


def _json(thing: object) -> dict[str, object]:
    values = {one.name: getattr(thing, one.name) for one in fields(thing)}  # type: ignore[arg-type]
    return {
        name: value if value is None or isinstance(value, str | int | float) else str(value)
        for name, value in values.items()
    }


def _points(book: Book) -> Table:
    assert book.profile is not None, "points are the profile's"
    return Table(
        label="",
        title="Measurement points.",
        columns=(Column("Point"), Column("Boundary"), Column("Place", width=1), Column("Drawing"),
                 Column("Since"), Column("Until")),
        rows=tuple(
            Row((Cell(shown(one.id)), Cell(_word(one.boundary)), Cell(_text(one.place)),
                 Cell(_text(one.drawing)), Cell(_text(one.since)), Cell(_text(one.until))))
            for one in book.profile.points.values()
        ),
        source="Factory profile; points that ended stay in it.",
    )  # fmt: skip


def _devices(book: Book) -> Table:
    assert book.profile is not None, "devices are the profile's"
    return Table(
        label="",
        title="Measuring devices.",
        columns=(Column("Device"), Column("Point"), Column("Make and type", width=1),
                 Column("Serial"), Column("Accuracy", width=1), Column("Calibrated"),
                 Column("Since"), Column("Until")),
        rows=tuple(
            Row((Cell(shown(one.id)), Cell(shown(one.point)), Cell(_text(one.make)),
                 Cell(_text(one.serial)), Cell(_text(one.accuracy)), Cell(_text(one.calibrated)),
                 Cell(_text(one.since)), Cell(_text(one.until))))
            for one in book.profile.measuring_devices.values()
        ),
        source="Factory profile; devices that were replaced stay in it.",
    )  # fmt: skip


def _meters(book: Book) -> Table:
    """Every meter whose readings are kept, with what the profile says of it."""
    told = {} if book.profile is None else book.profile.meters
    start_ms, end_ms = book.asked.view.bounds_ms
    rows = []
    frame = book.readings.sort("meter", "quantity", "end_ms")
    for (meter, quantity), mine in frame.group_by(["meter", "quantity"], maintain_order=True):
        mine_here = mine.filter(
            mine["end_ms"] > start_ms, mine["start_ms"].fill_null(mine["end_ms"]) < end_ms
        )
        one = told.get(str(meter))
        codes = sorted({str(code) for code in mine["eed"].drop_nulls()})
        places = sorted({str(place) for place in mine["boundary"].drop_nulls()})
        rows.append(
            Row(
                (
                    Cell(shown(str(meter)), note="" if one else "not in the profile"),
                    Cell(shown(str(quantity))),
                    Cell(", ".join(codes) or UNKNOWN),
                    Cell(", ".join(_word(place) for place in places) or UNKNOWN),
                    Cell(UNKNOWN if one is None or one.point is None else shown(one.point)),
                    Cell(f"{mine_here.height}"),
                )
            )
        )
    return Table(
        label="",
        title=f"{count_of(len(rows), 'meter')} with readings, of which "
        f"{len([row for row in rows if row.cells[5].text != '0'])} in this period.",
        columns=(Column("Meter", width=1), Column("Quantity"), Column("Indicator"),
                 Column("Boundary", width=1), Column("Point"), Column("Readings", numeric=True)),
        rows=tuple(rows),
        source="Register of meters, as the profile means it.",
    )  # fmt: skip


def _word(word: str) -> str:
    return shown(word.replace("_", " "))


def _text(value: object) -> str:
    return UNKNOWN if value is None else shown(str(value))
