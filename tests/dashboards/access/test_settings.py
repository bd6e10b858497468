from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from wattline_agents.errors import InputError
from wattline_collector.access import Role
from wattline_dashboards.access.settings import SignIn, read
from wattline_dashboards.access.template import TEMPLATE

SITE = '[site]\nurl = "https://kpi.example.eu"\n'
OIDC = '[oidc]\nissuer = "https://idp.example"\nclient_id = "c"\naccount_claim = "uid"\n'
TOKEN = f'[token.anna]\nsha256 = "{"0" * 64}"\naccount = "anna"\nroles = ["job owner"]\n'
GRANT = '[grant.a]\nclaim = "c"\nvalue = "v"\nrole = "manager"\n'

Written = Callable[[str], SignIn]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    secret = tmp_path / "secret"
    secret.write_text("s" * 32)
    secret.chmod(0o600)

    def written(text: str) -> SignIn:
        (tmp_path / "access.toml").write_text(text)
        return read(tmp_path / "access.toml", {"SECRET": "e" * 32, "SHORT": "e"})

    return written


def test_a_provider_a_grant_and_a_token_are_read(written: Written) -> None:
    text = SITE + OIDC + GRANT + TOKEN + 'expires = 2027-01-31\n[accounts]\n"8f" = "anna"\n'
    settings = written(text.replace('"c"\nacc', '"c"\nclient_secret_file = "secret"\nacc'))
    assert settings.oidc is not None
    assert settings.oidc.client_secret == "s" * 32
    assert settings.oidc.scopes == ("openid", "profile")
    assert settings.mapped.grants[0].role is Role.MANAGER
    assert settings.mapped.accounts == {"8f": "anna"}
    assert settings.mapped.everyone == frozenset()
    assert settings.tokens[0].expires == date(2027, 1, 31)
    assert settings.host == "kpi.example.eu"
    assert "ssss" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "nobody can sign in"),
        (SITE, "nobody can sign in"),
        ("site = 1\n" + TOKEN, ":1: site: not a table"),
        ("[site]\n" + TOKEN, ":1: site.url: missing"),
        ('[site]\nurl = "http://kpi.example.eu"\n' + TOKEN, ":2: site.url: https is needed"),
        ('[site]\nurl = "https://kpi.example.eu/x"\n' + TOKEN, ":2: site.url: scheme and host"),
        ('[site]\nurl = "ftp://x"\n' + TOKEN, ":2: site.url: not a URL"),
        (SITE + "idle_minute = 5\n" + TOKEN, "site.idle_minute: not known; did you mean 'idle_mi"),
        (SITE + "idle_minutes = 0\n" + TOKEN, ":3: site.idle_minutes: not 1 to"),
        (SITE + "idle_minutes = true\n" + TOKEN, ":3: site.idle_minutes: not a whole number"),
        (SITE + 'everyone = ["root"]\n' + TOKEN, ":3: site.everyone: 'root' is no role; there ar"),
        (SITE + 'everyone = [["a"]]\n' + TOKEN, ":3: site.everyone: not a list of texts"),
        (SITE + "[oicd]\n", ":3: oicd: not known; did you mean 'oidc'?"),
        (SITE + OIDC.replace('account_claim = "uid"\n', ""), ":3: oidc.account_claim: missing"),
        (SITE + OIDC.replace("https", "http"), ":4: oidc.issuer: https is needed"),
        (SITE + OIDC + 'client_secret_env = "SHORT"\n', "client_secret_env: SHORT is not set, or"),
        (SITE + OIDC + 'client_secret_file = "nix"\n', ":7: oidc.client_secret_file: "),
        (SITE + '[proxy]\nsecret_env = "SECRET"\n' + OIDC, ":3: proxy: signs everybody in"),
        (SITE + "[proxy]\n", ":3: proxy.secret_file: missing"),
        (SITE + '[proxy]\nsecret_env = "SECRET"\naccount_header = "a b"\n', "not the name of a h"),
        (SITE + TOKEN.replace("0" * 64, "0"), ":4: token.anna.sha256: not a digest"),
        (SITE + TOKEN.replace('account = "anna"\n', ""), "token.anna.account: missing"),
        (SITE + TOKEN.replace('["job owner"]', "[]"), "token.anna.roles: missing"),
        (SITE + TOKEN + 'projects = ["p"]\n', "token.anna.projects: only a `project lead`"),
        (SITE + TOKEN + "expires = 2027-01-31T00:00:00Z\n", ":7: token.anna.expires: not a date"),
        (SITE + TOKEN + GRANT.replace('"v"', '"{project}"'), ":9: grant.a.value: {project} stan"),
        (SITE + TOKEN + GRANT.replace("manager", "project lead"), "grant.a.value: {project} st"),
        (SITE + TOKEN + GRANT.replace('role = "manager"', ""), "grant.a.role: missing"),
        (SITE + TOKEN + '[accounts]\nx = "a b"\n', ":8: accounts.x: not the name of an account"),
        ("[[token]]\n" + SITE, "token: write [token.NAME]"),
        ("a = \n", "not TOML"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_file_line_and_key(
    written: Written, tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(InputError) as refused:
        written(text)
    said = str(refused.value)
    assert said.startswith(str(tmp_path / "access.toml"))
    assert complaint in said


def test_a_secret_everybody_can_read_is_refused(written: Written, tmp_path: Path) -> None:
    (tmp_path / "secret").chmod(0o644)
    with pytest.raises(InputError, match=r"oidc\.client_secret_file: .*readable by everybody"):
        written(SITE + OIDC + 'client_secret_file = "secret"\n')


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nix\.toml: cannot be read"):
        read(tmp_path / "nix.toml")


def test_the_template_is_right_with_its_secrets_in_place(written: Written) -> None:
    held = 'client_secret_file = "/etc/wattline/oidc-secret"'
    assert held in TEMPLATE
    settings = written(TEMPLATE.replace(held, 'client_secret_env = "SECRET"'))
    assert settings.oidc is not None
    assert settings.longest_seconds == 12 * 3600


def test_every_comment_of_the_template_that_is_a_key_may_be_switched_on() -> None:
    lines = [line.removeprefix("# ") for line in TEMPLATE.splitlines()]
    keys = [line for line in lines if line.startswith("[") or " = " in line]
    found = tomllib.loads("\n".join(keys))
    assert {"site", "oidc", "accounts", "grant", "proxy", "token"} == set(found)
