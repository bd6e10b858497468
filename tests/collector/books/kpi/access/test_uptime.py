from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

HEAD = "system,scope,name,start,end,scheduled"
YEAR = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


def outage(begin: datetime | str, end: str, scheduled: str, scope: str = "system,") -> str:
    return f",{scope},{begin},{end},{scheduled}"


@pytest.fixture
def year(site: Any) -> Any:
    """A year with six planned outages of 20 h and ten failures of 6 h, each in one month."""
    site.install(8, at=-59 * 24)
    site.booked_until["s"] = 306 * 24
    rows = [outage(f"2026-{m:02}-05T00:00", f"2026-{m:02}-05T20:00", "yes") for m in range(1, 7)]
    rows += [outage(f"2026-{m:02}-20T00:00", f"2026-{m:02}-20T06:00", "no") for m in range(1, 11)]
    site.register("outages", HEAD, *rows)
    return site


def test_the_check_vector_of_the_operational_assessments(year: Any) -> None:
    sa, oa = (year.one(id, *YEAR) for id in ("A01", "A02"))
    assert (sa.numerator, sa.denominator, sa.n) == (8580, 8640, 16)
    assert sa.value == pytest.approx(99.306, abs=5e-4)
    assert (oa.denominator, oa.value) == (8760, pytest.approx(97.945, abs=5e-4))
    mtti, mttf = year.figures("A03", start=YEAR[0], end=YEAR[1])
    assert (mtti.dims, mtti.value) == (
        {"system": "s", "figure": "mtti"}, pytest.approx(504.71, abs=5e-3),
    )  # fmt: skip
    assert (mttf.value, mttf.denominator, mttf.n) == (pytest.approx(790.91, abs=5e-3), 11, 10)
    assert sa.level == "declared"


def test_months_add_up_to_the_year(year: Any) -> None:
    months = year.figures("A01", ["month"], *YEAR)
    assert len(months) == 12
    assert sum(month.numerator for month in months) == pytest.approx(8580)
    assert months[0].value == pytest.approx(100 * (744 - 26) / (744 - 20))


def test_a_period_ends_where_the_books_do(year: Any) -> None:
    year.booked_until["s"] = -59 * 24 + 100  # 100 h of January: the planned outage is in them
    assert year.one("A02", *YEAR).denominator == 100
    assert year.one("A02", *YEAR).numerator == 96


def test_a_rack_counts_by_its_nodes_and_takes_no_system_away(site: Any) -> None:
    site.install(16)  # four nodes in two racks
    site.register(
        "outages", HEAD,
        outage("2026-03-02T00:00", "2026-03-02T10:00", "no", "rack,r1"),
        outage("2026-03-05T00:00", "2026-03-05T10:00", "no", "rack,r9"),
    )  # fmt: skip
    figure = site.one("A02")
    assert (figure.numerator, figure.denominator, figure.n) == (739, 744, 0)
    assert figure.note == "in no sum, as nobody told their nodes: rack r9"


def test_an_outage_that_is_not_over_counts_up_to_the_end_and_is_said(site: Any) -> None:
    site.install(4)
    site.register("outages", HEAD, outage("2026-03-31T00:00", "", "no"))
    figure = site.one("A02")
    assert figure.numerator == 720
    assert "1 not over" in figure.note
    (mean, p95) = site.figures("A05")
    assert (mean.value, p95.value) == (None, None)
    assert mean.note == "no unscheduled outage ended in this time; 1 not over, in no figure"


def test_time_to_repair_is_of_unscheduled_outages_that_ended(year: Any) -> None:
    year.register(
        "outages", HEAD, *(outage(f"2026-03-{d:02}T00:00", f"2026-03-{d:02}T{d:02}:00", "no")
                           for d in range(1, 21)),
        outage("2026-03-22", "2026-03-23", "yes"),
    )  # fmt: skip
    mean, p95 = year.figures("A05")
    assert (mean.numerator, mean.denominator, mean.value) == (210, 20, 10.5)
    assert (p95.dims, p95.value, p95.n) == ({"figure": "p95"}, 19, 20)


def test_node_hours_count_by_devices_and_unobserved_time_is_neither(site: Any) -> None:
    site.install(8)
    for device in ("d0", "d1", "d2", "d3"):
        site.hold(device, None, "down" if device == "d0" else "free", 0, 10)
    for device in ("d4", "d5", "d6", "d7"):
        site.hold(device, None, "maintenance", 0, 2, node="n1")
        site.hold(device, None, "unobserved", 2, 10, node="n1")
    figure = site.one("A06")
    assert (figure.numerator, figure.denominator, figure.n) == (pytest.approx(7.5), 12, 2)
    assert (figure.value, figure.coverage) == (pytest.approx(62.5), 0.6)
    nodes = site.by("A06", "node", by=["node"])
    assert (nodes[("n0",)].value, nodes[("n0",)].coverage) == (pytest.approx(75), 1)
    assert (nodes[("n1",)].value, nodes[("n1",)].numerator) == (None, 0)  # withheld
    assert figure.note.startswith("nobody told of outages")


AGREED = '[sla.A01]\ndirection = "up"\nthreshold = {}\n'


def test_months_that_kept_the_agreement_over_those_that_are_over(year: Any) -> None:
    # February's 646 of 652 h, and 694 of 700 in April and June, are under 99.15 %.
    year.profile(AGREED.format(99.15))
    figure = year.one("A08", *YEAR)
    assert (figure.numerator, figure.denominator, figure.value) == (9, 12, 75)
    months = year.figures("A08", ["month"], *YEAR)
    missed = [one.dims["month"] for one in months if not one.value]
    assert missed == ["2026-02", "2026-04", "2026-06"]
    assert figure.method == "log of outages, A01 by the month"


def test_a_month_that_is_not_over_is_not_judged(year: Any) -> None:
    year.profile(AGREED.format(90))
    year.booked_until["s"] = 20 * 24
    figure = year.one("A08", *YEAR)
    assert (figure.numerator, figure.denominator, figure.value) == (2, 2, 100)


def test_a_systems_own_agreement_goes_before_the_factorys(year: Any) -> None:
    own = '[system.s]\nname = "S"\n[system.s.sla.A02]\ndirection = "up"\nthreshold = 99\n'
    year.profile(own + 'period = "year"\n')
    figure = year.one("A08", *YEAR)
    assert (figure.value, figure.denominator, figure.method) == (
        0, 1, "log of outages, A02 by the year",
    )  # fmt: skip


def test_without_an_agreement_it_says_which_key_to_add(year: Any) -> None:
    assert "system.s.sla.A01" in year.one("A08", *YEAR).note


def test_outages_of_like_named_nodes_of_two_systems_are_two(site: Any) -> None:
    for system in ("s", "t"):
        site.install(4, system=system)
    site.register(
        "outages", "system,scope,name,start,end,scheduled",
        "s,node,n0,2026-03-02,2026-03-02,no", "t,node,n0,2026-03-02,2026-03-03,no",
    )  # fmt: skip
    found = site.by("A05", "figure")
    assert (found[("mean",)].n, found[("mean",)].value) == (2, 36)
