"""A factory that is not there: whole, live, with a history and a truth to check books against.

A schedule of jobs and faults follows from a seed; from the schedule follow, in closed form, every
reading of every device at any time. One schedule feeds live agents, a month of history and the
tests. What one device does, and what its generation cannot tell, stands with the agents, which
can play a single node.
"""
