"""Batches into the store, whatever brought them: HTTP, an import, the history generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattline_agents.catalogue import Table
from wattline_agents.errors import WireError
from wattline_agents.wire import Header, table_named
from wattline_collector.receive import check, decode
from wattline_collector.store.store import Store

if TYPE_CHECKING:
    from wattline_collector.store.latest import Latest


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it came."""

    table: str
    header: Header
    body: bytes


@dataclass(frozen=True, slots=True)
class _Waiting:
    place: int
    header: Header
    body: bytes
    decoded: decode.Decoded


class Intake:
    """Checks batches against the catalogue and appends them; the caller commits.

    Not thread-safe: one thread brings batches in. What is counted may be read by any.
    """

    def __init__(self, store: Store, latest: Latest | None = None) -> None:
        """Take in to a store; `latest` is told of every new row."""
        self.store = store
        self.accepted_batches = 0
        self.accepted_rows = 0
        self.duplicate_batches = 0
        self.refused_batches = 0
        if latest is not None:
            store.watchers.append(latest.feed)

    def accept(self, table: str, header: Header, body: bytes) -> bool:
        """Take one batch in.

        Returns:
            True if it is new, False if a batch of its name was taken in before.

        Raises:
            WireError: It is not a batch of its table; the message names column and row.
        """
        result = self.accept_many([Batch(table, header, body)])[0]
        if isinstance(result, WireError):
            raise result
        return result

    def accept_many(self, batches: Sequence[Batch]) -> list[bool | WireError]:
        """Take batches in together, which costs a fraction of one after the other.

        Returns:
            For each what `accept` would have returned or raised.
        """
        results: list[bool | WireError] = [False] * len(batches)
        groups: dict[decode.Shape, list[_Waiting]] = {}
        for place, batch in enumerate(batches):
            try:
                table = table_named(batch.table)
                if self.store.seen(batch.header):
                    self.duplicate_batches += 1
                    continue
                decoded = decode.decode(table, batch.body)
            except WireError as error:
                results[place] = self._refuse(batch, error)
                continue
            waiting = _Waiting(place, batch.header, batch.body, decoded)
            groups.setdefault(decoded.shape, []).append(waiting)
        for group in groups.values():
            self._take(batches, group, results)
        return results

    def _take(
        self,
        batches: Sequence[Batch],
        group: list[_Waiting],
        results: list[bool | WireError],
    ) -> None:
        table = table_named(group[0].decoded.shape.table)
        try:
            new = self._append(table, group)
        except WireError as error:
            if len(group) == 1:
                place = group[0].place
                results[place] = self._refuse(batches[place], error)
                return
            # One of them is wrong: each by itself, so that it is named and the others get in.
            for waiting in group:
                self._take(batches, [waiting], results)
            return
        for waiting, is_new in zip(group, new, strict=True):
            results[waiting.place] = is_new
            self.accepted_batches += is_new
            self.accepted_rows += waiting.decoded.rows if is_new else 0
            self.duplicate_batches += not is_new

    def _append(self, table: Table, group: list[_Waiting]) -> list[bool]:
        shape = group[0].decoded.shape
        rows = decode.typed(shape, [b for waiting in group for b in waiting.decoded.batches])
        rows = check.checked(table, rows, self.store.clock.unix_ms())
        return self.store.append_many(
            table.name,
            [waiting.header for waiting in group],
            [waiting.body for waiting in group],
            [waiting.decoded.rows for waiting in group],
            rows,
        )

    def _refuse(self, batch: Batch, error: WireError) -> WireError:
        self.refused_batches += 1
        self.store.quarantine(repr(batch.header), batch.body, str(error))
        return error
