import pytest

from wattline_collector.profile.units import (
    BYTES,
    DURATION,
    ENERGY,
    FLOPS,
    POWER,
    RATE,
    UNITS,
    Unit,
)


@pytest.mark.parametrize(
    ("unit", "text", "value"),
    [
        (POWER, "700 W", 700.0),
        (POWER, "2.3 MW", 2.3e6),
        (POWER, "2.3MW", 2.3e6),
        (POWER, "5e2 kW", 5e5),
        (ENERGY, "1 kWh", 3.6e6),
        (ENERGY, "12 GWh", 4.32e13),
        (BYTES, "141 GB", 141e9),
        (BYTES, "80 GiB", 80 * 2**30),
        (RATE, "100 Gbit/s", 12.5e9),
        (RATE, "900 GB/s", 900e9),
        (FLOPS, "989 TFLOP/s", 989e12),
        (DURATION, "4 h", 14400.0),
    ],
)
def test_a_quantity_becomes_base_units(unit: Unit, text: str, value: float) -> None:
    assert unit.read(text) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("unit", "text", "message"),
    [
        (POWER, "700", "write a number and its unit"),
        (POWER, "W", "write a number and its unit"),
        (POWER, "2,3 MW", "write a number and its unit"),
        (POWER, "1 200 kW", "write a number and its unit"),
        (POWER, "inf W", "write a number and its unit"),
        (POWER, "٣ W", "write a number and its unit"),
        (POWER, "5 kWh", "'kWh' is no unit of power; there are W, kW"),
        (RATE, "100 Gb/s", "'Gb/s' is no unit of data rate"),
        (FLOPS, "989 TFLOPS", "'TFLOPS' is no unit"),
    ],
)
def test_what_could_mean_something_else_is_refused(unit: Unit, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unit.read(text)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_example_of_a_unit_can_be_read(unit: Unit) -> None:
    assert unit.read(unit.example) > 0
