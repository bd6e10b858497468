"""The pages of every kind, judged by the W3C's own checker: what a strict reader would stumble on.

The Nu Html Checker is a Java program; `npm` brings it beside the Python packages.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.cli import main
from wattline_reports.document import Report
from wattline_reports.kinds import kinds
from wattline_reports.render import html

CHECKER = Path(sys.prefix, "node_modules/vnu-jar/build/dist/vnu.jar")

pytestmark = [
    pytest.mark.skipif(
        shutil.which("java") is None, reason="no Java: apt install openjdk-17-jre-headless"
    ),
    pytest.mark.skipif(
        not CHECKER.exists(),
        reason="no HTML checker: npm install --no-save --prefix .venv vnu-jar",
    ),
]


def said(pages: Sequence[Path]) -> list[dict[str, Any]]:
    """What the checker says of pages: errors, and anything less."""
    found = subprocess.run(
        ["java", "-Xss1m", "-jar", str(CHECKER), "--format", "json", *map(str, pages)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    messages: list[dict[str, Any]] = json.loads(found.stderr)["messages"]
    return messages


def test_the_checker_sees_a_fault(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><html lang=en><title>a</title><p id=a><p id=a>b</html>")
    assert any("Duplicate ID" in one["message"] for one in said([page]))


def test_it_has_nothing_to_say_of_any_kind(
    kind_forms: Callable[[str], Mapping[str, Path]],
    factory_store: Path,
    overview: dict[str, Any],
    make_review: Callable[[dict[str, Any]], Report],
    tmp_path: Path,
) -> None:
    pages = [kind_forms(name)["html"] for name in kinds()]
    for words in (
        ["review", "--period", "2025-11-01", "--variant", "restricted"],
        ["certificate", "--jobs", "7,8", "--period", "2025-11-01"],
        ["eed", "--period", "2025", "--schema", "eed-2026-draft"],
        ["eed", "--period", "2019"],  # nothing is held of these two
        ["hosting-audit", "--period", "2019"],
    ):
        out = tmp_path / f"{len(pages)}.html"
        assert main(["report", *words, "--store", str(factory_store), "--out", str(out)]) == 0
        pages.append(out)
    hostile = "a\u0007\u2028\ufffe<script>&amp;\"' -- ]]>"
    overview.update(systems=[hostile], notes=[hostile])
    overview["jobs"][0].update(job=hostile, name=hostile)
    pages.append(tmp_path / "hostile.html")
    pages[-1].write_bytes(html.render(make_review(overview)))
    assert said(pages) == []
