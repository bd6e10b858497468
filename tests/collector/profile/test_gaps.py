from collections.abc import Callable

import pytest

from wattline_collector.profile.gaps import gaps
from wattline_collector.profile.schema import FactoryProfile

Maker = Callable[..., FactoryProfile]


def test_a_bare_profile_lacks_what_the_audit_of_access_time_needs(profile: Maker) -> None:
    found = gaps(profile())
    assert found["hosting-audit"] == [
        "host",
        "system.NAME.kind",
        "system.NAME.in_service",
        "system.NAME.entitlement.gpu_hours_per_year",
        "system.NAME.entitlement.union_share",
        "system.NAME.entitlement.national",
    ]


def test_ids_come_in_the_order_of_the_dictionary_and_reports_last(profile: Maker) -> None:
    found = list(gaps(profile()))
    assert found.index("E01") < found.index("U04") < found.index("S01") < found.index("I04")
    assert found[-1] in ("eed", "challenge")


def test_what_one_of_two_systems_lacks_is_named_by_that_system(profile: Maker) -> None:
    found = gaps(
        profile(
            "[system.a]\nname='A'\n[system.a.entitlement]\ngpu_hours_per_year=1\nunion_share=0.1\n"
            "[system.b]\nname='B'\n[system.b.entitlement]\nunion_share=0.1\n"
        )
    )
    assert found["U04"] == ["system.b.entitlement.gpu_hours_per_year"]


def test_peaks_of_a_model_that_is_known_need_not_be_told(profile: Maker) -> None:
    device = "[system.a]\nname='A'\n[system.a.device.x]\ncount=1\nmodel='{}'\n"
    assert "E01" not in gaps(profile(device.format("NVIDIA H200")))
    assert gaps(profile(device.format("Unheard-of 1")))["E01"] == ["system.a.device.x.peaks"]


@pytest.mark.parametrize("meters", [(), ("E_DC",), ("E_IT",), ("E_DC", "E_IT")])
def test_pue_needs_both_its_meters(profile: Maker, meters: tuple[str, ...]) -> None:
    text = "".join(f"[meter.{code}]\nquantity='energy'\need='{code}'\n" for code in meters)
    missing = gaps(profile(text)).get("S03", [])
    expected = [f'meter.NAME with eed = "{c}"' for c in ("E_DC", "E_IT") if c not in meters]
    assert missing == expected


def test_a_contract_speaks_for_renewables_as_a_meter_does(profile: Maker) -> None:
    contract = (
        "[contract.c]\nkind='purchase_agreement'\nsince=2026-01-01\ngrams_co2e_per_kwh=0\n"
        "is_renewable=true\nis_retired=true\n"
    )
    assert gaps(profile(contract))["S06"] == ['meter.NAME with eed = "E_DC"']


@pytest.mark.parametrize(("power", "is_obliged"), [("499 kW", False), ("500 kW", True)])
def test_a_site_under_500_kw_owes_no_energy_report(
    profile: Maker, power: str, is_obliged: bool
) -> None:
    found = gaps(profile(f"[data_centre]\nrated_it_power='{power}'\n"))
    assert ("eed" in found) is is_obliged
    assert ("S07" in found) is is_obliged


def test_a_service_level_for_one_system_is_one(profile: Maker) -> None:
    assert "A08" in gaps(profile())
    level = "direction='up'\nthreshold=90\n"
    assert "A08" not in gaps(profile(f"[sla.A02]\n{level}"))
    assert "A08" not in gaps(profile(f"[system.a]\nname='A'\n[system.a.sla.A01]\n{level}"))


def test_a_calendar_without_holidays_does_not_serve_the_clocks(profile: Maker) -> None:
    assert gaps(profile())["I07"] == ["calendar.NAME.holidays"]
    assert gaps(profile("[calendar.x]\n"))["I07"] == ["calendar.x.holidays"]
    assert "I07" not in gaps(profile("[calendar.x]\nholidays=[2026-01-01]\n"))


def test_an_upgraded_system_need_not_tell_what_only_new_ones_are_paid(profile: Maker) -> None:
    told = "[finance.2026]\noperating_euro=1\n[tariff.t]\neuro_per_kwh=0.1\n"
    assert gaps(profile("track=3\n" + told))["I12"] == [
        "finance.2026.operating_eligible_euro",
        "finance.2026.operating_union_euro",
    ]
    assert "I12" not in gaps(profile("track=2\n" + told))


def test_no_refrigerants_is_an_answer(profile: Maker) -> None:
    said = gaps(profile("[data_centre]\nrefrigerants=[]\n"))["eed"]
    assert "data_centre.refrigerants" not in said
    assert "data_centre.refrigerants" in gaps(profile("[data_centre]\n"))["eed"]


def test_without_contracts_none_need_be_retired(profile: Maker) -> None:
    assert "contract.NAME.is_retired" not in gaps(profile())["S08"]
    contract = (
        "[contract.c]\nkind='supplier'\nsince=2026-01-01\ngrams_co2e_per_kwh=0\nis_renewable=true\n"
    )
    assert "contract.c.is_retired" in gaps(profile(contract))["S08"]
