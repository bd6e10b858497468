"""`wattline report certificate --verify FILE`: does it hold, and what does that mean?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wattline_agents.errors import UsageError
from wattline_reports.certificate.signed import MOST_BYTES, Verified, verify
from wattline_reports.exchange.keys import read_ring
from wattline_reports.exchange.refused import Reason, Refused
from wattline_reports.finish import code
from wattline_reports.quoted import clean


def run(of: tuple[str, ...], options: Mapping[str, str]) -> int:
    """Check a certificate and print what it says.

    Raises:
        UsageError: It is asked for together with what makes one, or there is no ring of keys.
        Refused: The certificate does not hold.
    """
    if of or options["jobs"] or options["key"] or options["signed_on"]:
        raise UsageError("--verify checks a certificate: leave out what makes one")
    ring = Path(options["ring"])
    if not ring.exists():
        raise UsageError(
            f"there is no ring of public keys at {ring}: the factory, or the organiser, gives it "
            "out; --ring FILE says where it is"
        )
    path = Path(options["verify"])
    found = verify(_read(path), read_ring(ring), path)
    print("\n".join(told(found, path)))
    return 0


def told(found: Verified, path: Path) -> list[str]:
    """What a certificate that holds says, and what it does not."""
    value, key = found.value, found.key
    certificate: Mapping[str, Any] = value["data"]["certificate"]
    period = value["period"]
    lines = [
        f"{path}: the signature holds",
        f"  of            {clean(value['subject'])}, {certificate['job_count']} jobs",
        f"  period        {clean(period['from'])} to {clean(period['to'])}",
        f"  signed by     {key.owner} ({key.role}, {key.id}) on {found.signed_on}",
        f"  code          {code(found.digest)} (pages of this certificate show the same)",
        f"  books         {clean(value['statement']['headline'])}",
    ]
    for one in value["figures"]:
        number = "not known" if one["value"] is None else f"{one['value']:.6g} {one['unit']}"
        share = one["coverage"]
        beside = "" if share is None else f", coverage {share:.1%}"
        parts = [value for dim, value in one["dims"].items() if dim != "project"]
        name = clean(", ".join([one["name"], *parts]))
        lines.append(f"  {name[:40]:<42}{clean(number)}{beside}")
    lines.append("  It does not prove:")
    lines += [f"    - {clean(one)}" for one in certificate["does_not_prove"]]
    return lines


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Refused(Reason.UNREADABLE, error.strerror or "cannot be read", path=path) from error
