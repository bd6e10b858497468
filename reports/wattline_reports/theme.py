"""Colours of pages and charts, by name, from the one shared palette.

A chart names what it draws (`f-busy`, `s-grid`) and never a colour; the page gives the names their
colours, as CSS variables that follow the reader's light or dark setting, or as plain values where
the picture is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import ACCOUNTS, NODE_OVERHEAD, TOKEN_KINDS, TOKENS, Mode

FONT = "Inter"
"""The family of both renderings; its two weights travel with this package."""


def colours(mode: Mode) -> Mapping[str, str]:
    """Every colour a report uses, by name."""
    tokens = TOKENS[mode]
    named = {account.value: ACCOUNTS[account].colour(mode) for account in Account}
    named |= {f"tokens-{kind}": style.colour(mode) for kind, style in TOKEN_KINDS.items()}
    return named | {
        "node-overhead": NODE_OVERHEAD.colour(mode),
        "background": tokens.background,
        "surface": tokens.surface,
        "text": tokens.text,
        "muted": tokens.muted,
        "line": tokens.line,
        "grid": tokens.grid,
        "accent": tokens.accent,
        "warning": tokens.warning,
        "neutral": tokens.neutral,
        "mark": tokens.mark,
    }


def chart_css(value: Callable[[str], str]) -> str:
    """The rules a chart's classes need.

    Args:
        value: From a colour's name to what CSS writes for it: `var(--busy)` or `#0072B2`.
    """
    names = colours(Mode.LIGHT)
    rules = [f".f-{name}{{fill:{value(name)}}}" for name in names]
    rules += [f".s-{name}{{stroke:{value(name)};fill:none}}" for name in names]
    rules += [
        f".t{{fill:{value('text')};font-size:11px}}",
        f".m{{fill:{value('muted')};font-size:11px}}",
        f".b{{fill:{value('text')};font-size:11px;font-weight:600}}",
    ]
    return "".join(rules)


def css_variable(name: str) -> str:
    """How a page's style sheet refers to a colour."""
    return f"var(--{name})"


def hatched(name: str) -> bool:
    """Whether what has that colour is drawn with diagonal lines: something of it is not known."""
    return name == "mark" or (name in tuple(Account) and ACCOUNTS[Account(name)].hatched)
