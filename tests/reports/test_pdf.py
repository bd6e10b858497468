from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattline_reports.document import Chart, Report, Table
from wattline_reports.render import html, pdf

Overview = dict[str, Any]
Make = Callable[[Overview], Report]

needs_pdftotext = pytest.mark.skipif(
    shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not installed"
)

HOSTILE = (
    '#import "evil.typ"',
    "$x$ #set page(width: 1pt)",
    "= heading *bold* _it_ `raw` @ref <label>",
    "#panic()",
    "\\u{41} \\ // comment",
    "<script>alert(1)</script>",
    ']#read("/etc/passwd")[',
)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., str]:
    """The text of a PDF, as one line of words; optionally of its first pages only."""

    def text(content: bytes, pages: int = 0) -> str:
        path = tmp_path / "review.pdf"
        path.write_bytes(content)
        last = ["-l", str(pages)] if pages else []
        found = subprocess.run(
            ["pdftotext", "-raw", "-enc", "UTF-8", *last, str(path), "-"],
            capture_output=True, check=True, timeout=60,
        )  # fmt: skip
        return " ".join(found.stdout.decode("utf-8").split())

    return text


def squeezed(text: str) -> str:
    return re.sub(r"[\s\u200b]", "", text)


def test_the_same_review_gives_the_same_bytes(
    make_overview: Callable[..., Overview], make_review: Make
) -> None:
    assert pdf.render(make_review(make_overview())) == pdf.render(make_review(make_overview()))


def test_it_is_tagged_titled_and_for_everyone(overview: Overview, make_review: Make) -> None:
    content = pdf.render(make_review(overview))
    assert content.startswith(b"%PDF-1.7")
    for mark in (b"/MarkInfo", b"/StructTreeRoot", b"/Lang(en-GB)", b"/DisplayDocTitle true",
                 b"/Alt", b"pdfuaid"):  # fmt: skip
        assert mark in content, mark


@pytest.mark.pdftools
@needs_pdftotext
def test_page_and_pdf_hold_the_same_words(
    overview: Overview,
    make_review: Make,
    read: Callable[..., str],
    text_of: Callable[[bytes], str],
) -> None:
    made = make_review(overview)
    document = squeezed(read(pdf.render(made)))
    page = squeezed(text_of(html.render(made)))
    checked = 0
    for section in made.sections:
        for block in section.blocks:
            if isinstance(block, Table | Chart):
                for text in (block.title, block.source):
                    assert squeezed(text) in document
                    assert squeezed(text) in page
            if isinstance(block, Table):
                for row in block.rows:
                    for cell in row.cells:
                        for text in (cell.text, cell.note):
                            assert squeezed(text) in document, text
                            assert squeezed(text) in page, text
                            checked += 1
    assert checked > 300


@pytest.mark.pdftools
@needs_pdftotext
def test_page_and_pdf_hold_the_same_numbers(
    overview: Overview,
    make_review: Make,
    read: Callable[..., str],
    text_of: Callable[[bytes], str],
) -> None:
    made = make_review(overview)

    def numbers(text: str) -> set[str]:
        return set(re.findall(r"\d+(?:\u202f\d{3})*\.\d+", text))

    on_page = numbers(text_of(html.render(made)))
    in_document = numbers(read(pdf.render(made)))
    assert len(on_page) > 60
    # Poppler may break a picture's number at its thin space; nothing else may be missing.
    whole = {number for number in on_page if "\u202f" not in number}
    assert whole - in_document == set()


@pytest.mark.pdftools
@needs_pdftotext
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(
    overview: Overview, make_review: Make, read: Callable[..., str], name: str
) -> None:
    overview["systems"] = [name]
    overview["notes"] = [f"about {name}"]
    overview["jobs"][0].update(job=name, name=name + "!", kind=name, device_hours=1e9)
    overview["coverage"][0].update(node=name, observed_hours=0.0)
    text = squeezed(read(pdf.render(make_review(overview))))
    assert squeezed(f"System {name}") in text
    assert squeezed(f"about {name}").lower() in text.lower()


@pytest.mark.pdftools
@needs_pdftotext
def test_letters_the_font_lacks_are_written_out(
    overview: Overview, make_review: Make, read: Callable[..., str]
) -> None:
    overview["systems"] = ["训练", "😀 Übung Ωμέγα Път"]
    text = squeezed(read(pdf.render(make_review(overview))))
    assert "[U+8BAD][U+7EC3]" in text
    assert "[U+1F600]ÜbungΩμέγαПът" in text  # noqa: RUF001 (other alphabets are the point)


def test_a_name_of_any_length_is_set(overview: Overview, make_review: Make) -> None:
    overview["systems"] = ["s" * 3000, *(f"system-{n}" for n in range(40))]
    overview["jobs"][0].update(job="j" * 3000, name="n " * 3000, device_hours=1e9)
    overview["coverage"][0].update(node="k" * 3000, observed_hours=0.0)
    assert pdf.render(make_review(overview)).startswith(b"%PDF")


@pytest.mark.pdftools
@needs_pdftotext
def test_unbalanced_books_are_said_on_the_first_page_and_on_every_other(
    overview: Overview, make_review: Make, read: Callable[..., str]
) -> None:
    overview["audit"].update(balanced=False, findings=2)
    content = pdf.render(make_review(overview))
    assert "The books do NOT balance" in read(content, pages=1)
    assert "2 findings" in read(content, pages=1).replace("\u00a0", " ")
    pages = int(re.findall(r"1 / (\d+)", read(content, pages=1))[0])
    assert read(content).count("The books do NOT balance") >= pages


@pytest.mark.pdftools
@needs_pdftotext
def test_the_first_page_says_what_why_and_by_whom(
    overview: Overview, make_review: Make, read: Callable[..., str]
) -> None:
    made = make_review(overview)
    first = read(pdf.render(made), pages=1).replace("\u00a0", " ")
    for text in (
        "EuroHPC coordination review",
        "System sim",
        "November 2026",
        "The books balance",
        "256 accelerators in 32 nodes",
        "no target set",
        made.code,
        made.generator,
    ):
        assert text in first, text


@pytest.mark.parametrize("days", [1, 31, 365])
def test_a_period_of_any_length_is_set(
    make_overview: Callable[..., Overview], make_review: Make, days: int
) -> None:
    made = make_review(make_overview(days=days, nodes=2, jobs=3))
    assert pdf.render(made).startswith(b"%PDF")
