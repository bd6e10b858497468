"""`wattline capability`: benchmark logs judged, and how long a model would train."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_agents.clock import SystemClock
from wattline_agents.command import Command
from wattline_agents.errors import UsageError
from wattline_collector.default_store import HELP, default_store

if TYPE_CHECKING:
    from wattline_collector.capability.keeping import Said
    from wattline_collector.registers.declare import Values

INVALID = 1
"""Exit code where no result may stand."""
_MOST_FILES = 1000

_DESCRIPTION = """\
What a system can do: logs of HPL and HPL-MxP, and of MLPerf-style training, held against the rules;
and how long training a model would take.

examples:
  wattline capability hpl hpl-mxp.out            the score, or why there is none
  wattline capability training run_*.log --target 0.925 --lower-is-better
  wattline capability projection --parameters 10e9 --tokens 1e12 \\
      --devices 64 --peak 989e12 --mfu 0.40 --ettr 0.90
  wattline capability projection --table         devices for 45 days, by tokens
  wattline capability hpl hpl-mxp.out --keep --store DIR --system leonardo

--keep puts what stands into the store's register of results, with the digest of its log: KPIs C01,
C02 and C03 are read from there.

Exit code 1: no log, or not enough of them, may stand."""

_HPL = """\
Reads results of HPL and HPL-MxP (netlib, NVIDIA, rocHPL, rocHPL-MxP, the reference implementation).
A result stands if its backward error is at most 16, its lowest precision at least 16 bit, its time
holds everything, and what the log prints twice agrees.

example:
  wattline capability hpl hpl-mxp.out"""

_TRAINING = """\
Reads MLPerf-style logs, one run each, and gives the mean time to train without the fastest and the
slowest run. MLPerf is a trademark of MLCommons, who reviewed nothing of what comes out here.

example:
  wattline capability training run_*.log --target 0.925 --lower-is-better"""

_PROJECTION = """\
T = 6 N D / (devices x peak x MFU x ETTR), in days. With --steps FILE, which holds the seconds of
one step a line, MFU is measured and the answer has an interval.

example:
  wattline capability projection --tokens 1e12 --devices 64 --peak 989e12 --mfu 0.40 --ettr 0.90"""


def _configure(parser: ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="what", metavar="WHAT", required=True)

    def kind(name: str, help: str, description: str) -> ArgumentParser:
        added = kinds.add_parser(
            name, help=help, description=description, formatter_class=RawDescriptionHelpFormatter
        )
        added.add_argument("--json", action="store_true", help="for programs")
        keep = added.add_argument_group("keeping what stands")
        keep.add_argument("--keep", action="store_true", help="in the store's register of results")
        keep.add_argument("--store", type=Path, metavar="DIR", help=HELP)
        keep.add_argument("--system", metavar="NAME", help="the system it was made on")
        keep.add_argument("--when", metavar="TIME", help="when it was measured; default: as the "
                          "log tells, else its file's date")  # fmt: skip
        keep.add_argument("--declared-by", metavar="TEXT", help="who says so")
        return added

    hpl = kind("hpl", "HPL and HPL-MxP logs (C01)", _HPL)
    hpl.add_argument("files", nargs="+", type=Path, metavar="FILE")
    hpl.add_argument("--order", type=_whole, metavar="N", help="n, where the log does not say it")
    hpl.add_argument("--precision", metavar="FORMAT", help="lowest precision, such as fp16")
    hpl.add_argument("--least-bits", type=_whole, default=16, metavar="BITS",
                     help="lowest precision allowed; default 16, the rule since the list of "
                     "June 2025")  # fmt: skip
    scaling = hpl.add_mutually_exclusive_group()
    scaling.add_argument("--scaling-counted", action="store_const", const=True, default=None,
                         help="declare that the time for scaling is in the time")  # fmt: skip
    scaling.add_argument("--scaling-not-counted", dest="scaling_counted", action="store_const",
                         const=False, help="declare that it is not")  # fmt: skip

    training = kind("training", "MLPerf-style training logs (C02)", _TRAINING)
    training.add_argument("files", nargs="+", type=Path, metavar="FILE")
    training.add_argument("--runs", type=_whole, default=5, metavar="N",
                          help="runs a result takes; default 5")  # fmt: skip
    training.add_argument("--target", type=float, metavar="QUALITY", help="what a run must reach")
    training.add_argument("--lower-is-better", action="store_true", help="of the target: a loss")
    training.add_argument("--kwh", nargs="+", type=_positive, metavar="KWH",
                          help="energy of each run, in the order of the files")  # fmt: skip
    training.add_argument("--power-level", choices=("L1", "L2", "L3"),
                          help="quality of that measurement, EE HPC WG")  # fmt: skip

    projection = kind("projection", "days to train a model (C03)", _PROJECTION)
    projection.add_argument("--table", action="store_true", help="devices needed, by tokens")
    projection.add_argument("--parameters", type=_positive, default=10e9, metavar="N",
                            help="active parameters; default 10e9")  # fmt: skip
    projection.add_argument("--tokens", type=_positive, metavar="D", help="tokens to train on")
    projection.add_argument("--devices", type=_positive, metavar="COUNT")
    projection.add_argument("--peak", type=_positive, metavar="FLOP/S", help="of one device, dense")
    projection.add_argument("--mfu", type=_share, metavar="SHARE")
    projection.add_argument("--ettr", type=_share, metavar="SHARE",
                            help="share of time in which training goes on")  # fmt: skip
    projection.add_argument("--days", type=_positive, default=45.0, metavar="DAYS",
                            help="the budget; default 45")  # fmt: skip
    projection.add_argument("--steps", type=Path, metavar="FILE", help="seconds of steps, measured")
    projection.add_argument("--tokens-per-step", type=_positive, metavar="TOKENS")
    projection.add_argument("--measured-devices", type=_positive, metavar="COUNT",
                            help="that made these steps; default: --devices")  # fmt: skip
    projection.add_argument("--scaling", type=_share, metavar="SHARE",
                            help="of a device's rate that is left on --devices")  # fmt: skip


def _run(arguments: Namespace) -> int:
    if len(getattr(arguments, "files", None) or ()) > _MOST_FILES:
        raise UsageError(f"more than {_MOST_FILES} files; give the logs of one benchmark")
    for name in ("store", "system", "when", "declared_by"):
        if getattr(arguments, name) is not None and not arguments.keep:
            raise UsageError(f"--{name.replace('_', '-')} goes with --keep")
    match arguments.what:
        case "hpl":
            return _hpl(arguments)
        case "training":
            return _training(arguments)
    return _projection(arguments)


def _hpl(arguments: Namespace) -> int:
    from wattline_collector.capability import hpl_log, page
    from wattline_collector.capability.hpl_mxp import Declared, best, judge

    declared = Declared(arguments.order, arguments.precision, arguments.scaling_counted)
    results = [
        judge(solve, declared, least_bits=arguments.least_bits)
        for path in arguments.files
        for solve in hpl_log.read(path)
    ]
    highest = {
        kind.value: best(result for result in results if result.solve.benchmark is kind)
        for kind in hpl_log.Benchmark
    }
    if arguments.json:
        _print_json(
            {
                "results": [result.to_json() for result in results],
                "best": {
                    name: None if found is None else found.flops for name, found in highest.items()
                },
            }
        )
    else:
        for result in results:
            print(page.hpl(result))
        told = [f"{name} {page.rate(r.flops)}" for name, r in highest.items() if r is not None]
        print(f"Best: {', '.join(told)}" if told else "No result may stand.")
    if arguments.keep:
        from wattline_collector.capability import keeping

        _keep(arguments, keeping.hpl_rows(results, _said(arguments)))
    return 0 if any(highest.values()) else INVALID


def _training(arguments: Namespace) -> int:
    from dataclasses import replace

    from wattline_collector.capability import page, training_log
    from wattline_collector.capability.training_benchmark import LEAST_RUNS, Target, outcome
    from wattline_collector.capability.training_log import Energy, Level

    if arguments.runs < LEAST_RUNS:
        raise UsageError(f"--runs {arguments.runs}: a result takes at least {LEAST_RUNS}")
    if arguments.lower_is_better and arguments.target is None:
        raise UsageError("--lower-is-better needs --target")
    if (arguments.kwh is None) != (arguments.power_level is None):
        raise UsageError("--kwh and --power-level go together: energy is nothing without its level")
    if arguments.kwh is not None and len(arguments.kwh) != len(arguments.files):
        raise UsageError(f"--kwh: {len(arguments.kwh)} figures for {len(arguments.files)} files")
    runs = [training_log.read(path) for path in arguments.files]
    if arguments.kwh is not None:
        level = Level(arguments.power_level)
        runs = [
            replace(run, energy=Energy(kwh * 3.6e6, level))
            for run, kwh in zip(runs, arguments.kwh, strict=True)
        ]
    target = None
    if arguments.target is not None:
        target = Target(arguments.target, arguments.lower_is_better)
    found = outcome(runs, needed=arguments.runs, target=target)
    if arguments.json:
        _print_json(found.to_json())
    else:
        print(page.training(found))
    if arguments.keep:
        from wattline_collector.capability import keeping

        _keep(arguments, keeping.training_rows(found, _said(arguments)))
    return 0 if found.seconds is not None else INVALID


def _projection(arguments: Namespace) -> int:
    from wattline_collector.capability import page, projection

    if arguments.table:
        if arguments.keep:
            raise UsageError("--table and --keep: a table is of no system")
        return _table(arguments)
    _need(arguments, "tokens", "devices", "peak", "ettr")
    try:
        if arguments.steps is None:
            _need(arguments, "mfu")
            found = projection.project(
                projection.Plan(
                    arguments.parameters, arguments.tokens, arguments.devices, arguments.peak,
                    arguments.mfu, arguments.ettr, arguments.days,
                )
            )  # fmt: skip
        else:
            _need(arguments, "tokens_per_step")
            if arguments.mfu is not None:
                raise UsageError("--mfu and --steps: it is either stated or measured")
            found = projection.project_from(
                projection.Window(
                    _seconds(arguments.steps), arguments.tokens_per_step,
                    arguments.measured_devices or arguments.devices,
                ),
                parameters=arguments.parameters, tokens=arguments.tokens,
                devices=arguments.devices, peak_flops=arguments.peak, ettr=arguments.ettr,
                budget_days=arguments.days, scaling_efficiency=arguments.scaling,
            )  # fmt: skip
    except ValueError as error:
        raise UsageError(str(error)) from error
    if arguments.json:
        _print_json(found.to_json())
    else:
        print(page.projection(found))
    if arguments.keep:
        from wattline_collector.capability import keeping

        now_ms = SystemClock().unix_ms()
        _keep(arguments, keeping.projection_rows(found, _said(arguments), now_ms))
    return 0


def _said(arguments: Namespace) -> Said:
    from wattline_collector.capability.keeping import Said
    from wattline_collector.kpi.period import parse_time

    when_ms = None
    if arguments.when is not None:
        when_ms = round(parse_time(arguments.when, "--when").timestamp() * 1000)
    return Said(arguments.system, arguments.declared_by, when_ms)


def _keep(arguments: Namespace, rows: list[Values]) -> None:
    from wattline_collector.capability import keeping

    words = sys.stderr if arguments.json else sys.stdout
    if not rows:
        print("Nothing to keep.", file=words)
        return
    store = arguments.store or default_store()
    merged = keeping.keep(store, rows, SystemClock().unix_ms())
    changes = f"{merged.added:,} new, {merged.replaced:,} changed, {merged.unchanged:,} as before"
    print(f"Kept in the register of results of {store}: {changes}.", file=words)


def _table(arguments: Namespace) -> int:
    from wattline_collector.capability import page
    from wattline_collector.capability.projection import requirement_table

    names = ("H100 or H200 (989 TFLOP/s)", "A100 (312 TFLOP/s)")
    mfu, ettr = arguments.mfu or 0.40, arguments.ettr or 0.90
    rows = requirement_table(
        (0.2e12, 1e12, 2e12, 15e12), (989e12, 312e12), parameters=arguments.parameters, mfu=mfu,
        ettr=ettr, budget_days=arguments.days,
    )  # fmt: skip
    if arguments.json:
        _print_json({"devices": names, "mfu": mfu, "ettr": ettr, "rows": rows})
    else:
        print(page.requirements(rows, names, arguments.parameters, arguments.days, mfu, ettr))
    return 0


def _seconds(path: Path) -> list[float]:
    """Seconds of steps, one a line; lines that are empty or begin with # are passed over."""
    from wattline_agents.errors import InputError
    from wattline_collector.imports import files
    from wattline_collector.imports.lines import finite

    found: list[float] = []
    with files.opened(path) as stream:
        for number, line in files.lines(stream):
            text = (line or b"?")[:100].decode("utf-8", errors="replace").strip()
            if not text or text.startswith("#"):
                continue
            seconds = finite(text)
            if seconds is None or seconds <= 0:
                raise InputError(
                    f"{files.shown(text)!r} is not the seconds of a step", path=path, line=number
                )
            if len(found) == 10_000_000:
                raise InputError("more than 10,000,000 steps", path=path, line=number)
            found.append(seconds)
    if not found:
        raise InputError("holds no step; write the seconds of each on a line", path=path)
    return found


def _need(arguments: Namespace, *names: str) -> None:
    missing = [f"--{name.replace('_', '-')}" for name in names if getattr(arguments, name) is None]
    if missing:
        raise UsageError(
            f"a time to train needs {', '.join(missing)}: it means nothing without them"
        )


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=1, allow_nan=False))


def _positive(text: str) -> float:
    value = _number(text)
    if value <= 0:
        raise ArgumentTypeError(f"{text[:20]!r} is not a number above 0")
    return value


def _share(text: str) -> float:
    value = _number(text)
    if not 0 < value <= 1:
        raise ArgumentTypeError(f"{text[:20]!r} is not a share above 0 and up to 1, such as 0.4")
    return value


def _whole(text: str) -> int:
    value = _number(text)
    if value < 1 or value != int(value):
        raise ArgumentTypeError(f"{text[:20]!r} is not a whole number from 1")
    return int(value)


def _number(text: str) -> float:
    import math

    try:
        value = float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text[:20]!r} is not a number") from None
    if not math.isfinite(value):
        raise ArgumentTypeError(f"{text[:20]!r} is not a number")
    return value


COMMAND = Command(
    "capability",
    "benchmark logs against their rules, and days to train a model",
    _DESCRIPTION,
    _configure,
    _run,
)
