"""`wattline dashboards`: the pages."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from wattline_agents.command import Command
from wattline_agents.errors import UsageError

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


def _run(arguments: Namespace) -> int:
    from wattline_collector.access import read_token
    from wattline_collector.client import Collector
    from wattline_dashboards import app, serve

    host, port = serve.split_listen(arguments.listen)
    serve.checked_host(host, arguments.behind_proxy)
    token = read_token(_token_file(arguments.token_file))
    dash = app.build(Collector(arguments.collector, token))
    serve.protect(dash, arguments.allow_host)

    def ready(address: str) -> None:
        print(f"dashboards: {address}", file=sys.stderr, flush=True)

    serve.run(dash, host, port, ready)
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

They ask one collector, and are for people on this machine: there is no sign-in. A proxy that signs
people in can stand before them.

  wattline dashboards --token-file store/tokens/read
  wattline dashboards --collector http://10.0.0.5:8600 --token-file read --listen 127.0.0.1:8051
  wattline dashboards --behind-proxy --listen 10.0.0.9:8050 --allow-host kpi.example.eu ...
""",
    configure=_configure,
    run=_run,
)
