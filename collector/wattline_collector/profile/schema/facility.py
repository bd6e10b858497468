"""The data centre around the systems: what Delegated Regulation (EU) 2024/1364 asks for."""

from __future__ import annotations

from collections.abc import Mapping

from wattline_collector.profile.declare import Kind, ident, key, named, part, table
from wattline_collector.profile.schema import complaints, words
from wattline_collector.profile.units import AREA, BYTES, POWER, RATE, TEMPERATURE


@table
class Redundancy:
    """Levels of redundancy (Annex I)."""

    electrical_high_voltage: str | None = key(
        Kind.WORD, "Of the high-voltage line-up.", '"N+1"', default=None,
        words=words.REDUNDANCY, serves="S07 eed",
    )  # fmt: skip
    electrical_low_voltage: str | None = key(
        Kind.WORD, "Of the low-voltage line-up.", '"N+1"', default=None,
        words=words.REDUNDANCY, serves="S07 eed",
    )  # fmt: skip
    electrical_rack: str | None = key(
        Kind.WORD, "Of the supply of a rack.", '"2N"', default=None, words=words.REDUNDANCY,
        serves="S07 eed",
    )  # fmt: skip
    cooling_room: str | None = key(
        Kind.WORD, "Of the cooling of the room.", '"N+1"', default=None, words=words.REDUNDANCY,
        serves="S07 eed",
    )  # fmt: skip
    cooling_rack: str | None = key(
        Kind.WORD, "Of the cooling of a rack.", '"N"', default=None, words=words.REDUNDANCY,
        serves="S07 eed",
    )  # fmt: skip


@table
class Year:
    """Figures of one calendar year that no meter counts (Annex II); as of 31 December."""

    id: str = ident("The year.")
    rated_it_power_watts: float | None = key(
        Kind.QUANTITY, "PD_IT: installed IT power, averaged over the year where it changed.",
        '"2.3 MW"', default=None, unit=POWER, most=1e9,
    )  # fmt: skip
    server_capacity_sert: float | None = key(
        Kind.NUMBER, "C_SERV: sum of the servers' SERT active-state performance.", "182000",
        default=None, serves="S07 eed",
    )  # fmt: skip
    server_capacity_share: float | None = key(
        Kind.SHARE, "Which part of the computer-room floor that speaks for.", "0.80", default=None,
        serves="S07 eed",
    )  # fmt: skip
    storage_capacity_bytes: float | None = key(
        Kind.QUANTITY, "C_STOR: raw capacity of storage.", '"40 PB"', default=None, unit=BYTES,
        serves="S07 eed",
    )  # fmt: skip
    bandwidth_in_bytes_per_second: float | None = key(
        Kind.QUANTITY, "B_IN: provisioned bandwidth inwards, the year's average.",
        '"100 Gbit/s"', default=None, unit=RATE, serves="S07 eed",
    )  # fmt: skip
    bandwidth_out_bytes_per_second: float | None = key(
        Kind.QUANTITY, "B_OUT: the same outwards.", '"100 Gbit/s"', default=None, unit=RATE,
        serves="S07 eed",
    )  # fmt: skip
    traffic_in_bytes: float | None = key(
        Kind.QUANTITY, "T_IN of data: traffic inwards over the year.", '"0.2 EB"', default=None,
        unit=BYTES, most=1e21, serves="S07 eed",
    )  # fmt: skip
    traffic_out_bytes: float | None = key(
        Kind.QUANTITY, "T_OUT of data: traffic outwards.", '"0.1 EB"', default=None, unit=BYTES,
        most=1e21, serves="S07 eed",
    )  # fmt: skip
    intake_setpoint_celsius: float | None = key(
        Kind.QUANTITY, "T_IN of air: average setpoint of intake air.", '"27 Cel"', default=None,
        unit=TEMPERATURE, least=-20, most=60, serves="S07 eed",
    )  # fmt: skip
    cooling_degree_days: float | None = key(
        Kind.NUMBER, "CDD: cooling degree days over 21 degrees Celsius.", "38", default=None,
        most=10_000, serves="S07 eed",
    )  # fmt: skip
    battery_to_grid_watts: float | None = key(
        Kind.QUANTITY, "C_BtG: battery capacity offered to the grid, on average.", '"0 kW"',
        default=None, unit=POWER, serves="S07 eed",
    )  # fmt: skip
    is_peak_shifting: bool | None = key(
        Kind.FLAG, "Whether it shifted peaks for the grid.", "false", default=None,
        serves="S07 eed",
    )  # fmt: skip
    is_frequency_reserve: bool | None = key(
        Kind.FLAG, "Whether it gave fast frequency response.", "false", default=None,
        serves="S07 eed",
    )  # fmt: skip


@table
class DataCentre:
    """The data centre, as its operator reports it (Annex I and II)."""

    name: str | None = key(
        Kind.TEXT, "Its name.", '"Example Data Centre"', default=None, serves="S07 eed"
    )
    owner: str | None = key(
        Kind.TEXT, "Its owner.", '"Example University"', default=None, serves="S07 eed"
    )
    operator: str | None = key(
        Kind.TEXT, "Its operator.", '"Example Computing Centre"', default=None, serves="S07 eed"
    )
    contact: str | None = key(
        Kind.TEXT, "How to reach the operator.", '"dc@example.org"', default=None,
        serves="S07 eed", personal=True,
    )  # fmt: skip
    lau_code: str | None = key(
        Kind.TEXT, "Code of its local administrative unit (Eurostat).", '"FI_205"', default=None,
        serves="S07 eed",
    )  # fmt: skip
    ownership: str | None = key(
        Kind.WORD, "Who uses it.", '"enterprise"', default=None, words=words.OWNERSHIP,
        serves="S07 eed",
    )  # fmt: skip
    structure: str | None = key(
        Kind.WORD, "One structure, or a group of them.", '"structure"', default=None,
        words=words.STRUCTURE, serves="S07 eed",
    )  # fmt: skip
    in_operation: str | None = key(
        Kind.TEXT, "Year and month in which it began.", '"2021-09"', default=None,
        check=complaints.month, serves="S07 eed",
    )  # fmt: skip
    rated_it_power_watts: float | None = key(
        Kind.QUANTITY, "Rated IT load. From 500 kW on it must report every year.", '"2.5 MW"',
        default=None, unit=POWER, most=1e9, serves="S07 eed",
    )  # fmt: skip
    floor_area_square_metres: float | None = key(
        Kind.QUANTITY, "S_DC: its floor, pro rata in a shared building.", '"2500 m2"',
        default=None, unit=AREA, most=1e7, serves="S07 eed",
    )  # fmt: skip
    computer_room_area_square_metres: float | None = key(
        Kind.QUANTITY, "S_CR: the floor of its computer rooms.", '"900 m2"', default=None,
        unit=AREA, most=1e7, serves="S07 eed",
    )  # fmt: skip
    refrigerants: tuple[str, ...] | None = key(
        Kind.TEXT, "Refrigerants in use; an empty list: none.", '["R-1234ze"]', default=None,
        many=True, serves="S07 eed",
    )  # fmt: skip
    wan_link_bytes_per_second: float | None = key(
        Kind.QUANTITY, "What its link to the research network moves at most.", '"100 Gbit/s"',
        default=None, unit=RATE, least=1e3, serves="Q02",
    )  # fmt: skip
    redundancy: Redundancy | None = part(Redundancy, default=None)
    years: Mapping[str, Year] = named(
        Year, "2026", default_factory=dict, check=complaints.year, serves="S07 eed"
    )
