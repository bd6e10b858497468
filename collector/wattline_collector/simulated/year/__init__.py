"""A whole year of a factory with everything that happens planted, and the truth of it.

Where the factory beside it is played second by second, this one is played by ticks of ten minutes
in which nothing changes: then what every figure of the year must be follows from the plan by plain
sums, and the books can be held against it.
"""
