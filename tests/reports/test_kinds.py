from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wattline_agents.cli import main
from wattline_agents.errors import UsageError
from wattline_collector.kpi.figure import Period
from wattline_reports.kinds import ANY, DAY, MONTH, QUARTER, SPAN, YEAR, Kind, Of, find, kinds
from wattline_reports.period import default_period, form_of, parse_period, suited


def kind(**told: object) -> Kind:
    def build(asked: object) -> None:
        raise AssertionError("not to be built")

    given = {"name": "made-up", "title": "Made up", "help": "h", "description": "d"} | told
    return Kind(build=build, **given)  # type: ignore[arg-type]


def test_every_kind_is_found_by_its_package() -> None:
    assert {"review", "hosting-audit", "eed"} <= set(kinds())
    assert list(kinds()) == sorted(kinds())
    for name, one in kinds().items():
        assert one.name == name
        assert set(one.periods) <= set(ANY)
        assert one.help and not one.help.endswith(".")


def test_to_know_the_kinds_loads_nothing_heavy() -> None:
    program = (
        "import sys; from wattline_reports.kinds import kinds; kinds(); "
        "print([m for m in ('polars', 'pyarrow', 'jinja2', 'typst', 'xlsxwriter', 'scipy') "
        "if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert found.stdout.strip() == "[]"


def test_the_command_alone_teaches_the_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report"]) == 0
    said = capsys.readouterr().out
    for name, one in kinds().items():
        assert f"  {name}" in said
        assert one.help in said


def test_an_unknown_kind_is_told_which_there_are() -> None:
    there_are = "no report 'poem'; there are certificate, eed, hosting-audit"
    with pytest.raises(UsageError, match=there_are):
        find("poem")


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2025", YEAR), ("2025-Q4", QUARTER), ("2025-11", MONTH), ("2025-11-03", DAY),
        ("2025-11-03..2025-11-17", SPAN), ("2025-01-01..2026-01-01", YEAR),
    ],
)  # fmt: skip
def test_a_period_is_of_the_form_that_it_amounts_to(text: str, form: str) -> None:
    period = parse_period(text)
    assert form_of(period) == form
    assert suited(kind(periods=(form,)), period) == period
    other = YEAR if form != YEAR else MONTH
    with pytest.raises(UsageError, match=f"--period: made-up is of a {other}; write "):
        suited(kind(periods=(other,)), period)


@pytest.mark.parametrize(
    ("default", "now", "expected"),
    [
        # The books go from 00:00 to 03:00 on 1 November 2025.
        (YEAR, datetime(2026, 5, 1, tzinfo=UTC), "2025"),
        (YEAR, datetime(2025, 11, 2, tzinfo=UTC), "2025"),
        (QUARTER, datetime(2026, 5, 1, tzinfo=UTC), "2025-Q4"),
        (MONTH, datetime(2025, 12, 1, tzinfo=UTC), "2025-11"),
        ("all", datetime(2026, 5, 1, tzinfo=UTC), "2025-11-01T00:00Z..2025-11-01T03:00Z"),
    ],
)
def test_without_a_period_it_is_the_last_that_is_over(
    default: str, now: datetime, expected: str, factory_store: Path
) -> None:
    found = default_period(kind(default=default), factory_store, now)
    assert found == parse_period(expected)


def test_a_period_that_runs_gives_way_to_the_one_before_where_that_is_known(
    factory_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wattline_collector.ledger.books import Books

    bounds = [datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 5, 20, tzinfo=UTC)]
    span = tuple(round(at.timestamp() * 1000) for at in bounds)
    monkeypatch.setattr(Books, "span", lambda self: span)
    asked = default_period(kind(default=MONTH), factory_store, bounds[1])
    assert asked == Period(datetime(2025, 4, 1, tzinfo=UTC), datetime(2025, 5, 1, tzinfo=UTC))


def test_what_a_report_is_of_is_asked_for_by_its_word(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from wattline_reports.commands import report

    one = kind(of=Of("JOB", "the id of a job"))
    monkeypatch.setattr(report, "find", lambda name: one)
    assert main(["report", "made-up", "--store", "."]) == 2
    assert "which? `wattline report made-up JOB`: the id of a job" in capsys.readouterr().err


def test_an_option_of_another_kind_is_refused(
    factory_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", "review", "--store", str(factory_store), "--schema", "eed-2024"]
    assert main(words) == 2
    assert "--schema is not for review; leave it out" in capsys.readouterr().err


def test_out_may_be_a_file_whose_ending_says_the_form(factory_store: Path, tmp_path: Path) -> None:
    path = tmp_path / "to" / "mine.xlsx"
    words = ["report", "eed", "--store", str(factory_store), "--period", "2025"]
    assert main([*words, "--out", str(path)]) == 0
    assert path.read_bytes().startswith(b"PK")
    assert list(path.parent.iterdir()) == [path]


def test_one_file_cannot_hold_two_forms(
    factory_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", "eed", "--store", str(factory_store), "--format", "html,pdf"]
    assert main([*words, "--out", str(tmp_path / "mine.pdf")]) == 2
    assert "is one file of format pdf, and --format is html,pdf" in capsys.readouterr().err


def test_a_moment_before_the_books_began_is_refused(
    factory_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", "eed", "--store", str(factory_store), "--as-of", "2020-01-01"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert not (tmp_path / "out").exists()
