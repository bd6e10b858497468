"""What is ours and the same on every page, in few files: one style sheet and two scripts.

Two dozen small files would each be asked for, and asked about again with every page. The address of
each of these changes with what is in it, so a browser keeps it for good.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from dash import Dash
from flask import Response

from wattline_dashboards import theme

ASSETS = Path(__file__).with_name("assets")
FIRST = ("boot.js", "early.js")
"""What runs before anything is drawn; the rest only before Dash does."""

RULE = "/ours/<mark>/<name>"
_KEEP = "max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class File:
    """A file that is made of several.

    Attributes:
        name: Its name.
        text: What is in it.
        kind: Its media type.
    """

    name: str
    text: str
    kind: str

    @property
    def mark(self) -> str:
        """What tells it from every file of that name with something else in it."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    @property
    def address(self) -> str:
        """Where it is to be had."""
        return RULE.replace("<mark>", self.mark).replace("<name>", self.name)


def style_sheet() -> File:
    """The palette, then what all pages share, then each page's own."""
    ours = sorted(ASSETS.glob("*.css"), key=lambda path: (path.name != "wattline.css", path.name))
    text = "\n".join([theme.style_sheet(), *map(_text, ours)])
    # Beside the assets a name alone says where a picture is.
    return File("pages.css", text.replace('url("', 'url("/assets/'), "text/css")


def first_script() -> File:
    """What the head of a page runs."""
    return File("first.js", "\n".join(_text(ASSETS / name) for name in FIRST), "text/javascript")


def script() -> File:
    """All our other scripts, each a function of its own."""
    ours = sorted(path for path in ASSETS.glob("*.js") if path.name not in FIRST)
    return File("pages.js", "\n".join(map(_text, ours)), "text/javascript")


def serve(app: Dash, *files: File) -> None:
    """Have the pages' server answer with them."""
    known = {(file.mark, file.name): file for file in files}

    def answer(mark: str, name: str) -> Response:
        file = known.get((mark, name))
        if file is None:
            return Response("There is no such file.\n", status=404, mimetype="text/plain")
        return Response(file.text, mimetype=file.kind, headers={"Cache-Control": _KEEP})

    app.server.add_url_rule(RULE, "ours", answer)


def _text(path: Path) -> str:
    return path.read_text("utf-8")
