from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest

from wattline_reports.document import Chart, Report, Table
from wattline_reports.render import html

Overview = dict[str, Any]
Make = Callable[[Overview], Report]
Tags = Callable[[bytes], list[tuple[str, dict[str, str | None]]]]

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "</style><b>",
    "javascript:alert(1)",
    "&lt;b&gt;",
)


def test_the_same_review_gives_the_same_bytes(
    make_overview: Callable[..., Overview], make_review: Make
) -> None:
    assert html.render(make_review(make_overview())) == html.render(make_review(make_overview()))


def test_every_text_of_the_review_stands_on_the_page(
    overview: Overview, make_review: Make, text_of: Callable[[bytes], str]
) -> None:
    made = make_review(overview)
    page = text_of(html.render(made))
    for section in made.sections:
        for text in (section.title, section.question, section.answer):
            assert " ".join(text.split()) in page
        for block in section.blocks:
            if isinstance(block, Table | Chart):
                assert " ".join(block.title.split()) in page
                assert " ".join(block.source.split()) in page
            if isinstance(block, Table):
                for row in block.rows:
                    for cell in row.cells:
                        assert " ".join(cell.text.split()) in page
    assert made.code in page


def test_a_page_needs_nothing_and_runs_nothing(
    overview: Overview, make_review: Make, tags_of: Tags
) -> None:
    page = html.render(make_review(overview))
    for name, attributes in tags_of(page):
        assert name not in ("script", "link", "iframe", "object", "img", "base", "form")
        assert not any(key.startswith("on") for key in attributes)
        for key in ("href", "src", "xlink:href"):
            assert (attributes.get(key) or "#").startswith("#")
    style = page.decode().split("<style>")[1].split("</style>")[0]
    assert re.findall(r"url\((?!data:font/woff2;base64,)", style) == []
    assert "@import" not in style
    policy = next(a["content"] for n, a in tags_of(page) if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(
    overview: Overview,
    make_review: Make,
    tags_of: Tags,
    text_of: Callable[[bytes], str],
    name: str,
) -> None:
    harmless = [tag for tag, _ in tags_of(html.render(make_review(overview)))]
    overview["systems"] = [name]
    overview["notes"] = [f"about {name}"]
    overview["jobs"][0].update(job=name, name=name + "!", kind=name, device_hours=1e9)
    overview["coverage"][0].update(node=name, observed_hours=0.0)
    overview["figures"][5].update(note=name, method=name)
    page = html.render(make_review(overview))
    assert name in text_of(page)
    added = [tag for tag, _ in tags_of(page)]
    # One node more is under 95 %, which is one row of six cells more, and nothing else is.
    for tag in ("script", "img", "style", "b"):
        assert added.count(tag) <= harmless.count(tag) + (2 if tag == "b" else 0)


def test_what_cannot_be_seen_in_a_name_is_written_out(
    overview: Overview, make_review: Make, text_of: Callable[[bytes], str]
) -> None:
    overview["systems"] = ["a\u202egpj.exe", "x" * 400]
    page = html.render(make_review(overview))
    assert "a[U+202E]gpj.exe" in text_of(page)
    assert "\u202e" not in page.decode()
    assert "x" * 65 not in page.decode()


def test_unbalanced_books_are_said_before_anything_else(
    overview: Overview, make_review: Make, text_of: Callable[[bytes], str]
) -> None:
    overview["audit"].update(balanced=False, findings=2)
    page = text_of(html.render(make_review(overview)))
    assert page.index("The books do NOT balance") < page.index("The answer on one page")


def test_pictures_have_words_and_patterns_have_one_name_each(
    overview: Overview, make_review: Make, tags_of: Tags
) -> None:
    tags = tags_of(html.render(make_review(overview)))
    pictures = [a for name, a in tags if name == "svg" and a.get("role") == "img"]
    assert len(pictures) == 6
    assert all(len(a["aria-label"] or "") > 40 for a in pictures)
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_headings_do_not_skip_a_level(overview: Overview, make_review: Make, tags_of: Tags) -> None:
    levels = [int(n[1]) for n, _ in tags_of(html.render(make_review(overview))) if n in
              ("h1", "h2", "h3", "h4")]  # fmt: skip
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_light_and_dark_have_every_colour(overview: Overview, make_review: Make) -> None:
    page = html.render(make_review(overview)).decode()
    used = set(re.findall(r"var\(--([a-z-]+)\)", page))
    light = page.split(":root{")[1].split("}")[0]
    dark = page.split("prefers-color-scheme:dark){:root{")[1].split("}")[0]
    for scheme in (light, dark):
        assert used <= set(re.findall(r"--([a-z-]+):#[0-9A-F]{6}", scheme))
    classes = set(re.findall(r'class="([fs]-[a-z-]+)"', page))
    assert all(f".{name}{{" in page for name in classes)
