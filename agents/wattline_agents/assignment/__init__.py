"""Which job holds which device, and what the job has made so far."""
