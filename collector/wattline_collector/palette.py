"""One visual language: the accounts' colours, the page's tokens, and how a number is written.

Pages and reports draw from this one table, so that an account, an unknown value or a quantity
looks the same on the fleet page, in the PDF and in a spreadsheet. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from wattline_collector.ledger.accounts import Account

THIN_SPACE = "\u2009"
"""Stands before a unit and between groups of three digits."""

UNKNOWN = "\u2013"
"""An en dash: what is written where nothing is known; never a zero."""

_MINUS = "\u2212"


class Mode(StrEnum):
    """What the picture stands on."""

    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class AccountStyle:
    """How an account is drawn.

    Attributes:
        label: Its name in running text and beside a bar.
        light: Its colour on a light ground.
        dark: Its colour on a dark ground.
        hatched: Drawn with diagonal lines, because something about it is not known.
    """

    label: str
    light: str
    dark: str
    hatched: bool = False

    def colour(self, mode: Mode) -> str:
        """Its colour on that ground."""
        return self.dark if mode is Mode.DARK else self.light


ACCOUNTS: Mapping[Account, AccountStyle] = MappingProxyType(
    {
        Account.BUSY: AccountStyle("busy", "#0072B2", "#56B4E9"),
        Account.SLOWED: AccountStyle("slowed", "#E69F00", "#F0B93A"),
        Account.HELD: AccountStyle("held", "#D55E00", "#FF8A4C"),
        Account.LOST: AccountStyle("lost", "#CC79A7", "#E29BC2"),
        Account.UNMEASURED: AccountStyle("unmeasured", "#9CC7E3", "#2F6F99", hatched=True),
        Account.FREE: AccountStyle("free", "#B8C4CE", "#4A5A66"),
        Account.MAINTENANCE: AccountStyle("maintenance", "#8C7AA9", "#A996C6"),
        Account.DOWN: AccountStyle("down", "#7A1F1F", "#C24B4B"),
        Account.UNOBSERVED: AccountStyle("unobserved", "#D9D9D9", "#3A3A3A", hatched=True),
    }
)
"""All nine, in the ledger's order."""

NODE_OVERHEAD = AccountStyle("node overhead", "#5F6B76", "#8E9BA7")
"""Energy of a node beyond its devices: no account of a device, so grey."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The ground and the ink; text on `background` and on `surface` has contrast over 4.5:1.

    Attributes:
        background: What everything stands on.
        surface: A head of a table, a row under the pointer.
        text: Text.
        muted: Text that explains.
        line: A line that separates.
        grid: A grid line, fainter still.
        accent: What can be clicked, and the one series that matters.
        warning: Text that asks for attention.
        neutral: A cell about which nothing is known.
        mark: The mark drawn over such a cell.
    """

    background: str
    surface: str
    text: str
    muted: str
    line: str
    grid: str
    accent: str
    warning: str
    neutral: str
    mark: str


TOKENS: Mapping[Mode, Tokens] = MappingProxyType(
    {
        Mode.LIGHT: Tokens(
            background="#FFFFFF",
            surface="#F4F6F8",
            text="#16202A",
            muted="#55616D",
            line="#D5DCE2",
            grid="#E9EDF0",
            accent="#00639B",
            warning="#A34700",
            neutral="#E4E7EA",
            mark="#7B8894",
        ),
        Mode.DARK: Tokens(
            background="#10161C",
            surface="#19222B",
            text="#E8EDF1",
            muted="#A3B1BD",
            line="#36434F",
            grid="#232D37",
            accent="#6BBDEC",
            warning="#FFA36B",
            neutral="#2A333C",
            mark="#7E8C98",
        ),
    }
)

TOKEN_KINDS: Mapping[str, AccountStyle] = MappingProxyType(
    {
        "trained": AccountStyle("trained", "#0072B2", "#56B4E9"),
        "prompt": AccountStyle("prompt", "#7FB9DC", "#3A84B5"),
        "generated": AccountStyle("generated", "#0B3D5C", "#BFE3F7"),
    }
)
"""Tokens are what working time makes: three steps of busy's blue, told apart in greyscale too."""

RAMP = (
    "#440154", "#482878", "#3E4A89", "#31688E", "#26828E", "#1F9E89",
    "#35B779", "#6DCD59", "#B4DE2C", "#FDE725",
)  # fmt: skip
"""Viridis: perceptually uniform, readable in greyscale and without red or green, and nowhere as
grey as a cell of which nothing is known (cividis is, in its middle)."""

_PREFIXES = ("", "k", "M", "G", "T", "P", "E")
_PREFIXED_UNITS = frozenset(
    {
        "W", "J", "Wh", "B", "B/s", "Hz", "FLOP", "FLOP/s", "tok", "tok/s", "tok/GPU/s",
        "tok/J", "tok/kWh", "g",
    }
)  # fmt: skip
_WATT_HOURS = MappingProxyType({"kWh": 1e3, "MWh": 1e6, "GWh": 1e9})


def format_si(value: float | None, unit: str = "", digits: int = 3) -> str:
    """A value with its SI prefix: `1.24 MW`, `812 ktok/s`; an en dash where it is not known."""
    if not _known(value):
        return UNKNOWN
    assert value is not None
    rounded = _rounded(value, digits)
    step = 0
    while abs(rounded) >= 1000 and step < len(_PREFIXES) - 1:
        rounded /= 1000
        step += 1
    whole = step == 0 and isinstance(value, int)
    return _with_unit(_digits(rounded, 0 if whole else digits), _PREFIXES[step] + unit)


def format_number(value: float | None, unit: str = "", digits: int = 3) -> str:
    """A value without a prefix: `0.812 tok/J`, `184 320 GPU-h`; its whole part is never rounded."""
    if not _known(value):
        return UNKNOWN
    assert value is not None
    if isinstance(value, int) or abs(value) >= 10 ** (digits - 1):
        return _with_unit(_signed(f"{value:,.0f}").replace(",", THIN_SPACE), unit)
    return _with_unit(_digits(_rounded(value, digits), digits), unit)


def format_percent(ratio: float | None, digits: int = 3) -> str:
    """A ratio from 0 to 1 as a percentage; what is not quite all is not written as all of it."""
    if not _known(ratio):
        return UNKNOWN
    assert ratio is not None
    if ratio in (0, 1):
        return _with_unit(f"{ratio * 100:.0f}", "%")
    if 1 - 0.5 * 10**-digits <= ratio < 1:
        return ">" + _with_unit(f"{100 - 10 ** (2 - digits):.{max(digits - 2, 0)}f}", "%")
    if 0 < ratio < 0.00005:
        return "<" + _with_unit("0.01", "%")
    return _with_unit(_digits(_rounded(ratio * 100, digits), digits, most_decimals=2), "%")


def format_value(value: float | None, unit: str, digits: int = 3) -> str:
    """A value in a KPI's unit: ratios as percent, large amounts with a prefix, the rest plainly."""
    if value is None:
        return UNKNOWN
    if unit == "1":
        return format_percent(value, digits)
    if unit == "%":
        return format_percent(value / 100, digits)
    if unit in _WATT_HOURS:
        return format_si(float(value) * _WATT_HOURS[unit], "Wh", digits)
    if unit in _PREFIXED_UNITS:
        return format_si(value, unit, digits)
    return format_number(value, unit, digits)


def format_energy(joules: float | None, digits: int = 3) -> str:
    """Joules as people are billed for them: watt-hours with a prefix."""
    return format_si(None if joules is None else joules / 3600, "Wh", digits)


def format_celsius(celsius: float | None) -> str:
    """A temperature to the degree, as far as sensors go."""
    return format_number(round(celsius) if celsius is not None and _known(celsius) else None, "°C")


def format_age(milliseconds: float | None) -> str:
    """How long ago, in the largest unit that leaves a whole number: `3 s`, `12 min`, `5 h`."""
    if not _known(milliseconds):
        return UNKNOWN
    assert milliseconds is not None
    seconds = max(0.0, milliseconds / 1000)
    for unit, length, limit in (("s", 1, 120), ("min", 60, 7_200), ("h", 3_600, 172_800)):
        if seconds < limit:
            return _with_unit(f"{seconds / length:.0f}", unit)
    return _with_unit(f"{seconds / 86_400:.0f}", "d")


def text_on(colour: str) -> str:
    """Black or white: the one with more contrast on that ground."""
    return max(("#0A0E12", "#FFFFFF"), key=lambda ink: contrast(ink, colour))


def contrast(one: str, other: str) -> float:
    """Contrast of two colours `#RRGGBB` as WCAG defines it, 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _rounded(value: float, digits: int) -> float:
    if value == 0:
        return 0.0
    return round(value, digits - 1 - math.floor(math.log10(abs(value))))


def _digits(value: float, digits: int, most_decimals: int = 9) -> str:
    if value == 0 or digits == 0:
        return _signed(f"{value:.0f}")
    place = math.floor(math.log10(abs(value)))
    if place < -4:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{_signed(mantissa)}{THIN_SPACE}×{THIN_SPACE}10{raised}"  # noqa: RUF001 (the sign is meant)
    return _signed(f"{value:.{min(max(digits - 1 - place, 0), most_decimals)}f}")


def _signed(text: str) -> str:
    return text.replace("-", _MINUS)


def _with_unit(text: str, unit: str) -> str:
    return f"{text}{THIN_SPACE}{unit}" if unit else text
