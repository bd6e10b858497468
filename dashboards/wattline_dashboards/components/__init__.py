"""Pieces of pages: pure functions from values to Dash components."""
