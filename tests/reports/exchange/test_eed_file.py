from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from wattline_collector.kpi.figure import Period
from wattline_collector.registers.schema.meters import BOUNDARIES
from wattline_reports.eed.schema import COUNTED, REDUNDANCY_NAMES, STATED
from wattline_reports.exchange import canonical, checked, eed_file
from wattline_reports.exchange.refused import Reason
from wattline_reports.exchange.verify import verify

YEAR = Period(datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
KWH = 1e6


@pytest.fixture(scope="module")
def told(factory_store: Path) -> dict[str, Any]:
    return eed_file.of_store(factory_store, YEAR)


def test_the_fields_are_those_of_the_return(told: dict[str, Any], factory_kit: Any) -> None:
    fields = {one["key"]: one for one in told["annex_ii"]}
    for code, (_, _, amount, unit) in factory_kit.METERED.items():
        factor, legal = (KWH, "kWh") if unit == "GWh" else (1.0, unit)
        assert fields[code]["value"] == pytest.approx(amount * factor, rel=1e-8), code
        assert fields[code]["unit"] == legal
    assert fields["T_IN air"]["code"] == fields["T_IN traffic"]["code"] == "T_IN"
    assert told["annex_iii"] == pytest.approx({"PUE": 1.2, "WUE": 0.5, "ERF": 0.25, "REF": 0.8})
    assert told["completeness"] == {"valid": 39, "required": 39}
    assert told["annex_i"]["lau_code"] == "FI_205"
    assert told["annex_i"]["refrigerants"] == ["R-1234ze"]
    assert told["obliged"] is True


def test_points_are_numbered_and_nobody_who_answers_for_it_is_named(told: dict[str, Any]) -> None:
    (point,) = told["points"]
    assert (point["number"], point["boundary"], point["devices"]) == (1, "ups_output", 1)
    text = canonical.dumps(told).decode().lower()
    for inside in ("university", "centre", "example", "@", "room e2", "4711", "em340", "ups-a"):
        assert inside not in text, inside


def test_it_is_read_back(told: dict[str, Any]) -> None:
    assert eed_file.read(canonical.dumps(told), "eed.json") == told


@pytest.mark.parametrize(
    "change",
    [
        {"operator": "Example Computing Centre"},
        {"schema": "eed-2030"},
        {"points": [{"number": 1, "place": "room E2"}]},
        {"annex_iii": {"PUE": 1.2}},
        {"year": 2025.5},
    ],
)
def test_a_field_that_no_return_has_is_refused(
    change: dict[str, Any], told: dict[str, Any], factory: Any, refused: Any
) -> None:
    data = canonical.dumps({**told, **change})
    refused(Reason.SCHEMA, lambda: factory.bundle(files={"eed.json": data}))


def test_a_return_that_says_another_pue_than_the_figures_is_refused(
    told: dict[str, Any], factory: Any, kit: Any, refused: Any
) -> None:
    files = {"eed.json": canonical.dumps(told)}
    told_too = kit.figure("S03", told["annex_iii"]["PUE"])
    verify(factory.bundle(files=files, figures=[told_too]), factory.ring, [kit.DICTIONARY])
    other = factory.bundle(files=files, figures=[kit.figure("S03", 1.05)])
    words = refused(Reason.SCHEMA, lambda: verify(other, factory.ring, [kit.DICTIONARY]))
    assert "eed.json PUE" in words


def test_the_schema_has_every_field_of_the_return() -> None:
    schema = checked.schema("eed")["properties"]
    keys = set(schema["annex_ii"]["items"]["properties"]["key"]["enum"])
    counted = {one.code for one in COUNTED}
    assert keys == {one.key for one in STATED} | counted | {"E_DC", "E_DC-BG", "E_IT", "E_RES-TOT"}
    redundancy = schema["annex_i"]["properties"]["redundancy"]["properties"]
    assert set(redundancy) == set(REDUNDANCY_NAMES)
    boundaries = schema["points"]["items"]["properties"]["boundary"]["enum"]
    assert tuple(boundaries) == BOUNDARIES
