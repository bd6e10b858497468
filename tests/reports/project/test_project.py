from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.cli import main
from wattline_collector.access import Viewer
from wattline_collector.capability.burn_down import burn_down
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.view import utc
from wattline_reports import seen
from wattline_reports.asked import Asked
from wattline_reports.kinds import find
from wattline_reports.period import parse_period
from wattline_reports.project import burn, people
from wattline_reports.project.grants import Grant
from wattline_reports.quoted import stated

DAY = ("--period", "2025-11-01")
DAY_MS = 86_400_000


def report(store: Path, out: Path, *words: str) -> tuple[dict[str, Any], str]:
    """The report's JSON and page."""
    asked = ["report", "project", *words, "--store", str(store), "--format", "json,html"]
    assert main([*asked, "--out", str(out)]) == 0
    content = json.loads(next(out.glob("*.json")).read_bytes())
    page = re.sub(
        r"<style.*?</style>|<[^>]+>", " ", next(out.glob("*.html")).read_text(), flags=re.S
    )
    return content, " ".join(page.replace("\u202f", " ").replace("\u00a0", " ").split())


def figures(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["quote"]: one for one in content["figures"]}


def asked(store: Path, *of: str) -> Asked:
    return Asked(find("project"), store, parse_period("2025-11-01"), of=of)


def row(user: str | None, hours: float, **more: float | None) -> dict[str, object]:
    plain = dict.fromkeys(("working_hours", "assigned_hours", "wasted_gpu_hours", "energy_joules",
                           "tokens", "measured_hours"))  # fmt: skip
    return {"user": user, "gpu_hours": hours, **plain, **more}


def table(*rows: dict[str, object]) -> pl.DataFrame:
    numbers = ("gpu_hours", "working_hours", "assigned_hours", "wasted_gpu_hours",
               "energy_joules", "tokens", "measured_hours")  # fmt: skip
    schema = {"user": pl.String, **dict.fromkeys(numbers, pl.Float64)}
    return pl.DataFrame(rows, schema=schema)


def project(jobs: pl.DataFrame, *, sees_people: bool, name: str | None = "anna") -> seen.Project:
    return seen.Project("P1", None, sees_people, Viewer(name=name), jobs)


def test_a_project_is_told_of_its_own_jobs_alone(factory_store: Path, tmp_path: Path) -> None:
    content, page = report(factory_store, tmp_path, "P1", *DAY)
    told = figures(content)
    assert told["hours/account=busy"]["value"] == pytest.approx(3.0)
    assert told["I01/project=P1/access_mode=fast_lane"]["numerator"] == pytest.approx(3.0)
    assert told["S12/project=P1"]["value"] == pytest.approx(1.8)
    assert "P2" not in json.dumps(content)
    assert "P2" not in page


def test_the_account_that_jobs_are_charged_to_names_the_project_as_well(
    factory_store: Path, tmp_path: Path
) -> None:
    content, _ = report(factory_store, tmp_path, "p1", *DAY)
    assert content["data"]["project"] == "P1"


def test_the_burn_down_ends_at_the_numerator_of_the_pace(
    factory_store: Path, tmp_path: Path
) -> None:
    content, _ = report(factory_store, tmp_path, "P1", *DAY)
    told = figures(content)
    (grant,) = content["data"]["grants"]
    assert grant["used_gpu_hours_by_day"][-1][1] == pytest.approx(3.0)
    assert told["U05/project=P1"]["numerator"] == pytest.approx(3.0)
    assert told["grant.used/from=2025-01-01"]["value"] == pytest.approx(3.0)
    assert told["grant.granted/from=2025-01-01"]["value"] == pytest.approx(3.0)


def test_a_project_that_is_not_there_and_one_of_others_answer_alike(
    factory_store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seen, "viewer_of_store", lambda store: Viewer(name="anna"))
    said = []
    for name in ("P1", "P9"):
        words = ["report", "project", name, *DAY, "--store", str(factory_store)]
        assert main([*words, "--out", str(tmp_path / "out")]) == 2
        said.append(capsys.readouterr().err.replace(name, "NAME"))
    assert said[0] == said[1]
    assert "no project NAME that is yours" in said[0]
    assert not (tmp_path / "out").exists()


def test_who_leads_a_project_sees_its_people(
    factory_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = Viewer(name="anna", projects=frozenset({"P1"}))
    monkeypatch.setattr(seen, "viewer_of_store", lambda store: lead)
    content, _ = report(factory_store, tmp_path, "P1", *DAY)
    assert content["data"]["people"] is True


def test_a_member_sees_their_own_part_and_the_sum(factory_store: Path) -> None:
    jobs = table(row("anna", 2.0, tokens=5.0), row("bert", 6.0, tokens=7.0), row(None, 1.0))
    used = people.of(asked(factory_store, "P1"), project(jobs, sees_people=False))
    assert [part.name for part in used.parts] == ["anna"]
    assert used.whole.hours.value == pytest.approx(9.0)
    assert used.whole.tokens.value == pytest.approx(12.0)
    assert used.count == 3
    assert not used.is_all
    assert "bert" not in repr([one.to_json() for one in used.figures])


def test_somebody_without_a_name_has_no_part_of_their_own(factory_store: Path) -> None:
    jobs = table(row(None, 1.0), row("bert", 2.0))
    used = people.of(asked(factory_store, "P1"), project(jobs, sees_people=False, name=None))
    assert used.parts == ()


def test_the_parts_of_people_add_up_to_the_whole(factory_store: Path) -> None:
    jobs = table(*(row(f"u{n}", float(n + 1)) for n in range(people.MOST + 25)))
    used = people.of(asked(factory_store, "P1"), project(jobs, sees_people=True))
    assert len(used.parts) == people.MOST + 1
    assert used.parts[0].name == f"u{people.MOST + 24}"
    assert used.parts[-1].name == people.OTHERS
    assert sum(part.hours.value or 0 for part in used.parts) == pytest.approx(
        used.whole.hours.value
    )
    assert len({one.id for one in used.figures}) == len(used.figures)


def test_people_whose_names_are_shown_alike_stay_apart(factory_store: Path) -> None:
    jobs = table(row("a\u202eb", 2.0), row("a[U+202E]b", 1.0), row(people.ALL, 3.0))
    used = people.of(asked(factory_store, "P1"), project(jobs, sees_people=True))
    assert sorted(float(part.hours.value or 0) for part in used.parts) == [1.0, 2.0, 3.0]
    assert len({one.id for one in used.figures}) == len(used.figures)


def test_what_is_not_known_of_somebody_is_not_zero(factory_store: Path) -> None:
    jobs = table(row("anna", 2.0), row("bert", 2.0, wasted_gpu_hours=0.0, energy_joules=7.2e6))
    used = people.of(asked(factory_store, "P1"), project(jobs, sees_people=True))
    by_name = {part.name: part for part in used.parts}
    assert by_name["anna"].wasted.value is None
    assert by_name["bert"].wasted.value == 0.0
    assert by_name["bert"].energy.value == pytest.approx(2.0)


def grant(used: float, *, now_day: int, days: int = 100, granted: float = 1000.0) -> Grant:
    period = Period(utc(0), utc(now_day * DAY_MS))
    points = [(now_day * DAY_MS, used)] if used else []
    burned = burn_down(granted, points, start_ms=0, end_ms=days * DAY_MS, now_ms=now_day * DAY_MS)

    def of(id: str, value: float | None) -> Any:
        return stated(id, id, "GPU-h", value, period=period, method="m")

    told = of("granted", granted), of("used", used), of("forecast", burned.forecast_used)
    return Grant(None, 0, days * DAY_MS, now_day * DAY_MS, points, burned, *told)


@pytest.mark.parametrize(
    ("used", "now_day", "words"),
    [
        (300.0, 50, "at this pace 60.0 % is used at the end"),
        (800.0, 50, "at this pace all will be used up on 4 March 1970"),
        (1000.0, 50, "at this pace all were used up on"),
        (10.0, 2, "it is too early for a forecast"),
        (800.0, 100, "and the grant is over"),
    ],
)
def test_the_burn_down_says_what_will_be_left(used: float, now_day: int, words: str) -> None:
    told = burn._verdict(grant(used, now_day=now_day))
    assert words in told.replace("\u202f", " ").replace("\u00a0", " ")


def test_a_forecast_is_drawn_only_while_the_grant_runs() -> None:
    running = burn._burn("a", grant(300.0, now_day=50)).body
    over = burn._burn("b", grant(300.0, now_day=100)).body
    assert "forecast 600" in running
    assert "forecast" not in over
    assert "granted" in over
