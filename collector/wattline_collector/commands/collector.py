"""`wattline collector`: takes batches in, keeps them, books them, and answers for them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from wattline_agents.command import Command
from wattline_agents.errors import UsageError

_DESCRIPTION = """\
Takes in what agents send, keeps it in a directory, books it to the ledger, and answers for pages,
reports and other programs over HTTP.

Who sends or reads needs a token: STORE/tokens/write and STORE/tokens/read, made at the first start
and readable by their owner alone.

Examples:
  wattline collector --store /var/lib/wattline
  wattline collector --store ./store --listen 0.0.0.0:8600
  curl -H "Authorization: Bearer $(cat ./store/tokens/read)" http://127.0.0.1:8600/v1/latest
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--store", type=Path, required=True, metavar="DIR", help="the store's directory"
    )
    parser.add_argument(
        "--listen",
        default="127.0.0.1:8600",
        metavar="HOST:PORT",
        help="where to answer; port 0 takes a free one (%(default)s)",
    )
    parser.add_argument(
        "--book-every",
        type=_seconds,
        default=15.0,
        metavar="SECONDS",
        help="how often the books are brought up to date (%(default)g)",
    )
    parser.add_argument(
        "--seal-every",
        type=_seconds,
        default=600.0,
        metavar="SECONDS",
        help="how often the log is turned into segments (%(default)g)",
    )
    parser.add_argument(
        "--settle",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="how old readings must be to be booked (%(default)g)",
    )


def _seconds(text: str) -> float:
    seconds = float(text)  # argparse turns a ValueError into its own message
    if not 0 <= seconds <= 86_400:
        raise ValueError
    return seconds


def _run(arguments: Namespace) -> int:
    from wattline_collector.config import Settings, parse_listen
    from wattline_collector.server import serve

    host, port = parse_listen(arguments.listen)
    if not arguments.book_every or not arguments.seal_every:
        raise UsageError("--book-every and --seal-every must be more than nought")
    return serve(
        Settings(
            store=arguments.store,
            host=host,
            port=port,
            book_every_seconds=arguments.book_every,
            seal_every_seconds=arguments.seal_every,
            settle_seconds=arguments.settle,
        )
    )


COMMAND = Command(
    name="collector",
    help="take in, keep, book and answer",
    description=_DESCRIPTION,
    configure=_configure,
    run=_run,
)
