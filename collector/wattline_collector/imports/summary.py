"""What an import prints: what was found, what others published of it, and what the books say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from wattline_collector.imports.recording import Recording

MINUTE_MS = 60_000
JOULES_PER_KWH = 3_600_000.0


@dataclass(frozen=True, slots=True)
class Booked:
    """What the ledger holds for a job."""

    joules: float | None
    tokens: int | None


def booked(store_path: Path, recording: Recording) -> Booked:
    """Read a recorded job's energy and tokens back from the ledger."""
    import polars as pl

    from wattline_collector.ledger.books import Books

    books = Books(store_path)
    job = recording.job
    # Books are kept per minute; those at the edges hold nothing of this job from outside it.
    start_ms = job.start_ms // MINUTE_MS * MINUTE_MS
    end_ms = -(-job.end_ms // MINUTE_MS) * MINUTE_MS
    mine = (pl.col("system") == recording.system) & (pl.col("job") == job.key)
    energy = books.read("node", start_ms, end_ms).filter(mine)["energy_joules"].drop_nulls()
    made = books.read("job", start_ms, end_ms).filter(mine)
    tokens = [
        int(made[column].drop_nulls().sum())
        for column in ("tokens_trained", "tokens_generated")
        if made[column].drop_nulls().len()
    ]
    return Booked(float(energy.sum()) if energy.len() else None, sum(tokens) if tokens else None)


def table(rows: Iterable[tuple[str, str, str]]) -> str:
    """Lines of label, value and remark; a label left empty continues the one above."""
    every = list(rows)
    label = max(len(row[0]) for row in every)
    value = max(len(row[1]) for row in every)
    return "\n".join(f"  {a:<{label}}  {b:>{value}}  {c}".rstrip() for a, b, c in every)


def clock(time_ms: int) -> str:
    """A moment in UTC, to the second."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def kwh(joules: float) -> str:
    """Energy in kWh, four digits after the point under ten and two above."""
    value = joules / JOULES_PER_KWH
    return f"{value:,.4f} kWh" if value < 10 else f"{value:,.2f} kWh"


def apart(value: float, reference: float) -> str:
    """How far a value is from another, in percent of that."""
    if not reference:
        return "not comparable"
    return f"{round(value / reference - 1, 5) + 0.0:+.3%}"  # + 0.0 turns a rounded -0 into 0


def booked_energy(told: Booked, ours: float) -> list[tuple[str, str, str]]:
    """The table's row on what the books say of a run's energy; none where they say nothing.

    The books leave what lies between the last reading before an edge of the run and the first one
    after it to the time outside the run, so they are lower by up to a sampling period at each end.
    """
    if told.joules is None:
        return []
    remark = f"booked, {apart(told.joules, ours)}: from first to last reading inside the run"
    return [("", kwh(told.joules), remark)]


def counted(number: int, word: str) -> str:
    """A number with its word: `1 device`, `2,000 devices`."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
