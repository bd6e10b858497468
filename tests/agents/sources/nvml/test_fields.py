"""Fields read together, from drivers that refuse some, change their minds, or answer strangely."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.fields import ENTRY, Field, Fields
from wattline_agents.sources.nvml.off import Ledger, NvmlFailed, Off

NOW = 1_790_000_000_000
MINUTES_5 = 300_000


class Driver:
    """Answers each field with a type, a code, and eight bytes."""

    def __init__(self) -> None:
        self.code = ids.SUCCESS
        self.answers: dict[int, tuple[int, int, bytes]] = {}
        self.asked: list[list[tuple[int, int]]] = []

    def function(self, name: str) -> Any:
        assert name == "nvmlDeviceGetFieldValues"
        return self.get

    def get(self, _handle: Any, count: int, buffer: Any) -> int:
        wanted = [ENTRY.unpack_from(buffer, place * ENTRY.size)[:2] for place in range(count)]
        self.asked.append([(field, scope) for field, scope in wanted])
        if self.code:
            return self.code
        for place, (field, scope) in enumerate(wanted):
            type_, code, raw = self.answers[field]
            ENTRY.pack_into(buffer, place * ENTRY.size, field, scope, 1, 2, type_, code, raw)
        return ids.SUCCESS


def unsigned(value: int) -> tuple[int, int, bytes]:
    return ids.TYPE_UNSIGNED_LONG_LONG, ids.SUCCESS, value.to_bytes(8, "little")


def failed(code: int) -> tuple[int, int, bytes]:
    return 0, code, b""


@pytest.fixture
def driver() -> Driver:
    driver = Driver()
    driver.answers = {1: unsigned(10), 2: unsigned(20), 3: unsigned(30)}
    return driver


def fields_of(driver: Driver, ledger: Ledger) -> Fields:
    wanted = [Field(ledger.ask_for(name, name), number, number * 7)
              for number, name in ((1, "a"), (2, "b"), (3, "c"))]  # fmt: skip
    return Fields(driver, ctypes.c_void_p(1), ledger, wanted)  # type: ignore[arg-type]


def test_all_are_asked_for_in_one_call(driver: Driver) -> None:
    fields = fields_of(driver, Ledger())
    for _ in range(3):
        assert fields.read(NOW) == {"a": 10, "b": 20, "c": 30}
    assert driver.asked == [[(1, 7), (2, 14), (3, 21)]] * 3


def test_one_that_is_not_supported_is_never_asked_again(driver: Driver) -> None:
    ledger = Ledger()
    fields = fields_of(driver, ledger)
    driver.answers[2] = failed(ids.NOT_SUPPORTED)
    assert fields.read(NOW) == {"a": 10, "c": 30}
    assert fields.read(NOW + 10 * MINUTES_5) == {"a": 10, "c": 30}
    assert driver.asked[1:] == [[(1, 7), (3, 21)]]
    assert (ledger.ask_for("b").off, ledger.errors) == (Off.NOT_SUPPORTED, 0)


def test_one_that_is_not_permitted_is_asked_again_after_minutes(driver: Driver) -> None:
    ledger = Ledger()
    fields = fields_of(driver, ledger)
    driver.answers[2] = failed(ids.NO_PERMISSION)
    fields.read(NOW)
    driver.answers[2] = unsigned(20)
    assert fields.read(NOW + MINUTES_5 - 1) == {"a": 10, "c": 30}
    assert fields.read(NOW + MINUTES_5) == {"a": 10, "b": 20, "c": 30}
    assert ledger.ask_for("b").off is None


def test_one_that_failed_is_counted_and_asked_again_at_once(driver: Driver) -> None:
    ledger = Ledger()
    fields = fields_of(driver, ledger)
    fields.read(NOW)
    driver.answers[2] = failed(ids.TIMEOUT)
    assert fields.read(NOW + 1000) == {"a": 10, "c": 30}
    assert (ledger.ask_for("b").off, ledger.errors) == (Off.FAILED, 1)
    driver.answers[2] = unsigned(21)
    assert fields.read(NOW + 2000) == {"a": 10, "b": 21, "c": 30}


def test_one_that_answered_once_is_not_given_up_for_good(driver: Driver) -> None:
    fields = fields_of(driver, Ledger())
    fields.read(NOW)
    driver.answers[2] = failed(ids.NOT_SUPPORTED)
    fields.read(NOW + 1000)
    driver.answers[2] = unsigned(22)
    assert "b" not in fields.read(NOW + 2000)
    assert fields.read(NOW + 1000 + MINUTES_5)["b"] == 22


@pytest.mark.parametrize(
    ("type_", "raw", "value"),
    [
        (ids.TYPE_UNSIGNED_INT, b"\x07\0\0\0\xff\xff\xff\xff", 7),
        (ids.TYPE_SIGNED_INT, b"\xf9\xff\xff\xff\0\0\0\0", -7),
        (ids.TYPE_SIGNED_LONG_LONG, b"\xf9" + b"\xff" * 7, -7),
        (ids.TYPE_UNSIGNED_SHORT, b"\x07\0\xff\xff\xff\xff\xff\xff", 7),
        (ids.TYPE_DOUBLE, b"\0\0\0\0\0\0\x1c\x40", 7.0),
    ],
)
def test_values_are_read_by_their_type_even_if_it_changes(
    driver: Driver, type_: int, raw: bytes, value: float
) -> None:
    fields = fields_of(driver, Ledger())
    fields.read(NOW)
    driver.answers[2] = (type_, ids.SUCCESS, raw)
    for _ in range(2):
        assert fields.read(NOW) == {"a": 10, "b": value, "c": 30}


def test_a_type_that_nobody_knows_is_of_a_newer_driver(driver: Driver) -> None:
    ledger = Ledger()
    fields = fields_of(driver, ledger)
    driver.answers[2] = (99, ids.SUCCESS, b"\1" * 8)
    assert fields.read(NOW) == {"a": 10, "c": 30}
    assert ledger.ask_for("b").off == Off.OLD_DRIVER


def test_one_field_can_tell_that_the_device_is_lost(driver: Driver) -> None:
    fields = fields_of(driver, Ledger())
    driver.answers[3] = failed(ids.GPU_IS_LOST)
    with pytest.raises(NvmlFailed) as caught:
        fields.read(NOW)
    assert caught.value.device_gone


def test_a_call_that_is_refused_as_a_whole_gives_the_reason_to_all(driver: Driver) -> None:
    ledger = Ledger()
    fields = fields_of(driver, ledger)
    driver.code = ids.FUNCTION_NOT_FOUND
    assert fields.read(NOW) == fields.read(NOW + 1000) == {}
    assert len(driver.asked) == 1
    assert {ledger.ask_for(name).off for name in "abc"} == {Off.OLD_DRIVER}


def test_those_that_are_forgotten_are_not_asked_for(driver: Driver) -> None:
    ledger = Ledger()
    fields = fields_of(driver, ledger)
    fields.forget("a", "c")
    assert fields.read(NOW) == {"b": 20}
    assert [one.name for one in ledger.all()] == ["b"]
    fields.drop("b")
    assert fields.read(NOW) == {}
    assert [one.name for one in ledger.all()] == ["b"]
