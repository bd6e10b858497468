from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from wattline_dashboards import exports
from wattline_dashboards.answers import Answer
from wattline_dashboards.markup import drawing
from wattline_dashboards.pages import alerts

HELSINKI = ZoneInfo("Europe/Helsinki")
NOW_MS = 1_793_620_800_000
MINUTE = 60_000

Json = dict[str, Any]


def answer_of(**more: Any) -> Json:
    """An answer of `/v1/alerts/log`: one rule fires for two devices, one alert is over."""
    labels = {"system": "sim", "node": "n1", "device": "GPU-3"}
    told: Json = {
        "time_unix_ms": NOW_MS, "judged_ms": NOW_MS - 4_000, "rules": 45,
        "notifiers": [{"name": "webhook", "sent": 7, "failed": 1}],
        "counts": {"critical": 2, "warning": 0, "info": 0}, "open_left_out": 0,
        "open": [
            {"rule": "hot", "severity": "critical", "about": "device", "figure": "how hot it is",
             "fires": "> 85 °C", "for_seconds": 300, "meaning": "It is too hot.",
             "check": "Its fans.", "action": "Drain the node.", "prometheus": "Hot", "firing": 2,
             "pending": 0, "muted": 0, "muted_by": [], "since_ms": NOW_MS - 10 * MINUTE,
             "left_out": 1,
             "subjects": [{"labels": labels, "title": "GPU-3 on n1 is at 91 °C",
                           "state": "firing", "shown": "91 °C", "value": 91.0, "unit": "Cel",
                           "since_ms": NOW_MS - 10 * MINUTE, "fired_ms": NOW_MS - 5 * MINUTE}]},
        ],
        "past": [
            {"rule": "lost", "severity": "warning", "figure": "whether it answers",
             "labels": labels, "title": "=cmd|' /C calc'!A0", "shown": "0",
             "fired_ms": NOW_MS - 90 * MINUTE, "ended_ms": NOW_MS - 30 * MINUTE, "why": "unknown"},
        ],
        "past_left_out": 3,
    }  # fmt: skip
    return told | more


def parts_of(told: Json, **more: Any) -> Json:
    return drawing(alerts.render(Answer(told, 0, None), HELSINKI, **more)["parts"])


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"critical": 2, "warning": 1, "info": 0}, "2 critical alerts fire, 1 warning"),
        ({"critical": 1}, "1 critical alert fires"),
        ({"warning": 3, "info": 2}, "No critical alert fires; 3 warnings, 2 for information"),
    ],
)
def test_the_first_sentence_counts_by_urgency(counts: Json, said: str) -> None:
    assert alerts.sentence(answer_of(counts=counts)) == said


def test_nothing_fires_and_nobody_judges_are_two_things() -> None:
    assert alerts.sentence(answer_of(counts={}, open=[])) == "Nothing fires"
    pending = [{"firing": 0, "pending": 2}]
    said = "Nothing fires; 1 rule is pending"
    assert alerts.sentence(answer_of(counts={}, open=pending)) == said
    assert alerts.sentence(answer_of(judged_ms=None)) == "This collector judges no alerts"


def test_an_alert_opens_to_evidence_meaning_and_what_to_do() -> None:
    text = json.dumps(parts_of(answer_of())["alerts-open"], ensure_ascii=False)
    for said in (
        "GPU-3 on n1 is at 91 °C", "How hot it is; fires at > 85 °C, held for 5\u2009min",
        "It is too hot.", "Its fans.", "Drain the node.", "91 °C", "and 1 more of this rule",
    ):  # fmt: skip
        assert said in text
    assert '"data-key": "hot"' in text  # what a reader opened stays open


def test_moments_are_in_the_sites_zone_with_utc_beneath() -> None:
    text = json.dumps(parts_of(answer_of())["alerts-open"], ensure_ascii=False)
    assert "2 Nov 2026 13:50" in text
    assert "2 Nov 2026 11:50 UTC" in text


def test_what_ended_because_nothing_is_known_is_no_recovery() -> None:
    text = json.dumps(parts_of(answer_of())["alerts-past"], ensure_ascii=False)
    assert "not known any more" in text
    assert "60\u2009min" in text or "1\u2009h" in text
    assert "and 3 earlier ones" in text


def test_an_empty_page_says_what_to_do() -> None:
    empty = answer_of(open=[], past=[], counts={}, past_left_out=0)
    assert "see Data quality" in json.dumps(parts_of(empty)["alerts-open"])
    assert "this filter" in json.dumps(parts_of(empty, filtered=True)["alerts-open"])
    off = answer_of(open=[], past=[], counts={}, judged_ms=None)
    assert "--no-alerts" in json.dumps(parts_of(off))


def test_the_address_sets_the_filter_and_nothing_strange() -> None:
    shown = str(alerts.layout(severity="critical", node="x" * 1_000))
    assert "value='critical'" in shown
    assert "x" * 121 not in shown
    assert "evil" not in str(alerts.layout(severity="evil"))
    assert alerts.query("critical", " n1 ", "sim") == [
        ("severity", "critical"), ("node", "n1"), ("system", "sim"),
    ]  # fmt: skip
    assert alerts.query("", "", None) == []
    assert alerts.query("evil", 7, None) == []


def test_names_from_outside_are_cut_and_stay_text() -> None:
    told = answer_of()
    subject = told["open"][0]["subjects"][0]
    subject["labels"] = {"node": "<img onerror=x>" + "n" * 1_000_000}
    subject["title"] = "t" * 1_000_000
    told["past"][0]["title"] = "p" * 1_000_000
    assert len(json.dumps(parts_of(told))) < 20_000


def test_the_file_holds_no_formula() -> None:
    sheet = alerts.sheet(Answer(answer_of(), 0, None))
    assert sheet is not None
    text = exports.as_csv(sheet)
    assert "'=cmd" in text
    assert text.splitlines()[1].startswith("warning,lost,sim,n1,")
    assert alerts.sheet(Answer(answer_of(past=[]), 0, None)) is None


def test_while_the_collector_is_away_the_last_answer_is_greyed() -> None:
    old = alerts.render(Answer(answer_of(), 5_000, "it is away", False), HELSINKI)
    assert old["class"] == "drawn stale alerts"
    none = alerts.render(Answer(None, None, "it is away", False), HELSINKI)
    assert none["class"].endswith("waiting")
