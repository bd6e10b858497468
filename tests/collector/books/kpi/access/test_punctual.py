from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

HEAD = "id,kind,start,due"
YEAR = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


def test_days_before_the_last_day_of_a_report(site: Any) -> None:
    site.register(
        "activities", HEAD, "access,report,2026-01-28,2026-01-31",
        "eed,report,2026-05-17,2026-05-15",
        "other,report,2026-03-01T10:00,2026-03-01", "next,report,2026-12-01,2027-01-31",
    )  # fmt: skip
    found = {f.dims["report"]: f for f in site.figures("Q04", start=YEAR[0], end=YEAR[1])}
    assert {id: one.value for id, one in found.items()} == {"access": 3, "other": 0, "eed": -2}
    assert found["access"].dims["due"] == "2026-01-31"
    assert (found["eed"].unit, found["eed"].level) == ("d", "declared")


def test_a_report_the_law_wants_and_nobody_told_of_is_said_and_not_called_late(site: Any) -> None:
    site.register("activities", HEAD, "access,report,2026-01-31,2026-01-31")
    access, energy = site.figures("Q04", start=YEAR[0], end=YEAR[1])
    assert access.value == 0
    assert (energy.dims["due"], energy.value, energy.status) == ("2026-05-15", None, "unknown")
    assert "no report on energy of the data centre" in energy.note


def test_a_small_data_centre_owes_no_report_on_energy(site: Any) -> None:
    site.register("activities", HEAD, "access,report,2026-01-31,2026-01-31")
    site.profile('[data_centre]\nrated_it_power = "400 kW"\n')
    assert len(site.figures("Q04", start=YEAR[0], end=YEAR[1])) == 1


def test_a_last_day_belongs_to_the_period_in_which_it_is_over(site: Any) -> None:
    site.register("activities", HEAD, "access,report,2026-01-31,2026-01-31")
    february = datetime(2026, 2, 1, tzinfo=UTC)
    (january,) = site.figures("Q04", start=YEAR[0], end=february)
    (rest,) = site.figures("Q04", start=february, end=datetime(2026, 5, 1, tzinfo=UTC))
    assert (january.value, rest.value) == (0, None)


def test_a_date_is_a_date_in_whatever_zone_it_was_imported(site: Any) -> None:
    site.profile("", zone="Europe/Helsinki")
    site.register("activities", HEAD, "access,report,2026-01-31,2026-01-31")
    end = datetime(2026, 1, 31, 22, tzinfo=UTC)  # the first of February in Helsinki
    (figure,) = site.figures("Q04", start=YEAR[0], end=end)
    assert (figure.value, figure.dims["due"]) == (0, "2026-01-31")
