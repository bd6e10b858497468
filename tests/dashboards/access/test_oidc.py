from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from wattline_dashboards.access.oidc import Provider, SignInFailed
from wattline_dashboards.access.settings import Oidc

ISSUER = "https://idp.example"
OIDC = Oidc("IdP", ISSUER, "wattline", "a-client-secret", leeway_seconds=60)
KEYS = [RSAKey.generate_key(2048, {"kid": f"k{number}", "use": "sig"}) for number in range(2)]


@dataclass
class Scripted:
    """A provider that says what it is told to."""

    clock: Any
    metadata: dict[str, Any] = field(
        default_factory=lambda: {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/jwks",
            "userinfo_endpoint": f"{ISSUER}/userinfo",
        }
    )
    keys: list[RSAKey] = field(default_factory=lambda: [KEYS[0]])
    signs_with: Any = field(default_factory=lambda: KEYS[0])
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "k0"})
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: Any = field(default_factory=lambda: {"sub": "s", "groups": ["g"], "name": "Other"})
    nonce: str = ""
    asked: list[str] = field(default_factory=list)
    redeemed: dict[str, str] = field(default_factory=dict)

    def get(self, url: str, bearer: str | None = None) -> Any:
        self.asked.append(url)
        if url.endswith("/jwks"):
            return KeySet(list(self.keys)).as_dict(private=False)
        if url.endswith("/userinfo"):
            return self.userinfo
        return self.metadata

    def redeem(self, oidc: Oidc, url: str, redirect: str, code: str, verifier: str) -> Any:
        self.redeemed = {"url": url, "redirect": redirect, "code": code, "verifier": verifier}
        now = self.clock.unix_ms() // 1000
        claims = {
            "iss": ISSUER, "sub": "s", "aud": "wattline", "exp": now + 300, "iat": now,
            "nonce": self.nonce, "name": "Anna",
        } | self.claims  # fmt: skip
        kept = {name: value for name, value in claims.items() if value is not None}
        algorithms = [self.header["alg"]]
        token = (
            f"{packed(self.header)}.{packed(kept)}."
            if algorithms == ["none"]
            else jwt.encode(self.header, kept, self.signs_with, algorithms=algorithms)
        )
        return {"access_token": "access", "id_token": token}


def packed(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@pytest.fixture
def scripted(clock: Any) -> Scripted:
    return Scripted(clock)


@pytest.fixture
def provider(scripted: Scripted, clock: Any) -> Provider:
    return Provider(OIDC, "https://kpi.example/sign-in/callback", clock, scripted)


@pytest.fixture
def signed_in(provider: Provider, scripted: Scripted) -> Callable[..., Any]:
    def signed_in(issuer: str | None = None) -> Any:
        begun = provider.begin()
        scripted.nonce = begun.nonce
        return provider.finish(begun, "the-code", issuer)

    return signed_in


def test_a_sign_in_asks_with_state_nonce_and_a_challenge(
    provider: Provider, scripted: Scripted
) -> None:
    begun, other = provider.begin(), provider.begin()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(begun.url).query).items()}
    assert begun.url.startswith(f"{ISSUER}/authorize?")
    assert asked["state"] == begun.state != other.state
    assert asked["nonce"] == begun.nonce != other.nonce
    assert asked["code_challenge_method"] == "S256"
    assert begun.verifier not in begun.url
    assert asked["scope"] == "openid profile"
    assert "a-client-secret" not in begun.url + repr(begun) + repr(OIDC)


def test_what_is_signed_counts_before_what_is_not(
    signed_in: Callable[..., Any], scripted: Scripted
) -> None:
    claims = signed_in(ISSUER)
    assert (claims["sub"], claims["name"], claims["groups"]) == ("s", "Anna", ["g"])
    assert scripted.redeemed["code"] == "the-code"
    assert len(scripted.redeemed["verifier"]) >= 43


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"}, {"nonce": None}, {"iss": "https://evil.example"}, {"iss": None},
        {"aud": "another"}, {"aud": None}, {"aud": ["another", "third"], "azp": "wattline"},
        {"aud": ["wattline", "another"]}, {"azp": "another"}, {"sub": None}, {"sub": ""},
        {"sub": 7}, {"exp": None}, {"iat": None}, {"at_hash": "AAAA"}, {"exp": 1_793_620_700},
    ],
)  # fmt: skip
def test_a_token_that_is_not_for_this_sign_in_is_refused(
    signed_in: Callable[..., Any], scripted: Scripted, claims: dict[str, Any]
) -> None:
    scripted.claims = claims
    with pytest.raises(SignInFailed):
        signed_in()


def test_clocks_may_differ_a_little(signed_in: Callable[..., Any], scripted: Scripted) -> None:
    now = scripted.clock.unix_ms() // 1000
    scripted.claims = {"exp": now - 30, "iat": now - 330}
    assert signed_in()["sub"] == "s"
    scripted.claims = {"exp": now + 330, "iat": now + 30}
    assert signed_in()["sub"] == "s"
    scripted.claims = {"exp": now - 90, "iat": now - 390}
    with pytest.raises(SignInFailed, match="does not hold"):
        signed_in()


def test_a_key_that_is_new_is_asked_for(
    signed_in: Callable[..., Any], scripted: Scripted, clock: Any
) -> None:
    signed_in()
    scripted.signs_with, scripted.header = KEYS[1], {"alg": "RS256", "kid": "k1"}
    scripted.keys = [KEYS[1]]
    clock.now += 11
    assert signed_in()["sub"] == "s"


def test_a_key_that_is_not_the_providers_is_refused_and_seldom_asked_for(
    signed_in: Callable[..., Any], scripted: Scripted, clock: Any
) -> None:
    signed_in()
    scripted.signs_with = KEYS[1]
    for _ in range(5):
        with pytest.raises(SignInFailed, match="not signed by it"):
            signed_in()
    assert sum(url.endswith("/jwks") for url in scripted.asked) == 1


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_signature_anybody_could_make_is_refused(
    signed_in: Callable[..., Any], scripted: Scripted, algorithm: str
) -> None:
    # With the public key, or our own secret, as the key of a MAC.
    scripted.header = {"alg": algorithm}
    scripted.signs_with = OctKey.import_key("a-client-secret")
    with pytest.raises(SignInFailed, match="not signed by it"):
        signed_in()


def test_another_provider_cannot_answer_in_its_place(signed_in: Callable[..., Any]) -> None:
    with pytest.raises(SignInFailed, match="another provider"):
        signed_in("https://evil.example")


def test_userinfo_about_somebody_else_is_refused(
    signed_in: Callable[..., Any], scripted: Scripted
) -> None:
    scripted.userinfo = {"sub": "somebody", "groups": ["operators"]}
    with pytest.raises(SignInFailed, match="somebody else"):
        signed_in()


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://idp.example/"},
        {"authorization_endpoint": "http://idp.example/authorize"},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
)
def test_a_provider_that_is_not_what_it_should_be_is_not_gone_to(
    provider: Provider, scripted: Scripted, change: dict[str, Any]
) -> None:
    scripted.metadata |= change
    with pytest.raises(SignInFailed):
        provider.begin()
