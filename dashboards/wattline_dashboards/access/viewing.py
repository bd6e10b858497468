"""Who looks at what is being answered.

The gate says it for every request before anything else is done; where nobody said it, nobody looks.
"""

from __future__ import annotations

from flask import g, has_request_context

from wattline_collector.access import NOBODY, STAFF, Viewer
from wattline_dashboards.access.people import Person
from wattline_dashboards.access.sessions import Session

_VIEWER = "wattline_viewer"
_SESSION = "wattline_session"


def viewer() -> Viewer:
    """Who looks, for the request that is being answered."""
    if not has_request_context():
        return NOBODY
    found = g.get(_VIEWER, NOBODY)
    assert isinstance(found, Viewer)
    return found


def session() -> Session | None:
    """Their session; None where there is no sign-in, or they are not signed in."""
    found = g.get(_SESSION) if has_request_context() else None
    assert found is None or isinstance(found, Session)
    return found


def person() -> Person | None:
    """Who is signed in."""
    held = session()
    return None if held is None else held.person


def look_as(viewer: Viewer, session: Session | None = None) -> None:
    """Say who looks."""
    setattr(g, _VIEWER, viewer)
    setattr(g, _SESSION, session)


def look_as_staff() -> None:
    """Without sign-in: who reaches the pages is on this machine, and sees what its staff sees."""
    look_as(STAFF)
