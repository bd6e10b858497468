from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.profile.parse import must, parse_profile
from wattline_reports.exchange import canonical, checked, profile_file
from wattline_reports.exchange.plain import plain
from wattline_reports.exchange.refused import Reason


def test_systems_devices_entitlement_and_promises_are_told(declared: Any) -> None:
    told = profile_file.read(canonical.dumps(declared.profile()), "profile.json")
    (system,) = told["systems"]
    (device,) = system["devices"]
    assert (device["model"], device["vendor"], device["count"]) == ("NVIDIA H200", "NVIDIA", 1024)
    assert device["memory_bytes"] == 141e9
    assert (device["peak_flops"]["bf16"], device["stated_peaks"]) == (950e12, ["bf16"])
    assert device["peak_flops"]["fp8"] == 1979e12  # known of the model
    assert system["nodes"] == 256
    assert system["entitlement"]["national"] == {"IT": 0.4, "SI": 0.1}
    # What the profile does not tell is as the law has it.
    assert system["entitlement"]["union_share_most"] == 0.5
    assert system["entitlement"]["commercial_share_most"] == 0.2
    assert told["ceilings"]["operating_share"] == 0.5
    assert system["sla"][0]["threshold"] == 90
    assert told["targets"] == [{"id": "U01", "direction": "up", "value": 85, "by": "2026-12-31"}]
    assert told["data_centre"]["redundancy"]["electrical_rack"] == "2N"


def test_no_person_host_place_price_or_agreement_is_in_it(declared: Any) -> None:
    text = canonical.dumps(declared.profile()).decode().lower()
    for inside in (
        "alice", "example computing centre", "hall 1", "booster", "r01", "annex 3", "board",
        "0.145", ":9000000,", "example data centre", "measured",
    ):  # fmt: skip
        assert inside not in text, inside


def test_a_profile_that_says_next_to_nothing_is_a_file_too() -> None:
    text = b'id = "x"\nname = "X"\ncountry = "FI"\ntime_zone = "UTC"\n'
    told = profile_file.of(must(parse_profile(text)))
    assert profile_file.read(canonical.dumps(told), "p")["systems"] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("contact",), "a@b.eu"),
        (("systems", 0, "racks"), []),
        (("systems", 0, "devices", 0, "model"), "<b>x</b>"),
        (("systems", 0, "devices", 0, "serial"), "4711"),
        (("systems", 0, "devices", 0, "count"), 0),
        (("systems", 0, "interconnect"), "node017@site"),
        (("systems", 0, "entitlement", "union_share"), 1.2),
        (("systems", 0, "kind"), "large"),
        (("data_centre", "name"), "X"),
        (("schema",), "wattline-profile-v2"),
    ],
)
def test_a_field_that_no_profile_has_is_refused(
    path: tuple[Any, ...], value: Any, declared: Any, factory: Any, refused: Any
) -> None:
    told = declared.profile()
    at = told
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    refused(Reason.SCHEMA, lambda: factory.bundle(files={"profile.json": canonical.dumps(told)}))


def test_products_are_words_that_a_project_may_have_too(declared: Any) -> None:
    text = (
        b'id = "x"\nname = "X"\ncountry = "FI"\ntime_zone = "UTC"\n[system.s]\nname = "S"\n'
        b'[system.s.device.d]\nmodel = "NVIDIA H200 NVL"\ncount = 1\n'
    )
    assert profile_file.products(must(parse_profile(text))) == {"nvidia", "h200", "nvl"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, None),
        ("NVIDIA\u2122 H200", "NVIDIA H200"),
        ("=cmd|' /C calc'!A0", "cmd /C calc A0"),
        ("<script>", "script"),
        ("\u4e2d\u6587", None),
        ("x" * 100, "x" * 64),
    ],
)
def test_declared_words_are_cut_to_plain_letters(text: str | None, wanted: str | None) -> None:
    assert plain(text) == wanted


def test_the_schema_knows_the_same_words_as_the_profile() -> None:
    from wattline_collector.profile.schema import words

    system = checked.schema("profile")["properties"]["systems"]["items"]["properties"]
    assert tuple(system["kind"]["enum"][1:]) == words.CLASSES
    assert tuple(system["cooling"]["enum"][1:]) == words.COOLING
    device = system["devices"]["items"]["properties"]
    assert tuple(device["stated_peaks"]["items"]["enum"]) == words.DTYPES
