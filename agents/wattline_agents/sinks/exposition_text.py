"""The words of Prometheus' two text formats: comments, labels, numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wattline_agents.catalogue import Kind, Metric
from wattline_agents.wire import Value

Labels = tuple[tuple[str, str], ...]

_PLAIN = re.compile(r"[ !#-\[\]-~]*")
"""Text of which nothing needs to be escaped: most is."""
_NINE = ord("9")
"""Numbers end in a digit; what ends in a letter is none, or has no end."""

_UNIT_NAMES = {
    "W": "watts",
    "J": "joules",
    "Cel": "celsius",
    "Hz": "hertz",
    "By": "bytes",
    "s": "seconds",
    "1": "ratio",
}


def head(metrics: Sequence[Metric], *, openmetrics: bool) -> str:
    """The comment lines before the series of a family, which these metrics are together."""
    first = metrics[0]
    is_total = first.kind is Kind.COUNTER and openmetrics
    name = first.name.removesuffix("_total") if is_total else first.name
    unit = _UNIT_NAMES.get(first.unit)
    if unit is not None and not name.endswith("_" + unit):
        unit = None
    return comments(name, first.kind.value, unit, _help(metrics), openmetrics=openmetrics)


def comments(name: str, kind: str, unit: str | None, help: str, *, openmetrics: bool) -> str:
    """The comment lines of a family."""
    if not openmetrics:
        return f"# HELP {name} {_escaped_line(help)}\n# TYPE {name} {kind}\n"
    unit_line = "" if unit is None else f"# UNIT {name} {unit}\n"
    return f"# TYPE {name} {kind}\n{unit_line}# HELP {name} {_escaped(help)}\n"


def listed(labels: Labels) -> str:
    """`a="b",...`; an empty label is one that is not there."""
    return ",".join([f'{name}="{_escaped(value)}"' for name, value in labels if value])


def line_begin(metric: Metric, labels: str) -> bytes:
    """A series up to its number; the labels are those of its subject, listed."""
    own = listed(metric.labels)
    return f"{metric.name}{{{labels}{',' if own and labels else ''}{own}}} ".encode()


def line_end(value: Value) -> bytes:
    """A finite number as exactly as it is, and the line's end; nothing for everything else."""
    if type(value) is float:
        # All that is read has fewer digits, and so the system writes it in half the time.
        text = b"%.14g\n" % value
        if float(text) != value:
            text = repr(value).encode() + b"\n"
        return text if text[-2] <= _NINE else b""
    return b"%d\n" % value if type(value) is int else b""


def _help(metrics: Sequence[Metric]) -> str:
    """One sentence for the family; each column's own, after its labels, where there are several."""
    if len(metrics) == 1:
        return metrics[0].help
    return " ".join(
        f"{' '.join(value for _, value in metric.labels)}: {metric.help}" for metric in metrics
    )


def _escaped(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else _escaped_line(text).replace('"', '\\"')


def _escaped_line(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    # What cannot be written as UTF-8 came from outside and must not cost the whole page.
    text = text.encode(errors="replace").decode()
    return text.replace("\\", "\\\\").replace("\n", "\\n")
