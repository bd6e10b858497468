from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from wattline_collector.kpi.figure import Figure, Period, Status
from wattline_reports.missing import first, missing
from wattline_reports.quoted import Figures, Quoted, apart, quoted, said, source_line, stated, why

PERIOD = Period(datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))


def figure(id: str = "U01", value: float | None = 80.0, **told: Any) -> Quoted:
    base = Figure(
        id=id, name="a name", unit="%", value=value, numerator=None, denominator=None, n=3,
        coverage=1.0, method="ledger", status=Status.OK, period=PERIOD,
    )  # fmt: skip
    return quoted(replace(base, **told))


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u00a0", " ")


def test_its_id_is_that_of_the_kpi_and_its_dims() -> None:
    assert figure().id == "U01"
    assert figure(dims={"rack": "r1", "day": "2025-01-01"}).id == "U01/rack=r1/day=2025-01-01"


def test_last_bits_of_a_sum_are_not_quoted() -> None:
    assert figure(value=0.1 + 0.2) == figure(value=0.3)
    assert figure(value=12345678901).value == 12345678901


def test_a_pue_is_written_as_a_number_and_a_share_in_per_cent() -> None:
    assert apart(figure("S03", 1.2, unit="1")) == ("1.20", "")
    assert apart(figure("U01", 0.5, unit="1")) == ("50.0", "%")


def test_gpu_hours_have_no_prefix() -> None:
    assert plain(said(figure(value=37_944.4, unit="GPU-h"))) == "37 944 GPU-h"


def test_coverage_under_95_per_cent_is_said_beside_the_number() -> None:
    assert plain(said(figure(coverage=0.94))) == "80.0 % (coverage 94.0 %)"
    assert plain(said(figure(coverage=0.96))) == "80.0 %"


def test_two_figures_of_one_id_are_refused() -> None:
    figures = Figures([figure()])
    figures.add(figure())
    with pytest.raises(ValueError, match="two figures have the id 'U01'"):
        figures.add(figure(value=81.0))


def test_what_is_stated_is_no_kpi_and_without_a_value_it_is_unknown() -> None:
    area = stated("area", "floor area", "m2", None, period=PERIOD, method="profile", note="tell it")
    assert area.kpi == ""
    assert area.figure.status is Status.UNKNOWN
    assert area.to_json()["kpi"] is None
    assert why(area) == "tell it"


@pytest.mark.parametrize(
    ("coverage", "status", "value"),
    [(0.49, Status.WITHHELD, None), (0.5, Status.PARTIAL, 3.0), (0.95, Status.OK, 3.0)],
)
def test_what_is_stated_is_withheld_under_its_floor(
    coverage: float, status: Status, value: float | None
) -> None:
    one = stated("w", "water", "m3", 3.0, period=PERIOD, method="m", coverage=coverage, floor=0.5)
    assert (one.figure.status, one.value) == (status, value)
    assert ("under 50.0" in why(one)) == (value is None)


def test_figures_that_share_their_defence_stand_together() -> None:
    line = source_line([figure("U01"), figure("U02"), figure("U03", n=4)])
    assert plain(line) == "U01, U02: n 3, coverage 100 %, ledger; U03: n 4, coverage 100 %, ledger."


def test_what_has_no_value_is_missing_with_its_reason_and_the_thin_with_their_coverage() -> None:
    found = missing(
        [
            figure("P01"),
            figure("P02", None, status=Status.UNKNOWN, note="no job counts tokens"),
            figure("P03", None, status=Status.UNKNOWN, note="no job counts tokens"),
            figure("U01", None, status=Status.WITHHELD, note="withheld: 20% was covered"),
            figure("U02", coverage=0.5, status=Status.PARTIAL),
        ],
        ["a day is gone: ask the agent of n1"],
    )
    assert [(one.what, plain(one.why)) for one in found] == [
        ("P02, P03", "not known. No job counts tokens."),
        ("U01", "withheld. 20% was covered."),
        ("U02", "observed for 50.0 % of the time it should rest on; the rest is not known, and "
         "not counted as zero."),
        ("", "A day is gone: ask the agent of n1."),
    ]  # fmt: skip


def test_the_first_page_says_how_much_more_is_missing() -> None:
    found = missing([], [f"thing {place}" for place in range(20)])
    shown = first(found, "Gaps", most=4)
    assert len(shown) == 4
    assert plain(shown[-1].why) == "17 more things: see \u201cGaps\u201d."
    assert first(found, "Gaps", most=20) == found
