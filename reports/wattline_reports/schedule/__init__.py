"""Reports at their times: which, when and for whom, from a file that people write."""
