import re
from collections.abc import Mapping

import pytest

from wattline_collector.registers import cells, words
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.declare import Kind, Malformed, Register, Values
from wattline_collector.registers.schema import ACTIVITIES, METERS, OUTAGES, PROJECTS, REGISTERS
from wattline_collector.registers.schema.activities import NEEDS
from wattline_collector.registers.schema.meters import CODES, QUANTITIES


def row(register: Register, **texts: str) -> Values:
    return cells.row(register, texts, Setting())


def refusal(register: Register, **texts: str) -> tuple[str | None, str]:
    with pytest.raises(Malformed) as caught:
        row(register, **texts)
    return caught.value.field, caught.value.reason


@pytest.mark.parametrize("register", REGISTERS.values(), ids=list(REGISTERS))
def test_a_register_is_declared_whole(register: Register) -> None:
    names = [column.name for column in register.columns]
    assert len(set(names)) == len(names)
    assert set(register.key) <= set(register.schema)
    assert "system" in names
    for column in register.columns:
        assert re.fullmatch(r"[a-z][a-z_]*", column.name)
        assert column.help.endswith(".")
        assert (column.kind in (Kind.WORD, Kind.WORDS)) == bool(column.words)
        assert set(column.synonyms.values()) <= set(column.words)


@pytest.mark.parametrize("register", REGISTERS.values(), ids=list(REGISTERS))
def test_the_example_of_every_register_is_a_good_row(register: Register) -> None:
    values = row(register, **{column.name: column.example for column in register.columns})
    assert list(values) == list(register.schema)


@pytest.mark.parametrize("register", REGISTERS.values(), ids=list(REGISTERS))
def test_every_required_cell_is_missed(register: Register) -> None:
    example = {column.name: column.example for column in register.columns}
    for column in register.columns:
        if column.required:
            assert refusal(register, **(example | {column.name: " "})) == (column.name, "missing")


def test_the_columns_others_rely_on_are_there() -> None:
    assert {
        "system", "project", "account", "title", "access_mode", "user_category", "state", "sector",
        "gpu_hours_granted", "valid_from_ms", "valid_until_ms", "lead",
    } <= set(PROJECTS.schema)  # fmt: skip
    assert list(OUTAGES.schema) == [
        "system", "scope", "name", "start_ms", "end_ms", "scheduled", "cause", "text",
    ]  # fmt: skip


def test_there_are_249_countries_and_22_sections_of_the_economy() -> None:
    assert len(set(words.STATES)) == 249
    assert len(set(words.SECTORS)) == 22
    assert {"AT", "XK"} & set(words.STATES) == {"AT"}


def test_a_project_without_an_account_is_charged_under_its_own_name() -> None:
    assert row(PROJECTS, project="p1")["account"] == "p1"
    assert row(PROJECTS, project="p1", account="a1")["account"] == "a1"


def test_a_row_without_a_system_is_of_the_one_that_is_told() -> None:
    assert cells.row(PROJECTS, {"project": "p"}, Setting(system="leo"))["system"] == "leo"
    given = cells.row(PROJECTS, {"project": "p", "system": "mn5"}, Setting(system="leo"))
    assert given["system"] == "mn5"


def test_a_project_ends_after_it_began() -> None:
    assert refusal(PROJECTS, project="p", valid_from="2026-02-01", valid_until="2026-01-01") == (
        "valid_until",
        "is not after valid_from",
    )
    one_day = row(PROJECTS, project="p", valid_from="2026-02-01", valid_until="2026-02-01")
    start, end = one_day["valid_from_ms"], one_day["valid_until_ms"]
    assert isinstance(start, int) and isinstance(end, int)
    assert end - start == 86_400_000


def test_an_outage_of_a_part_names_it() -> None:
    base = {"start": "2026-01-01", "scheduled": "no"}
    assert refusal(OUTAGES, scope="node", **base)[0] == "name"
    assert refusal(OUTAGES, scope="system", name="n1", **base)[0] == "name"
    assert row(OUTAGES, scope="system", **base)["end_ms"] is None


@pytest.mark.parametrize(("kind", "needed"), NEEDS.items())
def test_an_activity_needs_what_its_kind_counts(kind: str, needed: tuple[str, ...]) -> None:
    full: Mapping[str, str] = {
        "id": "a", "kind": kind, "start": "2026-01-01", "participants": "3", "days": "1",
        "count": "5", "rating": "8", "answers": "2", "counterpart": "x", "network": "ncc",
        "submitted": "9", "awarded": "4", "due": "2026-01-31", "gigabytes": "7", "hours": "2",
    }  # fmt: skip
    row(ACTIVITIES, **full)
    for name in needed:
        assert refusal(ACTIVITIES, **{**full, name: ""}) == (
            name,
            f"missing: an activity of kind {kind} needs it",
        )


@pytest.mark.parametrize(
    "pair", [("in_target", "count"), ("answers", "invited"), ("awarded", "submitted")]
)
def test_a_part_is_not_more_than_the_whole(pair: tuple[str, str]) -> None:
    texts = {"id": "a", "kind": "event", "start": "2026-01-01", pair[0]: "3", pair[1]: "2"}
    assert refusal(ACTIVITIES, **texts) == (pair[0], f"3 is more than {pair[1]}, which is 2")


def test_one_activity_counts_once_unless_told() -> None:
    base = {"id": "a", "start": "2026-01-01"}
    assert row(ACTIVITIES, kind="publication", **base)["count"] == 1
    assert row(ACTIVITIES, kind="publication", count="4", **base)["count"] == 4


METER = {
    "meter": "m", "quantity": "energy", "reading": "amount", "start": "2026-01-01",
    "end": "2026-01-31", "value": "1", "unit": "kWh",
}  # fmt: skip


@pytest.mark.parametrize(
    ("quantity", "value", "unit", "kept", "base"),
    [
        ("energy", "2.5", "kWh", 9.0e6, "J"),
        ("energy", "1", "GWh", 3.6e12, "J"),
        ("heat", "2", "MWh", 7.2e9, "J"),
        ("water", "500", "l", 0.5, "m3"),
        ("water", "1", "m³", 1.0, "m3"),
        ("temperature", "-3.5", "°C", -3.5, "Cel"),
        ("power", "1.5", "MW", 1.5e6, "W"),
    ],
)
def test_readings_are_kept_in_base_units(
    quantity: str, value: str, unit: str, kept: float, base: str
) -> None:
    values = row(METERS, **{**METER, "quantity": quantity, "value": value, "unit": unit})
    assert values["value"] == pytest.approx(kept)
    assert values["unit"] == base


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"unit": "m3"}, "unit"),
        ({"eed": "W_IN"}, "eed"),
        ({"start": ""}, "start"),
        ({"reading": "counter"}, "start"),
        ({"reading": "counter", "start": "", "quantity": "power", "unit": "W"}, "reading"),
        ({"value": "-1"}, "value"),
        ({"end": "2025-12-30"}, "end"),
    ],
)
def test_a_reading_that_contradicts_itself_is_refused(
    change: Mapping[str, str], field: str
) -> None:
    assert refusal(METERS, **{**METER, **change})[0] == field


def test_a_counter_stands_at_one_time() -> None:
    values = row(METERS, **{**METER, "reading": "counter", "start": ""})
    assert values["start_ms"] is None


def test_every_code_of_the_regulation_has_a_quantity() -> None:
    assert set(CODES.values()) <= set(QUANTITIES)
    assert row(METERS, **{**METER, "eed": "e_dc-bg"})["eed"] == "E_DC-BG"
