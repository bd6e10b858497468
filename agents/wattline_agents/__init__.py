"""Samples one node's accelerators, host and jobs, and sends what it read."""

__version__ = "0.1.0"
