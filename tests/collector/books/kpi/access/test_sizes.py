from __future__ import annotations

from typing import Any

import pytest


def test_capability_usage_is_the_hours_of_jobs_of_a_fifth_of_the_devices(site: Any) -> None:
    site.install(10)
    site.account("large", gpus=2, start=0, end=30)
    site.account("small", gpus=1, start=0, end=40)
    figure = site.one("U06")
    assert (figure.numerator, figure.denominator, figure.n) == (60, 100, 2)
    assert figure.value == 60


def test_what_makes_a_capability_job_is_the_profiles_to_say(site: Any) -> None:
    site.install(10)
    site.account("large", gpus=2, start=0, end=30)
    site.profile('[system.s]\nname = "S"\ncapability_share = 0.5\n')
    assert site.one("U06").value == 0


def test_a_job_nobody_accounts_for_is_as_large_as_what_it_was_seen_to_hold(site: Any) -> None:
    site.install(10)
    for device in ("d0", "d1", "d2"):
        site.hold(device, "1", "busy", 0, 2)
    site.hold("d3", "2", "busy", 0, 4)
    figure = site.one("U09")
    assert (figure.numerator, figure.denominator) == (3 * 6 + 1 * 4, 10)
    assert figure.value == pytest.approx(2.2)
    assert figure.unit == "GPUs"


def test_without_a_job_there_is_no_size(site: Any) -> None:
    site.install(10)
    assert [site.one(id).value for id in ("U06", "U09")] == [None, None]


def test_offered_is_what_was_usable_of_what_was_observed(site: Any) -> None:
    site.install(2)
    for account, hours in (("busy", 3), ("free", 4), ("down", 2), ("maintenance", 1)):
        site.hold("d0", "1" if account == "busy" else None, account, 0, hours)
    site.hold("d1", None, "unobserved", 0, 10)
    figure = site.one("U03")
    assert (figure.value, figure.numerator, figure.denominator) == (70, 7, 10)
    assert figure.coverage == 0.5
    (of_d0,) = [f for f in site.figures("U03", ["device"]) if f.dims["device"] == "d0"]
    assert (of_d0.value, of_d0.coverage) == (70, 1)
