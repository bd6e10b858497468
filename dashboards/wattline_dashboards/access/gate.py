"""The door: every request passes it before anything else looks at it, and most do not get far.

Closed by default: a route that does not stand in `shown.ROUTES` is nobody's, a callback that does
not belong to a page in `shown.PAGES` is nobody's, and without a session nothing is anybody's but
what is needed to sign in.

Requests that change something, callbacks among them, must come from our own pages: the browser says
so (`Sec-Fetch-Site`, else `Origin`), and they bring along what only a page of this session knows.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlencode

from flask import Flask, Response, jsonify, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as AnyResponse

from wattline_agents.clock import Clock
from wattline_dashboards.access import forms, headers, proxy, shown, tokens, viewing
from wattline_dashboards.access.audit import AuditLog
from wattline_dashboards.access.looks import Looks
from wattline_dashboards.access.oidc import Begun, Provider, SignInFailed
from wattline_dashboards.access.people import Person, person
from wattline_dashboards.access.sessions import Session, Sessions
from wattline_dashboards.access.settings import SignIn
from wattline_dashboards.language import N_, _

# `__Host-`: only by https, only for this very name, only set by it.
SESSION_COOKIE = "__Host-wattline"
CSRF_COOKIE = "__Host-wattline-csrf"
BEGUN_COOKIE = "__Host-wattline-begun"
CSRF_HEADER = "X-Wattline-Csrf"

MOST_BODY_BYTES = 4 * 1024 * 1024
BEGUN_SECONDS = 600
MOST_BEGUN = 1000
_MOST_ADDRESS = 2000
_CALLBACKS = "/_dash-update-component"
_FAILED = N_("You are not signed in: {why}. Sign in again; if it goes on, tell the operators.")


class _Under:
    """Sign-ins under way, by the name their browser has; bounded, and each good for one try."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun: OrderedDict[str, tuple[float, Begun, str]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, begun: Begun, back: str) -> str:
        name = secrets.token_urlsafe(32)
        with self._lock:
            self._begun[name] = (self._clock.monotonic(), begun, back)
            while len(self._begun) > MOST_BEGUN:
                self._begun.popitem(last=False)
        return name

    def take(self, name: str, state: str) -> tuple[Begun, str] | None:
        with self._lock:
            at, begun, back = self._begun.pop(name, (0.0, None, ""))
        if begun is None or self._clock.monotonic() - at > BEGUN_SECONDS:
            return None
        same = hmac.compare_digest(begun.state.encode(), state.encode("utf-8", "replace"))
        return (begun, back) if same else None


class Gate:
    """Sign-in, sessions and the check of every request of one application."""

    def __init__(
        self,
        settings: SignIn,
        clock: Clock,
        provider: Provider | None = None,
        audit: AuditLog | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Nobody is signed in.

        Args:
            settings: How people sign in.
            clock: For sessions and expiry.
            provider: The one the settings name.
            audit: Where it is written who came, went and was refused.
            say: Tells the operators why a sign-in failed.
        """
        self.settings = settings
        self.sessions = Sessions(clock, settings.idle_seconds, settings.longest_seconds)
        self.looks = Looks(audit, clock)
        self._clock, self._provider, self._audit, self._say = clock, provider, audit, say
        self._under = _Under(clock)
        self._origin = settings.url

    def guard(self, server: Flask) -> None:
        """Stand before a server; to be called before anything else hooks into it."""
        server.config["MAX_CONTENT_LENGTH"] = MOST_BODY_BYTES
        server.before_request_funcs.setdefault(None, []).insert(0, self._check)
        server.add_url_rule("/sign-in", "sign_in", self._ask)
        server.add_url_rule("/sign-in/oidc", "sign_in_oidc", self._begin)
        server.add_url_rule("/sign-in/callback", "sign_in_callback", self._finish)
        server.add_url_rule("/sign-in/token", "sign_in_token", self._token, methods=["POST"])
        server.add_url_rule("/sign-out", "sign_out", self._leave, methods=["POST"])
        server.add_url_rule("/account", "account", self._account)
        server.after_request(self._keep_from_caches)

    # Every request

    def _check(self) -> ResponseReturnValue | None:
        rule = None if request.url_rule is None else request.url_rule.rule
        entry = shown.ROUTES.get(rule or "")
        if entry is shown.Entry.OPEN:
            return None
        if entry is None:
            return _plain(404, "There is nothing here.")
        name = request.cookies.get(SESSION_COOKIE)
        session = self.sessions.find(name, used=False)
        if self.settings.proxy is not None:
            who = proxy.person_of(request.headers, self.settings.proxy, self.settings.mapped)
            if who is None:
                return self._unknown()
            if session is None or session.person != who:
                # It is the proxy that signed them in: what we had of them before ends here.
                return self._arrive(who, _local(request.full_path)) if _is_visit() else _gone()
        if session is None:
            return self._unknown()
        viewing.look_as(session.person.viewer, session)
        if not _is_tick():
            self.sessions.find(name, used=True)
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            if not self._is_ours(session):
                self._record("refused", session.person, what=f"a forged {request.path}")
                return _plain(403, "This request did not come from these pages.")
            if request.path == _CALLBACKS:
                return self._check_callback(session)
        return None

    def _check_callback(self, session: Session) -> ResponseReturnValue | None:
        asked = request.get_json(silent=True)
        output = asked.get("output") if isinstance(asked, dict) else None
        if shown.may_call(session.person.viewer, output):
            return None
        self._record("refused", session.person, what=str(output)[:80])
        return _plain(403, "Your role does not see this; the operators give roles.")

    def _is_ours(self, session: Session) -> bool:
        given = request.headers.get(CSRF_HEADER) or request.form.get("csrf", "")
        return self._is_same_origin() and _same(given, session.csrf)

    def _is_same_origin(self) -> bool:
        site = request.headers.get("Sec-Fetch-Site")
        if site is not None:
            return site == "same-origin"
        return request.headers.get("Origin", "").lower() == self._origin

    def _unknown(self) -> ResponseReturnValue:
        if not _is_visit():
            return _gone()
        if self.settings.proxy is not None:
            return _form(forms.sign_in(self.settings, "/", "", None), 401)
        return redirect(_sign_in_at(_local(request.full_path)), 303)

    # Signing in

    def _ask(self) -> ResponseReturnValue:
        back = _local(request.args.get("next"))
        if self.settings.proxy is not None:
            who = proxy.person_of(request.headers, self.settings.proxy, self.settings.mapped)
            if who is not None:
                return self._arrive(who, back)
        return self._asked(back, None, 200)

    def _asked(self, back: str, problem: str | None, status: int) -> Response:
        csrf = request.cookies.get(BEGUN_COOKIE) or secrets.token_urlsafe(32)
        response = _form(forms.sign_in(self.settings, back, csrf, problem), status)
        self._set(response, BEGUN_COOKIE, csrf, BEGUN_SECONDS)
        return response

    def _begin(self) -> ResponseReturnValue:
        back = _local(request.args.get("next"))
        if self._provider is None:
            return _plain(404, "There is nothing here.")
        try:
            begun = self._provider.begin()
        except SignInFailed as error:
            return self._failed(str(error), back)
        response = redirect(begun.url, 303)
        self._set(response, BEGUN_COOKIE, self._under.keep(begun, back), BEGUN_SECONDS)
        return response

    def _finish(self) -> ResponseReturnValue:
        if self._provider is None:
            return _plain(404, "There is nothing here.")
        taken = self._under.take(
            request.cookies.get(BEGUN_COOKIE, ""), request.args.get("state", "")
        )
        if taken is None:
            return self._failed(N_("it was begun in another browser, or too long ago"), "/")
        begun, back = taken
        code = request.args.get("code", "")
        if not code:
            # What the provider says is why ("access_denied"), in somebody else's words: not shown.
            return self._failed(N_("the provider did not sign you in"), back)
        try:
            claims = self._provider.finish(begun, code, request.args.get("iss"))
        except SignInFailed as error:
            return self._failed(str(error), back)
        id = f"{self._provider.oidc.issuer}#{claims['sub']}"
        return self._arrive(person(id, claims, self.settings.mapped), back)

    def _token(self) -> ResponseReturnValue:
        back = _local(request.form.get("next"))
        begun = request.cookies.get(BEGUN_COOKIE, "")
        if not (self._is_same_origin() and begun and _same(request.form.get("csrf", ""), begun)):
            return self._failed(N_("the form was too old"), back)
        today = datetime.fromtimestamp(self._clock.unix_ms() / 1000, UTC).date()
        given = request.form.get("token", "")
        who = tokens.person_of(given, self.settings.tokens, today)
        if who is None:
            return self._failed(N_("the token is not known, or no longer holds"), back)
        return self._arrive(who, back)

    def _arrive(self, who: Person, back: str) -> ResponseReturnValue:
        before = request.cookies.get(SESSION_COOKIE)
        name, session = self.sessions.start(who, before)
        self._record("sign-in", who)
        response = redirect(back, 303)
        longest = int(self.settings.longest_seconds)
        self._set(response, SESSION_COOKIE, name, longest)
        # Pages read this one and send it back in a header, which no other site can.
        self._set(response, CSRF_COOKIE, session.csrf, longest, script=True)
        self._unset(response, BEGUN_COOKIE)
        return response

    def _failed(self, why: str, back: str) -> ResponseReturnValue:
        self._say(f"dashboards: a sign-in failed: {why}")
        self._record("failed", None, what=why)
        # The log is the operators' and stays English.
        return self._asked(back, _(_FAILED).format(why=_(why)), 403)

    # Being signed in

    def _account(self) -> ResponseReturnValue:
        session = viewing.session()
        assert session is not None  # the check let nobody else through
        leaves = self.settings.proxy is None
        return _form(forms.account(session.person, session.csrf, leaves=leaves), 200)

    def _leave(self) -> ResponseReturnValue:
        self._record("sign-out", viewing.person())
        self.sessions.end(request.cookies.get(SESSION_COOKIE))
        response = redirect("/sign-in", 303)
        self._unset(response, SESSION_COOKIE)
        self._unset(response, CSRF_COOKIE)
        return response

    def _record(self, did: str, who: Person | None, **more: str) -> None:
        if self._audit is not None:
            self._audit.write(did, who, **more)

    def _keep_from_caches(self, response: Response) -> Response:
        rule = None if request.url_rule is None else request.url_rule.rule
        if shown.ROUTES.get(rule or "") is not shown.Entry.OPEN and "suites" not in (rule or ""):
            response.headers["Cache-Control"] = "no-store"
        return response

    def _set(
        self, response: AnyResponse, name: str, value: str, age: int, script: bool = False
    ) -> None:
        response.set_cookie(
            name, value, max_age=age, path="/", secure=True, httponly=not script, samesite="Lax"
        )

    def _unset(self, response: AnyResponse, name: str) -> None:
        response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="Lax")


def _is_tick() -> bool:
    """Whether a page only keeps itself current: a screen nobody looks at is idle."""
    if request.path != _CALLBACKS:
        return False
    asked = request.get_json(silent=True)
    changed = asked.get("changedPropIds") if isinstance(asked, dict) else None
    if not isinstance(changed, list) or not changed:
        return False
    return all(str(name).endswith("-tick.n_intervals") for name in changed)


def _is_visit() -> bool:
    """Whether a person opens a page, as opposed to a page asking for something."""
    mode = request.headers.get("Sec-Fetch-Mode")
    if mode is not None:
        return mode == "navigate" and request.method == "GET"
    return request.method == "GET" and "text/html" in request.headers.get("Accept", "")


def _local(address: str | None) -> str:
    """An address of ours to go on to; the first page where it is none."""
    if (
        not address
        or len(address) > _MOST_ADDRESS
        or not address.startswith("/")
        or address.startswith(("//", "/sign-", "/_"))
        or "\\" in address
        or not address.isprintable()
    ):
        return "/"
    return address.removesuffix("?")


def _sign_in_at(back: str) -> str:
    return "/sign-in" if back == "/" else f"/sign-in?{urlencode({'next': back})}"


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _form(html: str, status: int) -> Response:
    response = Response(html, status=status, mimetype="text/html")
    response.headers["Content-Security-Policy"] = headers.forms_policy()
    response.headers["Cache-Control"] = "no-store"
    return response


def _plain(status: int, text: str) -> Response:
    return Response(f"{text}\n", status=status, mimetype="text/plain")


def _gone() -> Response:
    response = jsonify({"error": "you are not signed in"})
    response.status_code = 401
    return response
