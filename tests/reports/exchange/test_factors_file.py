from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from wattline_collector.kpi.carbon import FACTORS
from wattline_collector.kpi.factors import Chosen
from wattline_collector.kpi.figure import Period
from wattline_reports.exchange import factors_file
from wattline_reports.exchange.refused import Reason

HOUR = 3_600_000
NEW_YEAR = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp() * 1000)


def factor(value: float, **told: Any) -> dict[str, Any]:
    return {
        "value": value, "zone": "FI", "year": None, "hour_ms": None, "source": "the operator",
        "method": "consumption", "lifecycle": True, "licence": "CC0", **told,
    }  # fmt: skip


def view(
    monkeypatch: pytest.MonkeyPatch,
    site: list[dict[str, Any]],
    own: list[dict[str, Any]] | None = None,
    contracts: tuple[Any, ...] = (),
) -> Any:
    """A view of the first hundred hours of 2025 with those factors of the site and of `sim`."""
    frames = {None: site, "sim": site if own is None else own}

    def chosen(_: Any, system: str | None = None) -> Chosen:
        return Chosen("FI", pl.DataFrame(frames[system], schema=FACTORS, orient="row"), ())

    monkeypatch.setattr(factors_file, "chosen", chosen)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    return SimpleNamespace(
        bounds_ms=(NEW_YEAR, NEW_YEAR + 100 * HOUR),
        period=Period(start, datetime(2025, 1, 5, 4, tzinfo=UTC)),
        inventory=pl.DataFrame({"system": ["sim", "sim"]}),
        profile=SimpleNamespace(contracts={str(n): one for n, one in enumerate(contracts)}),
    )


def test_the_factors_that_were_used_are_told_with_their_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hours = [factor(0.05 + 0.01 * (n % 2), hour_ms=NEW_YEAR + n * HOUR) for n in range(-5, 200)]
    rows = factors_file.of(
        view(
            monkeypatch,
            [
                factor(0.072, year=2025),
                factor(0.080, year=2024),
                factor(0.410, year=2025, method="residual", lifecycle=False),
                *hours,
            ],
        )
    )
    assert [(row.role, row.year, row.hours) for row in rows] == [
        ("location_annual", "2025", 0), ("location_hourly", "", 100), ("residual", "2025", 0),
    ]  # fmt: skip
    annual, hourly, residual = rows
    assert (annual.grams_per_kwh, annual.scope, annual.licence) == (72.0, "lifecycle", "CC0")
    assert hourly.grams_per_kwh == 55.0
    assert (hourly.first_hour, hourly.last_hour) == ("2025-01-01T00:00:00Z", "2025-01-05T03:00:00Z")
    assert residual.scope == "direct"
    assert factors_file.read(factors_file.to_csv(rows), "b") == rows


def test_a_system_has_rows_of_its_own_only_where_they_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site, own = [factor(0.072, year=2025)], [factor(0.031, year=2025)]
    assert [row.system for row in factors_file.of(view(monkeypatch, site))] == [""]
    rows = factors_file.of(view(monkeypatch, site, own))
    assert [(row.system, row.grams_per_kwh) for row in rows] == [("", 72.0), ("sim", 31.0)]


def test_contracts_that_count_are_told_without_amount_and_registry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    criteria = ("tracked", "no_double_count", "actual_rate", "market_boundary", "vintage")
    good = SimpleNamespace(
        is_retired=True, criteria=criteria, since=datetime(2024, 1, 1).date(), until=None,
        country="NO", grams_co2e_per_kwh=0, kind="guarantee_of_origin", registry="account 12",
    )  # fmt: skip
    lax = SimpleNamespace(**{**vars(good), "criteria": criteria[:4]})
    over = SimpleNamespace(**{**vars(good), "until": datetime(2024, 12, 31).date()})
    rows = factors_file.of(view(monkeypatch, [], contracts=(good, lax, over)))
    assert [(row.role, row.method, row.zone, row.grams_per_kwh) for row in rows] == [
        ("contract", "guarantee_of_origin", "NO", 0.0)
    ]
    assert b"account" not in factors_file.to_csv(rows)


def test_factors_that_contradict_each_other_made_no_figure_and_are_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = [factor(0.072, year=2025), factor(0.090, year=2025)]
    assert factors_file.of(view(monkeypatch, both)) == []


def test_a_source_is_written_so_that_no_program_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = "=HYPERLINK(<b>\n" + "x" * 500
    (row,) = factors_file.of(view(monkeypatch, [factor(0.1, year=2025, source=hostile)]))
    assert row.source.startswith("HYPERLINK((b) x")
    assert len(row.source) == 200
    assert factors_file.read(factors_file.to_csv([row]), "b") == [row]


def test_an_address_in_a_source_stops_the_bundle(
    monkeypatch: pytest.MonkeyPatch, refused: Any
) -> None:
    asked = view(monkeypatch, [factor(0.1, year=2025, source="ask alice@example.org")])
    words = refused(Reason.PERSONAL, lambda: factors_file.of(asked))
    assert "name the publisher" in words and "alice" not in words


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"source": "=1+1"}, Reason.SCHEMA),
        ({"source": "a@b.eu"}, Reason.SCHEMA),
        ({"source": "<b>"}, Reason.SCHEMA),
        ({"source": "a\nb"}, Reason.SCHEMA),
        ({"licence": "x" * 201}, Reason.SCHEMA),
        ({"role": "guess"}, Reason.SCHEMA),
        ({"system": "<b>"}, Reason.SCHEMA),
        ({"zone": "../x"}, Reason.SCHEMA),
        ({"year": "25"}, Reason.SCHEMA),
        ({"first_hour": "2025-01-01T00:30:00Z"}, Reason.SCHEMA),
        ({"method": "guess"}, Reason.SCHEMA),
        ({"scope": "some"}, Reason.SCHEMA),
        ({"hours": -1}, Reason.SCHEMA),
        ({"grams_per_kwh": -1.0}, Reason.SCHEMA),
        ({"grams_per_kwh": float("inf")}, Reason.SCHEMA),
    ],
)
def test_a_row_that_no_table_of_factors_holds_is_refused(
    change: dict[str, Any], code: Reason, declared: Any, factory: Any, refused: Any
) -> None:
    row = replace(declared.FACTOR, **change)
    cells = list(row.cells()) if change.get("grams_per_kwh") != float("inf") else None
    data = (
        factors_file.to_csv([row])
        if cells is not None
        else factors_file.to_csv([declared.FACTOR]).replace(b",72,", b",inf,")
    )
    refused(code, lambda: factory.bundle(files={"factors.csv": data}))


def test_a_file_that_is_no_such_table_is_refused(declared: Any, factory: Any, refused: Any) -> None:
    good = factors_file.to_csv([declared.FACTOR])
    for data, code in (
        (b"", Reason.SCHEMA),
        (b"x\n", Reason.SCHEMA),
        (b"\xff", Reason.SCHEMA),
        (good + b"1,2\n", Reason.SCHEMA),
        (good + good.splitlines(keepends=True)[1], Reason.DUPLICATE),
        (good.replace(b",72,", b",72.0,"), Reason.NOT_CANONICAL),
        (good.splitlines(keepends=True)[0] + b"\n" * 3000, Reason.SCHEMA),
    ):
        refused(code, lambda data=data: factory.bundle(files={"factors.csv": data}))
