"""AMD Instinct GPUs, through the `amdsmi` that comes with ROCm.

It is never installed with this agent: it must match the ROCm of the node. Importing it can fail in
many ways and prints to standard output. One call, `amdsmi_get_gpu_metrics_info`, tells nearly all
that moves; the rest is read every few seconds or once a minute.

What the hardware meters differs by generation, and is said in `device_info`:

- MI250(X): two dies (GCDs) on one module. Only the first of a pair meters, and it meters both; the
  other shows 0, which means nothing. `power_scope` and `energy_scope` are `module`, and both name
  the same `module`.
- MI300 and later: power of the socket. Partitioned, only the first partition meters, for all.
- Energy is counted in units of 2^-16 J (15.259 uJ, Linux kgd_pp_interface.h); the library rounds
  that to 15.3, which is a quarter of a percent too much, and is corrected here.
- Throttling is counted in ticks of a clock of the firmware's own (`accumulation_counter`); the
  share of ticks makes seconds of the time between two readings.

library    the one door to the vendor's module; translates its errors
counters   counters that need a memory: energy that may stand still, throttling by ticks
figures    what the module's answers mean, in base units
device     one GPU, die or partition: its row at one time
source     all of a node's GPUs; loses and finds them again
"""

from wattline_agents.sources.amdsmi.source import AmdSource

__all__ = ["AmdSource"]
