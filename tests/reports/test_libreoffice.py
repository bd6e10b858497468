"""Workbooks of every kind, opened and written again by LibreOffice: types and formulas survive."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import pytest

from wattline_agents.cli import main
from wattline_reports.kinds import kinds

pytestmark = pytest.mark.skipif(
    shutil.which("soffice") is None, reason="no soffice: apt install libreoffice-calc-nogui"
)

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"

RECALCULATE = """\
<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load">
<prop oor:name="OOXMLRecalcMode" oor:op="fuse"><value>0</value></prop></item>
</oor:items>
"""
"""LibreOffice's own settings: reckon every formula again when a workbook is opened."""


@dataclass(frozen=True)
class Held:
    """A cell: its text or number, its formula, and how it is to be shown."""

    value: str | float
    formula: str
    form: str


Book = Mapping[str, Mapping[str, Held]]


@dataclass(frozen=True)
class Round:
    """A workbook as we write it, as LibreOffice writes it, and the kinds of values it sees."""

    ours: Book
    theirs: Book
    seen: Mapping[str, Mapping[str, tuple[str, str]]]


@pytest.fixture(scope="module")
def rounds(
    kind_forms: Callable[[str], Mapping[str, Path]],
    factory_store: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, Round]:
    """Every kind's workbook, there and back; what formulas came to is wiped out on the way."""
    place = tmp_path_factory.mktemp("office")
    written = {name: kind_forms(name)["xlsx"] for name in kinds()}
    restricted = place / "review.xlsx"
    words = ["review", "--period", "2025-11-01", "--variant", "restricted"]
    assert main(["report", *words, "--store", str(factory_store), "--out", str(restricted)]) == 0
    written["review restricted"] = restricted
    sent = [place / "sent" / f"{name}.xlsx" for name in written]
    sent[0].parent.mkdir()
    for path, source in zip(sent, written.values(), strict=True):
        forget(source, path)
    settings = place / "settings"
    (settings / "user").mkdir(parents=True)
    (settings / "user" / "registrymodifications.xcu").write_text(RECALCULATE)
    for form in ("xlsx", "fods"):
        subprocess.run(
            ["soffice", f"-env:UserInstallation={settings.as_uri()}", "--headless", "--convert-to",
             form, "--outdir", str(place / form), *map(str, sent)],
            check=True, capture_output=True, timeout=300,
        )  # fmt: skip
    return {
        name: Round(
            dict(sheets(path)),
            dict(sheets(place / "xlsx" / f"{name}.xlsx")),
            dict(seen(place / "fods" / f"{name}.fods")),
        )
        for name, path in written.items()
    }


@pytest.mark.parametrize("name", [*kinds(), "review restricted"])
def test_every_cell_is_the_same_after_libreoffice(name: str, rounds: Mapping[str, Round]) -> None:
    ours, theirs = rounds[name].ours, rounds[name].theirs
    assert list(ours) == list(theirs)
    for sheet, cells in ours.items():
        others = theirs[sheet]
        assert cells.keys() == others.keys(), sheet
        for place, cell in cells.items():
            other, where = others[place], (sheet, place)
            assert (other.formula, other.form) == (cell.formula, cell.form), where
            if isinstance(cell.value, str) or isinstance(other.value, str):
                assert other.value == cell.value, where
            else:
                assert math.isclose(other.value, cell.value, rel_tol=1e-14), where


@pytest.mark.parametrize("name", [*kinds(), "review restricted"])
def test_numbers_shares_and_times_are_seen_as_such(name: str, rounds: Mapping[str, Round]) -> None:
    met = set()
    for sheet, cells in rounds[name].ours.items():
        for place, cell in cells.items():
            kind, text = rounds[name].seen[sheet][place]
            assert kind == kind_of(cell), (sheet, place)
            met.add(kind)
            if isinstance(cell.value, float) and kind != "date" and not cell.formula:
                # Very small numbers have fewer digits in that form.
                assert math.isclose(float(text), cell.value, rel_tol=1e-9), (sheet, place)
    assert met >= {"string", "float", "date"}


def test_formulas_are_reckoned_again(rounds: Mapping[str, Round]) -> None:
    reckoned = 0
    for name, found in rounds.items():
        figures = found.ours["Figures"]
        for place, cell in found.theirs["Figures"].items():
            if cell.formula:
                above, below = (figures[one].value for one in cell.formula.split("/"))
                assert isinstance(above, float) and isinstance(below, float), (name, place)
                assert isinstance(cell.value, float), (name, place)
                assert math.isclose(cell.value, above / below, rel_tol=1e-14), (name, place)
                reckoned += 1
    assert reckoned > 20


def forget(source: Path, path: Path) -> None:
    """A copy of a workbook in which every formula has come to a wrong number."""
    with zipfile.ZipFile(source) as held, zipfile.ZipFile(path, "w") as copy:
        for name in held.namelist():
            content = held.read(name)
            if name.startswith("xl/worksheets/"):
                content = re.sub(rb"(</f>)<v>[^<]*</v>", rb"\1<v>-1</v>", content)
            copy.writestr(name, content)


def sheets(path: Path) -> Iterator[tuple[str, dict[str, Held]]]:
    """The cells of a workbook by sheet and place; empty ones are left out."""
    with zipfile.ZipFile(path) as held:
        part = {
            name: ElementTree.fromstring(held.read(f"xl/{name}.xml"))
            for name in ("workbook", "sharedStrings", "styles")
        }
        texts = [
            "".join(one.text or "" for one in item.iter(f"{_MAIN}t"))
            for item in part["sharedStrings"]
        ]
        own = {
            one.attrib["numFmtId"]: one.attrib["formatCode"]
            for one in part["styles"].iter(f"{_MAIN}numFmt")
        }
        styles = part["styles"].find(f"{_MAIN}cellXfs")
        assert styles is not None
        forms = [own.get(one.attrib["numFmtId"], one.attrib["numFmtId"]) for one in styles]
        for place, sheet in enumerate(part["workbook"].iter(f"{_MAIN}sheet"), 1):
            cells = {}
            root = ElementTree.fromstring(held.read(f"xl/worksheets/sheet{place}.xml"))
            for cell in root.iter(f"{_MAIN}c"):
                value = cell.findtext(f"{_MAIN}v")
                if value is None:
                    continue
                shared = cell.attrib.get("t") == "s"
                cells[cell.attrib["r"]] = Held(
                    texts[int(value)] if shared else float(value),
                    cell.findtext(f"{_MAIN}f") or "",
                    "" if shared else plain(forms[int(cell.attrib.get("s", "0"))]),
                )
            yield sheet.attrib["name"], cells


def plain(form: str) -> str:
    """A number format without what is only a way to write it."""
    known = {"0": "General", "1": "0", "2": "0.00", "3": "#,##0", "4": "#,##0.00"}
    return re.sub(r'["\\ ]', "", known.get(form, form)).lower()


def kind_of(cell: Held) -> str:
    """What LibreOffice should take a cell for."""
    if isinstance(cell.value, str):
        return "string"
    if cell.form.startswith("yyyy"):
        return "date"
    return "percentage" if cell.form == "0.0%" else "float"


def seen(path: Path) -> Iterator[tuple[str, dict[str, tuple[str, str]]]]:
    """Kind and value of every cell of a flat OpenDocument, by sheet and place."""
    for sheet in ElementTree.parse(path).iter(f"{_TABLE}table"):
        cells = {}
        down = 0
        for row in sheet.iter(f"{_TABLE}table-row"):
            # A value that stands several times in a row or a column is written once.
            rows = int(row.attrib.get(f"{_TABLE}number-rows-repeated", "1"))
            across = 0
            for cell in row:
                columns = int(cell.attrib.get(f"{_TABLE}number-columns-repeated", "1"))
                if kind := cell.attrib.get(f"{_OFFICE}value-type"):
                    value = cell.attrib.get(f"{_OFFICE}value", "")
                    for x, y in product(range(columns), range(rows)):
                        cells[f"{letters(across + x)}{down + y + 1}"] = kind, value
                across += columns
            down += rows
        yield sheet.attrib[f"{_TABLE}name"], cells


def letters(column: int) -> str:
    """0 is `A`, 27 is `AB`."""
    return (letters(column // 26 - 1) if column >= 26 else "") + chr(65 + column % 26)
