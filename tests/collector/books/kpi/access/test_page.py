"""The worked example of docs/access.md, computed again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from wattline_collector.kpi.buckets import years

DAY = {"end": datetime(2026, 3, 2, tzinfo=UTC)}
PROFILE = '[system.s]\nname = "S"\n[system.s.entitlement]\nunion_share = 0.5\n'


@pytest.fixture(scope="module")
def page() -> str:
    return " ".join((Path(__file__).parents[5] / "docs/access.md").read_text().split())


@pytest.fixture
def example(site: Any) -> Any:
    """Its day is the first of March, and its grants are of thirty days."""
    site.install(4)
    site.profile(PROFILE)
    site.register(
        "projects",
        "project,account,access_mode,state,partner_states,share,gpu_hours_granted,valid_from,valid_until",
        "EHPC-AIF-2026FL01-445,fl,,SI,AT IT,union,1500,2026-03-01,2026-03-30",
        "com-1,com-1,commercial,DE,,commercial,300,2026-03-01,2026-03-30",
        "nat-7,nat-7,national,FI,,national,600,2026-03-01,2026-03-30",
    )
    for job, device, first, last, account in (
        ("1", "d0", 0, 20, "fl"), ("2", "d1", 0, 10, "com-1"), ("3", "d2", 6, 24, "nat-7"),
        ("4", "d3", 0, 4, "stranger"), ("5", "d1", 12, 24, "fl"),
    ):  # fmt: skip
        site.hold(device, job, "busy", first, last)
        site.account(job, gpus=1, start=first, end=last, account=account)
    for device, first, last in (("d0", 20, 24), ("d1", 10, 12), ("d2", 0, 6), ("d3", 4, 24)):
        site.hold(device, None, "free", first, last)
    return site


def test_the_example_comes_out_as_the_page_says(example: Any, page: str) -> None:
    modes = {f.dims["access_mode"]: f for f in example.figures("I01", **DAY)}
    fast, stranger = modes["fast_lane"], modes["unknown"]
    assert (fast.numerator, fast.denominator) == (pytest.approx(32), pytest.approx(50))
    assert "| I01 fast_lane | 32 / 50 | 64 % of what was granted for the day |" in page
    assert stranger.numerator == pytest.approx(4)
    assert stranger.note == "ran outside every project of the register"
    assert f"| I01 unknown | 4 | {stranger.note} |" in page
    states = {f.dims["participating_state"]: f for f in example.figures("I03", **DAY)}
    assert states["SI"].numerator == pytest.approx(9.6)
    assert states["AT"].denominator == pytest.approx(17.5)
    assert "| I03 SI | 9.6 / 15 |" in page
    assert "| I03 AT, IT | 11.2 / 17.5 each |" in page
    (used,), (sold,) = (example.figures(id, **DAY) for id in ("U04", "I04"))
    assert (used.numerator, used.denominator, used.value) == (42, 48, 87.5)
    assert "| U04 | 42 / 48 | 87.5 %" in page
    assert sold.value == pytest.approx(20.8, abs=0.05)
    assert sold.note.startswith("over the 20% allowed")
    assert "| I04 | 10 / 48 | 20.8 %: over the 20 % allowed |" in page


def test_the_unions_march_is_what_the_page_says(page: str) -> None:
    begin, end = (round(datetime(2026, m, 1, tzinfo=UTC).timestamp() * 1000) for m in (3, 4))
    assert f"{8_000_000 * years(begin, end, 'UTC'):,.0f} in March of a year of 365 days" in page
