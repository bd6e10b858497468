"""The catalogue as a page for people: `wattline agent --metrics`."""

from __future__ import annotations

from wattline_agents.catalogue import PREFIX, TABLES, Metric, Table

_INTRODUCTION = """\
# Metrics

Made from the catalogue by `wattline agent --metrics`. Units are base units; a counter only grows
between resets. A value that is not known is absent, never 0. Series carry the label `node`, those
of devices also `device`, those of jobs `job`.
"""


def markdown() -> str:
    """Every table with its columns, and the series that name things, as Markdown."""
    parts = [_INTRODUCTION]
    parts += [_metrics(table) for table in TABLES.values() if table.metrics]
    parts.append(_statements())
    parts += [_fields(table) for table in TABLES.values() if not table.metrics]
    return "\n".join(parts)


def _metrics(table: Table) -> str:
    lines = [
        f"## Table `{table.name}`",
        "",
        table.help,
        "",
        "| Prometheus | column | kind | unit | what it is | OpenTelemetry |",
        "|---|---|---|---|---|---|",
        *(_metric(metric) for metric in table.metrics),
        "",
    ]
    return "\n".join(lines)


def _metric(metric: Metric) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in metric.labels)
    name = f"{metric.name}{{{labels}}}" if labels else metric.name
    cells = (
        f"`{name}`",
        f"`{metric.column}`",
        metric.kind.value,
        metric.unit,
        metric.help,
        f"`{metric.otel}`" if metric.otel else "",
    )
    return f"| {' | '.join(cells)} |"


def _statements() -> str:
    # Pages for people need not cost the agent memory.
    from wattline_agents.sinks.prometheus.latest import STATEMENTS

    lines = [
        "## Series that name things",
        "",
        "Of Prometheus' pages. Each has the value 1, and says what it says in its labels.",
        "A label that is not known is absent.",
        "",
        "| Prometheus | labels beside `node` | what it is | made from table |",
        "|---|---|---|---|",
    ]
    for table, (family, help, labels) in STATEMENTS.items():
        names = ", ".join(f"`{label}`" for label in labels)
        lines.append(f"| `{PREFIX}{family}` | {names} | {help} | `{table}` |")
    return "\n".join([*lines, ""])


def _fields(table: Table) -> str:
    lines = [
        f"## Table `{table.name}`",
        "",
        table.help,
        "",
        "| column | type | what it is |",
        "|---|---|---|",
        *(f"| `{field.column}` | {field.type.value} | {field.help} |" for field in table.fields),
        "",
    ]
    return "\n".join(lines)
