"""A planted year into a store: what was said, what was filed, and the truth beside it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

from wattline_collector.simulated.batches import Sender
from wattline_collector.simulated.year import papers
from wattline_collector.simulated.year.cells import Cells
from wattline_collector.simulated.year.check import expectations
from wattline_collector.simulated.year.expected import write
from wattline_collector.simulated.year.plan import Plan
from wattline_collector.simulated.year.statements import statements
from wattline_collector.simulated.year.telemetry import Telemetry
from wattline_collector.simulated.year.truth import Happened, happened
from wattline_collector.store.store import Store

TRUTH = "truth.json"
"""What the figures must be, beside the store's own files."""

Progress = Callable[[int, int], None]


def write_telemetry(store: Store, plan: Plan, progress: Progress | None = None) -> int:
    """Write all that was said in a planted year.

    Args:
        store: Open for writing; it is sealed day by day.
        plan: The year.
        progress: Told of days written, and of how many.

    Returns:
        How many rows were written.
    """
    extent = plan.extent
    sender = Sender(store, extent.system, f"year-{extent.seed}-{extent.start_ms}", extent.period_ms)
    telemetry = Telemetry(plan)
    sender.send(statements(plan))
    sender.send(telemetry.first())
    days = list(Cells(plan).days())
    # Sealing a day and making the next one keep two cores busy.
    with ThreadPoolExecutor(1) as worker:
        sealing: Future[None] | None = None
        for done, (low_ms, high_ms) in enumerate(days, start=1):
            sender.send(telemetry.day(low_ms, high_ms))
            if sealing is not None:
                sealing.result()
            sealing = worker.submit(store.seal)
            if progress is not None:
                progress(done, len(days))
        if sealing is not None:
            sealing.result()
    return sender.rows


def write_year(
    store: Store, plan: Plan, now: datetime, progress: Progress | None = None
) -> tuple[Happened, int]:
    """Write a planted year whole: telemetry, registers, profile, and `truth.json` beside them.

    Args:
        store: Open for writing, and new.
        plan: The year.
        now: When registers and profile are filed.
        progress: Told of days written, and of how many.

    Returns:
        What happened, and how many rows were written.
    """
    found = happened(plan)
    rows = write_telemetry(store, plan, progress)
    papers.file(store.path, found, now)
    write(store.path / TRUTH, expectations(found), _about(plan))
    return found, rows


def _about(plan: Plan) -> dict[str, object]:
    extent = plan.extent
    return {
        "system": extent.system,
        "start": datetime.fromtimestamp(extent.start_ms / 1000, UTC).isoformat(),
        "end": datetime.fromtimestamp(extent.end_ms / 1000, UTC).isoformat(),
        "nodes": extent.nodes,
        "devices_per_node": extent.devices,
        "seed": extent.seed,
        "period_seconds": extent.period_ms / 1000,
        "holes": [
            {
                "hole": missing.hole.value,
                "node": None if missing.node is None else extent.node_names[missing.node],
                "start": datetime.fromtimestamp(missing.start_ms / 1000, UTC).isoformat(),
                "end": datetime.fromtimestamp(missing.end_ms / 1000, UTC).isoformat(),
            }
            for missing in plan.planted.missing
        ],
    }
