"""What is kept: a log of what came in, sealed to Parquet segments, and read back as frames."""
