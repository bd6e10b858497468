"""Receives telemetry, keeps it, books it to the ledger and computes the KPIs."""

__version__ = "0.1.0"
