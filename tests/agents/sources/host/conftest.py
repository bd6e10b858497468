from pathlib import Path

import pytest

STAT = """\
cpu  1000 200 500 8000 500 10 20 30 400 50
cpu0 500 100 250 4000 250 5 10 15 200 25
intr 5
"""
MEMINFO = """\
MemTotal:       1000 kB
MemFree:         100 kB
MemAvailable:    400 kB
Buffers:          10 kB
"""
NET = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop
    lo: 7 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0
  eth0: 100 1 0 0 0 0 0 0 50 1 0 0 0 0 0 0
   ib0:900 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0
"""
DISKS = """\
   8       0 sda 10 0 2000 1 5 0 1000 1 0 1 1 0 0 0 0
   8       1 sda1 9 0 1800 1 5 0 1000 1 0 1 1 0 0 0 0
 253       0 dm-0 9 0 1800 1 5 0 1000 1 0 1 1 0 0 0 0
   7       3 loop3 9 0 5 1 0 0 0 0 0 0 0 0 0 0 0
 259       0 nvme0n1 1 0 2 1 1 0 4 1 0 1 1 0 0 0 0
"""


class Tree:
    """A /proc and a /sys that tests may change."""

    def __init__(self, root: Path) -> None:
        self.proc, self.sys = root / "proc", root / "sys"
        self.write("proc/stat", STAT)
        self.write("proc/meminfo", MEMINFO)
        self.write("proc/net/dev", NET)
        self.write("proc/diskstats", DISKS)
        for name in ("sda", "dm-0", "loop3", "nvme0n1"):
            (self.sys / "block" / name).mkdir(parents=True)
        for name, kind in (("lo", 772), ("eth0", 1), ("ib0", 32)):
            self.write(f"sys/class/net/{name}/type", f"{kind}\n")

    def write(self, path: str, text: str) -> None:
        whole = self.proc.parent / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_text(text)

    def chip(self, number: int, name: str, **sensors: tuple[str, str]) -> None:
        """A hwmon chip: sensor -> its label and what it reads."""
        self.write(f"sys/class/hwmon/hwmon{number}/name", f"{name}\n")
        for sensor, (label, reading) in sensors.items():
            place = f"sys/class/hwmon/hwmon{number}/{sensor}"
            self.write(f"{place}_input", reading)
            if label:
                self.write(f"{place}_label", f"{label}\n")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)
