from __future__ import annotations

import pytest

from wattline_collector.capability.checkpoints import checkpoints


def test_overhead_and_distance_from_the_best_interval() -> None:
    # 60 s every half hour, and an interruption every 8 hours: best is sqrt(2 x 60 x 28 800).
    found = checkpoints(1800.0, 60.0, 28_800.0)
    assert found is not None
    assert found.overhead == pytest.approx(1 / 30)
    assert found.best_seconds == pytest.approx(1859.03, abs=0.01)
    assert found.interval_over_best == pytest.approx(0.96825, abs=1e-5)
    assert found.lost == pytest.approx(1 / 30 + 1800 / 57_600)
    assert found.lost_at_best == pytest.approx(0.064550, abs=1e-6)


@pytest.mark.parametrize("interval", [100.0, 900.0, 1859.03, 7200.0])
def test_no_interval_loses_less_than_the_best(interval: float) -> None:
    found = checkpoints(interval, 60.0, 28_800.0)
    assert found is not None
    assert found.lost is not None
    assert found.lost_at_best is not None
    assert found.lost >= found.lost_at_best - 1e-9


def test_what_is_not_known_stays_so() -> None:
    assert checkpoints(None, 60.0, 100.0) is None
    assert checkpoints(1800.0, None) is None
    alone = checkpoints(1800.0, 60.0)
    assert alone is not None
    assert alone.overhead == pytest.approx(1 / 30)
    assert (alone.best_seconds, alone.lost) == (None, None)


def test_where_the_approximation_ends_there_is_no_best() -> None:
    found = checkpoints(1800.0, 60.0, 100.0)
    assert found is not None
    assert found.best_seconds is None
    assert "no best interval" in found.note
    free = checkpoints(1800.0, 0.0, 28_800.0)
    assert free is not None
    assert (free.overhead, free.interval_over_best) == (0.0, None)


@pytest.mark.parametrize("given", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, float("nan"))])
def test_times_that_are_none_are_refused(given: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="not times"):
        checkpoints(*given)
