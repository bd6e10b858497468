"""Results: what benchmarks, evaluations, training runs and challenges came to."""

from __future__ import annotations

import re
from collections.abc import Mapping

from wattline_collector.registers.declare import (
    Column,
    Kind,
    Malformed,
    Register,
    Values,
    in_order,
)

NEEDS: Mapping[str, tuple[str, ...]] = {
    "hpl": ("value", "unit"),
    "hpl_mxp": ("value", "unit"),
    "training_time": ("benchmark", "value", "unit"),
    "projection": ("parameters", "tokens", "value", "unit"),
    "run": ("run", "start"),
    "quality": ("model", "metric", "value", "evidence"),
    "recomputed": ("value",),
    "commit": ("event", "entrant", "evidence"),
    "score": ("event", "entrant", "benchmark", "value"),
}
"""The kinds there are, and the columns without which one of them says nothing."""

_RATES = {"FLOP/s": 1.0, "GFLOP/s": 1e9, "TFLOP/s": 1e12, "PFLOP/s": 1e15, "EFLOP/s": 1e18}
_TIMES = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
UNITS: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "hpl": ("FLOP/s", _RATES),
    "hpl_mxp": ("FLOP/s", _RATES),
    "training_time": ("s", _TIMES),
    "projection": ("s", _TIMES),
}
"""Of kinds whose unit is not theirs to choose: the unit kept, and those people write."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{16,64}\Z")
_JOULES_PER_KWH = 3.6e6
_SCALED = ("value", "low", "high", "baseline")


def _finish(values: Values) -> Values:
    kind = str(values["kind"])
    for name in NEEDS[kind]:
        if values["start_ms" if name == "start" else name] is None:
            raise Malformed(name, f"missing: a result of kind {kind} needs it")
    in_order(values, "start", "when")
    if values["evidence"] is not None and not _DIGEST.match(str(values["evidence"])):
        raise Malformed(
            "evidence", "is not sha256: and 16 to 64 digits of it, as `sha256sum` prints"
        )
    if kind == "recomputed":
        if values["model"] is None and values["run"] is None:
            raise Malformed("model", "missing: of which model, or which run?")
        value = values["value"]
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise Malformed("value", "is a share of the forward pass, from 0 to 1")
    if kind in UNITS:
        _to_base(values, *UNITS[kind])
    low, high = values["low"], values["high"]
    if isinstance(low, int | float) and isinstance(high, int | float) and high < low:
        raise Malformed("high", "is less than low")
    energy = values["energy"]
    if energy is not None:
        if values["power_level"] is None:
            raise Malformed("power_level", "missing: energy is nothing without its level")
        assert isinstance(energy, int | float)
        values["energy"] = energy * _JOULES_PER_KWH
    return values


def _to_base(values: Values, base: str, known: Mapping[str, float]) -> None:
    unit = str(values["unit"])
    if unit not in known:
        raise Malformed("unit", f"{unit!r} is none of {', '.join(known)}")
    for name in _SCALED:
        number = values[name]
        if isinstance(number, int | float):
            if number < 0:
                raise Malformed(name, f"{number:g} is less than nothing")
            values[name] = number * known[unit]
    values["unit"] = base


RESULTS = Register(
    "results",
    "What a benchmark, an evaluation, a training run or a challenge came to.",
    (
        Column("system", Kind.NAME, "The system it was made on; empty: the whole factory."),
        Column("id", Kind.NAME, "Names it; a row with the same id replaces it.", "hpl-mxp-2026-03",
               required=True),
        Column("kind", Kind.WORD, "What it is.", "hpl_mxp", required=True, words=tuple(NEEDS)),
        Column("when", Kind.TIME, "When it was measured, scored or handed in; of a run: when it"
               " ended, or was last looked at.", "2026-03-14T16:20", required=True, closes=True),
        Column("start", Kind.TIME, "Of a run: when it began.", "2026-03-14T15:00"),
        Column("benchmark", Kind.TEXT, "Which benchmark or test set.", "HPL-MxP"),
        Column("metric", Kind.NAME, "Of a quality: what was measured."),
        Column("model", Kind.TEXT, "The model it is of."),
        Column("run", Kind.NAME, "The training run it is of, as its jobs name it."),
        Column("project", Kind.NAME, "The project it was made in."),
        Column("event", Kind.NAME, "The challenge it was made in."),
        Column("entrant", Kind.NAME, "Of a challenge: who entered, a factory or a team."),
        Column("value", Kind.NUMBER, "The result: a rate, a time, a metric, a score; of"
               " `recomputed` the part of the forward pass that is computed again, 0 to 1.",
               "1.92", least=-1e30, most=1e30),
        Column("unit", Kind.TEXT, "Its unit. Rates are kept in FLOP/s, times in s.", "EFLOP/s"),
        Column("low", Kind.NUMBER, "Lower end of its uncertainty.", "1.90", least=-1e30,
               most=1e30),
        Column("high", Kind.NUMBER, "Upper end.", "1.94", least=-1e30, most=1e30),
        Column("baseline", Kind.NUMBER, "What it is compared with.", least=-1e30, most=1e30),
        Column("public", Kind.NUMBER, "Of a score: the same on the items that are public.",
               least=-1e30, most=1e30),
        Column("energy", Kind.NUMBER, "What it took; kept in J.", "5120", unit="kWh"),
        Column("power_level", Kind.WORD, "Quality of that measurement, EE HPC WG.", "L2",
               words=("L1", "L2", "L3")),
        Column("runs", Kind.WHOLE, "How many runs it rests on.", "1", unit="runs"),
        Column("spread", Kind.NUMBER, "Standard deviation over mean of these runs."),
        Column("devices", Kind.WHOLE, "On how many devices.", "4096", unit="devices"),
        Column("parameters", Kind.NUMBER, "Of a projection: active parameters of the model."),
        Column("tokens", Kind.NUMBER, "Of a projection: tokens to train on.", most=1e18),
        Column("valid", Kind.FLAG, "Whether it stands by its rules; of a run: whether it reached"
               " its declared target; of a commit: whether what was revealed agrees with it."
               " Empty: not known yet.", "yes"),
        Column("site", Kind.WORD, "Of a score: run by the entrant, or again at a second site;"
               " empty: by the entrant.", words=("own", "second")),
        Column("declared_by", Kind.TEXT, "Who says so.", "HPC operations", personal=True),
        Column("evidence", Kind.TEXT, "Digest of the log, the evaluation or the commit.",
               "sha256:9f86d081884c7d65"),
        Column("reference", Kind.TEXT, "Where that lies.", "archive 2026/hpl-mxp.out"),
    ),
    key=("system", "id"),
    finish=_finish,
)  # fmt: skip
