"""Reports for those who answer for a factory."""

__version__ = "0.1.0"
