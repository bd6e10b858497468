"""One job: what it asked for, what it got, and what it made of it."""
