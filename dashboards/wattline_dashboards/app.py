"""The Dash application: the shell, the pages, and nothing that remembers outside an instance."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, cast

import dash
from dash import ClientsideFunction, Dash, Input, Output, dcc, html, no_update
from flask import Response, redirect, request

from wattline_agents.clock import Clock, SystemClock
from wattline_collector.access import Sight, sees_any
from wattline_dashboards import __version__, bundle, opening, theme
from wattline_dashboards.access import shown, viewing
from wattline_dashboards.access.gate import CSRF_COOKIE, CSRF_HEADER, Gate
from wattline_dashboards.answers import Answers, Source
from wattline_dashboards.components import explain, pickers, shell
from wattline_dashboards.context import Context
from wattline_dashboards.language import language
from wattline_dashboards.pages import (
    access_time,
    alerts,
    device,
    energy,
    factories,
    fleet,
    job,
    my_jobs,
    my_project,
    node,
    now,
    production,
    quality,
    reliability,
    reports,
)
from wattline_dashboards.picture import Live

PAGES = (
    now,
    fleet,
    node,
    device,
    alerts,
    quality,
    production,
    energy,
    access_time,
    reliability,
    reports,
    factories,
    my_jobs,
    job,
    my_project,
)
"""The site map, in the order of the navigation.

A page is a module: `PATH`, `TITLE`, `GROUP` (whose page it is: `shell.GROUPS`), `PICKERS` (which of
`pickers.NAMES` it goes by), `layout(**query)` (the page before its figures; the address's query may
set its controls) and `register(app, context)`. One with `begin(context, room, **query)` is given
what that gives as `layout(begun=...)`: its figures come with it. Its ids begin with its module's
name.
"""

SHELL_EVERY_MS = 10_000

_OF_SYSTEMS = ("source",)
"""What tells a simulated system from a real one."""

_KEEP_SECONDS = 60
"""Pictures and the style sheets of the form to sign in: their names say nothing of what is in."""

_INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>
    {%metas%}
    <title>{%title%}</title>
    <link rel="icon" type="image/svg+xml" href="/assets/favicon.svg">
    <script src="{first}"></script>
    <link rel="stylesheet" href="{style}">
    {%css%}
  </head>
  <body>
    {%app_entry%}
    <noscript>These pages are drawn in the browser and need JavaScript.</noscript>
    <footer><script src="{script}"></script>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>"""


class _Pages(Dash):
    """Dash, whose document says which language it is in: screen readers go by that."""

    def interpolate_index(self, *also: Any, **parts: Any) -> str:
        document = str(super().interpolate_index(*also, **parts))  # type: ignore[no-untyped-call]
        return document.replace('<html lang="en">', f'<html lang="{language()}">', 1)


def build(source: Source, clock: Clock | None = None, gate: Gate | None = None) -> Dash:
    """The application over a collector.

    Args:
        source: The collector.
        clock: For the age of answers.
        gate: Who may come in. Without one whoever reaches the pages sees all: they are for people
            on this machine.
    """
    clock = clock or SystemClock()
    answers = Answers(source, clock, viewing.viewer)
    context = Context(answers, Live(answers), clock, None if gate is None else gate.looks)
    style, first, script = bundle.style_sheet(), bundle.first_script(), bundle.script()
    named = {"{style}": style, "{first}": first, "{script}": script}
    index = _INDEX
    for place, file in named.items():
        index = index.replace(place, file.address)
    app = _Pages(
        __name__,
        use_pages=True,
        pages_folder="",
        title="Wattline",
        update_title=cast(str, None),  # the tab's title would flicker with every tick
        index_string=index,
        assets_ignore=".",  # the page names those itself, in few files
        compress=True,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
        include_pages_meta=False,  # social-media tags mean nothing on an internal page
        csrf_token_name=CSRF_COOKIE,
        csrf_header_name=CSRF_HEADER,
        routing_callback_inputs=opening.ASKED,
        # Or every document would hold all pages, only so that Dash finds ids that are nowhere.
        suppress_callback_exceptions=True,
    )
    beginnings = opening.Beginnings(context)
    layouts = {page.PATH: _guarded(page, beginnings) for page in PAGES}
    for page in PAGES:
        dash.register_page(
            page.__name__,
            path=page.PATH,
            name=page.TITLE,
            title=f"{page.TITLE} · Wattline",
            layout=layouts[page.PATH],
        )
    app.layout = lambda: _layout(layouts)
    for page in PAGES:
        page.register(app, context)
    _register_shell(app, context)
    bundle.serve(app, *named.values())
    _add_routes(app)
    _set_up(app)
    if gate is None:
        app.server.before_request_funcs.setdefault(None, []).insert(0, viewing.look_as_staff)
    else:
        gate.guard(app.server)
        app.server.before_request(_lead_home)
    return app


def _set_up(app: Dash) -> None:
    """Have Dash look at all pages now, in place of with the first request.

    It tells browsers which ids there are, and whoever asks first may not see every page.
    """
    with app.server.test_request_context("/"):
        viewing.look_as_staff()
        app.server.preprocess_request()


def name_of(page: ModuleType) -> str:
    """What a page is called in the table of who sees what."""
    return page.__name__.rpartition(".")[2]


def links() -> tuple[shell.Link, ...]:
    """The pages that whoever looks may see."""
    viewer = viewing.viewer()
    return tuple(
        shell.Link(page.PATH, page.TITLE, page.GROUP)
        for page in PAGES
        if page.GROUP and shown.may_see_page(viewer, name_of(page))
    )


def home() -> str | None:
    """Where whoever may not see the first page is led: the first one of theirs; None: nowhere."""
    theirs = links()
    return theirs[0].path if theirs else None


def _lead_home() -> Response | None:
    """Lead whoever asks for the address alone to a page that is theirs."""
    first = next(page for page in PAGES if page.PATH == "/")
    if request.path != "/" or shown.may_see_page(viewing.viewer(), name_of(first)):
        return None
    to = home()
    return None if to is None else cast(Response, redirect(to))


def _guarded(page: ModuleType, beginnings: opening.Beginnings) -> Callable[..., Any]:
    def layout(**asked: Any) -> Any:
        told = opening.taken(asked)
        if opening.stands(told, page.PATH, asked):
            return no_update
        if not shown.may_see_page(viewing.viewer(), name_of(page)):
            to = home()
            if page.PATH == "/" and to is not None:  # a link within the pages, as the logo's
                return html.Div(dcc.Location(id="shell-home", pathname=to, refresh=True))
            return shell.not_yours(page.TITLE, links())
        room = opening.Room.said(told["opening_room"])
        return page.layout(**asked, **beginnings.of(page, room, asked))

    return layout


def _layout(layouts: Mapping[str, Callable[..., Any]]) -> html.Div:
    """The frame around the pages, and in it the page that the browser says it is at."""
    at, room = request.args.get("at"), request.args.get("room")
    place = opening.Address.said(at)
    first = None if place is None else layouts.get(place.path)
    container = copy.deepcopy(dash.page_container)
    if place is not None and first is not None:
        container["_pages_content"].children = first(**{**place.query, "opening_room": room})
    return html.Div(
        [
            *opening.stores(at if first is not None else None, room),
            dcc.Store(id="shell-mode"),
            dcc.Location(id="shell-location"),
            dcc.Interval(id="shell-tick", interval=SHELL_EVERY_MS),
            shell.header(links(), "", viewing.person()),
            pickers.pickers(),
            html.Main(container, id="content", tabIndex="-1"),
            explain.dialog(),
        ],
        className="page",
    )


def _register_shell(app: Dash, context: Context) -> None:
    live = context.live

    def systems(_: int | None) -> list[Any]:
        if not sees_any(viewing.viewer(), (Sight.FLEET, Sight.OWN)):
            return []
        picture, answer = live.now(_OF_SYSTEMS)
        names = picture.systems if picture else []
        simulated = picture.simulated if picture else []
        return shell.systems(names, simulated, away=answer.error is not None)

    def here(path: str | None, asked: object) -> list[Any]:
        return shell.navigation(links(), path or "/", pickers.address(asked))

    def wanted(path: str | None) -> dict[str, bool]:
        page = next((page for page in PAGES if page.PATH == (path or "/")), None)
        return {name: page is None or name not in page.PICKERS for name in pickers.NAMES}

    def choices(_: int | None) -> list[dict[str, str]]:
        return pickers.systems(context.site.get("systems"))

    app.callback(Output("shell-systems", "children"), Input("shell-tick", "n_intervals"))(systems)
    app.callback(
        Output("shell-pages", "children"),
        Input("shell-location", "pathname"),
        Input("shell-asked", "data"),
    )(here)
    app.callback(
        output={name: Output(f"shell-{name}-place", "hidden") for name in pickers.NAMES},
        inputs=[Input("shell-location", "pathname")],
    )(wanted)
    app.callback(Output("shell-system", "options"), Input("shell-tick", "n_intervals"))(choices)
    pickers.register(app)
    explain.register(app, context)
    app.clientside_callback(
        ClientsideFunction("wattline", "chooseMode"),
        Output("shell-mode", "data"),
        Input("shell-theme", "n_clicks"),
    )


def _add_routes(app: Dash) -> None:
    style = theme.style_sheet()

    app.server.config["SEND_FILE_MAX_AGE_DEFAULT"] = _KEEP_SECONDS

    def style_sheet() -> Response:
        keep = {"Cache-Control": f"max-age={_KEEP_SECONDS}"}
        return Response(style, mimetype="text/css", headers=keep)

    def health() -> dict[str, str]:
        return {"status": "ok", "version": __version__}

    app.server.add_url_rule("/theme.css", "theme_css", style_sheet)
    app.server.add_url_rule("/health", "health", health)
