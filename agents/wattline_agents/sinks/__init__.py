"""Where readings go: one file (or package) each.

Nothing is imported here: the process that encodes loads one module, and no more than that.
"""
