"""Subcommands of `wattline` that come with the agent."""
