"""The manifest: what a bundle is of, and the digest of every file in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wattline_collector.kpi.figure import Period
from wattline_reports.exchange import canonical
from wattline_reports.exchange.archive import BESIDE
from wattline_reports.exchange.checked import check
from wattline_reports.exchange.refused import Reason, Refused

SCHEMA = "wattline-bundle-v1"
EED = "eed"
KINDS = ("hosting-audit", "coordination-review", EED, "challenge")


@dataclass(frozen=True, slots=True)
class Books:
    """What the ledger beneath says of itself.

    Attributes:
        balanced: Whether the audit found nothing.
        checked_hours: How many hours it checked.
        heads: The last digest of each system's chain of booked hours, sorted.
    """

    balanced: bool
    checked_hours: int
    heads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parameters:
    """What cells had to satisfy to be let out; see `disclosure`.

    Attributes:
        contributors: Fewest projects, and fewest organisations, in a cell.
        dominance_one: Largest share one of them may have.
        dominance_two: Largest share two of them may have together.
        count_base: Counts are rounded to multiples of this.
        hour_digits: Significant digits of hours and energies.
        width: How wide, as a share of its value, what can be concluded about a hidden cell stays.
    """

    contributors: int = 5
    dominance_one: float = 0.80
    dominance_two: float = 0.85
    count_base: int = 5
    hour_digits: int = 3
    width: float = 0.20


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle is of.

    Attributes:
        kind: One of `KINDS`.
        factory: Id of the factory.
        country: ISO 3166-1 alpha-2.
        tracks: 1 existing, 2 upgraded, 3 new.
        period: Over what time.
        timezone: The site's, in which its days are.
        revision: 1, and one more each time the same period is sent again.
        supersedes: Digest of the manifest of the revision before; None for the first.
        previous: Digest of the manifest of the period before; None for the first ever.
        version: Of the program that made it.
        dictionary: Digest of the KPI dictionary.
        books: What the ledger says of itself.
        disclosure: What cells had to satisfy.
        files: Digest and size of every other file, by name; signatures are not among them.
    """

    kind: str
    factory: str
    country: str
    tracks: tuple[int, ...]
    period: Period
    timezone: str
    revision: int
    supersedes: str | None
    previous: str | None
    version: str
    dictionary: str
    books: Books
    disclosure: Parameters
    files: Mapping[str, tuple[str, int]]

    @property
    def digest(self) -> str:
        """The SHA-256 of its bytes: what is signed, and what later bundles refer to."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """As it stands in the bundle."""
        return canonical.dumps(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """As a JSON value."""
        told = self.disclosure
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "factory": {
                "id": self.factory,
                "country": self.country,
                "tracks": list(self.tracks),
            },
            "period": {**self.period.to_json(), "timezone": self.timezone},
            "revision": self.revision,
            "supersedes": self.supersedes,
            "previous": self.previous,
            "generator": {"name": "wattline", "version": self.version},
            "dictionary": self.dictionary,
            "books": {
                "balanced": self.books.balanced,
                "checked_hours": self.books.checked_hours,
                "heads": list(self.books.heads),
            },
            "disclosure": {name: getattr(told, name) for name in Parameters.__slots__},
            "files": [
                {"name": name, "sha256": sha256, "size": size}
                for name, (sha256, size) in sorted(self.files.items())
            ],
        }


def of_files(files: Mapping[str, bytes]) -> dict[str, tuple[str, int]]:
    """Digest and size of every file that a manifest names."""
    return {
        name: (hashlib.sha256(content).hexdigest(), len(content))
        for name, content in files.items()
        if name not in BESIDE
    }


def parse(data: bytes, path: object) -> Manifest:
    """Read a manifest.

    Raises:
        Refused: It is not one.
    """
    value = canonical.loads(data, path)
    check("manifest", value, path)
    names = [item["name"] for item in value["files"]]
    if names != sorted(set(names)):
        raise Refused(Reason.DUPLICATE, "not one entry for each file, by name", path=path)
    period = Period(*(_time(value["period"][end], path) for end in ("from", "to")))
    if period.end <= period.start:
        raise Refused(Reason.SCHEMA, "ends before it starts", path=path, field="period")
    books = value["books"]
    return Manifest(
        kind=value["kind"],
        factory=value["factory"]["id"],
        country=value["factory"]["country"],
        tracks=tuple(value["factory"]["tracks"]),
        period=period,
        timezone=value["period"]["timezone"],
        revision=int(value["revision"]),
        supersedes=value["supersedes"],
        previous=value["previous"],
        version=value["generator"]["version"],
        dictionary=value["dictionary"],
        books=Books(books["balanced"], int(books["checked_hours"]), tuple(books["heads"])),
        disclosure=Parameters(**value["disclosure"]),
        files={item["name"]: (item["sha256"], int(item["size"])) for item in value["files"]},
    )


def check_files(manifest: Manifest, files: Mapping[str, bytes], path: object) -> None:
    """Hold every file against the manifest.

    Raises:
        Refused: One is missing, one is not named, or one is not what it was.
    """
    found = of_files(files)
    for name, (sha256, size) in manifest.files.items():
        if name not in found:
            raise Refused(Reason.MISSING_FILE, "is not in the bundle", path=path, field=name)
        if found[name] != (sha256, size):
            raise Refused(
                Reason.ALTERED_FILE, "is not what the manifest says", path=path, field=name
            )
    for name in found:
        if name not in manifest.files:
            raise Refused(
                Reason.UNLISTED_FILE, "is not named in the manifest", path=path, field=name
            )


def _time(text: str, path: object) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise Refused(Reason.SCHEMA, f"no time: {text}", path=path, field="period") from error
