from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from wattline_collector.kpi.figure import Period
from wattline_reports.cells import number_of
from wattline_reports.document import (
    Cell,
    Column,
    Definition,
    Definitions,
    Number,
    Report,
    Row,
    Section,
    Statement,
    Table,
)
from wattline_reports.quoted import stated
from wattline_reports.render import xlsx

PERIOD = Period(datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
HOSTILE = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "=HYPERLINK(\"http://x\")",
           "http://example.org", "mailto:a@b.c")  # fmt: skip
_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def report(rows: tuple[Row, ...], titles: tuple[str, ...] = ("Chapter",)) -> Report:
    area = stated("area", "floor area", "m2", 12.5, period=PERIOD, method="profile")
    columns = (Column("What"), Column("Amount", "m2", numeric=True))
    sections = tuple(
        Section(f"s{place}", title, "Which?", "This.", (Table("Table 1", "T", columns, rows, ""),))
        for place, title in enumerate(titles)
    )
    defined = Section(
        "definitions", "Definitions", "?", "!",
        (Definitions((Definition("U01", "=name", (("Formula", "=a / b"),)),)),),
    )  # fmt: skip
    return Report(
        kind="review", title="Title", subject="=subject", period="2025", bounds="from to",
        span=PERIOD, facts=(), statement=Statement(True, "Good", "All."), missing=(),
        generator="Wattline", name="name", end_unix=int(PERIOD.end.timestamp()),
        sections=(*sections, defined), figures=(area,),
    )  # fmt: skip


def parts(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as held:
        return {name: held.read(name) for name in held.namelist()}


def test_text_that_looks_like_a_formula_or_a_link_stays_text() -> None:
    rows = tuple(Row((Cell(text), Cell(text))) for text in HOSTILE)
    found = parts(xlsx.render(report(rows)))
    shared = ElementTree.fromstring(found["xl/sharedStrings.xml"])
    texts = {"".join(one.text or "" for one in item.iter(f"{_SHEET}t")) for item in shared}
    assert texts.issuperset(HOSTILE)
    for name, content in found.items():
        if name.startswith("xl/worksheets/"):
            root = ElementTree.fromstring(content)
            assert not list(root.iter(f"{_SHEET}f")), name
            assert not list(root.iter(f"{_SHEET}hyperlink")), name
        assert "externalLink" not in name


def test_a_number_is_written_as_it_is_and_not_as_it_is_printed() -> None:
    area = stated("area", "floor area", "m2", 1234.56789, period=PERIOD, method="profile")
    rows = (Row((Cell("a"), Cell("1 235", number=number_of(area)))),)
    sheet = parts(xlsx.render(report(rows)))["xl/worksheets/sheet2.xml"]
    values = [one.text for one in ElementTree.fromstring(sheet).iter(f"{_SHEET}v")]
    assert "1234.56789" in values


def test_a_printed_number_without_a_figure_is_a_number_too_and_a_dash_is_text() -> None:
    rows = (Row((Cell("a"), Cell("\u22121\u202f234.5"))), Row((Cell("b"), Cell("\u2013"))))
    sheet = parts(xlsx.render(report(rows)))["xl/worksheets/sheet2.xml"]
    cells = {
        one.attrib["r"]: (one.attrib.get("t"), one.findtext(f"{_SHEET}v"))
        for one in ElementTree.fromstring(sheet).iter(f"{_SHEET}c")
    }
    numbers = [value for kind, value in cells.values() if kind is None and value is not None]
    assert numbers == ["-1234.5"]


def test_names_of_sheets_are_ones_a_workbook_may_have() -> None:
    titles = ("Energy: [used/kept]?", "energy  used kept", "x" * 50, "x" * 60, "'", "Figures")
    book = parts(xlsx.render(report((), titles)))["xl/workbook.xml"]
    names = [one.attrib["name"] for one in ElementTree.fromstring(book).iter(f"{_SHEET}sheet")]
    assert len({name.lower() for name in names}) == len(names) == len(titles) + 3
    assert names[0] == "Report" and names[-2:] == ["Figures", "Definitions"]
    assert all(0 < len(name) <= 31 and not set("[]:*?/\\") & set(name) for name in names)


def test_the_workbook_bears_no_time_but_the_end_of_its_period() -> None:
    found = parts(xlsx.render(report(())))
    assert b"2026-01-01T00:00:00Z" in found["docProps/core.xml"]
    assert xlsx.render(report(())) == xlsx.render(report(()))


@pytest.mark.parametrize(
    ("number", "has_unit", "expected"),
    [
        (Number(12.0, "GPU-h"), False, '#,##0 "GPU-h"'),
        (Number(12.0, "GPU-h"), True, "#,##0"),
        (Number(0.125, "1", "x", "coverage"), False, "0.0%"),
        (Number(1.2345, "1"), False, "#,##0.000"),
        (Number(0.5, 'a"b'), False, '#,##0.0000 "ab"'),
    ],
)
def test_a_number_has_the_decimals_it_needs_and_its_unit(
    number: Number, has_unit: bool, expected: str
) -> None:
    assert xlsx.number_format(number, has_unit=has_unit) == expected
