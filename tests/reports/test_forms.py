"""Every kind of report, in all four forms: the same figures, number by number."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from wattline_agents.cli import main
from wattline_collector.kpi import query
from wattline_collector.kpi.declare import DIMENSIONS
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.registry import REGISTRY
from wattline_reports.exchange import canonical
from wattline_reports.kinds import FORMATS, kinds

PLANTED = {
    "operations": ("--period", "2025-01"),
    "review": ("--period", "2025-01"),
    "review restricted": ("--period", "2025-01", "--variant", "restricted"),
    "hosting-audit": ("--period", "2025"),
    "eed": ("--period", "2025"),
    "project": ("EHPC-AIF-2025LS01-301", "--period", "2025-01"),
    "job": ("100001",),
    "certificate": ("EHPC-AIF-2025LS01-301", "--period", "2025-01"),
}
"""How kinds are asked for about the simulated factory."""

RECORDED = {
    "operations 01": ("--period", "2024-07"),
    "operations 02": ("--period", "2024-05"),
    "review 01": ("--period", "2024-07"),
    "review 02": ("--period", "2024-05", "--variant", "restricted"),
    "hosting-audit 01 02": ("--period", "2024"),
    "hosting-audit 03": ("--period", "2016"),
    "eed 01 02": ("--period", "2024"),
    "eed 03": ("--period", "2016"),
    "job 01": ("llama2-70b-99.9_Offline",),
    "job 02": ("llama2lora_1x8H100_AC_run4951_1",),
    "job 03": ("197199",),
    "certificate 01": ("--jobs", "llama2-70b-99.9_Offline", "--period", "2024-07"),
    "certificate 02": ("--jobs", "llama2lora_1x8H100_AC_run4951_1", "--period", "2024-05"),
}
"""The same of what others recorded; of 03 a scheduler's accounting is all there is."""

LONGEST = {"review": 13, "network": 16, "certificate": 1}
"""Pages that a kind may have; 8 if nothing else."""

_SPACES = str.maketrans({"\u202f": "", "\u00a0": "", "\u2009": "", "\u2212": "-"})
_NUMBER = re.compile(r"(<?)(-?\d+(?:\.(\d+))?)")
_FACTORS = [100.0, *(10.0**power for power in range(-18, 19, 3))]
"""From a figure's unit to the one a page shows: a prefix, a percentage, watt-hours."""
_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@dataclass(frozen=True)
class Forms:
    """One report in its four forms, and what it was made from."""

    files: Mapping[str, Path]
    store: Path

    @property
    def figures(self) -> dict[str, dict[str, Any]]:
        """The figures of the JSON, by their id."""
        found = json.loads(self.files["json"].read_bytes())["figures"]
        assert len({one["quote"] for one in found}) == len(found)
        return {one["quote"]: one for one in found}


def made(words: Sequence[str], out: Path) -> dict[str, Path]:
    """A report in its four forms."""
    assert main(["report", *words, "--format", ",".join(FORMATS), "--out", str(out)]) == 0
    files = {path.suffix[1:]: path for path in out.iterdir()}
    assert {*files} == {*FORMATS}
    return files


@pytest.fixture(
    scope="module",
    params=[
        *(pytest.param(("factory", name), id=name) for name in kinds()),
        *(pytest.param(("planted", name), id=f"planted {name}") for name in PLANTED),
        *(
            pytest.param(("recorded", name), id=f"recorded {name}", marks=pytest.mark.recordings)
            for name in RECORDED
        ),
    ],
)
def forms(
    request: pytest.FixtureRequest,
    kind_forms: Callable[[str], Mapping[str, Path]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Forms:
    source, name = request.param
    if source == "factory":
        return Forms(kind_forms(name), request.getfixturevalue("factory_store"))
    out = tmp_path_factory.mktemp("forms")
    store: Path = request.getfixturevalue("planted" if source == "planted" else "recorded_store")
    more = (PLANTED if source == "planted" else RECORDED)[name]
    return Forms(made([name.split()[0], *more, "--store", str(store)], out), store)


@pytest.mark.parametrize("name", kinds())
def test_the_same_books_give_the_same_bytes_in_every_form(
    name: str,
    kind_forms: Callable[[str], Mapping[str, Path]],
    words_of: Callable[[str], list[str]],
    tmp_path: Path,
) -> None:
    again = made(words_of(name), tmp_path)
    for form, path in kind_forms(name).items():
        assert path.read_bytes() == again[form].read_bytes(), form


def test_the_json_is_written_in_the_one_canonical_way(forms: Forms) -> None:
    content = forms.files["json"].read_bytes()
    assert canonical.loads(content.removesuffix(b"\n"), "json")["figures"]


def test_every_figure_has_what_defends_it(forms: Forms) -> None:
    for id, one in forms.figures.items():
        assert {"kpi", "unit", "n", "coverage", "method", "status", "note"} <= one.keys(), id
        assert (one["value"] is None) == (one["status"] in ("unknown", "withheld")), id
        if one["value"] is None:
            assert one["note"], f"{id} has no value and does not say why"


def test_the_page_shows_the_numbers_of_the_json(forms: Forms) -> None:
    shown = list(page_cells(forms.files["html"].read_text("utf-8")))
    assert len(shown) >= 5
    for id, part, text in shown:
        same(text, forms.figures[id][part], f"{id} {part}")


def test_the_workbook_has_every_figure_of_the_json_as_a_number(forms: Forms) -> None:
    head, *rows = sheets(forms.files["xlsx"])["Figures"]
    assert head[3] == "Value"
    figures = forms.figures
    assert [row[0] for row in rows] == list(figures)
    columns = {"value": 3, "numerator": 7, "denominator": 9, "n": 11, "coverage": 12}
    for row in rows:
        one = figures[str(row[0])]
        for part, place in columns.items():
            cell = row[place]
            if one[part] is None:
                assert not isinstance(cell, float), (row[0], part)
            else:
                assert cell == float(one[part]), (row[0], part)
        assert (row[1] or None) == one["kpi"]
        assert row[14] == one["status"]
        assert (row[13] or "") == one["method"]


def test_the_chapters_of_the_workbook_have_the_numbers_of_the_page(forms: Forms) -> None:
    book = sheets(forms.files["xlsx"])
    chapters = [rows for name, rows in book.items() if name not in ("Figures", "Definitions")]
    numbers = {cell for rows in chapters for row in rows for cell in row if isinstance(cell, float)}
    for id, part, _ in page_cells(forms.files["html"].read_text("utf-8")):
        value = forms.figures[id][part]
        assert value is None or float(value) in numbers, (id, part)


def test_what_is_missing_stands_on_the_first_page_of_every_form(forms: Forms) -> None:
    missing = json.loads(forms.files["json"].read_bytes())["missing"]
    page = squeezed(" ".join(Words.of(forms.files["html"].read_text("utf-8"))))
    cover = squeezed(
        " ".join(str(cell) for row in sheets(forms.files["xlsx"])["Report"] for cell in row)
    )
    for one in missing:
        for text in (page, cover):
            assert squeezed(one["why"]) in text
    unknown = {one["kpi"] for one in forms.figures.values() if one["kpi"] and one["value"] is None}
    if unknown:
        assert missing, f"{unknown} have no value, and nothing is said to be missing"


@pytest.mark.pdftools
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
def test_the_pdf_shows_the_numbers_of_the_page(forms: Forms) -> None:
    text = squeezed(pdf_text(forms.files["pdf"]))
    for id, part, number in page_cells(forms.files["html"].read_text("utf-8")):
        assert squeezed(number) in text, (id, part)
    first = squeezed(pdf_text(forms.files["pdf"], last=1))
    for one in json.loads(forms.files["json"].read_bytes())["missing"]:
        assert squeezed(one["why"]) in first


@pytest.mark.pdftools
@pytest.mark.skipif(shutil.which("pdfinfo") is None, reason="pdfinfo is not installed")
def test_no_report_is_longer_than_its_reader_reads(forms: Forms) -> None:
    found = json.loads(forms.files["json"].read_bytes())
    longest = LONGEST.get(found["kind"], 8)
    if found["data"].get("variant") == "restricted":
        longest += 3  # access by mode, State and category, as tables
    said = subprocess.run(
        ["pdfinfo", str(forms.files["pdf"])], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    pages = re.search(r"^Pages:\s+(\d+)$", said, re.MULTILINE)
    assert pages is not None
    assert int(pages[1]) <= longest


def test_a_report_computes_no_kpi_by_itself(forms: Forms) -> None:
    """Every figure of a KPI is the one that `wattline kpi` gives for the same question."""
    asked: dict[tuple[str, tuple[str, ...], str, str], list[dict[str, Any]]] = {}
    for one in forms.figures.values():
        if one["kpi"] is None or one["quote"].endswith("/now"):
            continue
        if {"factory", "over"} & one["dims"].keys():
            continue  # of a bundle and not of the store: its own tests hold it against that
        split = tuple(name for name in one["dims"] if name not in REGISTRY[one["kpi"]].parts)
        bounds = one["period"]["from"], one["period"]["to"]
        asked.setdefault((one["kpi"], split, *bounds), []).append(one)
    for (kpi, split, start, end), quoted in asked.items():
        by = [name for name in split if name in DIMENSIONS]
        period = Period(datetime.fromisoformat(start), datetime.fromisoformat(end))
        answer = query.ask(forms.store, [kpi], period, by or None)
        found = {tuple(sorted(one.dims.items())): one for one in answer.figures}
        for one in quoted:
            mine = found[tuple(sorted(one["dims"].items()))]
            for part in ("value", "numerator", "denominator", "coverage"):
                told = getattr(mine, part)
                if told is None:
                    assert one[part] is None, (one["quote"], part)
                else:
                    assert one[part] == pytest.approx(told, rel=1e-8), (one["quote"], part)
            assert (one["n"], one["status"]) == (mine.n, mine.status.value), one["quote"]


def same(text: str, value: float | None, where: str) -> None:
    """That a text is a number, to the digits it shows, in some prefix of its unit."""
    plain = text.translate(_SPACES)
    if value is None:
        assert plain in ("\u2013", ""), where
        return
    found = _NUMBER.match(plain)
    assert found is not None, f"{where}: {text!r} shows no number, and it is {value}"
    least, number, decimals = found[1], float(found[2]), len(found[3] or "")
    half = 0.5 * 10.0**-decimals * (1 + 1e-6)
    if least:
        assert 0 < abs(value) < number, where
        return
    assert any(abs(number - value * factor) <= half for factor in _FACTORS), (
        f"{where}: {text!r} is not {value}"
    )
    assert number != 0 or abs(value) <= half, f"{where}: {value} is shown as nothing"


class Words(HTMLParser):
    """The text of a page, and of the cells that show a figure."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.cells: list[tuple[str, str, list[str]]] = []
        self._inside = self._small = self._hidden = False

    @classmethod
    def of(cls, page: str) -> list[str]:
        reader = cls()
        reader.feed(page)
        return reader.words

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag in ("td", "th"):
            self._inside = "data-figure" in told
            if self._inside:
                self.cells.append((told["data-figure"] or "", told["data-part"] or "", []))
        self._small = self._small or tag == "small"
        self._hidden = self._hidden or tag in ("style", "title")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._inside = False
        self._small = self._small and tag != "small"
        self._hidden = self._hidden and tag not in ("style", "title")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)
        if self._inside and not self._small:
            self.cells[-1][2].append(data)


def page_cells(page: str) -> Iterator[tuple[str, str, str]]:
    """Figure, part and text of every cell that shows a figure."""
    reader = Words()
    reader.feed(page)
    for id, part, words in reader.cells:
        yield id, part, "".join(words).strip()


def sheets(path: Path) -> dict[str, list[list[str | float]]]:
    """The cells of a workbook, by sheet, read without what wrote it."""
    with zipfile.ZipFile(path) as held:
        shared = [
            "".join(text.text or "" for text in item.iter(f"{_SHEET}t"))
            for item in ElementTree.fromstring(held.read("xl/sharedStrings.xml"))
        ]
        names = [
            one.attrib["name"]
            for one in ElementTree.fromstring(held.read("xl/workbook.xml")).iter(f"{_SHEET}sheet")
        ]
        found: dict[str, list[list[str | float]]] = {}
        for place, name in enumerate(names, 1):
            rows = []
            root = ElementTree.fromstring(held.read(f"xl/worksheets/sheet{place}.xml"))
            for one in root.iter(f"{_SHEET}f"):
                ours = name == "Figures" and re.fullmatch(r"H(\d+)/J\1", one.text or "")
                assert ours, f"a formula: {one.text}"
            for row in root.iter(f"{_SHEET}row"):
                cells: list[str | float] = [""] * 40
                for cell in row:
                    value = cell.find(f"{_SHEET}v")
                    if value is None or value.text is None:
                        continue
                    is_text = cell.attrib.get("t") == "s"
                    cells[column_of(cell.attrib["r"])] = (
                        shared[int(value.text)] if is_text else float(value.text)
                    )
                rows.append(cells)
            found[name] = rows
    return found


def column_of(place: str) -> int:
    """`A1` is 0, `AB7` is 27."""
    number = 0
    for letter in place:
        if letter.isalpha():
            number = number * 26 + ord(letter) - 64
    return number - 1


def pdf_text(path: Path, last: int = 0) -> str:
    pages = ["-l", str(last)] if last else []
    found = subprocess.run(
        ["pdftotext", "-raw", "-enc", "UTF-8", *pages, str(path), "-"],
        capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    return found.stdout.decode("utf-8")


def squeezed(text: str) -> str:
    return re.sub(r"[\s\u200b]", "", text).lower()
