"""XID errors in the kernel's log: some, such as 79, are written there and never become an event."""

from __future__ import annotations

import os
import select

_MOST_RECORDS = 256
"""Read at one tick; a log that is fuller than that is read on at the next."""
_MOST_BYTES = 8192
"""The kernel writes no longer record."""

_BEGIN = b"NVRM: Xid (PCI:"
_XID = (
    rb"NVRM: Xid \(PCI:([0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2})(?:\.[0-7])?\): (\d{1,5})\b"
)


class KernelLog:
    """Reads the kernel's log from where it stands now.

    Attributes:
        why_not: Why it cannot be read; None if it can.
    """

    def __init__(self, path: str = "/dev/kmsg") -> None:
        """Open it, if that is allowed."""
        self.why_not: str | None = None
        self._file: int | None = None
        self._news = select.poll()
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            self._news.register(self._file, select.POLLIN)
            # What was there before is from before; its XIDs are not news.
            os.lseek(self._file, 0, os.SEEK_END)
        except PermissionError:
            self.close()
            self.why_not = "this user may not read the kernel's log"
        except OSError as error:
            self.close()
            self.why_not = f"the kernel's log cannot be read: {error.strerror}"

    def read(self) -> list[tuple[str, int]]:
        """PCI address and number of each XID since the call before; never waits."""
        found: list[tuple[str, int]] = []
        # Mostly there are none, which this says for less than a reading that fails.
        if self._file is None or not self._news.poll(0):
            return found
        for _ in range(_MOST_RECORDS):
            if self._file is None:
                break
            try:
                record = os.read(self._file, _MOST_BYTES)
            except BlockingIOError:
                break
            except BrokenPipeError:
                continue  # records were overwritten before they were read
            except OSError as error:
                self.close()
                self.why_not = f"the kernel's log cannot be read: {error.strerror}"
                break
            if not record:
                break
            xid = xid_in(record)
            if xid is not None:
                found.append(xid)
        return found

    def close(self) -> None:
        """Let go of it."""
        if self._file is not None:
            self._news = select.poll()
            os.close(self._file)
            self._file = None


def xid_in(record: bytes) -> tuple[str, int] | None:
    """PCI address, as `place_of` writes it, and number, if the kernel reports an XID there.

    A record begins with its priority; from 8 up it was written by a program and not by the kernel.
    """
    priority = record.partition(b",")[0]
    if not priority.isdigit() or int(priority) >= 8 or _BEGIN not in record:
        return None
    import re  # a mebibyte that a process has no use for before its first XID

    match = re.search(_XID, record)
    return None if match is None else (place_of(match[1].decode()), int(match[2]))


def place_of(pci: str) -> str:
    """A PCI address without what is written differently here and there: `1b:00` and its domain."""
    domain, bus, device = pci.lower().partition(".")[0].split(":")
    return f"{int(domain, 16):x}:{bus}:{device}"
