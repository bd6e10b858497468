"""What the pages of documentation point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEFT_OUT = {".venv", ".git", "node_modules", "out"}
PAGES = sorted(
    path for path in ROOT.rglob("*.md") if LEFT_OUT.isdisjoint(path.relative_to(ROOT).parts)
)
_CODE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_NAMED = re.compile(r"`((?:docs|deploy|examples)/[\w./-]+)`")
"""Files of the repository that a page names without a link."""


def _anchors(page: Path) -> set[str]:
    """What a page's headings are called in links to them."""
    found = re.findall(r"^#+ +(.*)$", _CODE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_there_are_pages_to_look_at() -> None:
    assert ROOT / "README.md" in PAGES and len(PAGES) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_and_heading_that_a_page_points_at_is_there(page: Path) -> None:
    text = _CODE.sub("", page.read_text())
    missing = []
    for link in _LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            missing.append(link)
    missing += [name for name in _NAMED.findall(text) if not (ROOT / name).exists()]
    assert missing == []


def test_the_readme_leads_to_every_page_of_documentation() -> None:
    links = set(_LINK.findall((ROOT / "README.md").read_text()))
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert pages - links == set()
