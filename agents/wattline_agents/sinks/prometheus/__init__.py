"""Answers scrapes: keeps the newest readings and serves them as Prometheus' pages."""

from wattline_agents.sinks.prometheus.sink import PrometheusSink, listen_address

__all__ = ["PrometheusSink", "listen_address"]
