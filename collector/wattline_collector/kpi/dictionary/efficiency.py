"""Efficiency: what was made of the time and the hardware (E01-E08)."""

from __future__ import annotations

from wattline_collector.kpi import efficiency, model_work, step_time
from wattline_collector.kpi.declare import OF_HELD, OF_JOBS, Kpi, Level

KPIS: tuple[Kpi, ...] = (
    Kpi(
        "E01",
        "MFU",
        "model operations / dense peak of the devices in the time that jobs had them; jobs of which"
        " either is not known are left out and lower the coverage",
        "%",
        "operations that the models needed",
        "FLOP",
        "operations at the devices' peak",
        "FLOP",
        "up",
        "J, O, M",
        "dictionary E01; arXiv 2204.02311 appendix B",
        model_work.mfu,
        scale=100,
        by=OF_JOBS,
        parts=("kind",),
        level=Level.DERIVED,
        note="Apart for training and inference, which reach different heights. Peaks are the "
        "profile's, else those of docs/job.md; bf16 where a job does not say its number format.",
    ),
    Kpi(
        "E02",
        "HFU",
        "operations that training executed, what is computed again in the backward pass and all / "
        "dense peak of the devices; model operations x (3 + r) / 3, r the part of the forward pass "
        "that is computed again",
        "%",
        "operations executed",
        "FLOP",
        "operations at the devices' peak",
        "FLOP",
        "none",
        "J, O",
        "dictionary E02; arXiv 2205.05198",
        model_work.hfu,
        scale=100,
        by=OF_JOBS,
        level=Level.DERIVED,
        note="r is declared in the register of results, kind recomputed, for a run or a model. "
        "Counters of matrix units are no measure of it: they count time, at whatever clock.",
    ),
    Kpi(
        "E03",
        "ETTR",
        "productive step time / wall time of training runs since their start, restarts and all; "
        "steps done again are not productive",
        "%",
        "time in steps that were done for the first time",
        "s",
        "wall time of runs, and between their jobs",
        "s",
        "up",
        "J, O, M",
        "dictionary E03; arXiv 2410.21680",
        step_time.effective_training_time,
        scale=100,
        by=OF_JOBS,
        note="A job's own is its goodput: time between jobs belongs to none of them. Runs count by "
        "their time, not by their devices.",
    ),
    Kpi(
        "E04",
        "GPU activity",
        "mean share of SMs with work over assigned device time in which it was measured; not the "
        "driver's utilisation flag",
        "%",
        "integral of SM activity",
        "GPU-h",
        "assigned device time with measured activity",
        "GPU-h",
        "up",
        "J, O",
        "dictionary E04; vendor counters",
        efficiency.activity,
        scale=100,
        by=OF_HELD,
        note="Matrix units and traffic of device memory are measured too, and not kept in the "
        "ledger: `wattline job` shows them of one job.",
    ),
    Kpi(
        "E05",
        "step-time losses",
        "time waiting for data / time of steps, waiting and all",
        "%",
        "time waiting for data",
        "s",
        "time in steps and waiting for data",
        "s",
        "down",
        "J, O",
        "dictionary E05",
        step_time.step_losses,
        scale=100,
        by=OF_JOBS,
        parts=("loss",),
        note="Communication that is not hidden behind computing is in the time of steps, and only a"
        " profiler tells it apart.",
    ),
    Kpi(
        "E06",
        "wasted GPU-hours",
        "held (under 5 % active for over 10 minutes) and the working time whose work was thrown "
        "away: after the last checkpoint of a job that failed, or before its run went on from an "
        "earlier step",
        "GPU-h",
        "held time and working time whose work was thrown away",
        "GPU-h",
        "",
        "",
        "down",
        "M, O, J",
        "dictionary E06",
        efficiency.wasted,
        by=OF_HELD,
        note="The work of a failed job that tells of no checkpoint counts whole.",
    ),
    Kpi(
        "E07",
        "scaling efficiency",
        "(tokens a second on n devices) / (n / n0 x tokens a second on n0), n0 the fewest on which "
        "the same model was trained; while stepping and waiting for data",
        "%",
        "rate on n devices",
        "tok/s",
        "rate on n0 devices x n / n0",
        "tok/s",
        "up",
        "J",
        "dictionary E07",
        step_time.scaling_efficiency,
        scale=100,
        by=("system", "project"),
        parts=("family", "devices"),
        level=Level.DERIVED,
        note="What jobs of one model, number format, device and size made is added up. Batch sizes "
        "are not known: they may differ.",
    ),
    Kpi(
        "E08",
        "checkpoint overhead",
        "time saving checkpoints / wall time of jobs that write any (of overhead); their wall time "
        "/ checkpoints x best interval, sqrt(2 x time of one x time between interruptions) (of "
        "interval_over_best: over 1 too seldom, under 1 too often)",
        "1",
        "time saving; or wall time",
        "s",
        "wall time; or checkpoints x best interval",
        "s",
        "none",
        "J",
        "dictionary E08; Young, CACM 17 (1974); Daly, FGCS 22 (2006)",
        step_time.checkpoint_cost,
        by=OF_JOBS,
        parts=("of",),
        level=Level.DERIVED,
    ),
)
