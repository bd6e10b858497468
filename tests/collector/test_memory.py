"""What allocators do with what they are told: in processes of their own, as it is for good."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

THREADS = 12

_COUNTED = """\
import ctypes, sys, threading
from wattline_collector.memory import share_arenas

if sys.argv[2] == "shared":
    assert share_arenas()
together = threading.Barrier({threads} + 1)

def hold():
    held = bytearray(5000)  # of more than half a kibibyte Python asks the C library
    together.wait()
    together.wait()
    return held

for _ in range({threads}):
    threading.Thread(target=hold).start()
together.wait()
libc = ctypes.CDLL(None)
libc.fopen.restype, libc.fclose.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
file = libc.fopen(sys.argv[1].encode(), b"w")
libc.malloc_info(0, file)
libc.fclose(file)
together.wait()
"""


def _arenas(path: Path, how: str) -> int:
    told = path / f"{how}.xml"
    program = _COUNTED.format(threads=THREADS)
    subprocess.run([sys.executable, "-c", program, str(told), how], check=True, timeout=60)
    return len(re.findall(r"<heap nr=", told.read_text()))


def test_threads_share_two_arenas_where_each_had_its_own(tmp_path: Path) -> None:
    assert _arenas(tmp_path, "by-default") > 2
    assert _arenas(tmp_path, "shared") == 2
