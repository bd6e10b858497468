"""NVIDIA GPUs, through NVML.

source      what the agent opens; thin
presence    whether there is a driver at all
fleet       all of a node's GPUs; loses and finds them again
device      one GPU: its rows at one time
identity    who it is
power       power and energy: which sensor, of what, and whether to believe it
ring        the driver's own ring of power samples
throttle    how long the clocks were held back
gpm         activity of the chip's parts, on Hopper and newer
slow        memory, heat, clocks, links
memory      the memory of a device or an instance
health      limits, errors, what the driver asks for
instances   MIG instances
processes   compute processes; procfs, what the node knows of them
events      what the driver reports of its own accord
kmsg        XID errors in the kernel's log
xids        XID errors counted, each once
watch       watches for them
fields      many readings in one call
binding     the binding pynvml
library     the one door to the vendor library
off         why something cannot be read, and when to ask again
ids         the numbers NVML knows things by
"""

from wattline_agents.sources.nvml.off import Capability, Off
from wattline_agents.sources.nvml.source import NvmlSource

__all__ = ["Capability", "NvmlSource", "Off"]
