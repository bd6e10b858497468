"""One encoded batch, and how it lies in a file of the spool."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from wattline_agents.errors import WireError
from wattline_agents.wire import Header, encode, table_named


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch ready to be sent: its table, its header, its body."""

    table: str
    header: Header
    body: bytes

    @property
    def size(self) -> int:
        """Bytes it takes, near enough."""
        return len(self.body) + 256

    def to_file(self) -> bytes:
        """One line of JSON, then the body as it is."""
        head = {"table": self.table, "header": asdict(self.header), "body_bytes": len(self.body)}
        return json.dumps(head).encode() + b"\n" + self.body

    @classmethod
    def from_file(cls, content: bytes) -> Batch:
        """Read what `to_file` wrote.

        Raises:
            WireError: It was cut short or is something else.
        """
        line, newline, body = content.partition(b"\n")
        try:
            head = json.loads(line)
            table = table_named(str(head["table"])).name
            header = Header(**head["header"])
            size = int(head["body_bytes"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise WireError(f"not a spooled batch: {error}") from error
        if not newline or len(body) != size:
            raise WireError(f"a batch cut short: {len(body)} of {size} bytes")
        return cls(table, header, body)

    def split(self, headers: tuple[Header, Header]) -> tuple[Batch, Batch] | None:
        """Two batches of half the rows each; None if there is only one row to split.

        Raises:
            WireError: Its body is no batch's.
        """
        from wattline_agents.arrow import decode

        rows = decode(self.body)
        if len(rows) < 2:
            return None
        table = table_named(self.table)
        middle = len(rows) // 2
        halves = (rows[:middle], rows[middle:])
        first, second = (
            replace(self, header=header, body=encode(table, half))
            for header, half in zip(headers, halves, strict=True)
        )
        return first, second
