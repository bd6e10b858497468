from __future__ import annotations

from pathlib import Path

import pytest

from wattline_collector.alerts.expression import Over
from wattline_collector.alerts.page import explained, markdown
from wattline_collector.alerts.parse import parse
from wattline_collector.alerts.read import shipped

PAGE = Path(__file__).parents[3] / "docs/alerts.md"


def test_the_page_has_the_table_of_the_rules() -> None:
    assert markdown(shipped()) in PAGE.read_text(), (
        "run: wattline alerts rules --table, into docs/alerts.md"
    )


def test_the_expressions_the_page_shows_can_be_read() -> None:
    block = PAGE.read_text().split("<!-- expressions -->")[1].split("```")[1]
    lines = [line.split("  ")[0].strip() for line in block.strip().splitlines()]
    assert len(lines) > 8
    assert any(isinstance(parse(line), Over) for line in lines)


def test_the_example_of_the_page_is_a_file_of_rules(tmp_path: Path) -> None:
    from wattline_collector.alerts.read import rules_of

    block = PAGE.read_text().split("<!-- example -->")[1].split("```")[1].removeprefix("toml")
    path = tmp_path / "alerts.toml"
    path.write_text(block)
    ids = {rule.id for rule in rules_of(path)}
    assert "inlet-warm" in ids and "xid-application" not in ids


@pytest.mark.parametrize("rule", shipped(), ids=lambda rule: str(rule.id))
def test_a_rule_is_explained_with_what_to_do(rule: object) -> None:
    text = explained(rule)  # type: ignore[arg-type]
    assert "means:" in text and "check:" in text and "do:" in text
    assert max(map(len, text.splitlines())) < 1100
