"""The file that says how people sign in, checked: a mistake is named by file, line and key."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from wattline_agents.config.document import read as read_document
from wattline_agents.config.lines import line_of
from wattline_agents.errors import InputError, UsageError
from wattline_agents.nearest import instead
from wattline_collector.access import Role, read_token
from wattline_dashboards.access.people import PLACEHOLDER, Grant, Mapped, valid_account

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

# Keys of each table and what stands behind them; of `accounts`, `grant` and `token` people choose
# the names.
_KEYS: Mapping[str, Mapping[str, type]] = {
    "site": {
        "url": str, "idle_minutes": int, "longest_hours": int, "everyone": list, "audit_log": str,
    },
    "oidc": {
        "name": str, "issuer": str, "client_id": str, "client_secret_file": str,
        "client_secret_env": str, "scopes": list, "account_claim": str, "shown_claim": str,
        "leeway_seconds": int, "userinfo": bool,
    },
    "proxy": {
        "secret_file": str, "secret_env": str, "secret_header": str, "account_header": str,
        "groups_header": str,
    },
    "grant": {"claim": str, "value": str, "role": str},
    "token": {
        "sha256": str, "account": str, "roles": list, "projects": list, "expires": date,
    },
}  # fmt: skip
_TOP = (*_KEYS, "accounts")


@dataclass(frozen=True, slots=True)
class Oidc:
    """A provider of OpenID Connect.

    Attributes:
        name: What the sign-in page calls it.
        issuer: Its issuer, exactly as it calls itself.
        client_id: What it calls us.
        client_secret: Our secret there; None for a public client.
        scopes: What is asked for, `openid` among it.
        leeway_seconds: How far its clock may be off.
        userinfo: Whether its userinfo is asked as well; some providers tell groups only there.
    """

    name: str
    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    scopes: tuple[str, ...] = ("openid", "profile")
    leeway_seconds: int = 60
    userinfo: bool = True


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that signs people in.

    Attributes:
        secret: What it proves itself with.
        secret_header: Where it does.
        account_header: Where it says the account.
        groups_header: Where it says groups, by commas; they are the claim `groups`.
    """

    secret: str = field(repr=False)
    secret_header: str = "X-Wattline-Proxy-Secret"
    account_header: str = "X-Remote-User"
    groups_header: str = "X-Remote-Groups"


@dataclass(frozen=True, slots=True)
class LocalToken:
    """A token somebody was given.

    Attributes:
        name: What it is called in the file.
        sha256: The digest of the token, 32 bytes.
        account: Whose it is; None where it is a screen's.
        roles: What it makes them.
        projects: Projects they lead.
        expires: The first day on which it no longer holds, UTC; None: never.
    """

    name: str
    sha256: bytes = field(repr=False)
    account: str | None
    roles: frozenset[Role]
    projects: frozenset[str]
    expires: date | None


@dataclass(frozen=True, slots=True)
class SignIn:
    """How people sign in.

    Attributes:
        url: Where browsers reach the pages: scheme and host, nothing behind it.
        mapped: How claims become people.
        idle_seconds: How long a session lasts while nothing is done.
        longest_seconds: How long it lasts at most.
        audit_log: Where is written who came, went and was refused; None: nowhere.
        oidc: A provider.
        proxy: A proxy in front; then there is no other way.
        tokens: Local tokens.
    """

    url: str
    mapped: Mapped
    idle_seconds: float = 3600.0
    longest_seconds: float = 12 * 3600.0
    audit_log: Path | None = None
    oidc: Oidc | None = None
    proxy: Proxy | None = None
    tokens: tuple[LocalToken, ...] = ()

    @property
    def host(self) -> str:
        """The name browsers reach the pages by."""
        name = urlsplit(self.url).hostname or ""
        return f"[{name}]" if ":" in name else name


def read(path: Path, environment: Mapping[str, str] = os.environ) -> SignIn:
    """The settings in a file.

    Raises:
        InputError: It cannot be read or is not right; names file, line and key.
    """
    document = read_document(path, "a file of settings")
    return _Reader(path, document.lines, environment).read(document.content)


@dataclass(frozen=True)
class _Reader:
    path: Path
    lines: Mapping[tuple[str, ...], int]
    environment: Mapping[str, str]

    def read(self, content: Mapping[str, Any]) -> SignIn:
        for name in content:
            if name not in _TOP:
                self._fail((name,), f"not known; {instead(name, _TOP)}")
        site = self._table(content, "site")
        oidc, account_claim, shown_claim = self._oidc(content)
        proxy = self._proxy(content)
        tokens = tuple(self._token(name, part) for name, part in self._named(content, "token"))
        if proxy is not None and (oidc is not None or tokens):
            self._fail(("proxy",), "signs everybody in: take out oidc and token, or proxy")
        if proxy is None and oidc is None and not tokens:
            raise InputError("nobody can sign in: give oidc, proxy or a token", path=self.path)
        idle = self._number(site, "site", "idle_minutes", 60, 1, 7 * 24 * 60)
        longest = self._number(site, "site", "longest_hours", 12, 1, 31 * 24)
        log = site.get("audit_log")
        return SignIn(
            url=self._url(site),
            mapped=Mapped(
                account_claim=account_claim,
                accounts=self._accounts(content),
                grants=tuple(
                    self._grant(name, part) for name, part in self._named(content, "grant")
                ),
                everyone=self._roles(("site", "everyone"), site.get("everyone", [])),
                shown_claim=shown_claim,
            ),
            idle_seconds=idle * 60.0,
            longest_seconds=longest * 3600.0,
            audit_log=None if log is None else self.path.parent / log,
            oidc=oidc,
            proxy=proxy,
            tokens=tokens,
        )

    def _oidc(self, content: Mapping[str, Any]) -> tuple[Oidc | None, str, str]:
        if "oidc" not in content:
            return None, "account", "account"
        part = self._table(content, "oidc")
        issuer = self._text(part, "oidc", "issuer")
        self._secure(("oidc", "issuer"), issuer)
        scopes = self._texts(("oidc", "scopes"), part.get("scopes", ["profile"]))
        oidc = Oidc(
            name=part.get("name", urlsplit(issuer).hostname),
            issuer=issuer,
            client_id=self._text(part, "oidc", "client_id"),
            client_secret=self._secret(part, "oidc", "client_secret", needed=False),
            scopes=tuple(dict.fromkeys(("openid", *scopes))),
            leeway_seconds=self._number(part, "oidc", "leeway_seconds", 60, 0, 300),
            userinfo=part.get("userinfo", True),
        )
        # Without a default: in many places people may write these claims themselves.
        return oidc, self._text(part, "oidc", "account_claim"), part.get("shown_claim", "name")

    def _proxy(self, content: Mapping[str, Any]) -> Proxy | None:
        if "proxy" not in content:
            return None
        part = self._table(content, "proxy")
        headers = {name: part[name] for name in _KEYS["proxy"] if name.endswith("_header")
                   and name in part}  # fmt: skip
        for name, header in headers.items():
            if _HEADER.fullmatch(header) is None:
                self._fail(("proxy", name), "not the name of a header")
        secret = self._secret(part, "proxy", "secret", needed=True)
        assert secret is not None
        return Proxy(secret, **headers)

    def _grant(self, name: str, part: Mapping[str, Any]) -> Grant:
        place = ("grant", name)
        for key in ("claim", "value", "role"):
            if not part.get(key):
                self._fail((*place, key), "missing")
        (role,) = self._roles((*place, "role"), [part["role"]])
        holds = part["value"].count(PLACEHOLDER)
        if holds != (1 if role is Role.PROJECT_LEAD else 0):
            self._fail((*place, "value"), f"{PLACEHOLDER} stands once in it for `project lead`, "
                       "whose project it names, and for no other role")  # fmt: skip
        return Grant(part["claim"], part["value"], role)

    def _token(self, name: str, part: Mapping[str, Any]) -> LocalToken:
        place = ("token", name)
        if _SHA256.fullmatch(part.get("sha256", "")) is None:
            self._fail((*place, "sha256"), "not a digest; `wattline dashboards --new-token` makes "
                       "a token and says it")  # fmt: skip
        account = part.get("account")
        if account is not None and not valid_account(account):
            self._fail((*place, "account"), "not the name of an account")
        roles = self._roles((*place, "roles"), part.get("roles", []))
        if not roles:
            self._fail((*place, "roles"), "missing: a token without a role shows nothing")
        if account is None and roles & {Role.JOB_OWNER, Role.PROJECT_LEAD}:
            self._fail((*place, "account"), "missing: whose jobs are theirs goes by it")
        projects = self._texts((*place, "projects"), part.get("projects", []))
        if projects and Role.PROJECT_LEAD not in roles:
            self._fail((*place, "projects"), "only a `project lead` leads projects")
        return LocalToken(
            name, bytes.fromhex(part["sha256"]), account, roles, frozenset(projects),
            part.get("expires"),
        )  # fmt: skip

    def _accounts(self, content: Mapping[str, Any]) -> Mapping[str, str]:
        accounts = content.get("accounts", {})
        if not isinstance(accounts, dict):
            self._fail(("accounts",), "not a table")
        for identity, account in accounts.items():
            if not isinstance(account, str) or not valid_account(account):
                self._fail(("accounts", identity), "not the name of an account")
        return accounts

    def _url(self, site: Mapping[str, Any]) -> str:
        url = self._text(site, "site", "url").rstrip("/")
        parts = self._secure(("site", "url"), url)
        if parts.path or parts.query or parts.fragment:
            self._fail(("site", "url"), "scheme and host alone, such as https://kpi.example.eu")
        return url.lower()

    def _secure(self, place: tuple[str, ...], url: str) -> Any:
        parts = urlsplit(url)
        if not parts.hostname or parts.username is not None or parts.scheme not in (
            "https", "http",
        ):  # fmt: skip
            self._fail(place, "not a URL such as https://kpi.example.eu")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            self._fail(place, "https is needed: what is signed in with travels there")
        return parts

    def _secret(self, part: Mapping[str, Any], table: str, key: str, *, needed: bool) -> str | None:
        file, variable = part.get(f"{key}_file"), part.get(f"{key}_env")
        if file is not None and variable is not None:
            self._fail((table, f"{key}_env"), f"{key}_file is given as well; take one out")
        if file is not None:
            try:
                return read_token(self.path.parent / file)
            except UsageError as error:
                self._fail((table, f"{key}_file"), str(error))
        if variable is not None:
            secret = self.environment.get(variable, "")
            if len(secret) < 16:
                self._fail((table, f"{key}_env"), f"{variable} is not set, or under 16 characters")
            return secret
        if needed:
            self._fail((table, f"{key}_file"), "missing")
        return None

    def _roles(self, place: tuple[str, ...], names: list[Any]) -> frozenset[Role]:
        roles = set()
        for name in self._texts(place, names):
            if name not in set(Role):
                known = ", ".join(role.value for role in Role)
                self._fail(place, f"{name!r} is no role; there are {known}")
            roles.add(Role(name))
        return frozenset(roles)

    def _texts(self, place: tuple[str, ...], values: list[Any]) -> list[str]:
        if not all(isinstance(value, str) and value for value in values):
            self._fail(place, "not a list of texts")
        return values

    def _text(self, part: Mapping[str, Any], table: str, key: str) -> str:
        if not part.get(key):
            self._fail((table, key), "missing")
        return str(part[key])

    def _number(
        self, part: Mapping[str, Any], table: str, key: str, default: int, least: int, most: int
    ) -> int:
        value = int(part.get(key, default))
        if not least <= value <= most:
            self._fail((table, key), f"not {least} to {most}")
        return value

    def _table(self, content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        return self._checked((name,), content.get(name, {}), _KEYS[name])

    def _named(self, content: Mapping[str, Any], name: str) -> list[tuple[str, Mapping[str, Any]]]:
        tables = content.get(name, {})
        if not isinstance(tables, dict):
            self._fail((name,), f"write [{name}.NAME]")
        return [(key, self._checked((name, key), part, _KEYS[name]))
                for key, part in tables.items()]  # fmt: skip

    def _checked(
        self, place: tuple[str, ...], part: Any, keys: Mapping[str, type]
    ) -> Mapping[str, Any]:
        if not isinstance(part, dict):
            self._fail(place, "not a table")
        for key, value in part.items():
            if key not in keys:
                self._fail((*place, key), f"not known; {instead(key, keys)}")
            wanted = keys[key]
            # Of subclasses none fits: true is no number, and a time is no date.
            if type(value) is not wanted:
                self._fail((*place, key), f"not a {_WORDS[wanted]}")
        return part

    def _fail(self, place: tuple[str, ...], reason: str) -> NoReturn:
        line = line_of(self.lines, place)
        raise InputError(reason, path=self.path, line=line, field=".".join(place))


_WORDS = {str: "text", int: "whole number", list: "list", bool: "true or false", date: "date"}
