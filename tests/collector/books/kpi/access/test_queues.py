from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

PROJECTS = "project,organisation,user_category,access_mode"


def waits(site: Any, hours: list[float], *, account: str = "p", gpus: int = 8) -> None:
    for i, wait in enumerate(hours):
        site.account(
            f"{account}-{gpus}-{i}", gpus=gpus, submit=0, start=wait, end=wait + 1, account=account
        )


def test_waits_by_class_of_size_and_of_all(site: Any) -> None:
    waits(site, [float(i) for i in range(1, 21)])
    waits(site, [40.0], gpus=600)
    waits(site, [99.0], gpus=0)  # of no device
    found = site.by("U07", "size", "figure")
    assert list(found) == [
        (size, figure)
        for size in ("all", "5-8", "513-2048")
        for figure in ("median", "p95", "expansion")
    ]
    assert found["5-8", "median"].value == 10.5
    assert (found["5-8", "p95"].value, found["5-8", "p95"].n) == (19, 20)
    assert found["513-2048", "median"].value == 40
    assert found["all", "median"].value == 11
    assert found["all", "median"].unit == "h"


def test_expansion_is_weighted_by_gpu_hours_and_a_plain_factor(site: Any) -> None:
    site.account("a", submit=0, start=2, end=3)
    site.account("b", submit=0, start=2, end=12)
    figure = site.by("U07", "size", "figure")["all", "expansion"]
    assert figure.value == pytest.approx((8 * 3 + 80 * 1.2) / 88)
    assert figure.unit == "1"


def test_waits_by_access_mode_and_month(site: Any) -> None:
    site.register("projects", PROJECTS, "p,A,sme,fast_lane", "q,B,sme,playground")
    waits(site, [1.0, 3.0], account="p")
    waits(site, [5.0], account="q")
    found = site.by("U07", "access_mode", "month", "size", "figure", by=["access_mode", "month"])
    assert found["fast_lane", "2026-03", "all", "median"].value == 2
    assert found["playground", "2026-03", "all", "median"].value == 5


def test_a_period_in_which_no_job_moved_says_so(site: Any) -> None:
    waits(site, [1.0])
    figure = site.one(
        "U07", datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    )  # fmt: skip
    assert figure.value is None
    assert figure.note == "no job with devices started or ended in this period"


def test_parity_is_the_longest_median_over_the_shortest_and_names_nobody(site: Any) -> None:
    site.register(
        "projects", PROJECTS, "p,Alpha,sme,fast_lane", "q,Beta,sme,fast_lane",
        "r,Gamma,sme,fast_lane", "s,Delta,academia,regular",
    )  # fmt: skip
    waits(site, [1.0, 2, 3, 4, 5], account="p")
    waits(site, [2.0, 4, 6, 8, 10], account="q")
    waits(site, [99.0], account="r")
    waits(site, [1.0] * 5, account="s")
    found = site.by("Q05", "user_category")
    sme = found[("sme",)]
    assert (sme.value, sme.numerator, sme.denominator, sme.n) == (2, 6, 3, 2)
    assert sme.note == "1 with fewer than five jobs left out"
    alone = found[("academia",)]
    assert alone.value is None
    assert alone.note == "parity needs two organisations with at least five jobs each"
    assert "alpha" not in str([figure.to_json() for figure in found.values()]).lower()


def test_parity_against_no_wait_at_all_has_no_value(site: Any) -> None:
    site.register("projects", PROJECTS, "p,Alpha,sme,fast_lane", "q,Beta,sme,fast_lane")
    waits(site, [0.0] * 5, account="p")
    waits(site, [1.0] * 5, account="q")
    (figure,) = site.figures("Q05", ["system"])
    assert figure.value is None
    assert figure.note == "the shortest median is no wait at all, so there is no ratio"
