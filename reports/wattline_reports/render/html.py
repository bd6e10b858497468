"""A report as one HTML page: no script, no request, readable in light, in dark and on paper."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path

from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from wattline_collector.palette import Mode
from wattline_reports import theme
from wattline_reports.document import Block, Chart, Report
from wattline_reports.kinds import Kind, find

_PACKAGE = Path(__file__).parent.parent


def render(report: Report, kind: Kind | None = None) -> bytes:
    """The page; the same report always gives the same bytes.

    Args:
        report: What to write.
        kind: Its kind, which says how it is laid out; found by its name if not given.
    """
    kind = kind or find(report.kind)
    template = _environment().get_template(f"{kind.template}.html.jinja")
    page = template.render(
        report=report,
        style=Markup(_style(kind.css)),
        kind=_kind,
        svg=_svg,
    )
    return page.encode("utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(lambda name: _text(f"templates/{name}")),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _style(sheets: tuple[str, ...]) -> str:
    """The page's style sheet; made of our own constants only, so it is not escaped."""
    variables = {
        mode: "".join(f"--{name}:{colour};" for name, colour in theme.colours(mode).items())
        for mode in Mode
    }
    faces = "".join(
        f'@font-face{{font-family:"Wattline {theme.FONT}";font-weight:{weight};'
        f'src:url(data:font/woff2;base64,{_encoded(f"fonts/{file}.woff2")}) format("woff2")}}'
        for weight, file in ((400, "Inter-Regular"), (600, "Inter-SemiBold"))
    )
    return (
        f"{faces}:root{{{variables[Mode.LIGHT]}color-scheme:light dark}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{variables[Mode.DARK]}}}}}"
        f"{theme.chart_css(theme.css_variable)}\n"
        + "".join(_text(f"templates/{sheet}") for sheet in sheets)
    )


def _svg(chart: Chart) -> Markup:
    # Text in a picture was escaped as it was drawn; the alternative text is escaped here.
    attributes = Markup(' role="img" aria-label="{}"').format(chart.alt)
    return Markup(chart.picture.svg(str(attributes)))


def _kind(block: Block) -> str:
    return type(block).__name__.lower()


def _text(name: str) -> str:
    return (_PACKAGE / name).read_text("utf-8")


def _encoded(name: str) -> str:
    return base64.b64encode((_PACKAGE / name).read_bytes()).decode("ascii")
