"""A challenge's outcome as rows of the register of results: what KPIs C04 and C05 are made of.

Each run that a score is made of is a row, so that the mean over rows is the score and their scatter
that of the runs. Where a second site ran again, the measure in which sites are compared is kept of
both, under a benchmark of its own: a score of a large machine and one of a small one differ anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from wattline_agents.errors import UsageError
from wattline_collector.registers import cells
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.declare import Malformed, Values
from wattline_collector.registers.schema import RESULTS
from wattline_reports.challenge.documents import written
from wattline_reports.challenge.rules import Rules
from wattline_reports.challenge.runs import Run
from wattline_reports.challenge.verify import Entrant, Verdict
from wattline_reports.exchange.refused import Reason, Refused

ORIGIN = "challenge"
_JOULES_PER_KWH = 3.6e6


def rows(verdict: Verdict) -> list[Values]:
    """The rows of a challenge that was opened.

    Raises:
        Refused: It is not opened yet.
        UsageError: Something has no place in the register.
    """
    if verdict.opened is None:
        words = "nothing is opened: there is no score to keep"
        raise Refused(Reason.NOT_REVEALED, words, path=verdict.rules.id)
    found: list[Values] = []
    for one in verdict.entrants.values():
        found.extend(_row(texts) for texts in _of_entrant(verdict, one, verdict.opened.references))
    return found


def frame(rows: list[Values]) -> pl.DataFrame:
    """Rows with the columns of the register."""
    return pl.DataFrame(rows, schema=RESULTS.schema, orient="row")


def _of_entrant(
    verdict: Verdict, one: Entrant, references: Mapping[int | None, float]
) -> Iterator[dict[str, str]]:
    rules = verdict.rules
    start = f"{verdict.commit.place.season}:{rules.id}:{one.id}"
    common = {
        "event": f"{verdict.commit.place.season}:{rules.id}",
        "entrant": one.id,
        "reference": f"{verdict.commit.place.season}/{rules.id}",
        "declared_by": verdict.commit.author,
    }
    if one.submitted is not None:
        document = one.submitted.document
        valid = "yes" if one.judged is not None else "" if one.refused is None else "no"
        yield {
            **common, "id": f"{start}:commit", "kind": "commit", "when": written(document.at),
            "valid": valid, "evidence": f"sha256:{document.body['result']['digest']}",
        }  # fmt: skip
    judged = one.judged
    if judged is None or one.entry is None:
        return
    public = ""
    if judged.public is not None:
        public = repr(judged.public.mean / references.get(None, 1.0))
    baseline = one.entry.body["baseline"]
    for series in judged.secret:
        reference = references.get(series.item, 1.0)
        for run in series.kept:
            yield {
                **common, "id": f"{start}:{run.id}", "kind": "score", "benchmark": rules.id,
                "when": written(run.start), "value": repr(run.figure / reference),
                "unit": rules.unit, "public": public, "site": "own", "runs": "1", "valid": "yes",
                "baseline": "" if baseline is None else repr(float(baseline)),
                "evidence": run.log, **_energy(run, one.entry.body["power_level"]),
            }  # fmt: skip
    compared = judged.measures.to_json()[rules.rerun_compares]
    if not judged.deltas or compared is None:
        return
    when = written(rules.times.rerun_by)
    benchmark = f"{rules.id}:{rules.rerun_compares}"
    sites: list[tuple[str, str, float]] = [("own", one.id, compared)]
    for site, delta in sorted(judged.deltas.items()):
        sites.append(("second", site, _moved(rules, compared, delta)))
    for site, by, value in sites:
        yield {
            **common, "id": f"{start}:{rules.rerun_compares}:{by}", "kind": "score",
            "benchmark": benchmark, "when": when, "value": repr(value), "unit": "1",
            "site": site, "valid": "yes", "declared_by": by,
        }  # fmt: skip


def _moved(rules: Rules, compared: float, delta: float) -> float:
    """The second site's figure: `delta` better than the entrant's."""
    if rules.is_lower_better and rules.rerun_compares == "score":
        return compared / (1 + delta)
    return compared * (1 + delta)


def _energy(run: Run, level: str) -> dict[str, str]:
    if run.joules is None:
        return {}
    return {"energy": repr(run.joules / _JOULES_PER_KWH), "power_level": level}


def _row(texts: Mapping[str, str]) -> Values:
    try:
        return cells.row(RESULTS, {"system": "", **texts}, Setting())
    except Malformed as error:
        raise UsageError(f"--keep: {error.field}: {error.reason}") from error
