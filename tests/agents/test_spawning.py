import subprocess
import sys


def done(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True
    )


def test_a_fork_does_what_it_was_made_for_and_ends_with_nothing_else() -> None:
    code = """
import atexit, os, sys
from wattline_agents.spawning import forked
atexit.register(lambda: print("tidied up", flush=True))
print("kept, and not written twice", end=" ")
reads, writes = os.pipe()
pid = forked(lambda: os.write(writes, b"done"))
_, status = os.waitpid(pid, 0)
print(os.read(reads, 9), os.waitstatus_to_exitcode(status))
"""
    assert done(code).stdout.splitlines() == ["kept, and not written twice b'done' 0", "tidied up"]


def test_what_breaks_a_fork_is_said_and_goes_no_further() -> None:
    code = """
import os
from wattline_agents.spawning import forked
try:
    pid = forked(lambda: 1 / 0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
finally:
    print("once")
"""
    seen = done(code)
    assert seen.stdout.splitlines() == ["1", "once"]
    assert seen.stderr.count("ZeroDivisionError") == 1


def test_threads_are_counted() -> None:
    code = """
import threading
from wattline_agents.spawning import has_one_thread
alone = has_one_thread()
end = threading.Event()
other = threading.Thread(target=end.wait)
other.start()
print(alone, has_one_thread())
end.set()
other.join()
"""
    assert done(code).stdout.split() == ["True", "False"]
