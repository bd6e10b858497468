"""Pictures: pure functions from values to plots."""
