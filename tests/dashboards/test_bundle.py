from __future__ import annotations

import re

from dash import Dash, html
from flask.testing import FlaskClient

from wattline_dashboards import bundle


def served(*files: bundle.File) -> FlaskClient:
    app = Dash(__name__)
    app.layout = html.Div()
    bundle.serve(app, *files)
    client: FlaskClient = app.server.test_client()
    return client


def test_every_asset_is_in_one_of_the_files() -> None:
    style, scripts = bundle.style_sheet().text, bundle.first_script().text + bundle.script().text
    for path in bundle.ASSETS.iterdir():
        text = path.read_text("utf-8")
        if path.suffix == ".js":
            assert text in scripts, path.name
        elif path.suffix == ".css":
            assert text.replace('url("', 'url("/assets/') in style, path.name


def test_pictures_in_the_style_sheet_are_where_it_says() -> None:
    named = re.findall(r'url\("(/assets/[^"]+)"\)', bundle.style_sheet().text)
    assert named
    assert all((bundle.ASSETS / name.removeprefix("/assets/")).exists() for name in named)


def test_a_browser_keeps_a_file_for_good_and_another_one_has_another_address() -> None:
    file = bundle.File("x.js", "one", "text/javascript")
    client = served(file)
    answer = client.get(file.address)
    assert answer.get_data(as_text=True) == "one"
    assert answer.mimetype == "text/javascript"
    assert "immutable" in answer.headers["Cache-Control"]
    other = bundle.File("x.js", "two", "text/javascript")
    assert other.address != file.address
    refused = client.get(other.address)
    assert refused.status_code == 404
    assert "Cache-Control" not in refused.headers
