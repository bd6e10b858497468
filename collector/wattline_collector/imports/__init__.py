"""Recorded data in: one file per format, and the registry that lists them.

A format reads its files into a `Recording`; from there the rows go the way of live data, through
`Intake.accept` into the store. To add a format: write one file with a `FORMAT`, add it to
`registry.py`.
"""
