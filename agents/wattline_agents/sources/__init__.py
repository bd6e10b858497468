"""What an agent reads: one file (or package) each.

Nothing is imported here: the processes that read a driver load one source, and no more than that.
"""
