"""`factors.csv`: the carbon factors that a bundle's figures were made with, and where from.

One row for each factor that was used in the period: of the grid by the year and by the hour, of
what no contract claims, and of each contract that counts. Of hours there is one row for all that
one publisher gave: how many, from when to when, and their plain mean.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl

from wattline_collector.kpi.carbon import METHODS, Way
from wattline_collector.kpi.emissions import chosen
from wattline_collector.kpi.factors import Chosen
from wattline_collector.kpi.view import View
from wattline_collector.profile.schema.words import CONTRACTS, CRITERIA
from wattline_reports.exchange.refused import Reason, Refused
from wattline_reports.exchange.settled import settled

FILE = "factors.csv"
COLUMNS = (
    "ROLE", "SYSTEM", "ZONE", "YEAR", "FIRST_HOUR", "LAST_HOUR", "HOURS", "GRAMS_CO2E_PER_KWH",
    "METHOD", "SCOPE", "LICENCE", "SOURCE",
)  # fmt: skip
ROLES = ("location_annual", "location_hourly", "residual", "contract")
MOST_ROWS = 2000

_SCOPES = ("lifecycle", "direct", "")
_ZONE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}|")
_SYSTEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:+/-]{0,63}|")
_YEAR = re.compile(r"[0-9]{4}|")
_HOUR = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:00:00Z|")
_MOST_LETTERS = 200
_KILO = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """One factor, or the hours of one publisher.

    Attributes:
        role: One of `ROLES`.
        system: The system that it is of alone; empty: the site.
        zone: Country or bidding zone.
        year: For which year it was used; empty of hours.
        first_hour: UTC; empty of a year.
        last_hour: The same.
        hours: How many hours; 0 of a year.
        grams_per_kwh: The factor, or the plain mean of the hours'.
        method: Production, consumption, residual; of a contract its kind.
        scope: `lifecycle` or `direct`; empty of a contract.
        licence: Under which licence it may be used; empty of a contract.
        source: Who published it; empty of a contract.
    """

    role: str
    system: str
    zone: str
    year: str
    first_hour: str
    last_hour: str
    hours: int
    grams_per_kwh: float
    method: str
    scope: str
    licence: str
    source: str

    def cells(self) -> tuple[str, ...]:
        """Its line."""
        grams = self.grams_per_kwh
        return (
            self.role, self.system, self.zone, self.year, self.first_hour, self.last_hour,
            str(self.hours), str(int(grams)) if grams.is_integer() else repr(grams),
            self.method, self.scope, self.licence, self.source,
        )  # fmt: skip


def of(view: View) -> list[Row]:
    """The factors of a period, in a fixed order.

    Raises:
        Refused: The source or licence of one has what may be an address in it.
    """
    of_site = list(_of(view, None))
    found = [*of_site, *_contracts(view)]
    for system in sorted(view.inventory["system"].unique()):
        found += [row for row in _of(view, system) if _bare(row) not in map(_bare, of_site)]
    return sorted(set(found), key=lambda row: (ROLES.index(row.role), *row.cells()))


def to_csv(rows: Sequence[Row]) -> bytes:
    """The file of them."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(row.cells() for row in rows)
    return text.getvalue().encode()


def read(data: bytes, path: object) -> list[Row]:
    """What a bundle's file says.

    Raises:
        Refused: It is not as `to_csv` writes it.
    """
    try:
        lines = list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused(Reason.SCHEMA, f"no CSV: {error}"[:160], path=path, field=FILE) from error
    if not lines or tuple(lines[0]) != COLUMNS:
        words = f"its columns are not {', '.join(COLUMNS)}"
        raise Refused(Reason.SCHEMA, words, path=path, field=FILE)
    if len(lines) > MOST_ROWS:
        raise Refused(Reason.SCHEMA, f"more than {MOST_ROWS:,} rows", path=path, field=FILE)
    found = [_row(line, path, number) for number, line in enumerate(lines[1:], start=2)]
    if len(set(found)) != len(found):
        raise Refused(Reason.DUPLICATE, "a factor stands twice", path=path, field=FILE)
    if to_csv(found) != data:
        raise Refused(Reason.NOT_CANONICAL, "not written in the one way", path=path, field=FILE)
    return found


# Making


def _of(view: View, system: str | None) -> Iterator[Row]:
    found = chosen(view, system)
    if found.zone is None:
        return
    start_ms, end_ms = view.bounds_ms
    years = {datetime.fromtimestamp(ms / 1000, UTC).year for ms in (start_ms, end_ms - 1)}
    span = range(min(years), max(years) + 1)
    for role, rows in (
        ("location_annual", _grid(found, Way.LOCATION_ANNUAL)),
        ("residual", found.factors.filter(pl.col("method") == METHODS[2]).unique()),
    ):
        for row in rows.filter(pl.col("year").is_in(list(span))).iter_rows(named=True):
            yield _told(role, system, found.zone, row, year=str(row["year"]))
    hours = _grid(found, Way.LOCATION_HOURLY).filter(
        pl.col("hour_ms") >= start_ms, pl.col("hour_ms") < end_ms
    )
    summed = hours.group_by("source", "method", "lifecycle", "licence").agg(
        pl.col("value").mean(), pl.len().alias("hours"),
        pl.col("hour_ms").min().alias("first"), pl.col("hour_ms").max().alias("last"),
    )  # fmt: skip
    for row in summed.iter_rows(named=True):
        yield _told(
            "location_hourly", system, found.zone, row,
            first=_hour(row["first"]), last=_hour(row["last"]), hours=row["hours"],
        )  # fmt: skip


def _grid(found: Chosen, way: Way) -> pl.DataFrame:
    try:
        return found.grid(way)
    except ValueError:  # Two of one year differ: then no figure was made with either.
        return found.factors.clear()


def _told(
    role: str,
    system: str | None,
    zone: str,
    row: dict[str, object],
    *,
    year: str = "",
    first: str = "",
    last: str = "",
    hours: int = 0,
) -> Row:
    value = row["value"]
    assert isinstance(value, float), "a factor is a number"
    return Row(
        role, system or "", zone, year, first, last, hours, settled(value * _KILO),
        str(row["method"]), "lifecycle" if row["lifecycle"] else "direct",
        _text(row["licence"], "licence"), _text(row["source"], "source"),
    )  # fmt: skip


def _contracts(view: View) -> Iterator[Row]:
    """Contracts that count in the market-based figure on a day of the period."""
    first, last = view.period.start.date(), view.period.end.date()
    for one in () if view.profile is None else view.profile.contracts.values():
        counts = one.is_retired and set(one.criteria) == set(CRITERIA)
        if counts and one.since <= last and (one.until or date.max) >= first:
            yield Row(
                "contract", "", one.country or "", "", "", "", 0,
                settled(float(one.grams_co2e_per_kwh)), one.kind, "", "", "",
            )  # fmt: skip


def _bare(row: Row) -> tuple[str, ...]:
    """A row without whose it is."""
    cells = row.cells()
    return (cells[0], *cells[2:])


def _text(told: object, what: str) -> str:
    """What a publisher is called, on one line."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(told or "")).split())
    text = text.lstrip("=+-@#\"' ").replace("<", "(").replace(">", ")")[:_MOST_LETTERS].rstrip()
    if "@" in text:
        raise Refused(
            Reason.PERSONAL,
            f"the {what} of a carbon factor has an address in it: name the publisher instead",
            path="the bundle",
            field=FILE,
        )
    return text


def _hour(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:00:00Z")


# Reading


def _row(line: Sequence[str], path: object, number: int) -> Row:
    def wrong(reason: str, column: str) -> Refused:
        return Refused(Reason.SCHEMA, reason, path=path, line=number, field=f"{FILE} {column}")

    if len(line) != len(COLUMNS):
        raise wrong(f"has {len(line)} cells, not {len(COLUMNS)}", "row")
    told = dict(zip(COLUMNS, line, strict=True))
    patterns = {
        "SYSTEM": _SYSTEM, "ZONE": _ZONE, "YEAR": _YEAR, "FIRST_HOUR": _HOUR, "LAST_HOUR": _HOUR,
    }  # fmt: skip
    for column, pattern in patterns.items():
        if pattern.fullmatch(told[column]) is None:
            raise wrong("not what can stand there", column)
    words = {"ROLE": ROLES, "METHOD": (*METHODS, *CONTRACTS), "SCOPE": _SCOPES}
    for column, known in words.items():
        if told[column] not in known:
            raise wrong("a word that no such table holds", column)
    for column in ("LICENCE", "SOURCE"):
        if not _is_told(told[column]):
            raise wrong("not the name of a publisher or of a licence", column)
    return Row(
        told["ROLE"], told["SYSTEM"], told["ZONE"], told["YEAR"], told["FIRST_HOUR"],
        told["LAST_HOUR"], _whole(told["HOURS"], wrong), _number(told, wrong), told["METHOD"],
        told["SCOPE"], told["LICENCE"], told["SOURCE"],
    )  # fmt: skip


def _is_told(text: str) -> bool:
    """Whether a text is as `_text` leaves it: on one line, no formula, no markup, no address."""
    if not text:
        return True
    return (
        len(text) <= _MOST_LETTERS
        and text.isprintable()
        and text[0] not in "=+-@#\"' "
        and not set("@<>") & set(text)
    )


def _whole(text: str, wrong: Callable[[str, str], Refused]) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 7):
        raise wrong("no number of hours", "HOURS")
    return int(text)


def _number(told: dict[str, str], wrong: Callable[[str, str], Refused]) -> float:
    column = "GRAMS_CO2E_PER_KWH"
    try:
        value = float(told[column])
    except ValueError as error:
        raise wrong("no number", column) from error
    if not math.isfinite(value) or value < 0:
        raise wrong("no number that can stand there", column)
    return value
