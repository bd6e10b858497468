"""A report as JSON: every figure it quotes, in the one way of RFC 8785 to write it.

It holds no words about the figures, and neither times nor versions of the program that made it: the
same figures always give the same bytes, and their digest is the report's verification code.
"""

from __future__ import annotations

from wattline_reports.document import Report
from wattline_reports.exchange import canonical

SCHEMA = "wattline-report-1"


def render(report: Report) -> bytes:
    """The JSON; the same report always gives the same bytes.

    Raises:
        InputError: A number is not finite.
    """
    return canonical.dumps(_encodable(values(report))) + b"\n"


def values(report: Report) -> dict[str, object]:
    """The same as JSON values."""
    return {
        "schema": SCHEMA,
        "kind": report.kind,
        "title": report.title,
        "subject": report.subject,
        "period": report.span.to_json(),
        "as_of": report.as_of or None,
        "facts": [{"name": name, "text": text} for name, text in report.facts],
        "statement": {
            "good": report.statement.good,
            "headline": report.statement.headline,
            "text": report.statement.text,
        },
        "missing": [{"what": one.what, "why": one.why} for one in report.missing],
        "figures": [one.to_json() for one in report.figures],
        "data": dict(report.data),
    }


def _encodable(value: object) -> object:
    """Names come from outside; half of a surrogate pair has no encoding and would end the run."""
    if isinstance(value, str):
        return value.encode("utf-8", errors="backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value
