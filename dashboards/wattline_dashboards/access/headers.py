"""What every answer tells a browser about what it may do with it."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Response

ONE_YEAR_SECONDS = 31_536_000


def pages_policy(scripts: Iterable[str]) -> str:
    """As tight as Dash and Plotly allow: everything ours, no script but ours and Dash's own line.

    Plotly sets styles from scripts and draws heatmaps as data images, hence those two. Dash adds
    its own inline scripts with the first request, so their hashes are taken for every answer.

    Args:
        scripts: The hashes of Dash's inline scripts.
    """
    return _policy(
        f"script-src 'self' {' '.join(scripts)}",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "frame-src 'self'",
        "form-action 'none'",
    )


def forms_policy() -> str:
    """For the pages that are not Dash's: nothing inline at all, and forms that go to us alone."""
    return _policy("script-src 'self'", "style-src 'self'", "img-src 'self'", "form-action 'self'")


def document_policy() -> str:
    """For a report that is shown in a frame of ours: what it brings along, and nothing else.

    No script runs, nothing is asked for, no form is sent, and it is in no origin of ours.
    """
    return "; ".join(
        (
            "default-src 'none'",
            "style-src 'unsafe-inline'",
            "img-src data:",
            "font-src data:",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'self'",
            "sandbox",
        )
    )


def _policy(*parts: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            *parts,
            "font-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def dress(response: Response, policy: str, *, secure: bool) -> Response:
    """Set the headers of an answer.

    Args:
        response: The answer; a policy it has already stays, and so does who may frame it.
        policy: Its content policy.
        secure: Whether browsers reach us by https, and are to go on so.
    """
    response.headers.setdefault("Content-Security-Policy", policy)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers.setdefault("X-Frame-Options", "DENY")
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
    if secure:
        response.headers["Strict-Transport-Security"] = f"max-age={ONE_YEAR_SECONDS}"
    return response
