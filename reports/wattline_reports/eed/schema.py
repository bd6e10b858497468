"""The fields of the return under their legal codes, and what changes from version to version.

Annex I describes the data centre, Annex II its year. A code of the regulation may stand for two
things (`T_IN` is the air's temperature and the traffic inwards), so each field has a key of its own
beside it, as `kpi.eed` has.

The draft of the amending act (registered in March 2026; not adopted) is known from commentary: it
takes the data traffic out, and puts an electronic label from classes of PUE and WUE in. Its class
limits are not known, so no label is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.schema.facility import DataCentre, Year

DRAFT = "eed-2026-draft"

KILO = 1e-3
_PETA = 1e-15
_GIGA = 1e-9
_EXA = 1e-18


@dataclass(frozen=True, slots=True)
class Stated:
    """A number that the profile states.

    Attributes:
        key: Its key, as `kpi.eed` names the field.
        code: Its code in the regulation.
        name: What it is.
        unit: The regulation's unit.
        factor: From the profile's base unit to it.
        place: Where in the profile.
        attribute: The attribute of `[data_centre]` or of its year.
        is_yearly: Whether it is of the year.
    """

    key: str
    code: str
    name: str
    unit: str
    factor: float
    place: str
    attribute: str
    is_yearly: bool = True

    def value(self, centre: DataCentre | None, year: Year | None) -> float | None:
        """What the profile says, in the regulation's unit."""
        table = year if self.is_yearly else centre
        found = None if table is None else getattr(table, self.attribute)
        return None if found is None else float(found) * self.factor


@dataclass(frozen=True, slots=True)
class Counted:
    """A number that meters count.

    Attributes:
        code: Its code, which is its key too.
        name: What it is.
        unit: The regulation's unit.
        factor: From the register's base unit to it.
        rule: Where and how it is measured.
    """

    code: str
    name: str
    unit: str
    factor: float
    rule: str


STATED = (
    Stated("PD_IT", "PD_IT", "installed IT power demand", "kW", KILO,
           "data_centre.rated_it_power", "rated_it_power_watts", is_yearly=False),
    Stated("S_DC", "S_DC", "total floor area", "m2", 1.0, "data_centre.floor_area",
           "floor_area_square_metres", is_yearly=False),
    Stated("S_CR", "S_CR", "computer room floor area", "m2", 1.0, "data_centre.computer_room_area",
           "computer_room_area_square_metres", is_yearly=False),
    Stated("C_BtG", "C_BtG", "battery capacity offered to the grid, average", "kW", KILO,
           "battery_to_grid", "battery_to_grid_watts"),
    Stated("T_IN air", "T_IN", "average setpoint intake air temperature", "Cel", 1.0,
           "intake_setpoint", "intake_setpoint_celsius"),
    Stated("CDD", "CDD", "cooling degree days over 21 Cel", "degree-days", 1.0,
           "cooling_degree_days", "cooling_degree_days"),
    Stated("C_SERV", "C_SERV", "ICT capacity for servers", "SERT", 1.0, "server_capacity_sert",
           "server_capacity_sert"),
    Stated("C_SERV floor share", "C_SERV", "share of the computer room floor it speaks for", "%",
           100.0, "server_capacity_share", "server_capacity_share"),
    Stated("C_STOR", "C_STOR", "ICT capacity for storage, raw", "PB", _PETA, "storage_capacity",
           "storage_capacity_bytes"),
    Stated("B_IN", "B_IN", "provisioned bandwidth inwards", "GB/s", _GIGA, "bandwidth_in",
           "bandwidth_in_bytes_per_second"),
    Stated("B_OUT", "B_OUT", "provisioned bandwidth outwards", "GB/s", _GIGA, "bandwidth_out",
           "bandwidth_out_bytes_per_second"),
    Stated("T_IN traffic", "T_IN", "incoming data traffic", "EB", _EXA, "traffic_in",
           "traffic_in_bytes"),
    Stated("T_OUT traffic", "T_OUT", "outgoing data traffic", "EB", _EXA, "traffic_out",
           "traffic_out_bytes"),
)  # fmt: skip

_KWH = 1 / 3.6e6
COUNTED = (
    Counted("W_IN", "total water input", "m3", 1.0, "EN 50600-4-9, category 2; else 1"),
    Counted("W_IN-POT", "total potable water input", "m3", 1.0, "EN 50600-4-9, category 1"),
    Counted("E_REUSE", "waste heat reused", "kWh", _KWH, "EN 50600-4-6, at the hand-over point"),
    Counted("T_WH", "average waste heat temperature", "Cel", 1.0,
            "fluid entering the heat exchanger at the room's boundary"),
    Counted("E_RES-GOO", "renewable energy by guarantees of origin", "kWh", _KWH, "EN 50600-4-3"),
    Counted("E_RES-PPA", "renewable energy by power purchase agreements", "kWh", _KWH,
            "EN 50600-4-3"),
    Counted("E_RES-OS", "renewable energy generated on site", "kWh", _KWH, "EN 50600-4-3"),
)  # fmt: skip
"""What meters count beside the energy of S01 and S02."""

_NOT_IN_DRAFT = ("T_IN traffic", "T_OUT traffic")


def keeps(schema: str) -> Callable[[str], bool]:
    """Whether a version of the return has a field, by its key."""
    left_out = _NOT_IN_DRAFT if schema == DRAFT else ()
    return lambda key: key not in left_out


SITE_TEXTS = (
    ("name", "name", "Name of the data centre"),
    ("owner", "owner", "Owner"),
    ("operator", "operator", "Operator"),
    ("contact", "contact", "Contact"),
    ("LAU", "lau_code", "Location, LAU code"),
    ("ownership", "ownership", "Type: ownership"),
    ("structure", "structure", "Type: structure"),
    ("in operation since", "in_operation", "Year and month of entry into operation"),
    ("refrigerants", "refrigerants", "Types of refrigerants"),
)
"""Fields of Annex I and II that are words, by key, attribute of the data centre and name."""

REDUNDANCY_NAMES = {
    "electrical_high_voltage": "Redundancy, electrical, high-voltage line-up",
    "electrical_low_voltage": "Redundancy, electrical, low-voltage line-up",
    "electrical_rack": "Redundancy, electrical, rack",
    "cooling_room": "Redundancy, cooling, room",
    "cooling_rack": "Redundancy, cooling, rack",
}
GRID_FLAGS = (
    ("peak shifting", "is_peak_shifting", "Grid functions: peak shifting"),
    ("frequency reserve", "is_frequency_reserve", "Grid functions: fast frequency response"),
)


def texts(profile: FactoryProfile | None, year: str) -> list[tuple[str, str, str | None]]:
    """Fields that are words: key, name, and what the profile says, None where it says nothing."""
    centre = None if profile is None else profile.data_centre
    found: list[tuple[str, str, str | None]] = []
    for key, attribute, name in SITE_TEXTS:
        value = None if centre is None else getattr(centre, attribute)
        if isinstance(value, tuple):
            value = ", ".join(value) or "none in use"
        found.append((key, name, value))
    redundancy = None if centre is None else centre.redundancy
    for attribute, name in REDUNDANCY_NAMES.items():
        level = None if redundancy is None else getattr(redundancy, attribute)
        found.append((f"redundancy {attribute.replace('_', ' ')}", name, level))
    of_year = None if centre is None else centre.years.get(year)
    for key, attribute, name in GRID_FLAGS:
        flag = None if of_year is None else getattr(of_year, attribute)
        found.append((key, name, None if flag is None else "yes" if flag else "no"))
    return found
