"""What schedulers say of jobs and nodes: read, condensed, compared with the books."""
