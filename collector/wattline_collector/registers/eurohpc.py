"""Project ids of the EuroHPC Joint Undertaking, and what they tell by themselves.

`EHPC-AIF-2026FL01-445` is a project of Fast Lane, called for in 2026. Sites make accounts of ids:
in lower case, with another prefix (`EEHPC-DEV-2026D08-260` on Deucalion, `e-aif-2026fl01-991` on
JUPITER), with a letter for a partition behind (`-066x`); people write a hyphen more or less
(`2024-A04`, `2025SC02060`). Leonardo's accounts (`EUHPC_R04_192`, `AIFAC_P02_222`) keep the mode
and a number of rounds that runs on over the years. All of these are read. LUMI's
(`project_465...`) tell nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_ID = re.compile(
    r"(?:EEHPC|EHPC|E)-(?P<call>[A-Z]{2,4})-(?P<year>20\d\d)-?(?P<kind>[A-Z]{1,2})"
    r"(?P<round>\d\d)(?:-(?P<number>\d{1,5})|(?P<joined>\d{3}))[A-Z]?\Z",
    re.ASCII | re.IGNORECASE,
)
_LEONARDO = re.compile(
    r"(?P<family>EUHPC|AIFAC)_(?P<letter>[A-Z])\d\d_\d{1,5}(?:_\d)?\Z", re.ASCII | re.IGNORECASE
)

ACCESS_MODES: Mapping[tuple[str, str], str] = {
    ("EXT", "E"): "extreme_scale",
    ("REG", "R"): "regular",
    ("DEV", "D"): "development",
    ("BEN", "B"): "benchmark",
    ("AI", "A"): "ai_data_intensive",
    ("AIF", "PG"): "playground",
    ("AIF", "FL"): "fast_lane",
    ("AIF", "LS"): "large_scale",
    ("AIF", "SC"): "ai_for_science",
}
"""Call and kind of an id, and the access mode. Only pairs that projects have in print."""

_LEONARDO_CALLS: Mapping[tuple[str, str], tuple[str, str]] = {
    **{("EUHPC", kind): (call, kind) for call, kind in ACCESS_MODES if len(kind) == 1},
    **{("AIFAC", kind[0]): (call, kind) for call, kind in ACCESS_MODES if len(kind) == 2},
}


@dataclass(frozen=True, slots=True)
class ProjectId:
    """What an id says.

    Attributes:
        text: The id as the Joint Undertaking writes it; a site's account that does not hold it is
            only put in upper case.
        call: Which call: `REG`, `AIF`, ...
        cut_off: Year, kind and round as written, `2026FL01`; None where the id does not say.
        year: The call's year; None where the id does not say.
        access_mode: The register's word for the mode; None if it is not known here.
    """

    text: str
    call: str
    cut_off: str | None
    year: int | None
    access_mode: str | None


def parse(text: str) -> ProjectId | None:
    """Read an id, or an account made of one; None if it is neither."""
    plain = text.strip()
    if (match := _ID.match(plain)) is not None:
        call, kind = match["call"].upper(), match["kind"].upper()
        number = (match["number"] or match["joined"]).zfill(3)
        cut_off = f"{match['year']}{kind}{match['round']}"
        mode = ACCESS_MODES.get((call, kind))
        return ProjectId(f"EHPC-{call}-{cut_off}-{number}", call, cut_off, int(match["year"]), mode)
    if (match := _LEONARDO.match(plain)) is not None:
        of = _LEONARDO_CALLS.get((match["family"].upper(), match["letter"].upper()))
        if of is not None:
            return ProjectId(plain.upper(), of[0], None, None, ACCESS_MODES[of])
    return None
