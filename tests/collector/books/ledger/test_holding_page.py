"""The examples of docs/ledger.md, "Who held a device", booked again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_collector.ledger.books import Books

MINUTE = 60
HOUR = 3600
PAGE = Path(__file__).parents[4] / "docs/ledger.md"


@pytest.fixture(scope="module")
def page() -> str:
    """The section in one line, without the marks of its quotes."""
    text = PAGE.read_text()
    section = text[text.index("## Who held a device") : text.index("## Energy")]
    return re.sub(r"\s+", " ", section.replace("\n> ", " "))


@pytest.fixture
def node(telemetry: Any) -> Any:
    """A device that is at work for an hour, whoever has it."""
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=0.9)
    return telemetry


def held(books: Books, start_ms: int, of: str = "job") -> dict[str | None, float]:
    """Minutes of an hour by the job that had the device, or by another column."""
    entries = books.read("device", start_ms, start_ms + HOUR * 1000).drop_nulls("job")
    sums = entries.group_by(of).agg(pl.col("duration_ms").sum() / 60_000)
    return dict(sums.iter_rows())


def test_two_claims_of_one_method(page: str, node: Any, start_ms: int) -> None:
    node.assign("A", 0, 30 * MINUTE, method="slurm")
    node.assign("B", 20 * MINUTE, 45 * MINUTE, method="slurm")
    told = held(node.book(HOUR), start_ms)
    assert set(told) == {"A", "B"}
    assert f"A held it for {told['A']:g} min, B for {told['B']:g} min." in page


@pytest.mark.parametrize(
    ("closed", "says"),
    [(33, "closes its record at minute 33: it held"), (40, "closed at minute 40 was forgotten,")],
)
def test_the_end_by_accounting(page: str, node: Any, start_ms: int, closed: int, says: str) -> None:
    node.account("j", 0, 30 * MINUTE, said_s=HOUR)
    node.assign("j", 0, closed * MINUTE, method="prolog")
    told = held(node.book(HOUR), start_ms)
    assert re.search(rf"{says}[^.]* the device for {told['j']:g} min\.", page)


def test_missed_epilogs(page: str, telemetry: Any, start_ms: int) -> None:
    telemetry.device()
    telemetry.samples(last_s=MINUTE, sm_active_ratio=0.9)  # and then the agent is silent
    telemetry.assign("A", 0, None, method="prolog")
    telemetry.account("A", 0, 50 * MINUTE, said_s=HOUR)
    told = held(telemetry.book(HOUR), start_ms)
    assert f"ended at minute 50: it held the device for {told['A']:g} min." in page


def test_a_missed_epilog_is_made_good_by_the_next_record(
    page: str, node: Any, start_ms: int
) -> None:
    node.assign("A", 0, None, method="prolog")
    node.account("A", 0, 50 * MINUTE, said_s=HOUR)
    node.assign("B", 20 * MINUTE, HOUR, method="prolog")
    told = held(node.book(HOUR), start_ms)
    assert f"B has it since minute 20: A held it for {told['A']:g} min." in page


def test_a_process_nobody_sees_again(page: str, node: Any, start_ms: int) -> None:
    node.assign("A", 0, None, method="process")
    node.account("A", 0, 50 * MINUTE, said_s=HOUR)
    told = held(node.book(HOUR), start_ms)
    assert f"nobody but a process said that A has it: {told['A']:g} min." in page


@pytest.mark.parametrize(
    ("prolog_s", "says"), [(20, "from 20 to 1800: it held it for"), (40, "from second 0:")]
)
def test_one_job_by_several_methods(
    page: str, node: Any, start_ms: int, prolog_s: int, says: str
) -> None:
    node.assign("j", 0, 1920, method="slurm")
    node.assign("j", prolog_s, 1800, method="prolog")
    told = held(node.book(HOUR), start_ms)
    assert f"{says} {told['j'] * MINUTE:.0f} s." in page


def test_a_process_that_is_gone(page: str, node: Any, start_ms: int) -> None:
    node.assign("j", 0, HOUR, method="slurm")
    node.assign("j", 0, 10 * MINUTE, method="cgroup")
    told = held(node.book(HOUR), start_ms)
    assert f"was there from 0 to 10: the job held it for {told['j']:g} min." in page


def test_which_devices(page: str, node: Any, start_ms: int) -> None:
    node.device("gpu3")
    node.samples("gpu3", last_s=HOUR, sm_active_ratio=0.9)
    node.assign("j", 0, HOUR, "gpu0", method="prolog")
    node.assign("j", 0, HOUR, "gpu3", method="slurm")
    told = held(node.book(HOUR), start_ms, "device")
    assert (
        f"it held `gpu0` for {told['gpu0']:g} min, and `gpu3` for {told.get('gpu3', 0):g} min."
        in page
    )


def test_shared_time_is_marked(page: str, telemetry: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=10, sm_active_ratio=0.9)
    telemetry.assign("A", 0, 10, share=1 / 3)
    telemetry.assign("B", 0, 10, share=1 / 2)
    books = telemetry.book(10)
    entries = books.minutes("device", books.hours()[0])
    assert entries is not None
    assert f"Of these ten seconds {entries['shared_ms'].sum()} ms are." in page


def test_shares_beyond_the_whole(page: str, telemetry: Any, start_ms: int) -> None:
    telemetry.device()
    telemetry.samples(last_s=MINUTE, sm_active_ratio=0.9)
    telemetry.assign("A", 0, MINUTE, share=0.75)
    telemetry.assign("B", 0, MINUTE, share=0.75)
    told = held(telemetry.book(MINUTE), start_ms)
    assert f"B with 0.75 held {told['A'] * MINUTE:g} s and {told['B'] * MINUTE:g} s." in page


def test_a_claim_of_the_whole_ends_those_of_parts(page: str, node: Any, start_ms: int) -> None:
    node.assign("A", 0, HOUR, share=0.5)
    node.assign("B", 20 * MINUTE, HOUR)
    told = held(node.book(HOUR), start_ms)
    assert f"A held {told['A']:g} min and B {told['B']:g} min." in page


@pytest.mark.parametrize(("active", "says"), [(0.02, "are busy;"), (0.01, "they are held.")])
def test_idle_parts(
    page: str, telemetry: Any, start_ms: int, seconds: Any, active: float, says: str
) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=active)
    telemetry.assign("A", 0, HOUR, share=0.25)
    books = telemetry.book(HOUR)
    told = seconds(books, job="A")
    (account,) = told
    assert account in says
    assert says in page
    assert f"A's {held(books, start_ms)['A']:g} min are" in page
    assert f"of that 5 % are {100 * 0.05 * 0.25:g} % of the whole" in page
