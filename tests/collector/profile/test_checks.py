from collections.abc import Callable

import pytest

from wattline_collector.profile.parse import Read, Severity

SYSTEM = """
[system.a]
name = "A"
kind = "mid_range"
[system.a.device.h200]
model = "NVIDIA H200"
count = 8
"""
TARIFF = "[tariff.a]\nuntil = 2026-06-30\neuro_per_kwh = 0.1\n"
WINDOWS = """
[tariff.a]
euro_per_kwh = 0.1
[tariff.a.window.night]
euro_per_kwh = 0.05
begins = "22:00"
ends = "06:00"
[tariff.a.window.weekend]
euro_per_kwh = 0.04
begins = "00:00"
ends = "00:00"
days = ["sat", "sun"]
"""
FACTOR = """
[factor.x]
zone = "FI"
source = "s"
method = "production"
scope = "direct"
licence = "l"
"""
CONTRACT = '[contract.c]\nkind = "on_site"\nsince = 2026-01-01\ngrams_co2e_per_kwh = 0\n'


@pytest.mark.parametrize(
    ("more", "key", "reason"),
    [
        (SYSTEM + "[system.a.partition.p]\nnodes=2\ndevices_per_node=4\ndevice='h20'",
         "system.a.partition.p.device", "no [system.a.device.h20]; did you mean 'h200'?"),
        (SYSTEM + "[system.a.partition.p]\nnodes=2\ndevice='h200'",
         "system.a.partition.p", "has no devices_per_node"),
        (SYSTEM + "[system.a.partition.p]\nnodes=2\ndevices_per_node=4",
         "system.a.partition.p", "names no device"),
        (SYSTEM + "[system.a.rack.r]\npartition='p'", "system.a.rack.r.partition",
         "there are none"),
        (SYSTEM + "peaks = { bf16 = '989 TFLOP/s' }", "system.a.device.h200.peaks",
         "names no peak_source"),
        (SYSTEM + "peaks = { bf16 = '989 TFLOP/s' }\npeak_source='s'\n[system.b]\nname='B'\n"
         "[system.b.device.x]\nmodel='NVIDIA H200'\ncount=1\npeak_source='s'\n"
         "peaks={ bf16 = '800 TFLOP/s' }", "system.b.device.x.peaks.bf16",
         "another peak of the same model than in [system.a.device.h200]"),
        (SYSTEM + "[system.a.entitlement]\nunion_share=0.35\nhost_share=0.1\nnational={FI=0.6}",
         "system.a.entitlement", "add up to 1.05"),
        ("[system.a]\nname='A'\nin_service=2026-01-01\nuntil=2025-01-01", "system.a.until",
         "2025-01-01 is before in_service, which is 2026-01-01"),
        ("[sla.A01]\ndirection='up'\nthreshold=90\ntarget=80", "sla.A01.target",
         "80 is under threshold, which is 90"),
        ("[sla.A05]\ndirection='down'\nthreshold=4\nfull_service=5", "sla.A05.full_service",
         "5 is over threshold, which is 4"),
        ("[target.U01]\ndirection='down'\nvalue=85", "target.U01.direction",
         'more is better: write "up"'),
        ("[target.S03]\ndirection='up'\nvalue=1.2", "target.S03.direction",
         'less is better: write "down"'),
        ("[target.U01]\ndirection='up'\nvalue=0.85", "target.U01.value",
         "0.85 of a KPI in per cent: is 85 (per cent) meant?"),
        ("[target.U01]\ndirection='up'\nvalue=8500", "target.U01.value", "a share of a whole"),
        ("[target.OEE]\ndirection='up'\nvalue=85", "target.OEE.value", "is 0.85 meant?"),
        ("[target.A03]\ndirection='up'\nvalue=-1", "target.A03.value", "never under nought"),
        ("[sla.A01]\ndirection='down'\nthreshold=90", "sla.A01.direction",
         "more is better"),
        ("[sla.A01]\ndirection='up'\nthreshold=0.9\ntarget=95", "sla.A01.threshold",
         "is 90 (per cent) meant?"),
        (SYSTEM + "[system.a.sla.A01]\ndirection='up'\nthreshold=0.9", "system.a.sla.A01.threshold",
         "is 90 (per cent) meant?"),
        ("[access_mode.fast_lane]\nworking_days=4\ndays=6", "access_mode.fast_lane.days",
         "one of them"),
        ("[access_mode.fast_lane]\ncalendar='x'", "access_mode.fast_lane.calendar",
         "there is no [calendar.x]"),
        ("[access_mode.fast_lane]\ngpu_hours_least=5\ngpu_hours_most=5",
         "access_mode.fast_lane.gpu_hours_most", "is not over gpu_hours_least"),
        ("[calendar.x]\nweek=[]", "calendar.x.week", "no day on which anybody works"),
        ("[guard]\ncommercial_share=[0.18, 0.15]", "guard.commercial_share", "rising order"),
        (TARIFF + "[tariff.b]\nsince=2026-06-30", "tariff.b", "[tariff.a] does; give both ends"),
        (TARIFF + "[tariff.b]\nuntil=2026-12-31", "tariff.b", "give both ends"),
        (WINDOWS, "tariff.a.window.weekend", "[tariff.a.window.night] does"),
        (WINDOWS.replace("euro_per_kwh = 0.1\n", "", 1), "tariff.a", "no euro_per_kwh"),
        ("[finance.2026]\noperating_eligible_euro=10\noperating_union_euro=11",
         "finance.2026.operating_union_euro", "11 is more than was eligible, 10"),
        ("[measuring_device.d]\npoint='p'\nmake='m'", "measuring_device.d.point",
         "there is no [point.p]"),
        ("[meter.m]\nquantity='heat'\need='E_IT'", "meter.m.eed", "E_IT is of energy, not heat"),
        ("[meter.m]\nquantity='water'\nunit='kWh'", "meter.m.unit",
         "kWh is none of water: l, m3"),
        ("[meter.m]\nquantity='water'\nsystem='s'", "meter.m.system", "there is no [system.s]"),
        ("[meter.m]\nquantity='water'\npoint='s'", "meter.m.point", "there is no [point.s]"),
        ("[point.p]\nboundary='it_input'\n[meter.m]\nquantity='energy'\npoint='p'\n"
         "boundary='ups_output'", "meter.m.boundary", "ups_output, and its point is at it_input"),
        ("[meter.m]\nquantity='energy'\nboundary='ups_output'\ncategory=2", "meter.m.category",
         "2, and ups_output is category 1"),
        (FACTOR, "factor.x", "one of them"),
        (FACTOR + "grams_co2e_per_kwh=1\nhours_table='t'", "factor.x", "one of them"),
        (FACTOR + "grams_co2e_per_kwh=1", "factor.x.year", "missing"),
        (FACTOR + "hours_table='t'\n[carbon]\nlocation=['x']", "carbon.location",
         "[factor.x] is not one figure"),
        ("[carbon]\nresidual=['x']", "carbon.residual", "there is no [factor.x]"),
        (CONTRACT + "is_renewable=true\nshare=0.5\nenergy_per_year='1 GWh'", "contract.c.share",
         "one of them"),
    ],
)  # fmt: skip
def test_a_contradiction_is_an_error(
    read: Callable[[str], Read], more: str, key: str, reason: str
) -> None:
    found = read(more)
    told = [one.key for one in found.of(Severity.ERROR) if reason in one.reason]
    assert told == [key], [str(one) for one in found.complaints]
    assert found.profile is None


@pytest.mark.parametrize(
    ("more", "key", "reason"),
    [
        (SYSTEM + "[system.a.partition.p]\nnodes=3\ndevices_per_node=4\ndevice='h200'",
         "system.a.device.h200.count", "8, and its partitions hold 12"),
        (SYSTEM + "peaks={ bf16='1979 TFLOP/s' }\npeak_source='s'",
         "system.a.device.h200.peaks.bf16", "is it the one with sparsity?"),
        (SYSTEM + "[system.a.entitlement]\nunion_share=0.5", "system.a.entitlement.union_share",
         "over the law's cap of 0.35 for mid_range"),
        (SYSTEM + "[system.a.entitlement]\nunion_share=0.3\nnational={FI=0.5}",
         "system.a.entitlement", "0.2 is nobody's"),
        (SYSTEM + "[system.a.entitlement]\ncommercial_share_most=0.3",
         "system.a.entitlement.commercial_share_most", "over the law's cap of 0.2"),
        ("[system.a]\nname='A'\nrmax='1 PFLOP/s'", "system.a.rmax", "no rmax_source"),
        ("[calendar.x]", "calendar.x", "no holidays"),
        ("[calendar.x]\nholidays=[2026-01-01, 2028-01-01]", "calendar.x.holidays", "none of 2027"),
        ("[guard]\ncommercial_share=[0.15, 0.25]", "guard.commercial_share", "over the law's 0.2"),
        (TARIFF + "[tariff.b]\nsince=2026-08-01", "tariff.b", "no tariff holds between"),
        ("track=3\n[finance.2026]\noperating_eligible_euro=100\noperating_union_euro=51",
         "finance.2026.operating_union_euro", "51.0% of what was eligible; the ceiling is 50%"),
        ("track=2\n[finance.2026]\nadditional_operating_eligible_euro=100\n"
         "additional_operating_union_euro=36",
         "finance.2026.additional_operating_union_euro", "the ceiling is 35%"),
        ("[meter.m]\nquantity='energy'\need='E_DC'\nboundary='ups_output'", "meter.m.eed",
         "E_DC is measured at data_centre_input or site_input, not at ups_output"),
        ("[meter.m]\nquantity='energy'\need='E_IT'\ncategory=1\n"
         "[meter.n]\nquantity='energy'\need='E_IT'\ncategory=2", "meter",
         "one PUE has one category"),
        (CONTRACT + "is_renewable=true", "contract.c", "does not state all five criteria"),
    ],
)  # fmt: skip
def test_what_is_unlikely_or_beyond_the_law_is_a_warning(
    read: Callable[[str], Read], more: str, key: str, reason: str
) -> None:
    found = read(more)
    assert found.profile is not None, [str(one) for one in found.complaints]
    assert [(one.key, reason in one.reason) for one in found.complaints] == [(key, True)]


@pytest.mark.parametrize(
    "more",
    [
        SYSTEM + "[system.a.entitlement]\nunion_share=0.35\nhost_share=0.1\nnational={FI=0.55}",
        SYSTEM + "[system.a.entitlement]\nunion_share=0.1\nnational={FI=0.2,SE=0.7}",
        SYSTEM + "[system.a.partition.p]\nnodes=2\ndevices_per_node=4\ndevice='h200'",
        SYSTEM + "peaks={ bf16='989 TFLOP/s' }\npeak_source='s'",
        TARIFF + "[tariff.b]\nsince=2026-07-01",
        WINDOWS.replace('days = ["sat", "sun"]', 'days = ["holiday"]'),
        "track=3\n[finance.2026]\noperating_eligible_euro=100\noperating_union_euro=50",
        "track=3\n[ceilings]\noperating_share=0.6\n"
        "[finance.2026]\noperating_eligible_euro=100\noperating_union_euro=60",
        FACTOR + "year=2025\ngrams_co2e_per_kwh=72\n[carbon]\nlocation=['x']\nresidual=['x']",
        "[sla.A05]\ndirection='down'\nthreshold=4\ntarget=3\nfull_service=2",
        "[target.U01]\ndirection='up'\nvalue=1.5",  # modest, and possible
        "[target.E05]\ndirection='down'\nvalue=0.5",  # half a per cent of power for nothing
        "[target.I04]\ndirection='down'\nvalue=15",  # a KPI of which neither way is better
        "[target.S03]\ndirection='down'\nvalue=1.05",
    ],
)
def test_what_fits_is_not_complained_about(read: Callable[[str], Read], more: str) -> None:
    assert [str(one) for one in read(more).complaints] == []
