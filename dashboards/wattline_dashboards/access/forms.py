"""The two pages that are not Dash's: to sign in, and who one is. Text in, HTML out."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import urlencode

from wattline_dashboards.access.people import Person
from wattline_dashboards.access.settings import SignIn
from wattline_dashboards.language import N_, _, language

_FRAME = """<!DOCTYPE html>
<html lang="{language}">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>{title} · Wattline</title>
    <link rel="icon" type="image/svg+xml" href="/assets/favicon.svg">
    <link rel="stylesheet" href="/theme.css">
    <link rel="stylesheet" href="/assets/wattline.css">
    <link rel="stylesheet" href="/assets/sign-in.css">
    <script src="/assets/boot.js"></script>
  </head>
  <body>
    <main class="sign-in">
      <p class="brand"><span class="logo" aria-hidden="true"></span>Wattline</p>
      <h1>{title}</h1>
      {body}
    </main>
  </body>
</html>"""

_PROXY = N_(
    "These pages are reached through the site's own sign-in. Open them by the address you were "
    "given."
)


def sign_in(settings: SignIn, back: str, csrf: str, problem: str | None) -> str:
    """The page that asks who somebody is.

    Args:
        settings: The ways there are.
        back: The page they wanted.
        csrf: What the form must bring along.
        problem: Why the last try failed.
    """
    parts = []
    if problem is not None:
        parts.append(_notice(problem))
    if settings.oidc is not None:
        start = f"/sign-in/oidc?{urlencode({'next': back})}"
        parts.append(
            f'<a class="button" href="{escape(start)}">'
            + _text(_("Continue with {name}").format(name=settings.oidc.name), "</a>")
        )
    if settings.tokens:
        parts.append(
            '<form method="post" action="/sign-in/token">'
            f'<input type="hidden" name="csrf" value="{escape(csrf)}">'
            f'<input type="hidden" name="next" value="{escape(back)}">'
            '<label for="token">'
            + _text(_("Token"), "</label>")
            + '<input id="token" name="token" type="password" required maxlength="512" '
            'autocomplete="current-password" spellcheck="false">'
            '<button type="submit">' + _text(_("Sign in"), "</button></form>")
        )
    if settings.proxy is not None:
        parts.append("<p>" + _text(_(_PROXY), "</p>"))
    return _page(_("Sign in"), parts)


def account(person: Person, csrf: str, *, leaves: bool) -> str:
    """Who somebody is to these pages, and the way out.

    Args:
        person: Who.
        csrf: What the form must bring along.
        leaves: Whether signing out is ours to do.
    """
    viewer = person.viewer
    rows = [
        (_("Account"), viewer.name or "\N{EN DASH}"),
        (_("Roles"), ", ".join(sorted(role.value for role in viewer.roles)) or _("none")),
        (_("Leads"), ", ".join(sorted(viewer.projects)) or _("no project")),
        (_("Known as"), person.id),
    ]
    told = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    parts = [f"<dl>{told}</dl>"]
    if not viewer.roles:
        parts.append(
            _notice(
                _(
                    "No role is yours yet, so there is nothing to see. Ask the operators for one, "
                    "and tell them this page."
                )
            )
        )
    if leaves:
        parts.append(
            '<form method="post" action="/sign-out">'
            f'<input type="hidden" name="csrf" value="{escape(csrf)}">'
            '<button type="submit">' + _text(_("Sign out"), "</button></form>")
        )
    parts.append('<p><a href="/">' + _text(_("Back to the pages"), "</a></p>"))
    return _page(person.shown, parts)


def _text(text: str, end: str) -> str:
    """A text, and the end of the element it stands in."""
    return escape(text) + end


def _notice(text: str) -> str:
    return f'<p class="notice" role="alert">{escape(text)}</p>'


def _page(title: str, parts: Sequence[str]) -> str:
    return _FRAME.format(title=escape(title), language=language(), body="\n      ".join(parts))
