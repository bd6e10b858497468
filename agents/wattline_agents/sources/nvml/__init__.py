"""NVIDIA GPUs, through NVML.

ids        the numbers NVML knows things by
library    the one door to the vendor library; translates its errors
gpm        activity of the chip's parts, on Hopper and newer
device     one GPU: what it can be asked, and its row at one time
source     all of a node's GPUs; loses and finds them again
"""

from wattline_agents.sources.nvml.library import Capability, Off
from wattline_agents.sources.nvml.source import NvmlSource

__all__ = ["Capability", "NvmlSource", "Off"]
