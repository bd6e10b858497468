"""Subcommands of `wattline` that come with the dashboards."""
