"""What holds for every KPI of utilisation, availability, access and quality of service."""

from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.kpi import registry
from wattline_collector.kpi.figure import Status

IDS = [id for id in registry.REGISTRY if id[0] in "UAIQ"]
NEXT_STEP = {
    **dict.fromkeys(("U04", "U05", "I01", "I02", "I03", "I04", "I06", "I07"), "projects-csv"),
    **dict.fromkeys(("U08", "I08", "I09", "I10", "I11", "Q01", "Q02", "Q04"), "activities-csv"),
    **dict.fromkeys(("A01", "A02", "A03", "A05", "A08"), "outages-csv"),
    **dict.fromkeys(("U07", "A04", "A07", "Q05"), "slurm-sacct"),
    "I12": "wattline profile template",
}


def test_all_of_the_dictionary_are_declared_in_order() -> None:
    wanted = [f"{group}{n:02}" for group, count in (("U", 9), ("A", 8), ("I", 12), ("Q", 5))
              for n in range(1, count + 1)]  # fmt: skip
    assert sorted(IDS) == sorted(wanted)
    for group in "UAIQ":
        mine = [id for id in IDS if id[0] == group]
        assert mine == sorted(mine)


@pytest.mark.parametrize("id", sorted(NEXT_STEP))
def test_what_is_not_there_is_named_with_the_next_step(site: Any, id: str) -> None:
    site.install(4)
    figure = site.one(id)
    assert (figure.value, figure.numerator, figure.status) == (None, None, Status.UNKNOWN)
    assert NEXT_STEP[id] in figure.note


@pytest.mark.parametrize("id", IDS)
def test_every_split_that_is_promised_is_kept(site: Any, id: str) -> None:
    site.install(8)
    site.profile(
        '[system.s]\nname = "S"\n[system.s.entitlement]\nunion_share = 0.5\n'
        '[sla.A01]\ndirection = "up"\nthreshold = 90\n'
        "[finance.2026]\noperating_euro = 1\n[calendar.c]\nholidays = [2026-01-01]\n"
        '[data_centre]\nwan_link = "1 Gbit/s"\n'
    )
    site.register(
        "projects",
        "project,share,access_mode,user_category,organisation,submitted,access,gpu_hours_granted,"
        "valid_from,valid_until",
        "p,union,fast_lane,sme,A,2026-03-02,2026-03-04,10,2026-03-01,2026-04-30",
    )
    site.register("outages", "scope,start,end,scheduled", "system,2026-03-02,2026-03-03,no")
    site.register(
        "activities",
        "id,kind,start,participants,days,submitted,awarded,gpu_hours_requested,gpu_hours_offered,"
        "count,in_target,gigabytes,hours,counterpart",
        "a,training,2026-03-02,3,2,,,,,,,,,",
        "b,call,2026-03-02,,,2,1,5,4,,,,,",
        "c,support,2026-03-02,,,,,,,5,4,,,",
        "d,data_transfer,2026-03-02,,,,,,,,,5,1,",
        "e,model,2026-03-02,,,,,,,,,,,",
        "f,asset_shared,2026-03-02,,,,,,,,,,,X",
    )
    for i in range(5):
        site.hold("d0", f"{i}", "busy", 10 * i, 10 * i + 5)
        site.account(f"{i}", gpus=1, submit=0, start=10 * i, end=10 * i + 5, account="p", user="u",
                     state="node_fail" if i == 2 else "completed")  # fmt: skip
    kpi = registry.find(id)
    for dimension in kpi.by:
        found = site.figures(id, [dimension])
        assert found
        for figure in found:
            assert figure.dims.keys() == {dimension, *kpi.parts}
            assert figure.coverage is None or 0 <= figure.coverage <= 1 + 1e-9
        identities = [tuple(sorted(figure.dims.items())) for figure in found]
        assert len(set(identities)) == len(identities)
    whole = site.figures(id)
    if id not in ("Q03", "Q04", "Q05", "U02"):
        assert any(figure.value is not None for figure in whole)
