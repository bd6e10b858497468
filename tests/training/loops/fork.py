"""Imports MODULE... once, which takes seconds, and runs every loop it is told in a fork of its own.

Each line of its input is JSON: `argv` with the script first, `environment`, and `said`, the file
for what the loop prints. It answers with the loop's exit status.
"""

import importlib
import json
import os
import runpy
import sys

for module in sys.argv[1:]:
    importlib.import_module(module)
for line in sys.stdin:
    told = json.loads(line)
    child = os.fork()
    if child == 0:
        nothing = os.open(os.devnull, os.O_RDONLY)
        said = os.open(told["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for descriptor, place in ((nothing, 0), (said, 1), (said, 2)):
            os.dup2(descriptor, place)
        os.environ.clear()
        os.environ.update(told["environment"])
        sys.argv = told["argv"]
        runpy.run_path(sys.argv[0], run_name="__main__")
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
