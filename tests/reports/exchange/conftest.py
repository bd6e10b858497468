"""Bundles of a made-up factory, put together by hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wattline_collector.kpi.figure import Period
from wattline_collector.profile.parse import must, parse_profile
from wattline_reports.exchange import (
    bundle,
    canonical,
    cubes,
    factors_file,
    keys,
    manifest,
    profile_file,
    sign,
)
from wattline_reports.exchange.bundle import Bundle
from wattline_reports.exchange.cubes import CUBES
from wattline_reports.exchange.disclosure import suppress, table
from wattline_reports.exchange.disclosure.table import Cell, Key, Part, Published
from wattline_reports.exchange.manifest import Books, Manifest, Parameters

DICTIONARY = "d" * 64
SIGNED_ON = date(2027, 1, 15)
_STATES = ("DE", "FR", "IT", "ES", "SI", "AT")
_CATEGORIES = ("sme", "academia", "start_up")
_MODES = ("fast_lane", "large_scale", "ai_for_science")


@dataclass
class Factory:
    """A factory with a key, and what it sends."""

    id: str = "it4lia"
    private: Ed25519PrivateKey = field(default_factory=keys.new_private)

    @property
    def key(self) -> keys.Key:
        return keys.public_key(
            self.private, self.id, keys.FACTORY, date(2026, 1, 1), date(2028, 12, 31)
        )

    @property
    def ring(self) -> keys.Ring:
        return keys.ring_of(None, self.key)

    def bundle(
        self,
        quarter: int = 1,
        *,
        seed: int = 1,
        previous: Bundle | None = None,
        supersedes: Bundle | None = None,
        earlier: Sequence[Bundle] = (),
        figures: Sequence[Mapping[str, Any]] | None = None,
        files: Mapping[str, bytes] | None = None,
        rules: Parameters | None = None,
        dictionary: str = DICTIONARY,
    ) -> Bundle:
        period = quarter_of(quarter)
        told = rules or Parameters()
        content = {
            "kpis.json": kpis(figures if figures is not None else plain_figures(seed)),
            "cubes/access.csv": access(seed, period, told, earlier),
            **(files or {}),
        }
        one = Manifest(
            kind="coordination-review",
            factory=self.id,
            country="IT",
            tracks=(1,),
            period=period,
            timezone="Europe/Rome",
            revision=1 if supersedes is None else supersedes.manifest.revision + 1,
            supersedes=supersedes.manifest.digest if supersedes else None,
            previous=previous.manifest.digest if previous else None,
            version="0.1.0",
            dictionary=dictionary,
            books=Books(True, 2160, ("a" * 64,)),
            disclosure=told,
            files=manifest.of_files(content),
        )
        return self.seal(one, content)

    def seal(self, one: Manifest, content: Mapping[str, bytes]) -> Bundle:
        signature = sign.sign(one.digest, self.private, keys.FACTORY, SIGNED_ON)
        return bundle.of(one, content, [signature], f"{self.id}.aifb.zip")

    def with_file(self, of: Bundle, name: str, data: bytes) -> Bundle:
        """The same with another file in it, and signed as it should be."""
        content = {**of.files, name: data}
        return self.seal(replace(of.manifest, files=manifest.of_files(content)), content)


def quarter_of(quarter: int) -> Period:
    starts = [datetime(2026, month, 1, tzinfo=UTC) for month in (1, 4, 7, 10)]
    ends = [*starts[1:], datetime(2027, 1, 1, tzinfo=UTC)]
    return Period(starts[quarter - 1], ends[quarter - 1])


def figure(id: str, value: float | None, **told: Any) -> dict[str, Any]:
    return {
        "id": id, "unit": "1", "value": value, "numerator": None, "denominator": None, "n": 40,
        "coverage": 0.97, "method": "ledger", "level": "measured", "status": "ok", "low": None,
        "high": None, "flags": [], "dims": {}, **told,
    }  # fmt: skip


def plain_figures(seed: int = 1) -> list[dict[str, Any]]:
    joules = 1.0e12 * seed
    return [
        figure("P01", 4.2e12 * seed, unit="tok", numerator=4.2e12 * seed),
        figure("S03", 1.1, numerator=1.1 * joules, denominator=joules),
        figure("U01", 80.0, unit="%", numerator=800.0 * seed, denominator=1000.0 * seed),
    ]


def kpis(figures: Sequence[Mapping[str, Any]]) -> bytes:
    return canonical.dumps({"schema": bundle.KPIS_SCHEMA, "figures": list(figures)})


def parts(seed: int, projects: int = 120) -> list[Part]:
    dice = random.Random(seed)
    found = []
    for number in range(projects):
        mode = dice.choices(_MODES, (5, 2, 4))[0]
        key = (
            dice.choices(_STATES, (8, 6, 5, 3, 1, 1))[0],
            dice.choice(_CATEGORIES),
            mode,
            "yes" if mode != "ai_for_science" and dice.random() < 0.3 else "no",
        )
        used = dice.lognormvariate(7, 1.2)
        found.append(Part(f"p{number}", f"o{number % 90}", key, (used * 1.4, used)))
    return found


def access(seed: int, period: Period, rules: Parameters, earlier: Sequence[Bundle] = ()) -> bytes:
    cells = table.cells_of(parts(seed))
    return cube_of(cells, hidden_of(cells, period, rules, earlier), rules)


def hidden_of(
    cells: Mapping[Key, Cell], period: Period, rules: Parameters, earlier: Sequence[Bundle] = ()
) -> Published:
    from wattline_reports.exchange.verify import published

    cube = CUBES["access"]
    ends = period.to_json()
    tables = [published(cube, one.cubes["access"], one.manifest) for one in earlier]
    before = {key for one in tables for key in one.hidden if key in cells}
    newest = {(one.start, one.end): one for one in tables}
    known = [one for one in newest.values() if one.start != ends["from"]]
    return suppress.suppress(
        cells, (ends["from"], ends["to"]), rules, published=known, hidden_before=before
    ).table


def cube_of(cells: Mapping[Key, Cell], shown: Published, rules: Parameters) -> bytes:
    return cubes.to_csv(
        CUBES["access"],
        {
            key: None
            if key in shown.hidden
            else (
                *shown.shown[key],
                table.rounded_count(cells[key].projects, rules.count_base),
            )
            for key in cells
        },
    )


@pytest.fixture(scope="session")
def factory() -> Factory:
    return Factory()


@pytest.fixture(scope="session")
def kit() -> Any:
    """What bundles are put together from."""
    return SimpleNamespace(**globals())


@pytest.fixture(scope="session")
def made(factory: Factory) -> Bundle:
    return factory.bundle()


@pytest.fixture(scope="session")
def refused() -> Callable[..., Any]:
    """That a bundle is refused for one reason."""
    from wattline_reports.exchange.refused import Reason, Refused

    def holds(code: Reason, work: Callable[[], object]) -> str:
        with pytest.raises(Refused) as told:
            work()
        assert told.value.code == code, str(told.value)
        assert f"({code.value})" in str(told.value)
        return str(told.value)

    return holds


def declared_profile(count: int = 1024) -> dict[str, Any]:
    """`profile.json` of a factory that says everything there is to say."""
    text = f"""
id = "it4lia"
name = "Example"
country = "IT"
time_zone = "Europe/Rome"
track = 1
contact = "alice@example.org"
host = "Example Computing Centre"

[system.example-1]
name = "Example-1"
kind = "ai_optimised"
in_service = 2026-01-15
rated_power = "2.3 MW"
cooling = "direct_liquid"
interconnect = "InfiniBand NDR, dragonfly+"
storage = "40 PB"
rmax = "175 PFLOP/s"
[system.example-1.partition.booster]
nodes = 256
[system.example-1.rack.r01]
nodes = 32
place = "hall 1"
[system.example-1.device.h200]
model = "NVIDIA H200"
vendor = "NVIDIA\u2122"
count = {count}
memory = "141 GB"
tdp = "700 W"
peaks.bf16 = "950 TFLOP/s"
peak_source = "measured"
[system.example-1.entitlement]
gpu_hours_per_year = 8_000_000
union_share = "50 %"
national = {{ IT = 0.40, SI = 0.10 }}
agreement = "annex 3"
[system.example-1.sla.A01]
direction = "up"
threshold = 90
[target.U01]
direction = "up"
value = 85
by = 2026-12-31
source = "board"
[finance.2026]
operating_euro = 9000000
[tariff.2026]
euro_per_kwh = 0.145
[data_centre]
name = "Example Data Centre"
rated_it_power = "2.5 MW"
[data_centre.redundancy]
electrical_rack = "2N"
"""
    return profile_file.of(must(parse_profile(text.encode())))


FACTOR = factors_file.Row(
    "location_annual", "", "FI", "2025", "", "", 0, 72.0, "consumption", "lifecycle", "CC BY 4.0",
    "the grid operator",
)  # fmt: skip


@pytest.fixture(scope="session")
def declared() -> Any:
    """What a factory declares: its profile as a bundle has it, and a factor."""
    return SimpleNamespace(profile=declared_profile, FACTOR=FACTOR)
