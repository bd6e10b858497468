"""The batch that travels from an agent to the collector; the agent owns this contract.

`POST /v1/batches/{table}`: the body is one Arrow IPC stream without buffer compression, whose
columns are columns of the table (any subset that holds the required ones), and the headers below.
A batch is named by (system, node, boot, sequence); sent again, it has no second effect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from wattline_agents.catalogue import TABLES, VERSION, Table, Type
from wattline_agents.errors import WireError
from wattline_agents.record import record

CONTENT_TYPE = "application/vnd.apache.arrow.stream"
PATH = "/v1/batches/"

MAX_BODY_BYTES = 8 * 1024 * 1024
"""A batch of 64 ticks of 16 devices is about 100 kB; this leaves room for an import's hours."""
MAX_ROWS = 200_000
MAX_TEXT_BYTES = 256
"""Longest text in any column: names, labels and keys are short, and what is not is hostile."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}\Z")

Value = int | float | str | None
Row = Mapping[str, Value]


@record(frozen=True, slots=True)
class Header:
    """Who sends a batch, and which of its batches this is.

    Attributes:
        system: The supercomputer or partition group the node belongs to.
        node: The node's name.
        boot: One run of one agent: a fresh random id at each start.
        sequence: Counts up by one per batch of a boot, from 1.
        period_ms: How far apart rows of one subject should be; 0 where there is no schedule.
        catalogue: Version of the catalogue the sender was built with.
    """

    system: str
    node: str
    boot: str
    sequence: int
    period_ms: int
    catalogue: int = VERSION

    def to_http(self) -> dict[str, str]:
        """The header fields of the request."""
        return {
            "Content-Type": CONTENT_TYPE,
            "Wattline-System": self.system,
            "Wattline-Node": self.node,
            "Wattline-Boot": self.boot,
            "Wattline-Sequence": str(self.sequence),
            "Wattline-Period-Ms": str(self.period_ms),
            "Wattline-Catalogue": str(self.catalogue),
        }

    @classmethod
    def from_http(cls, fields: Mapping[str, str]) -> Header:
        """Read the header fields of a request; names are taken without regard to case.

        Raises:
            WireError: A field is missing, not a number, out of range, or a name with characters
                that no host, system or boot id has.
        """
        lower = {name.lower(): value for name, value in fields.items()}

        def name(field: str) -> str:
            value = lower.get(field.lower())
            if value is None:
                raise WireError(f"header {field}: missing")
            return checked_name(value, f"header {field}")

        def number(field: str, least: int, most: int) -> int:
            value = lower.get(field.lower())
            if value is None:
                raise WireError(f"header {field}: missing")
            if not re.fullmatch(r"[0-9]{1,18}", value) or not least <= int(value) <= most:
                raise WireError(f"header {field}: not a whole number from {least} to {most}")
            return int(value)

        return cls(
            system=name("Wattline-System"),
            node=name("Wattline-Node"),
            boot=name("Wattline-Boot"),
            sequence=number("Wattline-Sequence", 1, 10**18),
            period_ms=number("Wattline-Period-Ms", 0, 86_400_000),
            catalogue=number("Wattline-Catalogue", 1, VERSION),
        )


def checked_name(value: str, what: str) -> str:
    """Return `value` if it can be the name of a node, system or boot.

    Raises:
        WireError: It is empty, over 128 characters, or has characters other than letters, digits
            and `. _ : @ + -`.
    """
    if not _NAME.match(value):
        raise WireError(
            f"{what}: {value[:40]!r} is not a name (letters, digits and . _ : @ + -, at most 128)"
        )
    return value


def table_named(name: str) -> Table:
    """The table of that name.

    Raises:
        WireError: There is none; the message lists those there are.
    """
    table = TABLES.get(name)
    if table is None:
        raise WireError(f"no table {name[:40]!r}; there are {', '.join(TABLES)}")
    return table


def encode(table: Table, rows: Sequence[Row]) -> bytes:
    """Encode rows as one Arrow IPC stream.

    Columns that are null in every row are left out, so an agent without a sensor pays nothing
    for it.

    Args:
        table: Whose columns the rows have.
        rows: At least one row; a column a row lacks is null.

    Raises:
        WireError: There is no row, a row has a column the table lacks, or lacks a required one.
    """
    from wattline_agents import arrow

    if not rows:
        raise WireError(f"a batch of {table.name} needs at least one row")
    known = table.columns
    present: set[str] = set()
    for row in rows:
        present.update(column for column, value in row.items() if value is not None)
    if unknown := present - known.keys():
        raise WireError(f"{table.name}: no column {', '.join(sorted(unknown))}")
    for column in table.required:
        if any(row.get(column) is None for row in rows):
            raise WireError(f"{table.name}.{column}: missing in a row")

    columns = [
        (column, type_, [_plain(row.get(column), type_) for row in rows])
        for column, type_ in known.items()
        if column in present
    ]
    return arrow.encode(columns, len(rows))


def _plain(value: Value, type: Type) -> Value:
    if value is None or type is Type.TEXT:
        return value
    return int(value) if type is Type.INT else float(value)
