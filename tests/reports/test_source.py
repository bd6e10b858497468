from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from wattline_agents.errors import InputError
from wattline_reports import source
from wattline_reports.document import Report
from wattline_reports.render import machine

Overview = dict[str, Any]
Make = Callable[[Overview], Report]


def test_every_figure_is_read_as_it_stands(overview: Overview) -> None:
    read = source.read(overview)
    for given in overview["figures"]:
        assert read.figures[given["id"]].to_json() == given


def test_the_code_changes_with_any_figure(overview: Overview, make_review: Make) -> None:
    before = make_review(overview).code
    overview["accounts"][2]["device_hours"] += 1e-9
    assert make_review(overview).code != before


def drop(key: str) -> Callable[[Overview], object]:
    return lambda overview: overview.pop(key)


def put(*path: Any) -> Callable[[Overview], object]:
    *way, last, value = path

    def change(overview: Overview) -> None:
        place: Any = overview
        for step in way:
            place = place[step]
        place[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("audit"), "overview: audit: missing"),
        (put("devices", "many"), "overview: devices: not a number"),
        (put("devices", True), "overview: devices: not a number"),
        (put("devices", 2.5), "overview: devices: 2.5 is not a whole number"),
        (put("nodes", -1), "overview: nodes: -1 is under zero"),
        (put("audit", "balanced", 1), "overview: audit.balanced: neither true nor false"),
        (put("figures", 3, "value", "7"), r"overview: figures\[3\].value: not a number"),
        (put("figures", 0, "coverage", 1.2), r"overview: figures\[0\].coverage: 1.2 is over 1"),
        (put("figures", 0, "status", "fine"), r"figures\[0\].status: 'fine' is not one of"),
        (put("figures", 0, "dims", []), r"overview: figures\[0\].dims: not an object"),
        (put("accounts", []), "overview: accounts: not the nine accounts in their order"),
        (put("accounts", 0, "account", "busier"), r"accounts\[0\].account: 'busier' is no account"),
        (put("waterfall", 2, "step", "given"), "overview: waterfall: not the steps installed"),
        (put("days", 0, "day", "today"), r"days\[0\].day: 'today' is not a day"),
        (put("days", 0, "device_hours", "idle", 1), r"device_hours.idle: 'idle' is no account"),
        (put("jobs", "none"), "overview: jobs: not a list"),
        (put("jobs", 0, "start", "2026-11-01T00:00:00"), r"jobs\[0\].start: .* has no time zone"),
        (put("period", "to", "2026-10-01T00:00:00Z"), "period.to: not after `from`"),
        (put("notes", 0, None), r"overview: notes\[0\]: not a text"),
        (put("coverage", 0, 5), r"overview: coverage\[0\]: not an object"),
        (put("jobs", 0, "tokens", float("nan")), "not a finite number"),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_its_field(
    overview: Overview, change: Callable[[Overview], object], message: str
) -> None:
    change(overview)
    with pytest.raises(InputError, match=message):
        source.read(overview)


def test_a_name_that_is_half_a_surrogate_pair_does_not_end_the_run(
    overview: Overview, make_review: Make
) -> None:
    overview["systems"] = ["broken\ud83d"]
    assert b"\\ud83d" in machine.render(make_review(overview))
    source.read(overview)


def test_accounts_that_miss_a_second_do_not_agree(overview: Overview) -> None:
    assert source.read(overview).accounts_agree
    overview["accounts"][0]["device_hours"] += 1 / 3600
    assert not source.read(overview).accounts_agree


def test_last_bits_of_sums_do_not_change_the_settled_overview(overview: Overview) -> None:
    before = source.settled(overview)
    overview["energy"][0]["energy_joules"] *= 1 + 3e-16
    overview["figures"][9]["value"] = math.nextafter(overview["figures"][9]["value"], 0)
    assert source.settled(overview) == before


def test_settling_keeps_every_hour_and_every_count(overview: Overview) -> None:
    settled: Any = source.settled(overview)
    assert settled["accounts"][0]["device_hours"] == overview["accounts"][0]["device_hours"]
    assert settled["days"][0]["device_hours"] == overview["days"][0]["device_hours"]
    assert settled["days"][0]["tokens_trained"] == overview["days"][0]["tokens_trained"]
    assert source.read(settled).accounts_agree
