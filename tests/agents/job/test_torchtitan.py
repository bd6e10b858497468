from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.job import Job
from wattline_agents.job.torchtitan import CountingLogger


class TitanLogger:
    """As torchtitan's own."""

    def __init__(self) -> None:
        self.logged: list[tuple[dict[str, Any], int]] = []
        self.is_closed = False

    def log(self, metrics: dict[str, Any], step: int) -> None:
        self.logged.append((metrics, step))

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    with Job("titan", socket_path=tmp_path / "none.sock") as found:
        yield found


def metrics(tokens: int, seconds: float, *, shared: int = 1, freq: int = 10) -> dict[str, Any]:
    """What one rank logs that saw so many tokens, `shared` ranks together seeing each of them."""
    return {
        "throughput(tps)": tokens / (seconds * shared),
        "time_metrics/end_to_end(s)": seconds / freq,
        "time_metrics/data_loading(%)": 5.0,
        "loss_metrics/global_avg_loss": 2.5,
    }


def test_tokens_are_those_of_all_devices_exactly(job: Job) -> None:
    inner = TitanLogger()
    logger = CountingLogger(inner, job, world_size=16)
    logger.log(metrics(8 * 2048, 3.7, shared=4), 1)
    logger.log(metrics(9 * 8 * 2048, 31.3, shared=4), 10)
    # Sixteen devices, four of which share their tokens: four ranks' worth of tokens.
    assert job._counters["tokens_trained_total"] == 10 * 8 * 2048 * 4
    assert job._counters["steps_total"] == 10
    assert job._gauges == {"step": 10, "step_resumed": 0}
    assert job._counters["phase_data_wait_seconds_total"] == pytest.approx(0.05 * 35.0)
    assert job._counters["phase_step_seconds_total"] == pytest.approx(0.95 * 35.0)
    assert [step for _, step in inner.logged] == [1, 10]
    logger.close()
    assert inner.is_closed


def test_its_own_count_is_believed_where_it_logs_one(job: Job) -> None:
    logger = CountingLogger(TitanLogger(), job, world_size=16)
    for step, seen in ((1, 100), (10, 1_000)):
        logger.log(metrics(7, 1.0) | {"n_tokens_seen": seen}, step)
    assert job._counters["tokens_trained_total"] == 1_000


def test_a_resumed_run_counts_only_what_is_new(job: Job) -> None:
    logger = CountingLogger(TitanLogger(), job, world_size=2, resumed=500)
    logger.log(metrics(50, 10.0) | {"n_tokens_seen": 50_100}, 510)
    logger.log(metrics(50, 10.0) | {"n_tokens_seen": 50_200}, 520)
    assert job._counters["tokens_trained_total"] == 200
    assert job._counters["steps_total"] == 20
    assert job._gauges == {"step": 520, "step_resumed": 500}


def test_metrics_of_a_validation_are_only_handed_on(job: Job) -> None:
    inner = TitanLogger()
    logger = CountingLogger(inner, job, world_size=2)
    logger.log({"validation_metrics/throughput(tps)": 5.0}, 10)
    assert "steps_total" not in job._counters
    assert len(inner.logged) == 1
