"""A store with books, registers and a profile, small enough to be made for a test.

Two devices of one node for three hours on 1 November 2025: a job of a start-up trains on the first,
one that pays for its time on the second. Meters of the site count the whole of 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wattline_agents.catalogue import TABLES
from wattline_agents.cli import main
from wattline_agents.wire import Header, Row, encode
from wattline_collector.ledger.booking import book
from wattline_collector.receive.intake import Intake
from wattline_collector.store.store import Store

START = 1_761_955_200_000  # 2025-11-01T00:00Z
HOURS = 3
"""Booked; the last two are too young to stand in the audit trail for good."""

PROFILE = """\
id = "example-aif"
name = "Example AI Factory"
country = "FI"
time_zone = "UTC"
track = 3
holds_since = 2025-01-01

[system.lab]
name = "Lab"
kind = "ai_optimised"
in_service = 2025-01-01

[system.lab.entitlement]
union_share = 0.5

[data_centre]
name = "Example Data Centre"
owner = "Example University"
operator = "Example Computing Centre"
contact = "dc@example.org"
lau_code = "FI_205"
ownership = "enterprise"
structure = "structure"
in_operation = "2021-09"
rated_it_power = "POWER"
floor_area = "2500 m2"
computer_room_area = "900 m2"
refrigerants = ["R-1234ze"]

[data_centre.redundancy]
electrical_high_voltage = "N+1"
electrical_low_voltage = "N+1"
electrical_rack = "2N"
cooling_room = "N+1"
cooling_rack = "N"

[data_centre.year.2025]
server_capacity_sert = 182000
server_capacity_share = 0.80
storage_capacity = "40 PB"
bandwidth_in = "100 Gbit/s"
bandwidth_out = "100 Gbit/s"
traffic_in = "0.2 EB"
traffic_out = "0.1 EB"
intake_setpoint = "27 Cel"
cooling_degree_days = 38
battery_to_grid = "0 kW"
is_peak_shifting = false
is_frequency_reserve = false

[point.ups-a-out]
boundary = "ups_output"
place = "room E2, panel A"
since = 2021-09-01

[measuring_device.em340]
point = "ups-a-out"
make = "Example EM340"
serial = "4711"
accuracy = "class 0.5S"

[meter.ups-a]
quantity = "energy"
point = "ups-a-out"
"""

_PROJECTS = """\
project,account,access_mode,user_category,state,partner_states,share,commercial,gpu_hours_granted,valid_from,valid_until
P1,p1,fast_lane,start_up,SI,AT IT,union,no,3,2025-01-01,2025-12-31
P2,p2,commercial,large_industry,DE,,commercial,yes,2,2025-01-01,2025-12-31
"""

METERED = {
    "E_DC": ("energy", "data_centre_input", 12.0, "GWh"),
    "E_DC-BG": ("energy", "data_centre_input", 0.0, "GWh"),
    "E_IT": ("energy", "ups_output", 10.0, "GWh"),
    "W_IN": ("water", "site_input", 5000.0, "m3"),
    "W_IN-POT": ("water", "site_input", 500.0, "m3"),
    "E_REUSE": ("heat", "heat_handover", 3.0, "GWh"),
    "T_WH": ("temperature", "heat_handover", 42.5, "Cel"),
    "E_RES-GOO": ("energy", "other", 6.0, "GWh"),
    "E_RES-PPA": ("energy", "other", 3.0, "GWh"),
    "E_RES-OS": ("energy", "other", 0.6, "GWh"),
}
"""What the meters count in 2025, by indicator: quantity, boundary, amount and unit."""


def make_books(path: Path) -> Path:
    """The store's books: two devices, each with a job all the time."""
    with Store.open(path, write=True) as opened:
        intake = Intake(opened)
        sequence = 0

        def send(table: str, period_ms: int, rows: Sequence[Row]) -> None:
            nonlocal sequence
            sequence += 1
            header = Header("lab", "n1", "boot", sequence, period_ms)
            intake.accept(table, header, encode(TABLES[table], rows))

        times = [START + 10_000 * tick for tick in range(HOURS * 360 + 1)]
        jobs = (("7", "gpu0", "p1"), ("8", "gpu1", "p2"))
        send("device_info", 0, [{"time_unix_ms": START, "device": d} for _, d, _ in jobs])
        send("job_info", 0, [
            {"time_unix_ms": START, "job": job, "kind": "training", "project": project,
             "state": "running"} for job, _, project in jobs
        ])  # fmt: skip
        send("assignment", 0, [
            {"time_unix_ms": t, "device": device, "job": job, "start_unix_ms": START}
            for t in times[::3] for job, device, _ in jobs
        ])  # fmt: skip
        send("device", 10_000, [
            {"time_unix_ms": t, "device": device, "up": 1, "power_watts": 600.0,
             "energy_joules_total": (t - START) / 1000 * 600.0, "sm_active_ratio": 0.8}
            for t in times for _, device, _ in jobs
        ])  # fmt: skip
        send("job", 10_000, [
            {"time_unix_ms": t, "job": "7", "tokens_trained_total": (t - START) * 5} for t in times
        ])  # fmt: skip
        opened.commit()
        book(opened, until_ms=times[-1])
    return path


def speak_late(store: Path) -> None:
    """A device that nobody told of speaks of the first hour, which is booked again."""
    with Store.open(store, write=True) as opened:
        intake = Intake(opened)
        header = Header("lab", "n2", "boot", 1, 0)
        rows: list[Row] = [{"time_unix_ms": START, "device": "late"}]
        intake.accept("device_info", header, encode(TABLES["device_info"], rows))
        readings: list[Row] = [
            {"time_unix_ms": START + 10_000 * tick, "device": "late", "up": 1, "power_watts": 100.0}
            for tick in range(361)
        ]
        header = Header("lab", "n2", "boot", 2, 10_000)
        intake.accept("device", header, encode(TABLES["device"], readings))
        opened.commit()
        book(opened, until_ms=START + HOURS * 3_600_000)


def add_registers(store: Path, without: Sequence[str] = ()) -> None:
    """Projects, and meters but for those of some indicators."""
    projects, meters = store.parent / "projects.csv", store.parent / "meters.csv"
    projects.write_text(_PROJECTS)
    rows = [
        f"{'ups-a' if code == 'E_IT' else code.lower()},{quantity},{code},{boundary},amount,"
        f"2025-01-01,2025-12-31,{amount},{unit}"
        for code, (quantity, boundary, amount, unit) in METERED.items()
        if code not in without
    ]
    meters.write_text(
        "\n".join(["meter,quantity,eed,boundary,reading,start,end,value,unit", *rows, ""])
    )
    assert main(["import", "projects-csv", str(projects), "--store", str(store)]) == 0
    assert main(["import", "meters-csv", str(meters), "--store", str(store)]) == 0


def use_profile(store: Path, power: str = "2.5 MW", text: str = PROFILE) -> None:
    """Let the profile hold, with so much IT power."""
    path = store.parent / "profile.toml"
    path.write_text(text.replace("POWER", power))
    assert main(["profile", "use", str(path), "--store", str(store)]) == 0


def make(path: Path) -> Path:
    """All of it."""
    make_books(path)
    add_registers(path)
    use_profile(path)
    return path
