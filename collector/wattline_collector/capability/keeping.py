"""Results that `wattline capability` found, as rows of the register of results.

What a log said and the rules let stand is kept with the digest of the log; what was refused is not,
as there is no figure to keep. Rows have the form of those that are imported from CSV, and pass the
same checks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from wattline_agents.errors import InputError, UsageError
from wattline_collector.capability.hpl_log import Benchmark
from wattline_collector.capability.hpl_mxp import Result
from wattline_collector.capability.projection import DAY_SECONDS, Projection
from wattline_collector.capability.training_benchmark import Outcome
from wattline_collector.registers import cells, kept
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.declare import Malformed, Values
from wattline_collector.registers.merge import Merged
from wattline_collector.registers.schema import RESULTS

ORIGIN = "capability"
_KINDS = {Benchmark.HPL: "hpl", Benchmark.HPL_MXP: "hpl_mxp"}
_SHORT = 12


@dataclass(frozen=True, slots=True)
class Said:
    """What whoever keeps a result says of it.

    Attributes:
        system: Which system it was made on.
        declared_by: Who says so.
        when_ms: When it was measured; None: as the log, or its file's date, tells.
    """

    system: str | None = None
    declared_by: str | None = None
    when_ms: int | None = None


def hpl_rows(results: Iterable[Result], said: Said) -> list[Values]:
    """Rows of the solves that stand; a log that holds several gives several.

    Raises:
        UsageError: What is said of them has no place in the register.
        InputError: A log cannot be read again.
    """
    rows = []
    for result in results:
        if result.flops is None:
            continue
        kind, path = _KINDS[result.solve.benchmark], result.solve.path
        digest = _digest([path])
        rows.append(
            _row(
                said,
                {
                    "id": f"{kind}:{digest[:_SHORT]}:{result.solve.line}",
                    "kind": kind,
                    "when": _iso(said.when_ms or _changed_ms(path)),
                    "benchmark": result.solve.benchmark.value,
                    "value": repr(result.flops),
                    "unit": "FLOP/s",
                    "runs": "1",
                    "devices": str(result.solve.processes or ""),
                    "valid": "yes",
                    "evidence": f"sha256:{digest}",
                    "reference": str(path),
                },
            )
        )
    return rows


def training_rows(found: Outcome, said: Said) -> list[Values]:
    """The row of a result of several runs; none where there is no result.

    Raises:
        UsageError: What is said of it has no place in the register.
        InputError: A log cannot be read again.
    """
    if found.seconds is None:
        return []
    runs = [judged.run for judged in found.runs]
    digest = _digest([run.path for run in runs])
    last_ms = round(max(run.stop_ms for run in runs))
    energy = {} if found.joules is None or found.level is None else {
        "energy": repr(found.joules / 3.6e6), "power_level": found.level.value,
    }  # fmt: skip
    return [
        _row(
            said,
            {
                "id": f"training_time:{digest[:_SHORT]}",
                "kind": "training_time",
                "when": _iso(said.when_ms or last_ms),
                "start": _iso(round(min(run.start_ms for run in runs))),
                "benchmark": found.benchmark or "not told",
                "value": repr(found.seconds),
                "unit": "s",
                "runs": str(len(runs)),
                "spread": "" if found.spread is None else repr(found.spread),
                "valid": "yes",
                "evidence": f"sha256:{digest}",
                "reference": str(runs[0].path),
                **energy,
            },
        )
    ]


def projection_rows(found: Projection, said: Said, now_ms: int) -> list[Values]:
    """The row of a projection; its id is what it is of, so that a later one takes its place.

    Raises:
        UsageError: What is said of it has no place in the register.
    """
    plan = found.plan
    return [
        _row(
            said,
            {
                "id": f"projection:{plan.parameters:g}:{plan.tokens:g}",
                "kind": "projection",
                "when": _iso(said.when_ms or now_ms),
                "value": repr(found.days * DAY_SECONDS),
                "low": "" if found.low is None else repr(found.low * DAY_SECONDS),
                "high": "" if found.high is None else repr(found.high * DAY_SECONDS),
                "unit": "s",
                "devices": str(round(plan.devices)),
                "parameters": repr(float(plan.parameters)),
                "tokens": repr(float(plan.tokens)),
                "reference": f"MFU {plan.mfu:.4g}, ETTR {plan.ettr:.4g}",
            },
        )
    ]


def keep(store: Path, rows: Sequence[Values], now_ms: int) -> Merged:
    """Put rows in the register of results; the same result again changes nothing.

    Raises:
        UsageError: The register cannot be written.
        InputError: What is kept cannot be read.
    """
    kept.made(store)
    frame = pl.DataFrame(rows, schema=RESULTS.schema, orient="row")
    # One log given twice is one result.
    frame = frame.unique(list(RESULTS.key), keep="first", maintain_order=True)
    source = hashlib.sha256("".join(frame["id"]).encode()).hexdigest()[:16]
    return kept.update(
        store, RESULTS, frame, origin=ORIGIN, source=f"sha256:{source}", now_ms=now_ms
    )


def _row(said: Said, texts: Mapping[str, str]) -> Values:
    whole = {"system": said.system or "", "declared_by": said.declared_by or "", **texts}
    # A register's text is short; where a log lies is told as far as it fits.
    # A file's name need not be text at all.
    whole["reference"] = whole["reference"].encode(errors="replace")[-200:].decode(errors="ignore")
    try:
        return cells.row(RESULTS, whole, Setting())
    except Malformed as error:
        raise UsageError(f"--keep: {error.field}: {error.reason}") from error


def _digest(paths: Sequence[Path]) -> str:
    """SHA-256 of a file; of several, that of their digests in order."""
    digests = []
    for path in paths:
        try:
            with path.open("rb") as file:
                digests.append(hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", path=path) from error
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    )


def _changed_ms(path: Path) -> int:
    return round(path.stat().st_mtime * 1000)


def _iso(ms: int) -> str:
    text = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
