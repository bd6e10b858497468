"""Counts what torchtitan trains, from the metrics it already logs.

from wattline_agents.job.torchtitan import CountingLogger

processor = trainer.metrics_processor
processor.logger = CountingLogger(processor.logger, job, world_size=64)

On the rank that logs (the first, or the first of the last pipeline stage). Written against
torchtitan of 2025 and 2026, whose `BaseLogger` has `log(metrics, step)` and `close()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wattline_agents.job.job import Job

_SEEN = ("n_tokens_seen", "ntokens_seen")
"""Tokens of all ranks since the run began, where the version logs them."""


class CountingLogger:
    """Hands metrics on to torchtitan's own logger, and counts them."""

    def __init__(
        self, inner: Any, job: Job, *, world_size: int, log_freq: int = 10, resumed: int = 0
    ) -> None:
        """Wrap a logger.

        Args:
            inner: torchtitan's logger.
            job: Where it counts.
            world_size: All devices of the run: `throughput(tps)` is per device, after division by
                the ranks that share tokens.
            log_freq: `metrics.log_freq` of its configuration.
            resumed: The step of the checkpoint that was loaded.
        """
        self._inner, self._job = inner, job
        self._world_size, self._log_freq = world_size, log_freq
        self._step = resumed
        self._seen: float | None = None if resumed else 0.0
        job.rank = 0
        job.resumed(resumed)

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        """Count the steps since the last log, then let torchtitan log them."""
        if step > self._step and "throughput(tps)" in metrics:
            seconds = float(metrics.get("time_metrics/end_to_end(s)", 0.0)) * self._log_freq
            tokens = self._tokens(metrics, seconds)
            self._job.step(step - self._step, tokens=tokens, number=step)
            self._step = step
            waited = seconds * float(metrics.get("time_metrics/data_loading(%)", 0.0)) / 100
            waited = min(waited, seconds)
            self._job.spent("data_wait", waited)
            self._job.spent("step", seconds - waited)
        self._inner.log(metrics, step)

    def close(self) -> None:
        """Close torchtitan's logger."""
        self._inner.close()

    def _tokens(self, metrics: Mapping[str, Any], seconds: float) -> int:
        seen = next((float(metrics[name]) for name in _SEEN if name in metrics), None)
        if seen is not None and self._seen is not None and seen >= self._seen:
            tokens, self._seen = seen - self._seen, seen
            return round(tokens)
        self._seen = seen
        return round(float(metrics["throughput(tps)"]) * seconds * self._world_size)
