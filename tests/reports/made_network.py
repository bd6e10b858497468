"""Bundles of made-up factories that lie side by side, and the ring to verify them with."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wattline_reports.exchange import cubes, dictionary, keys
from wattline_reports.exchange.bundle import Bundle
from wattline_reports.exchange.cubes import CUBES, Row
from wattline_reports.exchange.disclosure.table import Key

NAMES = ("it4lia", "jaif", "lumi-aif")
SIZES = {"it4lia": 1.0, "jaif": 4.0, "lumi-aif": 2.0}
"""A factory of size 1 has 1,000 GPUs; the others are as many times larger."""
HOURS = 2160.0
_DRAWN = {"it4lia": 0.62, "jaif": 0.75, "lumi-aif": 0.70}
"""Of its offered GPU-hours, how many each assigned."""

EXCHANGES: Mapping[str, Mapping[Key, Row]] = {
    "it4lia": {
        ("joint_project", "jaif"): (2.0, None),
        ("staff_exchange", "lumi-aif"): (1.0, 12.0),
        ("asset_shared", "jaif"): (3.0, None),
    },
    "jaif": {
        ("joint_project", "it4lia"): (1.0, None),
        ("asset_reused", "it4lia"): (1.0, None),
        ("referral", "antenna-be"): (4.0, None),
    },
    "lumi-aif": {("staff_exchange", "it4lia"): (1.0, 12.0)},
}
"""Of the joint projects it4lia counts two and jaif one; all else agrees."""


def _kit() -> Any:
    path = Path(__file__).parent / "exchange" / "conftest.py"
    spec = importlib.util.spec_from_file_location("bundle_kit", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


kit: Any = _kit()


def factory(id: str) -> Any:
    """A factory whose key is always the same."""
    seed = hashlib.sha256(id.encode()).digest()
    return kit.Factory(id=id, private=Ed25519PrivateKey.from_private_bytes(seed))


def figures(size: float, used: float, *, pue: float = 1.2, coverage: float = 0.99) -> list[Any]:
    """What a factory tells that is so large and assigned so much of its hours."""
    gpus = 1000.0 * size
    offered = gpus * HOURS * 0.95
    joules = offered * 0.9 * 3.6e6

    def ratio(id: str, unit: str, scale: float, above: float, below: float, **told: Any) -> Any:
        parts = {"numerator": above, "denominator": below, "coverage": coverage}
        return kit.figure(id, scale * above / below, unit=unit, **(parts | told))

    def plain(id: str, unit: str, amount: float, **told: Any) -> Any:
        return kit.figure(id, amount, unit=unit, numerator=amount, **({"coverage": None} | told))

    tokens = offered * used * 2.0e7
    return [
        plain("P01", "tok", tokens, coverage=coverage, n=40),
        plain("P03", "tok", tokens / 9, coverage=coverage, n=12),
        ratio("U01", "%", 100, offered * used, offered),
        ratio("U02", "%", 100, offered * used * 0.7, offered),
        ratio("U03", "%", 100, offered, gpus * HOURS),
        ratio("E04", "%", 100, offered * used * 0.7, offered * used),
        plain("E06", "GPU-h", offered * used * 0.08, coverage=coverage),
        ratio("S03", "1", 1, pue * joules, joules),
        ratio("S04", "m3/MWh", 3.6e9, 0.2 * joules / 3.6e9, joules),
        ratio("A01", "%", 100, 2000.0, 2050.0, coverage=None, n=3),
        ratio("A02", "%", 100, 2000.0, HOURS, coverage=None, n=3),
        ratio("A06", "%", 100, gpus * 260.0, gpus * 270.0),
        plain("I05", "1", 30.0 * size, dims={"who": "projects"}, n=30),
        plain("I09", "person-days", 600.0 * size, dims={"figure": "person_days"}, n=9),
    ]


def sent(
    id: str,
    told: Sequence[Any] | None = None,
    *,
    exchanges: Mapping[Key, Row] | None = None,
    seed: int = 1,
    **more: Any,
) -> Bundle:
    """A bundle of a factory; None of `exchanges`: it says nothing of them."""
    own = told if told is not None else figures(SIZES[id], _DRAWN[id])
    files = dict(more.pop("files", {}))
    if exchanges is not None:
        files[CUBES["exchanges"].file] = cubes.to_csv(CUBES["exchanges"], exchanges)
    made: Bundle = factory(id).bundle(
        figures=own, seed=seed, dictionary=dictionary.digest(), files=files, **more
    )
    return made


def three() -> list[Bundle]:
    """Bundles of three factories, of one quarter."""
    return [sent(name, exchanges=EXCHANGES[name], seed=seed) for seed, name in enumerate(NAMES, 1)]


def ring_of(directory: Path, names: Sequence[str] = NAMES) -> Path:
    """The ring of these factories, as a file."""
    ring = keys.ring_of(None, *(factory(name).key for name in names))
    path = directory / "keys.json"
    keys.write_ring(ring, path)
    return path


def write(directory: Path, bundles: Sequence[Bundle]) -> list[Path]:
    """The files of bundles."""
    paths = []
    for one in bundles:
        told = one.manifest
        path = directory / f"{told.factory}_{told.revision}.aifb.zip"
        path.write_bytes(one.to_bytes())
        paths.append(path)
    return paths
