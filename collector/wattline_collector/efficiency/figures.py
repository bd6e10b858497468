"""Every figure of a job, declared once: id, name, unit, what it is.

The ids are the words of the advice's rules and the keys of the JSON. A figure is a sum, or a ratio
of two sums; what is missing is null, never nought.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from wattline_collector.kpi.declare import COMFORT
from wattline_collector.kpi.figure import Figure, Period, Status

_S, _GPU_H, _J = "s", "GPU-h", "J"


@dataclass(frozen=True, slots=True)
class Declared:
    """A figure of a job.

    Attributes:
        id: What rules and programs call it.
        name: What people call it.
        unit: Unit of its value.
        help: What it is, in a sentence.
        above: Unit of the sum above the line; the value's own for a plain sum.
        below: Unit of the sum below the line; empty for a plain sum.
        scale: The value is the quotient, or the sum, times this.
    """

    id: str
    name: str
    unit: str
    help: str
    above: str = ""
    below: str = ""
    scale: float = 1.0


def _share(id: str, name: str, help: str, unit: str = _GPU_H, below: str | None = None) -> Declared:
    return Declared(id, name, "1", help, unit, unit if below is None else below)


_KWH = 1 / 3_600_000

_ALL = (
    # What it asked for and got
    Declared("run_seconds", "ran", _S, "Time from its start to its end, or until now."),
    Declared("wait_seconds", "waited", _S, "Time from its submission to its start."),
    Declared("time_limit_seconds", "time limit", _S, "The longest it was allowed to run."),
    _share("time_limit_used", "time used", "Time it ran, of its limit.", _S),
    Declared("gpus", "GPUs", "{gpu}", "Devices it got."),
    Declared("nodes", "nodes", "{node}", "Nodes it got."),
    Declared("cpus", "cores", "{core}", "Processor cores it got."),
    Declared("cpus_per_gpu", "cores per GPU", "{core}/{gpu}", "Cores it got for each device.",
             "{core}", "{gpu}"),
    Declared("memory_bytes", "main memory", "B", "Main memory it got."),
    Declared("memory_per_gpu_bytes", "main memory per GPU", "B", "Main memory for each device.",
             "B", "{gpu}"),
    Declared("memory_peak_bytes", "main memory used", "B",
             "Most main memory that one of its steps used, as the scheduler saw it."),
    _share("memory_used", "main memory used", "The most used at a time, of what it got.", "B"),
    _share("cpu_used", "cores used", "Processor time used, of its cores' time; known only where it "
           "had its nodes to itself.", "core-h"),
    Declared("cpu_used_cores", "cores used", "{core}",
             "Cores at work on average; known only where it had its nodes to itself.",
             "core-h", "h"),
    _share("cpus_over_fair", "cores, of its share",
           "Cores it got for each device, of the node's cores for each of its devices.",
           "{core}/{gpu}"),
    _share("memory_over_fair", "main memory, of its share", "Main memory it got for each device, "
           "of the node's memory for each of its devices.", "B/{gpu}"),
    Declared("node_gpus", "GPUs in a node", "{gpu}", "Devices in each of its nodes."),
    Declared("least_nodes", "fewest nodes", "{node}",
             "On how many nodes its devices would have fitted."),
    Declared("interactive", "interactive", "1",
             "1 if its name or partition is one that people use at a prompt or in a notebook."),
    # Where its device time went
    Declared("gpu_time", "GPU time", _GPU_H, "Device time assigned to it.", "GPU-h"),
    _share("busy", "busy", "Time its devices worked, unhindered."),
    _share("slowed", "slowed", "Time they worked while heat, the power cap or the power brake held "
           "them back."),
    _share("held", "held idle", "Time they did nothing for ten minutes or longer."),
    _share("lost", "lost", "Time they worked for nothing, because the job failed."),
    _share("unmeasured", "unmeasured", "Time in which nobody measured whether they worked."),
    Declared("idle_gpus", "idle GPUs", "{gpu}",
             "Devices that did nothing for 95 % or more of the time they were measured."),
    # How hard they worked
    _share("sm_active", "compute units", "Part of the compute units that had work."),
    _share("gpu_busy", "any kernel", "Time in which any kernel ran, however small."),
    _share("activity", "activity", "Compute units at work where that is measured, else time in "
           "which any kernel ran."),
    _share("tensor_active", "tensor pipe", "Time the matrix units were active."),
    _share("dram_active", "device memory traffic", "Time device memory moved data."),
    _share("lowest_activity", "the least active GPU", "Activity of the least active of the devices "
           "that worked, of the median device's.", "1"),
    Declared("gpu_memory_peak_bytes", "device memory used", "B",
             "Most memory in use on any of its devices."),
    Declared("gpu_memory_size_bytes", "device memory", "B", "Memory of one of its devices."),
    _share("gpu_memory_peak", "device memory used", "The most in use on any of its devices, of "
           "what that device has.", "B"),
    # Power and energy
    Declared("power_mean_watts", "power", "W", "Mean power of one device.", _J, "GPU-s"),
    Declared("power_max_watts", "highest power", "W", "Most power any of its devices drew."),
    Declared("power_limit_watts", "power limit", "W", "The lowest limit that any of them had."),
    _share("power_lowered", "limit lowered", "How far the limit is under the one the device is "
           "delivered with.", "W"),
    _share("throttled_power", "at the power cap", "Time the power cap held the clocks back."),
    _share("throttled_heat", "slowed by heat", "Time heat held the clocks back."),
    _share("throttled_brake", "braked", "Time the power brake held the clocks back."),
    Declared("temperature_max_celsius", "highest temperature", "Cel", "Of any of its devices."),
    Declared("energy", "energy", "kWh", "At the widest boundary that is metered.", _J, "", _KWH),
    Declared("gpu_energy", "energy of its GPUs", "kWh", "By the devices' own meters.", _J, "",
             _KWH),
    Declared("node_energy", "energy with its nodes", "kWh",
             "By the nodes' meters, the job's part of their overhead included.", _J, "", _KWH),
    Declared("scheduler_energy", "energy by the scheduler", "kWh",
             "The scheduler's own figure, of whole nodes: a cross-check.", _J, "", _KWH),
    # What it made
    Declared("tokens", "tokens", "tok", "Trained, prompt and generated."),
    Declared("tokens_trained", "tokens trained", "tok", "In committed steps."),
    Declared("tokens_prompt", "prompt tokens", "tok", "Served, cached ones included."),
    Declared("tokens_prompt_cached", "cached prompt tokens", "tok", "That a cache answered."),
    Declared("tokens_generated", "tokens generated", "tok", "Generated."),
    Declared("tokens_replayed", "tokens replayed", "tok",
             "Trained a second time after a restart; not among the tokens."),
    Declared("tokens_per_second", "speed", "tok/s", "Tokens over the time it ran.", "tok", _S),
    Declared("joules_per_token", "energy per token", "J/tok", "Energy over the tokens made while "
             "it was metered.", _J, "tok"),
    Declared("joules_per_output_token", "energy per generated token", "J/tok",
             "The same, over the generated ones alone.", _J, "tok"),
    Declared("steps", "steps", "{step}", "Steps finished."),
    Declared("steps_replayed", "steps replayed", "{step}", "Steps done again after a restart."),
    _share("replayed", "replayed", "Steps done again, of all steps done.", "{step}"),
    Declared("step_seconds", "time per step", _S, "Time in steps over steps.", _S, "{step}"),
    _share("step_spread", "slowest node's step", "Part of its time that the slowest node "
           "spends in steps, of the median node's: in the same time all do the same steps.", "1"),
    Declared("requests", "requests", "{request}", "Requests answered."),
    Declared("requests_failed", "requests failed", "{request}", "Ended in an error or broken off."),
    _share("requests_failed_share", "requests failed", "Requests that failed, of all.",
           "{request}"),
    _share("goodput", "goodput", "Productive step time of training, of the time its processes "
           "ran: replayed steps are not productive.", _S),
    _share("serving_goodput", "requests in time", "Requests answered within their targets for "
           "first token and time per token.", "{request}"),
    *(_share(f"phase_{phase}", name, f"Time {words}, of the time its processes ran.", _S)
      for phase, name, words in (
          ("init", "starting up", "before the first step"),
          ("data_wait", "waiting for data", "waiting for the next batch"),
          ("step", "stepping", "in steps"),
          ("checkpoint_save", "saving checkpoints", "writing checkpoints"),
          ("restore", "restoring", "reading a checkpoint"),
          ("eval", "evaluating", "in evaluation"),
          ("other", "in none of these", "in no phase that it names"),
      )),
    Declared("checkpoints", "checkpoints", "{checkpoint}", "Checkpoints written whole."),
    Declared("checkpoint_save_seconds", "time per checkpoint", _S,
             "Time to write one checkpoint.", _S, "{checkpoint}"),
    Declared("checkpoint_interval_seconds", "between checkpoints", _S,
             "Time from one checkpoint to the next.", _S, "{checkpoint}"),
    Declared("mtti_seconds", "between interruptions", _S,
             "How long a job of so many nodes runs here between interruptions.",
             "node-s", "{interruption}"),
    Declared("checkpoint_best_seconds", "best interval", _S,
             "Young and Daly: sqrt(2 x time per checkpoint x time between interruptions)."),
    _share("checkpoint_interval_over_best", "interval, of the best", "The interval chosen over "
           "the best one.", _S),
    _share("prefill_share", "prompt work", "Prompt tokens that had to be computed, of all tokens "
           "computed.", "tok"),
    _share("cache_hit", "cache hits", "Prompt tokens that a cache answered.", "tok"),
    Declared("parameters", "parameters", "{parameter}",
             "Of the model; those active for one token where it is a mixture."),
    _share("mfu", "MFU", "Model operations made, of what its devices can do in the time it had "
           "them.", "FLOP"),
    _share("mfu_stepping", "MFU while stepping", "The same, over the time it spent in steps.",
           "FLOP"),
    # What was wasted
    Declared("wasted_gpu_hours", "wasted", _GPU_H,
             "Device time held idle, or whose work was lost.", "GPU-h"),
    Declared("wasted_energy", "wasted energy", "kWh", "Energy of that time.", _J, "", _KWH),
    Declared("wasted_euro", "wasted money", "EUR", "That energy and time at the site's prices."),
    Declared("wasted_co2", "wasted carbon", "gCO2e",
             "That energy at the grid's factor; the method says whose."),
    Declared("energy_euro", "cost", "EUR", "Its energy and device time at the site's prices."),
    Declared("energy_co2", "carbon", "gCO2e",
             "Its energy at the grid's factor; the method says whose."),
)  # fmt: skip

FIGURES: Mapping[str, Declared] = MappingProxyType({figure.id: figure for figure in _ALL})
"""All of them by id, in the order they are shown."""


class Bag(Mapping[str, Figure]):
    """The figures of one job; one that was never put in is unknown."""

    def __init__(self, period: Period) -> None:
        """Begin with none.

        Args:
            period: Over what time they are.
        """
        self.period = period
        self._found: dict[str, Figure] = {}

    def __getitem__(self, id: str) -> Figure:
        """The figure of that id; unknown if there is nothing to compute it from."""
        found = self._found.get(id)
        return self._made(FIGURES[id], None, None) if found is None else found

    def __contains__(self, id: object) -> bool:
        """Whether anything is said of it, if only why it is not known."""
        return id in self._found

    def __iter__(self) -> Iterator[str]:
        """The ids of those known, or known to be unknown and why, in the declared order."""
        return (id for id in FIGURES if id in self._found)

    def __len__(self) -> int:
        """How many those are."""
        return len(self._found)

    def value(self, id: str) -> float | None:
        """The value of a figure; null where it is not known."""
        return self[id].value

    def put(
        self,
        id: str,
        above: float | None,
        below: float | None = None,
        *,
        n: int = 1,
        coverage: float | None = 1.0,
        method: str = "",
        note: str = "",
    ) -> None:
        """Put a figure in, unless there is nothing to say of it.

        Args:
            id: Which.
            above: The sum above the line, or the sum.
            below: The sum below the line.
            n: How many things it is made of.
            coverage: Observed over expected time of what it is made of; null where not known.
            method: How it was found.
            note: What to know beside it.
        """
        if above is None and not note:
            return
        self._found[id] = self._made(
            FIGURES[id], above, below, n=n, coverage=coverage, method=method, note=note
        )

    def _made(
        self,
        declared: Declared,
        above: float | None,
        below: float | None,
        *,
        n: int = 0,
        coverage: float | None = None,
        method: str = "",
        note: str = "",
    ) -> Figure:
        value: float | int | None = None
        if above is not None and not declared.below:
            value = above if declared.scale == 1 else above * declared.scale
        elif above is not None and below:
            value = above / below * declared.scale
        status = Status.OK
        if value is None:
            status, note = Status.UNKNOWN, note or "nothing to compute it from"
        elif coverage is not None and coverage < COMFORT:
            status = Status.PARTIAL
        return Figure(
            id=declared.id,
            name=declared.name,
            unit=declared.unit,
            value=value,
            numerator=above,
            denominator=below,
            n=n,
            coverage=None if coverage is None else min(1.0, coverage),
            method=method,
            status=status,
            period=self.period,
            note=note,
            numerator_unit=declared.above or declared.unit,
            denominator_unit=declared.below,
        )
