"""Single fields of Slurm's: times, durations, resources, states, lists of nodes."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from wattline_agents.errors import InputError
from wattline_collector.jobs import nodelist, states, text, times, tres

HOUR_MS = 3_600_000


def value(expr: pl.Expr, given: str | None) -> Any:
    return pl.DataFrame({"x": pl.Series([given], dtype=pl.String)}).select(expr).item()


@pytest.mark.parametrize(
    ("given", "zone", "ms"),
    [
        ("2026-11-01T10:00:00", "UTC", 1_793_527_200_000),
        ("2026-11-01 10:00:00", "UTC", 1_793_527_200_000),
        ("2026-11-01T10:00:00", "Europe/Berlin", 1_793_523_600_000),
        ("2026-11-01T10:00:00Z", "Europe/Berlin", 1_793_527_200_000),
        ("2026-11-01T10:00:00-07:00", "UTC", 1_793_552_400_000),
        ("2026-11-01T10:00:00.25+0530", "UTC", 1_793_507_400_250),
        ("1793527200", "Europe/Berlin", 1_793_527_200_000),
        ("0", "UTC", None),
        ("Unknown", "UTC", None),
        ("None", "UTC", None),
        ("N/A", "UTC", None),
        ("", "UTC", None),
        (None, "UTC", None),
        ("2026-02-30T10:00:00", "UTC", None),
        ("2026-03-29T02:30:00", "Europe/Berlin", None),  # the hour that is left out in spring
        ("-5", "UTC", None),
        ("10" * 30, "UTC", None),
    ],
)
def test_times_in_every_form_and_no_time_where_there_is_none(
    given: str | None, zone: str, ms: int | None
) -> None:
    assert value(times.moment("x", zone), given) == ms


def test_what_says_nothing_is_no_damage_and_what_is_no_time_is() -> None:
    told = [value(times.told("x"), given) for given in ("Unknown", "", "0", None, "soon", "-5")]
    assert told == [False, False, False, False, True, True]


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("10-13:27:06", 912_426.0),
        ("00:00:24", 24.0),
        ("01:31.654", 91.654),
        ("172800.0", 172_800.0),
        ("0", 0.0),
        ("UNLIMITED", None),
        ("Partition_Limit", None),
        ("INVALID", None),
        ("-00:10", None),
        ("9" * 40, None),
    ],
)
def test_durations_in_every_form(given: str, seconds: float | None) -> None:
    assert value(times.seconds("x"), given) == seconds


def test_minutes_become_seconds_and_no_limit_is_null() -> None:
    assert value(times.minutes("x"), "1440") == 86_400.0
    assert value(times.minutes("x"), "UNLIMITED") is None


@pytest.mark.parametrize(
    ("given", "gpus", "type"),
    [
        ("billing=12,cpu=12,gres/gpu=2,mem=31000M,node=1", 2, None),
        ("cpu=16,gres/gpu:h100=4,gres/gpu=4,node=2", 4, "h100"),
        ("cpu=16,gres/gpu:h100=4,node=2", 4, "h100"),
        ("gres/gpu:a100=1,gres/gpu:h100=2", 3, "a100,h100"),
        ("gres/gpu:a100_1g.5gb=7,gres/gpu=7", 7, "a100_1g.5gb"),
        ("cpu=1,node=1", 0, None),
        ("gres/gpumem=8,gres/shard=4", 0, None),
        ("gres/gpu=" + "9" * 40, None, None),
        (None, None, None),
    ],
)
def test_devices_are_never_counted_twice(
    given: str | None, gpus: int | None, type: str | None
) -> None:
    assert value(tres.gpus(pl.col("x")), given) == gpus
    assert value(tres.gpu_type(pl.col("x")), given) == type


@pytest.mark.parametrize(
    ("given", "bytes"),
    [
        ("mem=62.50G", 62.5 * 2**30),
        ("mem=24000M", 24000 * 2**20),
        ("mem=500", 500 * 2**20),
        ("mem=60T", 60 * 2**40),
        ("mem=0", None),
        ("vmem=5G", None),
        ("mem=" + "9" * 30 + "E", None),
    ],
)
def test_memory_in_every_unit(given: str, bytes: float | None) -> None:
    assert value(tres.memory_bytes(pl.col("x")), given) == bytes


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ("CANCELLED by 380693", "cancelled"),
        ("COMPLETED,COMPLETING", "completed"),
        ("COMPLETING", "running"),
        ("OUT_OF_MEMORY", "out_of_memory"),
        ("NF", "node_fail"),
        ("RQ", "requeued"),
        ("running", "running"),
        ("TELEPORTED", None),
        ("", None),
    ],
)
def test_states_by_word_short_form_and_list(given: str, state: str | None) -> None:
    assert value(states.state("x"), given) == state


def test_every_state_is_one_of_the_catalogue() -> None:
    from wattline_agents.catalogue import ACCOUNTING

    [help] = [field.help for field in ACCOUNTING.fields if field.column == "state"]
    assert set(states.STATES.values()) == set(help.rstrip(".").replace(" or ", ", ").split(", "))


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("gpu00", ["gpu00"]),
        ("gpu[08-10],login", ["gpu08", "gpu09", "gpu10", "login"]),
        ("cpn-f13-[01-02],x", ["cpn-f13-01", "cpn-f13-02", "x"]),
        ("r[1-2]n[0,2]", ["r1n0", "r1n2", "r2n0", "r2n2"]),
        ("a[1-2]-ib", ["a1-ib", "a2-ib"]),
        ("", []),
    ],
)
def test_lists_of_nodes(given: str, names: list[str]) -> None:
    assert nodelist.expand(given) == names


@pytest.mark.parametrize(
    "given",
    ["n[1-2", "n]1[", "n[2-1]", "n[a-b]", "n[[1]]", "n[]", "n[1-999999999]", "n,,m",
     "[1-9999][1-9999]", "n[1-2]" * 5, "n" * 2_000_000],
)  # fmt: skip
def test_a_list_that_is_none_or_too_long_is_refused_at_once(given: str) -> None:
    with pytest.raises(InputError):
        nodelist.expand(given)


def test_indices_of_devices() -> None:
    assert nodelist.indices("0-1,3") == [0, 1, 3]


def test_text_of_others_is_made_printable_and_bounded() -> None:
    shown = value(text.shown(pl.col("x")), "a\x1b[31m\n\u202eb<b>" + "🙂" * 1000)
    assert shown.startswith("a?[31m??b<b>")
    assert len(shown.encode()) <= 256
    assert shown.endswith("…")
    assert value(text.shown(pl.col("x")), "é" * 128) == "é" * 128


def test_what_programs_read_is_whole_or_not_there() -> None:
    assert value(text.whole(pl.col("x")), "gpu[00-03]") == "gpu[00-03]"
    assert value(text.whole(pl.col("x")), "n1," * 100) is None
    assert value(text.whole(pl.col("x")), "n1\nn2") is None
