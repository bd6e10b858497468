"""An empty Dash page with one live number, served as ours are: what the machine itself takes."""

from __future__ import annotations

from dash import Dash, Input, Output, dcc, html

from wattline_dashboards import serve

EVERY_MS = 2000


def build() -> Dash:
    """One heading, and a tick every two seconds."""
    app = Dash(__name__, compress=True)
    app.layout = html.Div(
        [dcc.Interval(id="tick", interval=EVERY_MS), html.H1("Empty"), html.P(id="count")], id="all"
    )
    app.callback(Output("count", "children"), Input("tick", "n_intervals"))(lambda n: n or 0)
    return app


if __name__ == "__main__":
    page = build()
    serve.protect(page, ())
    serve.run(page, "127.0.0.1", 0, lambda address: print(f"pages on {address}", flush=True))
