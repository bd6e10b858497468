"""What a page says when the collector does not answer: what, where, what to do.

Where and what to do come with the error: the client knows the address and the cause.
"""

from __future__ import annotations

from dash import html

from wattline_collector.palette import format_age
from wattline_dashboards.answers import Answer
from wattline_dashboards.language import _


def away(answer: Answer) -> html.Div | None:
    """A notice while there is no current answer; nothing while there is one."""
    if answer.error is None:
        return None
    head = (
        _("The collector does not answer.")
        if not answer.reached
        else _("The collector has no answer.")
    )
    kept = (
        ""
        if answer.age_ms is None
        else " " + _("Below is the picture of {age} ago.").format(age=format_age(answer.age_ms))
    )
    return html.Div(
        [
            html.Strong(head),
            html.Span(f" {_ended(answer.error)}"),
            html.Span(kept + " " + _("This page goes on by itself as soon as it does.")),
        ],
        className="notice",
        role="alert",
    )


def stale_class(answer: Answer) -> str:
    """The class of what is drawn from an answer: greyed while it is not current."""
    return "drawn" if answer.error is None else "drawn stale"


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."
