from __future__ import annotations

from wattline_collector.simulated.year import trials
from wattline_collector.simulated.year.plan import Plan


def test_some_runs_reach_their_target_and_some_do_not(planned: Plan) -> None:
    runs = trials.runs(planned)
    told = [run.reached for run in runs]
    assert told.count(None) == 1
    assert 10 < told.count(True) < len(told) - told.count(False)
    assert all(run.start_ms < run.until_ms <= planned.extent.end_ms for run in runs)
    assert len({run.name for run in runs}) == len(runs)


def test_a_target_is_reached_before_the_last_job_of_its_run_is_over(planned: Plan) -> None:
    ends: dict[str | None, int] = {}
    for job in planned.jobs:
        ends[job.run] = max(job.end_ms, ends.get(job.run, 0))
    for run in trials.runs(planned):
        assert (run.until_ms < ends[run.name]) == bool(run.reached)


def test_every_result_has_an_id_of_its_own(planned: Plan) -> None:
    ids = [row["id"] for row in trials.results(planned)]
    assert len(set(ids)) == len(ids)
