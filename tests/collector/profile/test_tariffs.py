from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.tariffs import euro_per_kwh, tariff_on

TARIFFS = """
[tariff.old]
until = 2026-06-30
euro_per_kwh = 0.20
[tariff.new]
since = 2026-07-01
euro_per_kwh = 0.15
[tariff.new.window.night]
euro_per_kwh = 0.08
begins = 22:00:00
ends = "06:00"
days = ["mon", "tue", "wed", "thu", "fri"]
[tariff.new.window.holiday]
euro_per_kwh = 0.05
begins = "00:00"
ends = "00:00"
days = ["holiday"]
[calendar.site]
holidays = [2026-12-25]
"""


@pytest.mark.parametrize(
    ("when", "price"),
    [
        ("2026-06-30T20:59", 0.20),  # Helsinki is three hours ahead in summer
        ("2026-06-30T21:00", 0.08),  # 1 July there, in the night that began on Tuesday
        ("2026-07-01T19:00", 0.08),
        ("2026-07-01T18:59", 0.15),
        ("2026-07-02T02:59", 0.08),
        ("2026-07-02T03:00", 0.15),
        ("2026-07-03T19:00", 0.08),  # Friday's night
        ("2026-07-04T02:00", 0.08),  # goes on into Saturday
        ("2026-07-04T19:00", 0.15),  # Saturday has none
        ("2026-12-25T12:00", 0.05),
        ("2026-12-25T20:30", 0.05),  # a Friday that is a holiday has no Friday's night
    ],
)
def test_energy_costs_what_its_hour_says(
    profile: Callable[[str], FactoryProfile], when: str, price: float
) -> None:
    moment = datetime.fromisoformat(when).replace(tzinfo=UTC)
    assert euro_per_kwh(profile(TARIFFS), moment) == price


def test_outside_all_tariffs_there_is_no_price(profile: Callable[..., FactoryProfile]) -> None:
    found = profile("[tariff.a]\nsince=2026-01-01\nuntil=2026-12-31\neuro_per_kwh=0.1\n")
    assert tariff_on(found, date(2025, 12, 31)) is None
    assert tariff_on(found, date(2027, 1, 1)) is None
    assert euro_per_kwh(found, datetime(2027, 6, 1, tzinfo=UTC)) is None
    assert euro_per_kwh(profile(), datetime(2027, 6, 1, tzinfo=UTC)) is None
