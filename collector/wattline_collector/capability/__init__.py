"""What a system can do, shown by benchmark logs, and what follows for training on it."""
