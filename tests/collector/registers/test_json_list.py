import json
from typing import Any

import pytest

from wattline_agents.errors import InputError
from wattline_collector.registers import json_list
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.schema import PROJECTS
from wattline_collector.registers.taken import Taken


def read(document: Any) -> Taken:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return json_list.read(body, "http://portal/projects", PROJECTS, Setting())


ONE = {
    "project": "p1", "gpu_hours_granted": 30000, "gpu_hours_requested": 4e4, "commercial": False,
    "partner_states": ["AT", "IT"], "lead": None, "valid_from": "2026-01-01",
}  # fmt: skip


@pytest.mark.parametrize("document", [[ONE], {"projects": [ONE]}])
def test_values_are_read_as_json_writes_them(document: object) -> None:
    taken = read(document)
    (row,) = taken.rows
    assert row["gpu_hours_granted"] == 30000.0
    assert row["gpu_hours_requested"] == 40000.0
    assert row["commercial"] is False
    assert row["partner_states"] == "AT IT"
    assert row["lead"] is None
    assert taken.damaged == []


def test_a_damaged_entry_is_named_by_its_place() -> None:
    taken = read([ONE, {"project": "p2", "state": 7}, 5, {"project": "p3", "titel": "x"}])
    assert [row["project"] for row in taken.rows] == ["p1"]
    assert [(damage.line, damage.field) for damage in taken.damaged] == [
        (2, "state"), (3, None), (4, "titel"),
    ]  # fmt: skip
    assert "did you mean 'title'?" in taken.damaged[2].reason


def test_fields_without_a_place_are_left_out_and_said() -> None:
    assert read([{"project": "p", "colour": "red"}]).unkept == ("colour",)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"<html>", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'[{"project": NaN}]', "is not JSON"),
        ({"other": []}, "is not a list of projects"),
        ("text", "is not a list of projects"),
    ],
)
def test_an_answer_of_another_kind_is_refused(document: object, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read(document)


def test_a_nested_value_is_damaged_and_no_more() -> None:
    taken = read([{"project": "p", "title": {"de": "x"}}, ONE])
    assert [damage.reason for damage in taken.damaged] == ["is neither text nor a number"]
    assert len(taken.rows) == 1
