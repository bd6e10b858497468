"""Subcommands of `wattline` that this distribution offers."""
