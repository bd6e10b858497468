"""The KPIs: declared once, computed from the ledger."""
