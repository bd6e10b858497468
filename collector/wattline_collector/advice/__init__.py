"""What a job's owner could change, said by rules that are data."""
