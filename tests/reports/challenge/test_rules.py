from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import InputError, UsageError
from wattline_reports.challenge import spec
from wattline_reports.challenge.rules import rules_of
from wattline_reports.exchange.refused import Reason


@pytest.mark.parametrize(
    ("name", "unit"),
    [("time-to-train", "1"), ("energy-to-train", "1"), ("hpl-mxp-like", "FLOP/s"),
     ("tokens-per-joule", "1")],
)  # fmt: skip
def test_a_ready_definition_is_one_that_can_be_committed_to(name: str, unit: str) -> None:
    told = spec.parse(spec.text(name), name)
    rules = rules_of(told["rules"], 10, name)
    assert rules.id == name and rules.unit == unit
    assert "MLPerf result" not in rules.title


def test_there_are_four_ready_definitions_and_no_fifth() -> None:
    assert spec.names() == ["energy-to-train", "hpl-mxp-like", "time-to-train", "tokens-per-joule"]
    with pytest.raises(UsageError, match="there are energy-to-train"):
        spec.text("../rules")


def test_work_is_nothing_counted_or_that_of_hpl() -> None:
    told = spec.parse(spec.text("hpl-mxp-like"), "x")
    rules = rules_of(told["rules"], 1, "x")
    assert rules.work_of(None, 3) == 2 / 3 * 27 + 3 / 2 * 9
    assert rules.work_of(5.0, None) is None
    told["rules"]["work"] = "counted"
    assert rules_of(told["rules"], 1, "x").work_of(5.0, 3) == 5.0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"draw": 11}, "draw"),
        ({"trim": 0}, "trim"),
        ({"runs": 3, "trim": 2}, "runs"),
        ({"public_runs": 2}, "public_runs"),
        ({"public_reference": None}, "public_reference"),
        ({"score": "work_per_joule"}, "work"),
        ({"weights": dict.fromkeys(
            ("score", "per_kwh", "per_euro", "per_peak_flop", "baseline"), 0)}, "weights"),
    ],
)  # fmt: skip
def test_rules_that_contradict_themselves_are_refused(
    refused: Any, change: dict[str, Any], field: str
) -> None:
    told = spec.parse(spec.text("time-to-train"), "x")["rules"]
    assert field in refused(Reason.RULES, lambda: rules_of({**told, **change}, 10, "x"))


def test_times_that_do_not_follow_each_other_are_refused(refused: Any) -> None:
    told = spec.parse(spec.text("time-to-train"), "x")["rules"]
    wrong = copy.deepcopy(told)
    wrong["times"]["submit_by"] = wrong["times"]["enter_by"]
    refused(Reason.TIMES, lambda: rules_of(wrong, 10, "x"))
    wrong["times"]["submit_by"] = "2027-13-01T00:00:00Z"
    refused(Reason.SCHEMA, lambda: rules_of(wrong, 10, "x"))


def test_a_specification_is_refused_in_words(refused: Any, tmp_path: Path) -> None:
    text = spec.text("time-to-train")
    path = tmp_path / "spec.toml"

    def read(changed: str) -> Any:
        path.write_text(changed)
        return lambda: spec.read(path)

    assert "time zone" in refused(
        Reason.SCHEMA, read(text.replace("2027-03-01T12:00:00Z", "2027-03-01T12:00:00"))
    )
    assert "rules" in refused(Reason.SCHEMA, read("surprise = 1\n" + text))
    refused(Reason.SCHEMA, read(text.replace("runs = 5", "runs = 'five'", 1)))
    refused(Reason.SCHEMA, read(text.split("[times]")[0]))
    refused(Reason.SCHEMA, read("secret = 3\n" + text.split("[secret]")[0]))
    with pytest.raises(InputError, match="not TOML"):
        read("a = [" * 5000)()
    with pytest.raises(InputError, match="No such file"):
        spec.read(tmp_path / "none.toml")


def test_a_time_may_be_written_in_any_zone() -> None:
    text = spec.text("time-to-train").replace("2027-03-01T12:00:00Z", "2027-03-01T14:00:00+02:00")
    assert spec.parse(text, "x")["rules"]["times"]["enter_by"] == "2027-03-01T12:00:00Z"


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"runs": NaN}', '{"runs": []}', "3"])
def test_json_that_is_none_is_refused_in_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "runs.json"
    path.write_text(text)
    with pytest.raises(InputError):
        spec.read_json(path, "runs")
