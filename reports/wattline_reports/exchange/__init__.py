"""The exchange: a signed file of sums that a factory lets out, and what a reader of it checks."""
