"""How bad an XID is, by what NVIDIA's public catalogue says is to be done about it.

Source: NVIDIA, "Analyzing Xid Errors with the Xid Catalog" (Ampere and newer),
https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html, its column "Resolution Bucket
(Immediate Action)". The rule of thumb: what asks for a reset, a reboot or a workflow that ends in
one is critical; what asks for a person, or ended a job by the hardware's fault, is a warning; what
asks for the application to be restarted is the application's; what is to be ignored is noted.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CATALOGUE = "https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html"
"""Where the classes are from."""

CRITICAL = (46, 48, 62, 64, 74, 79, 95, 109, 110, 119, 120, 136, 140, 143, 158, 171, 172)
"""RESET_GPU or RESTART_BM; 48 and 74 have workflows, and are cleared by a reset alone; 171 and 172
come with 48 and say which memory it was."""

WARNING = (32, 54, 61, 92, 94, 144, 145, 146, 147, 148, 149, 150, 155, 156, 157, 159, 167, 168, 169)
"""Somebody should look, and the device goes on: 92 and 157 end in "contact support", 94 wants a
reset when convenient, 144 to 150 are to be ignored or to be reset for by a sub-code that the driver
does not hand on (rule `recovery-action` has its verdict), 32 is said to be the bus and not the
application, 61 is of Volta and older alone, 155 and 156 ask for a reset and may be intended, of
167 to 169 the catalogue gives no action."""

APPLICATION = (
    8, 11, 13, 25, 31, 39, 40, 41, 43, 45, 60, 68, 69, 70, 71, 72, 75, 76, 77, 80, 82, 83, 84, 85,
    86, 88, 89, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 108, 126, 127, 128, 129, 130, 131,
    132, 133, 134, 135, 137, 139,
)  # fmt: skip
"""RESTART_APP; 43 and 45 say that an application was ended, 108 and 137 that it used an address of
another device that is none."""

NOTED = (63, 93, 121, 154, 160, 161)
"""IGNORE: 63 and 160 that memory was repaired, 161 that it could not be, 93 wear of its settings,
121 corrected errors of the link to the processor, 154 what `recovery-action` tells."""

RULES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "xid-critical": CRITICAL,
        "xid-warning": WARNING,
        "xid-application": APPLICATION,
        "xid-noted": NOTED,
    }
)
"""The rules, and which XIDs each is about; a test holds them against the rules' own text."""

HARDWARE = (*CRITICAL, *WARNING)
"""What counts against a device."""
