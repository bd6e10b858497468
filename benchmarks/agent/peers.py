"""Those measured beside the agent, and how large an installation is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def make_environment(folder: Path, *packages: str) -> Path:
    """A fresh environment with these packages; its `bin`.

    Raises:
        subprocess.CalledProcessError: The packages could not be had.
    """
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    if packages:
        pip = [str(folder / "bin/python"), "-m", "pip", "--disable-pip-version-check", "install"]
        subprocess.run([*pip, "--quiet", *packages], check=True, capture_output=True)
    return folder / "bin"


def nvitop_exporter(folder: Path) -> Path | None:
    """The exporter of nvitop, installed there; None if that fails."""
    try:
        return make_environment(folder, "nvitop", "nvitop-exporter") / "nvitop-exporter"
    except (OSError, subprocess.CalledProcessError):
        return None


def mib_on_disk(folder: Path) -> float:
    """MiB that the files of a folder take, as `du` counts."""
    blocks = {
        (one.st_dev, one.st_ino): one.st_blocks
        for path in folder.rglob("*")
        if (one := path.lstat())
    }
    return sum(blocks.values()) * 512 / 2**20


def installed_mib(folder: Path, package: Path) -> float:
    """MiB that a package and what it needs add to an empty environment."""
    make_environment(folder)
    empty = mib_on_disk(folder)
    pip = [str(folder / "bin/python"), "-m", "pip", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "--quiet", str(package)], check=True, capture_output=True)
    return mib_on_disk(folder) - empty
