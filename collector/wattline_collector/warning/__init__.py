"""Early warning: nodes that fail more often than their like, and devices that drift from them.

exact      chances, and what becomes of them when many are looked at
finding    what is reported, of whom, by what evidence
lemons     repeat offenders, counted and held against the fleet
drift      power, heat, throttling and clock against devices at the same work
gather     reads what these need from a store
report     all of it, ordered; for a terminal or as JSON
"""
