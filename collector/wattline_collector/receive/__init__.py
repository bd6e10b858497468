"""What comes in: batches decoded, checked against the catalogue, and appended to the store."""
