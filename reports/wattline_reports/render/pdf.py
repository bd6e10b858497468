"""A report as a PDF: A4, tagged for assistive technology (PDF/UA-1), set by typst.

The document travels to the template as JSON and is placed as values, so nothing in it is ever
markup. Fonts come from this package alone: the same report gives the same bytes on every machine.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path

import typst

from wattline_agents.errors import WattlineError
from wattline_collector.palette import Mode
from wattline_reports import theme
from wattline_reports.document import Number, Report
from wattline_reports.kinds import Kind, find
from wattline_reports.picture import Picture

_PACKAGE = Path(__file__).parent.parent


_MACHINE = ("figures", "data", "span")
"""What only the machine forms have."""


def render(report: Report, kind: Kind | None = None) -> bytes:
    """The PDF; the same report always gives the same bytes.

    Args:
        report: What to set.
        kind: Its kind, which says how it is laid out; found by its name if not given.

    Raises:
        WattlineError: typst refused the document; the message is typst's own.
    """
    kind = kind or find(report.kind)
    document = json.dumps(_values(report), ensure_ascii=False)
    palette = json.dumps(dict(theme.colours(Mode.LIGHT)))
    templates = _PACKAGE / "templates"
    try:
        return typst.compile(
            templates / f"{kind.template}.typ",
            root=templates,
            sys_inputs={"document": document, "palette": palette},
            font_paths=_fonts(),
            format="pdf",
            pdf_standards="ua-1",
            timestamp=report.end_unix,
        )
    except typst.TypstError as error:
        raise WattlineError(f"the PDF could not be set: {error.message}") from error


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=[str(_PACKAGE / "fonts")],
    )


def _values(thing: object) -> object:
    """A document as JSON values: every part knows its kind, every picture is its SVG."""
    if isinstance(thing, Picture):
        return _displayable(_svg(thing))
    if isinstance(thing, str):
        return _displayable(thing)
    if isinstance(thing, tuple | list):
        return [_values(one) for one in thing]
    if isinstance(thing, Number):
        return None
    if is_dataclass(thing):
        values = {
            one.name: _values(getattr(thing, one.name))
            for one in fields(thing)
            if not (isinstance(thing, Report) and one.name in _MACHINE)
        }
        return {"is": type(thing).__name__.lower()} | values
    return thing


def _svg(picture: Picture) -> str:
    colours = theme.colours(Mode.LIGHT)
    style = theme.chart_css(lambda name: colours[name])
    return picture.svg(f' font-family="{theme.FONT}"', style)


def _displayable(text: str) -> str:
    """Letters the fonts lack, written out: a PDF for everyone may hold no empty box."""
    known = _letters()
    return "".join(letter if ord(letter) in known else f"[U+{ord(letter):04X}]" for letter in text)


@cache
def _letters() -> frozenset[int]:
    """Every code point both weights can show, from the list that was made with the fonts."""
    found: set[int] = set()
    for span in (_PACKAGE / "fonts" / "letters.txt").read_text("ascii").split():
        first, _, last = span.partition("-")
        found.update(range(int(first, 16), int(last or first, 16) + 1))
    return frozenset(found)
