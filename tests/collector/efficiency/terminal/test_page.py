from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wattline_collector.advice.evaluate import Advice, advise
from wattline_collector.advice.read import shipped
from wattline_collector.efficiency import evidence as known
from wattline_collector.efficiency.compute import report
from wattline_collector.efficiency.report import JobReport
from wattline_collector.efficiency.site import Site
from wattline_collector.efficiency.terminal.ink import Ink
from wattline_collector.efficiency.terminal.page import page
from wattline_collector.efficiency.words import columns
from wattline_collector.palette import THIN_SPACE

Told = Callable[..., Any]
MINUTE = 60_000
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def lines(found: JobReport, ink: Ink, advice: Advice | None = None) -> list[str]:
    return page(found, advise(found, shipped().rules) if advice is None else advice, ink)


@pytest.fixture
def found(told: Told) -> JobReport:
    """Six devices over four hours, of which one does nothing, and one stops in the middle."""
    job = told(minutes=240, devices=6)
    rows = [
        job.device_minute(
            d, m, "held" if d == 2 or (d == 4 and m >= 120) else "slowed" if m % 3 else "busy",
            sm_active_ms=0.0 if d == 2 or (d == 4 and m >= 120) else 42_000.0,
        )
        for d in range(6)
        for m in range(240)
    ]  # fmt: skip
    made = job.made_frame(
        job.made_minute(m, tokens_trained=600_000, steps=2, phase_step_ms=50_000.0)
        for m in range(240)
    )
    evidence = job.evidence(
        device=job.device_frame(rows),
        made=made,
        model={"parameters": 8_000_000_000, "model": "example-8b"},
        accounting={"job_id": "12_3", "gpus": 6, "nodes": 2, "cpus": 96, "account": "proj",
                    "time_limit_seconds": 86_400.0, "memory_bytes": 10**12, "partition": "gpu"},
        methods=job.frame(known.METHODS, {"method": "prolog", "seconds": 86_400.0}),
    )  # fmt: skip
    return report(evidence, Site(euro_per_kwh=0.2))


@pytest.mark.parametrize("width", [40, 59, 60, 80, 100, 120, 200, 10_000])
@pytest.mark.parametrize("unicode", [True, False])
def test_no_line_is_wider_than_the_terminal(found: JobReport, width: int, unicode: bool) -> None:
    ink = replace(Ink.of(_Out(), width, {}), unicode=unicode)
    for line in lines(found, ink):
        assert columns(line) <= min(max(width, 40), 200), line


def test_the_page_opens_with_the_answer_and_ends_with_what_to_do(found: JobReport) -> None:
    text = lines(found, Ink(width=100))
    assert text[0].startswith("Job 12_3  train") and text[0].endswith("completed")
    assert "anna · project proj · system test" in text[1]
    answer = next(line for line in text if line.startswith("Its "))
    assert answer.startswith("Its 6 GPUs worked for 75.0 % of the time they were held; it made")
    heads = [line for line in text if line and not line.startswith(" ")]
    assert [head.split("  ")[0] for head in heads[heads.index("What it made") :]] == [
        "What it made", "Where the GPU time went", "How hard it worked", "Energy", "Over time",
        "How this is known", "Findings", "What to do",
    ]  # fmt: skip


def test_an_idle_device_and_one_that_stops_are_seen_in_the_strips(found: JobReport) -> None:
    text = lines(found, Ink(width=100))
    strips = {
        name: line for name in ("n0 gpu2", "n1 gpu0", "n0 gpu0") for line in text if name in line
    }
    assert set(strips["n0 gpu2"].split()[2]) == {"▁"}
    assert "▁" not in strips["n0 gpu0"]
    stops = strips["n1 gpu0"].split()[2]
    assert stops.index("▁") == pytest.approx(len(stops) / 2, abs=1)
    assert set(stops[len(stops) // 2 + 1 :]) == {"▁"}
    assert "1 of its 6 GPUs did nothing" in "\n".join(text)


def test_a_wide_terminal_shows_power_beside_activity(found: JobReport) -> None:
    narrow, wide = (lines(found, Ink(width=width)) for width in (100, 160))
    line = next(one for one in narrow if "n0 gpu0" in one)
    assert len(line.split()) + 1 == len(next(one for one in wide if "n0 gpu0" in one).split())


def test_colours_only_where_they_are_wanted(found: JobReport) -> None:
    plain = "\n".join(lines(found, Ink(width=100)))
    assert "\x1b" not in plain
    for true_colour, start in ((True, "\x1b[38;2;"), (False, "\x1b[38;5;")):
        coloured = "\n".join(lines(found, Ink(100, colour=True, true_colour=true_colour)))
        assert start in coloured
        assert _COLOUR.sub("", coloured) == plain


@pytest.mark.parametrize(
    ("terminal", "environment", "colour"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
        (False, {"COLORTERM": "truecolor"}, False),
    ],
)
def test_a_pipe_gets_no_colours(terminal: bool, environment: dict[str, str], colour: bool) -> None:
    assert Ink.of(_Out(terminal), 80, environment).colour is colour


@pytest.mark.parametrize(
    ("encoding", "unicode"),
    [("utf-8", True), ("UTF8", True), ("ascii", False), ("latin-1", False), (None, False)],
)
def test_a_stream_without_unicode_gets_ascii(
    found: JobReport, encoding: str | None, unicode: bool
) -> None:
    ink = Ink.of(_Out(encoding=encoding), 100, {})
    assert ink.unicode is unicode
    text = "\n".join(lines(found, ink))
    assert text.isascii() is not unicode
    strip = next(line for line in lines(found, ink) if "n0 gpu2" in line).split()[2]
    assert set(strip) == {"▁" if unicode else "_"}


HOSTILE = (
    "\x1b[2J\x1b]0;title\x07", "a\nb\r\nc\tx", "\u202eevil", "<script>alert(1)</script>",
    "'; drop table jobs; --", "../../etc/passwd", "{held} {0.__class__}", "x" * 1_000_000,
    "%s %n", "日本語" * 200, "\x00\x7f\x9b31m", "a" + "\u0301" * 1000,
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_hostile_name_changes_only_its_own_display(
    found: JobReport, name: str, width: int
) -> None:
    advice = advise(found, shipped().rules)
    hostile = replace(
        found,
        identity=replace(
            found.identity, name=name, user=name, project=name, project_title=name, job_id=name,
            reason=name, partition=name, model=name, kind=name, state=name, exit=name,
            models={name: 6}, attempts=((found.identity.job, name), (name, None)),
        ),
        devices=tuple(replace(row, node=name, model=name) for row in found.devices),
    )  # fmt: skip
    text = lines(hostile, Ink(width=width), advice)
    assert not any(unicodedata.category(char)[0] == "C" for line in text for char in line)
    assert max(map(columns, text)) <= width
    assert sum(map(len, text)) < 40_000
    plain = lines(found, Ink(width=width), advice)
    at = plain.index("Findings")
    assert text[text.index("Findings") :] == plain[at:]


def test_at_most_five_findings_are_told(found: JobReport) -> None:
    one = advise(found, shipped().rules).findings[0]
    many = Advice(tuple(replace(one, title=f"finding {i}") for i in range(8)))
    text = "\n".join(lines(found, Ink(width=80), many))
    assert "finding 4" in text and "finding 5" not in text
    assert "and 3 more; --json has all" in text


def test_what_could_not_be_judged_is_said(told: Told) -> None:
    job = told(minutes=240)
    unmeasured = {"account": "unmeasured", "measured_ms": 0, "busy_measured_ms": 0,
                  "sm_active_ms": None, "busy_ms": None}  # fmt: skip
    rows = [
        job.device_minute(d, m, **({"account": "held"} if m < 60 else unmeasured))
        for d in range(2)
        for m in range(240)
    ]  # fmt: skip
    text = " ".join(
        " ".join(lines(report(job.evidence(device=job.device_frame(rows))), Ink(width=100))).split()
    )
    assert "Not judged: held idle is known for 25.0 % of the time, and 90.0 % is needed" in text
    assert "did nothing" not in text and "stood idle" not in text


def test_many_devices_are_shown_by_those_that_differ(told: Told) -> None:
    job = told(devices=64)
    rows = [
        job.device_minute(d, m, sm_active_ms=6_000.0 if d == 37 else 45_000.0)
        for d in range(64)
        for m in range(60)
    ]
    text = lines(report(job.evidence(device=job.device_frame(rows))), Ink(width=100))
    assert any("n9 gpu1" in line and "10.0 %" in line for line in text)
    assert sum(" gpu" in line for line in text) == 16
    assert any("48 more devices, all between 10.0 % and 75.0 % active" in line for line in text)


@pytest.mark.parametrize(
    ("accounting", "answer"),
    [
        ({"gpus": 8}, "Its 8 GPUs were held for 1 h; nobody measured what they did."),
        ({"gpus": 1}, "Its GPU was held for 1 h; nobody measured what it did."),
        ({"gpus": 0, "cpus": 64}, "It ran for 1 h without GPUs."),
    ],
)
def test_a_job_of_which_little_is_known_has_an_answer_too(
    told: Told, accounting: dict[str, Any], answer: str
) -> None:
    job = told()
    nothing = {"device": job.device_frame([]), "devices": job.inventory().clear()}
    text = lines(report(job.evidence(accounting=accounting, **nothing)), Ink(width=100))
    assert answer in text


def test_a_job_that_waits_is_one_short_page(told: Told) -> None:
    job = told(minutes=0)
    evidence = job.evidence(
        about={}, device=job.device_frame([]), accounting={"state": "pending", "reason": "Priority"}
    )
    text = lines(report(evidence), Ink(width=80))
    assert "It has not started." in text
    assert "reason Priority" in text


def test_a_running_job_says_how_old_its_data_is(told: Told) -> None:
    job = told()
    evidence = job.evidence()
    about = dict(evidence.about) | {"state": "running", "end_ms": None}
    running = report(replace(evidence, about=about, now_ms=evidence.now_ms + 45_000))
    assert any("data 45 s old" in line for line in lines(running, Ink(width=100)))
    done = lines(report(evidence), Ink(width=100))
    assert not any(" old" in line for line in done)


def test_latencies_are_told_by_bucket(told: Told) -> None:
    job = told()
    rows = [
        {"kind": "first_token", "le_seconds": le, "count": count, "seconds": seconds}
        for le, count, seconds in ((1.0, 50, None), (30.0, 95, None), (None, 100, 400.0))
    ]
    text = lines(report(job.evidence(buckets=job.frame(known.BUCKETS, *rows))), Ink(width=100))
    line = next(one for one in text if "first token" in one)
    assert "p99 > 30 s" in line and "mean 4.00 s" in line and "of 100" in line


class _Out:
    """A stream that says what it is."""

    def __init__(self, terminal: bool = False, encoding: str | None = "utf-8") -> None:
        self.encoding = encoding
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("active", "kernels", "text"),
    [
        (0.0, 0.0, "Its 2 GPUs were held for 5 min and did next to nothing: 0 % active"),
        (0.03, 0.9, "Its 2 GPUs were held for 5 min and did next to nothing: 3.00 % active"),
        (0.3, 0.5, "Its 2 GPUs ran something for 50.0 % of the time they were held"),
        (0.3, 0.97, "Its 2 GPUs worked for 100 % of the time they were held"),
    ],
)
def test_the_answer_never_says_more_than_was_measured(
    told: Told, active: float, kernels: float, text: str
) -> None:
    job = told(minutes=5)
    rows = [
        job.device_minute(d, m, sm_active_ms=active * MINUTE, busy_ms=kernels * MINUTE)
        for d in range(2)
        for m in range(5)
    ]
    page = lines(report(job.evidence(device=job.device_frame(rows))), Ink(width=120))
    assert any(line.replace(THIN_SPACE, " ").startswith(text) for line in page)


def test_a_scheduler_that_counts_whole_seconds_says_no_milliseconds(
    told: Told, start_ms: int
) -> None:
    job = told(minutes=0)
    found = report(
        job.evidence(
            device=job.device_frame([]),
            about={"start_ms": start_ms, "end_ms": start_ms, "state": "failed"},
            accounting={"submit_ms": start_ms, "gpus": 0, "job_id": "1"},
        )
    )
    text = "\n".join(lines(found, Ink(width=120))).replace(THIN_SPACE, " ")
    assert "waited under 1 s" in text
    assert "ran under 1 s" in text
    assert " ms" not in text
