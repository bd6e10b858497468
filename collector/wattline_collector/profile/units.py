"""Units that people write in a profile, and the base units they become.

A quantity is a number with its unit, `"2.3 MW"`. A bare number is refused: whether somebody meant
watts or kilowatts cannot be seen, and the figures made of it would be wrong by a thousand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_DECIMAL = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50}

_QUANTITY = re.compile(
    r"(?P<number>[+-]?\d{1,18}(?:\.\d{1,18})?(?:[eE][+-]?\d{1,2})?) ?(?P<unit>[^\d\s.,].*)\Z",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A dimension: what it is held in, and what it may be written in.

    Attributes:
        name: What it is of.
        base: The unit it is held in.
        suffix: How an attribute that holds it ends.
        written: The units allowed, each with how many base units it is.
        example: One as people write it.
    """

    name: str
    base: str
    suffix: str
    written: Mapping[str, float] = field(hash=False)
    example: str = ""

    def read(self, text: str) -> float:
        """A quantity in base units.

        Raises:
            ValueError: It is none; the message says what would be.
        """
        match = _QUANTITY.match(text.strip())
        if match is None:
            raise ValueError(f'write a number and its unit, such as "{self.example}"')
        factor = self.written.get(match["unit"])
        if factor is None:
            raise ValueError(
                f"{match['unit'][:20]!r} is no unit of {self.name}; there are "
                f"{', '.join(self.written)}"
            )
        return float(match["number"]) * factor


def _scaled(base: str, prefixes: Mapping[str, float], factor: float = 1.0) -> dict[str, float]:
    return {f"{prefix}{base}": size * factor for prefix, size in prefixes.items()}


POWER = Unit("power", "W", "watts", _scaled("W", _DECIMAL), "2.3 MW")
ENERGY = Unit(
    "energy", "J", "joules", _scaled("J", _DECIMAL) | _scaled("Wh", _DECIMAL, 3600.0), "1200 MWh"
)
BYTES = Unit(
    "data", "By", "bytes", _scaled("B", _DECIMAL) | _scaled("B", _BINARY), "141 GB"
)  # fmt: skip
RATE = Unit(
    "data rate", "By/s", "bytes_per_second",
    _scaled("bit/s", _DECIMAL, 1 / 8) | _scaled("B/s", _DECIMAL), "400 Gbit/s",
)  # fmt: skip
FLOPS = Unit(
    "computing speed", "FLOP/s", "flops", _scaled("FLOP/s", _DECIMAL), "989 TFLOP/s"
)  # fmt: skip
AREA = Unit("area", "m2", "square_metres", {"m2": 1.0, "m²": 1.0}, "2500 m2")
TEMPERATURE = Unit(
    "temperature", "Cel", "celsius", {"Cel": 1.0, "°C": 1.0, "C": 1.0}, "27 Cel"
)  # fmt: skip
VOLUME = Unit("volume", "m3", "cubic_metres", {"l": 1e-3, "m3": 1.0, "m³": 1.0}, "120 m3")
DURATION = Unit(
    "time", "s", "seconds", {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}, "4 h"
)

UNITS = (POWER, ENERGY, BYTES, RATE, FLOPS, AREA, TEMPERATURE, VOLUME, DURATION)
