"""True values of figures of what was tried: runs with targets, evaluations, benchmarks, scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from statistics import mean, stdev

from wattline_collector.simulated.year import logs, trials
from wattline_collector.simulated.year.expected import EXACT, Expected
from wattline_collector.simulated.year.truth import MS_PER_HOUR, Happened

_PRINTED = 0.5 * 10.0**-logs.RATE_DIGITS
"""Of a rate in a log: half of the last digit that is printed, of a number of 1 or more."""
_LEAST_SCORES = 3


def of_runs(found: Happened) -> Iterator[Expected]:
    """Runs for which a target was declared."""
    runs = trials.runs(found.plan)
    reached = [run for run in runs if run.reached]
    hours = [(run.until_ms - run.start_ms) / MS_PER_HOUR for run in reached]
    yield Expected("P05", mean(hours), dims={"way": "register"},
                   why="declared targets that were reached")  # fmt: skip
    yield Expected("P07", 100 * len(reached) / len(runs), why="declared targets; one is not known")


def of_models() -> Iterator[Expected]:
    """What evaluations found: of each model and metric the newest."""
    newest = {(one.model, f"{one.metric} on {one.test_set}"): one for one in trials.QUALITIES}
    for (model, metric), one in newest.items():
        dims = {"model": model, "metric": metric}
        yield Expected("P08", one.value, dims=dims | {"of": "value"}, why="the newest evaluation")
        if one.baseline is not None:
            yield Expected("P08", one.value - one.baseline, dims=dims | {"of": "delta_to_baseline"},
                           why="the newest evaluation")  # fmt: skip


def of_benchmarks() -> Iterator[Expected]:
    """What logs of benchmarks came to."""
    best = max(one.flops for one in logs.MIXED if one.error <= 16)
    yield Expected("C01", best, relative=_PRINTED, dims={"benchmark": "HPL-MxP"},
                   why="the fastest solve that is right, as its log prints the rate")  # fmt: skip
    valid = [one for one in trials.HPL_RUNS if one.valid]
    yield Expected("C01", max(one.flops for one in valid), dims={"benchmark": "HPL"},
                   why="the fastest run that stands")  # fmt: skip
    for level, newest in {one.level: one for one in sorted(valid, key=lambda o: o.share)}.items():
        yield Expected("S11", newest.flops / 1e9 / (newest.kilowatts * 1000),
                       dims={"power_level": level},
                       why="the newest run of its level that stands, by its power")  # fmt: skip
    on_clock = sorted(
        (one.minutes + max(0.0, one.init_minutes - logs.FREE_INIT_MINUTES), one.kilowatt_hours)
        for one in logs.TRAINED
    )[1:-1]
    dims = {"benchmark": logs.TRAINED_MODEL}
    yield Expected("C02", mean(minutes for minutes, _ in on_clock), dims=dims | {"of": "time"},
                   why="planned runs without the fastest and the slowest")  # fmt: skip
    yield Expected("C02", mean(kwh for _, kwh in on_clock), dims=dims | {"of": "energy"},
                   why="of the same runs")  # fmt: skip


def of_challenge() -> Iterator[Expected]:
    """Scores of entrants, and whether they can be believed."""
    own: dict[str, list[trials.Score]] = defaultdict(list)
    second: dict[str, list[float]] = defaultdict(list)
    for one in trials.SCORES:
        if one.valid and one.site == "own":
            own[one.entrant].append(one)
        elif one.valid:
            second[one.entrant].append(one.value)
    for entrant, scores in own.items():
        dims = {"event": trials.EVENT, "entrant": entrant, "benchmark": trials.SECRET}
        yield Expected("C04", mean(one.value for one in scores), dims=dims | {"of": "score"},
                       why="scores that stand")  # fmt: skip
        gaps = [one.public - one.value for one in scores if one.public is not None]
        if gaps:
            yield Expected("C04", mean(gaps), absolute=EXACT,
                           dims=dims | {"of": "public_over_hidden"},
                           why="scores that stand; one near 0 is exact to 1e-6")  # fmt: skip
    means = {entrant: mean(one.value for one in scores) for entrant, scores in own.items()}
    scatter = [
        100 * stdev(one.value for one in scores) / means[entrant]
        for entrant, scores in own.items()
        if len(scores) >= _LEAST_SCORES
    ]
    away = [100 * abs(mean(values) / means[entrant] - 1) for entrant, values in second.items()]
    agreeing = sum(agrees is True for agrees in trials.COMMITS.values())
    for of, value in (
        ("valid_commits", 100 * agreeing / len(trials.COMMITS)),
        ("spread_of_runs", mean(scatter)),
        ("second_site", mean(away)),
    ):
        yield Expected("C05", value, dims={"event": trials.EVENT, "of": of},
                       why="planted commits and scores")  # fmt: skip
