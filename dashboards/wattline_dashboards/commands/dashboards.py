"""`wattline dashboards`: the pages."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_agents.command import Command
from wattline_agents.errors import UsageError

if TYPE_CHECKING:
    from wattline_dashboards.access.gate import Gate
    from wattline_dashboards.access.settings import SignIn

COLLECTOR = "http://127.0.0.1:8600"
LISTEN = "127.0.0.1:8050"
TOKEN_FILE_VARIABLE = "WATTLINE_TOKEN_FILE"


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--collector", default=COLLECTOR, metavar="URL", help=f"the collector (default {COLLECTOR})"
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"its read token: STORE/tokens/read (default: ${TOKEN_FILE_VARIABLE})",
    )
    parser.add_argument(
        "--listen", default=LISTEN, metavar="HOST:PORT", help=f"where to serve (default {LISTEN})"
    )
    parser.add_argument(
        "--behind-proxy",
        action="store_true",
        help="allow an address others can reach, because a proxy before it signs people in",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name the pages are reached by, besides localhost; may be repeated",
    )
    parser.add_argument(
        "--access", type=Path, metavar="FILE", help="have people sign in, as this file says"
    )
    parser.add_argument(
        "--access-template", action="store_true", help="print such a file, with comments, and end"
    )
    parser.add_argument(
        "--new-token", action="store_true", help="make a token to sign in with, and end"
    )


def _run(arguments: Namespace) -> int:
    if arguments.access_template:
        from wattline_dashboards.access.template import TEMPLATE

        print(TEMPLATE, end="")
        return 0
    if arguments.new_token:
        return _new_token()
    from wattline_collector.access import read_token
    from wattline_collector.client import Collector
    from wattline_dashboards import app, serve

    host, port = serve.split_listen(arguments.listen)
    sign_in = None if arguments.access is None else _sign_in(arguments)
    serve.checked_host(host, arguments.behind_proxy or sign_in is not None)
    token = read_token(_token_file(arguments.token_file))
    gate = None if sign_in is None else _gate(sign_in)
    dash = app.build(Collector(arguments.collector, token), gate=gate)
    hosts = arguments.allow_host + ([] if sign_in is None else [sign_in.host])
    serve.protect(dash, hosts, secure=sign_in is not None and sign_in.url.startswith("https:"))

    def ready(address: str) -> None:
        print(f"dashboards: {address}", file=sys.stderr, flush=True)

    serve.run(dash, host, port, ready)
    return 0


def _sign_in(arguments: Namespace) -> SignIn:
    from wattline_dashboards.access import settings

    if arguments.behind_proxy:
        raise UsageError(
            "--behind-proxy says that a proxy asks who people are, --access that we do: leave one "
            "out; [proxy] in the file of --access has both agree"
        )
    return settings.read(arguments.access)


def _gate(sign_in: SignIn) -> Gate:
    from wattline_agents.clock import SystemClock
    from wattline_dashboards.access.audit import AuditLog
    from wattline_dashboards.access.gate import Gate
    from wattline_dashboards.access.oidc import Https, Provider

    clock = SystemClock()
    provider = None
    if sign_in.oidc is not None:
        provider = Provider(sign_in.oidc, f"{sign_in.url}/sign-in/callback", clock, Https())
    audit = None if sign_in.audit_log is None else AuditLog(sign_in.audit_log, clock)
    return Gate(sign_in, clock, provider, audit, _say)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _new_token() -> int:
    from wattline_dashboards.access import tokens

    token, digest = tokens.new()
    print(f"give to one person, once:    {token}")
    print(f'under [token.NAME]:          sha256 = "{digest}"')
    return 0


def _token_file(path: Path | None) -> Path:
    named = path or (Path(name) if (name := os.environ.get(TOKEN_FILE_VARIABLE)) else None)
    if named is None:
        raise UsageError(
            f"no read token: name its file by --token-file or {TOKEN_FILE_VARIABLE}; "
            "the collector keeps it in STORE/tokens/read"
        )
    return named


COMMAND = Command(
    name="dashboards",
    help="the pages, in a browser",
    description="""\
Serves the pages: what the fleet does now, and what a period made and cost.

They ask one collector, and are for people on this machine, who see all of it. For others there is
sign-in: --access names a file that says by which provider, proxy or tokens, and who sees what.

  wattline dashboards --token-file store/tokens/read
  wattline dashboards --collector http://10.0.0.5:8600 --token-file read --listen 127.0.0.1:8051
  wattline dashboards --access-template > access.toml
  wattline dashboards --token-file read --access access.toml --listen 10.0.0.9:8050
  wattline dashboards --behind-proxy --listen 10.0.0.9:8050 --allow-host kpi.example.eu ...
""",
    configure=_configure,
    run=_run,
)
