"""The web application for operators, management and job owners."""

__version__ = "0.1.0"
