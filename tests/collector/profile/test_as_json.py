import json
from collections.abc import Callable

from wattline_collector.profile.as_json import to_json
from wattline_collector.profile.schema import FactoryProfile

from .test_template import filled_in


def test_unknown_is_null_and_quantities_are_in_base_units(
    profile: Callable[[str], FactoryProfile],
) -> None:
    found = to_json(profile("[system.a]\nname='A'\nrated_power='2.3 MW'\nin_service=2026-01-15\n"))
    assert found["track"] is None
    assert found["systems"]["a"]["rated_power_watts"] == 2.3e6
    assert found["systems"]["a"]["in_service"] == "2026-01-15"
    assert found["systems"]["a"]["id"] == "a"


def test_a_profile_with_everything_in_it_can_be_written() -> None:
    text = json.dumps(to_json(filled_in()), allow_nan=False)
    assert json.loads(text)["tariffs"]["2026"]["windows"]["night"]["begins"] == "22:00"


def test_persons_are_left_out_unless_asked_for() -> None:
    assert "kpi@example.org" not in json.dumps(to_json(filled_in()))
    assert "dc@example.org" not in json.dumps(to_json(filled_in()))
    with_persons = json.dumps(to_json(filled_in(), with_persons=True))
    assert "kpi@example.org" in with_persons
    assert "dc@example.org" in with_persons
