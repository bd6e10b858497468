"""Disclosure control: tables of sums from which nobody can work out one project's part."""
