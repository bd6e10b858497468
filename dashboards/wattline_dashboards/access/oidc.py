"""Sign-in by OpenID Connect: the authorization code flow with PKCE, state and nonce.

Authlib builds the requests and checks the claims, joserfc the signature. What is trusted stands in
the settings alone: the issuer, our name there, and that keys come from that issuer. Of algorithms
only signatures with the provider's own keys are taken.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from wattline_agents.clock import Clock
from wattline_agents.errors import WattlineError
from wattline_dashboards.access.settings import Oidc

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
)  # fmt: skip
KEEP_SECONDS = 3600.0
"""How long the provider's addresses and keys are kept."""
LEAST_SECONDS = 10.0
"""Keys are not asked for more often, however many tokens name one that is not known."""
_SECONDS = 10.0
_MOST_BYTES = 1024 * 1024
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class SignInFailed(WattlineError):
    """Somebody could not be signed in; the text is for them, and holds no secret."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in under way.

    Attributes:
        url: Where the browser is sent.
        state: What it must come back with.
        nonce: What the provider must have signed.
        verifier: What proves that it is us who redeem the code.
    """

    url: str = field(repr=False)
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


class Transport(Protocol):
    """How the provider is asked."""

    def get(self, url: str, bearer: str | None = None) -> Any:
        """A JSON document.

        Raises:
            SignInFailed: There is none.
        """
        ...

    def redeem(self, oidc: Oidc, url: str, redirect: str, code: str, verifier: str) -> Any:
        """The tokens a code is worth.

        Raises:
            SignInFailed: It is worth none.
        """
        ...


class Https:
    """The provider over the network."""

    def get(self, url: str, bearer: str | None = None) -> Any:
        """See `Transport`."""
        headers = {"Accept": "application/json"}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        try:
            with requests.get(
                url, headers=headers, timeout=_SECONDS, allow_redirects=False, stream=True
            ) as answer:
                if answer.status_code != 200:
                    raise SignInFailed(f"the provider answered {answer.status_code} at {url}")
                body = b""
                for part in answer.iter_content(65_536):
                    body += part
                    if len(body) > _MOST_BYTES:
                        raise SignInFailed(f"the provider's answer at {url} is too long")
            return json.loads(body)
        except (requests.RequestException, OSError) as error:
            raise SignInFailed(
                f"the provider does not answer at {url} ({type(error).__name__})"
            ) from error
        except ValueError as error:
            raise SignInFailed(f"the provider answered no JSON at {url}") from error

    def redeem(self, oidc: Oidc, url: str, redirect: str, code: str, verifier: str) -> Any:
        """See `Transport`."""
        with OAuth2Session(oidc.client_id, oidc.client_secret, redirect_uri=redirect) as session:
            try:
                return session.fetch_token(
                    url,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=verifier,
                    timeout=_SECONDS,
                    allow_redirects=False,
                )
            except (AuthlibBaseError, requests.RequestException, OSError, ValueError) as error:
                # Its own words may quote what was sent.
                raise SignInFailed(
                    f"the provider gave no token ({type(error).__name__})"
                ) from error


class Provider:
    """One provider; safe to use from many threads."""

    def __init__(self, oidc: Oidc, redirect: str, clock: Clock, transport: Transport) -> None:
        """Ask nothing yet.

        Args:
            oidc: The settings.
            redirect: Where browsers come back to.
            clock: For the times in tokens, and for what is kept.
            transport: How the provider is asked.
        """
        self.oidc = oidc
        self._redirect, self._clock, self._transport = redirect, clock, transport
        self._lock = threading.Lock()
        self._metadata: Mapping[str, Any] = {}
        self._metadata_at: float | None = None
        self._keys: KeySet | None = None
        self._keys_at = 0.0

    def begin(self) -> Begun:
        """Where to send a browser, and what to remember until it is back.

        Raises:
            SignInFailed: The provider cannot be asked for its addresses.
        """
        endpoint = self._endpoint("authorization_endpoint")
        nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        session = OAuth2Session(
            self.oidc.client_id,
            redirect_uri=self._redirect,
            scope=" ".join(self.oidc.scopes),
            code_challenge_method="S256",
        )
        url, state = session.create_authorization_url(
            endpoint, state=secrets.token_urlsafe(32), code_verifier=verifier, nonce=nonce
        )
        return Begun(url, state, nonce, verifier)

    def finish(self, begun: Begun, code: str, issuer: str | None) -> Mapping[str, Any]:
        """What the provider says of whoever came back: claims of its token and its userinfo.

        Args:
            begun: As it was begun; whoever calls has compared the state.
            code: What the browser brought.
            issuer: `iss` of the way back, where the provider states it (RFC 9207).

        Raises:
            SignInFailed: Anything is not as it should be.
        """
        if issuer is not None and issuer != self.oidc.issuer:
            raise SignInFailed("another provider answered than was asked")
        tokens = self._transport.redeem(
            self.oidc, self._endpoint("token_endpoint"), self._redirect, code, begun.verifier
        )
        token, access = (
            (tokens.get("id_token"), tokens.get("access_token"))
            if isinstance(tokens, Mapping)
            else (None, None)
        )
        if not isinstance(token, str):
            raise SignInFailed("the provider gave no ID token")
        claims = self._checked(token, begun.nonce, access)
        if self.oidc.userinfo and isinstance(access, str) and self._known("userinfo_endpoint"):
            more = self._transport.get(self._endpoint("userinfo_endpoint"), access)
            if not isinstance(more, Mapping) or more.get("sub") != claims["sub"]:
                raise SignInFailed("the provider's userinfo is about somebody else")
            # What is signed counts before what is not.
            claims = {**more, **claims}
        return claims

    def _checked(self, token: str, nonce: str, access: object) -> dict[str, Any]:
        try:
            decoded = self._decoded(token, fresh=False)
        except (JoseError, ValueError):
            # Perhaps it is signed with a key that is newer than those we know.
            try:
                decoded = self._decoded(token, fresh=True)
            except (JoseError, ValueError) as error:
                raise SignInFailed("the provider's token is not signed by it") from error
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            {
                "iss": {"essential": True, "value": self.oidc.issuer},
                "aud": {"essential": True, "value": self.oidc.client_id},
            },
            {"nonce": nonce, "client_id": self.oidc.client_id, "access_token": access},
        )
        try:
            claims.validate(now=self._clock.unix_ms() // 1000, leeway=self.oidc.leeway_seconds)
        except (JoseError, ValueError, TypeError) as error:
            # The name of the claim is in its words, and none of its value.
            raise SignInFailed(f"the provider's token does not hold: {error}") from error
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise SignInFailed("the provider's token does not hold: sub")
        return dict(claims)

    def _decoded(self, token: str, *, fresh: bool) -> Any:
        registry = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
        return jwt.decode(token, self._key_set(fresh=fresh), registry=registry)

    def _key_set(self, *, fresh: bool) -> KeySet:
        with self._lock:
            age = self._clock.monotonic() - self._keys_at
            if self._keys is not None and age < (LEAST_SECONDS if fresh else KEEP_SECONDS):
                return self._keys
        found = self._transport.get(self._endpoint("jwks_uri"))
        try:
            keys = KeySet.import_key_set(found)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise SignInFailed("the provider's keys cannot be read") from error
        with self._lock:
            self._keys, self._keys_at = keys, self._clock.monotonic()
        return keys

    def _known(self, name: str) -> Any:
        with self._lock:
            now, at = self._clock.monotonic(), self._metadata_at
            if at is not None and now - at < KEEP_SECONDS:
                return self._metadata.get(name)
        issuer = self.oidc.issuer
        found = self._transport.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if not isinstance(found, Mapping) or found.get("issuer") != issuer:
            raise SignInFailed(f"who answers for {issuer} calls itself something else")
        with self._lock:
            self._metadata, self._metadata_at = found, self._clock.monotonic()
        return found.get(name)

    def _endpoint(self, name: str) -> str:
        url = self._known(name)
        parts = urlsplit(url) if isinstance(url, str) else None
        if parts is None or not (
            parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        ):
            raise SignInFailed(f"the provider has no {name} that can be trusted")
        return str(url)
