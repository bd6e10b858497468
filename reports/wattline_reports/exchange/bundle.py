"""A bundle: a manifest, what it names, and who signed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wattline_reports.exchange import (
    archive,
    canonical,
    credential,
    cubes,
    eed_file,
    factors_file,
    manifest,
    profile_file,
    sign,
)
from wattline_reports.exchange.archive import BESIDE, CREDENTIAL, MANIFEST, SIGNATURES
from wattline_reports.exchange.checked import check
from wattline_reports.exchange.cubes import CUBES, Row
from wattline_reports.exchange.disclosure.table import Key
from wattline_reports.exchange.manifest import Manifest
from wattline_reports.exchange.refused import Reason, Refused
from wattline_reports.exchange.sign import Signature

KPIS = "kpis.json"
KPIS_SCHEMA = "wattline-kpis-v1"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that is whole and in order; who signed it is another question (`verify`).

    Attributes:
        path: Where it was read from, for errors.
        manifest: What it is of.
        signatures: Who says so.
        files: Everything the manifest names.
        figures: Of `kpis.json`.
        cubes: Cells of each cube by name; None for a hidden cell.
        profile: Of `profile.json`; None where there is none.
        eed: Of `eed.json`; None where there is none.
        factors: Of `factors.csv`; None where there is none.
        credential: `vc.jwt`; None where there is none.
    """

    path: object
    manifest: Manifest
    signatures: tuple[Signature, ...]
    files: Mapping[str, bytes]
    figures: tuple[Mapping[str, Any], ...]
    cubes: Mapping[str, Mapping[Key, Row | None]]
    profile: Mapping[str, Any] | None = None
    eed: Mapping[str, Any] | None = None
    factors: tuple[factors_file.Row, ...] | None = None
    credential: bytes | None = None

    def to_bytes(self) -> bytes:
        """The file of it."""
        beside = {} if self.credential is None else {CREDENTIAL: self.credential}
        return archive.pack(
            {
                **self.files,
                **beside,
                MANIFEST: self.manifest.to_bytes(),
                SIGNATURES: sign.to_bytes(self.signatures),
            }
        )

    def signed(self, private: Ed25519PrivateKey, role: str, signed_on: date) -> Bundle:
        """The same bundle with one more signature, or with a newer one of the same key."""
        one = sign.sign(self.manifest.digest, private, role, signed_on)
        others = (other for other in self.signatures if other.key != one.key)
        return replace(self, signatures=(*others, one))

    def credited(self, private: Ed25519PrivateKey, signed_on: date, issuer: str = "") -> Bundle:
        """The same bundle with a verifiable credential; see `credential.made`."""
        told = credential.made(self.manifest.digest, private, signed_on, issuer)
        return replace(self, credential=told)


def read(path: Path) -> Bundle:
    """Read a bundle and check that it is whole.

    Raises:
        Refused: It is not.
    """
    return of_files(archive.read(path), path)


def of_files(files: Mapping[str, bytes], path: object) -> Bundle:
    """A bundle of the contents of its archive.

    Raises:
        Refused: It is not whole.
    """
    for name in (MANIFEST, SIGNATURES):
        if name not in files:
            raise Refused(Reason.MISSING_FILE, "is not in the bundle", path=path, field=name)
    told = manifest.parse(files[MANIFEST], f"{path}: {MANIFEST}")
    signatures = sign.parse(files[SIGNATURES], f"{path}: {SIGNATURES}")
    content = {name: data for name, data in files.items() if name not in BESIDE}
    found = of(told, content, signatures, path)
    if CREDENTIAL not in files:
        return found
    credential.issuer_of(files[CREDENTIAL], path)
    return replace(found, credential=files[CREDENTIAL])


def of(
    told: Manifest, files: Mapping[str, bytes], signatures: Sequence[Signature], path: object
) -> Bundle:
    """A bundle of its parts.

    Raises:
        Refused: Files are not those of the manifest, or not what they must be.
    """
    manifest.check_files(told, files, path)
    figures: tuple[Mapping[str, Any], ...] = ()
    if KPIS in files:
        value = canonical.loads(files[KPIS], f"{path}: {KPIS}")
        check("kpis", value, f"{path}: {KPIS}")
        figures = tuple(value["figures"])
    profile = eed = factors = None
    found: dict[str, Mapping[Key, Row | None]] = {}
    for name, data in files.items():
        if name.startswith("cubes/"):
            cube = next((cube for cube in CUBES.values() if cube.file == name), None)
            if cube is None:
                raise Refused(Reason.NAME, "no such cube", path=path, field=name)
            found[cube.name] = cubes.from_csv(cube, data, path)
        elif name == profile_file.FILE:
            profile = profile_file.read(data, f"{path}: {name}")
        elif name == eed_file.FILE:
            eed = eed_file.read(data, f"{path}: {name}")
        elif name == factors_file.FILE:
            factors = tuple(factors_file.read(data, path))
        elif name.endswith((".json", ".jsonld")) and name != KPIS:
            canonical.loads(data, f"{path}: {name}")
    return Bundle(path, told, tuple(signatures), dict(files), figures, found, profile, eed, factors)
