from __future__ import annotations

from flask import Flask

from wattline_collector.access import Role, Viewer
from wattline_dashboards.access import forms
from wattline_dashboards.access.people import Mapped, Person
from wattline_dashboards.access.settings import Oidc, SignIn

MARKED = '"><script>alert(1)</script>{0}'


def test_whatever_somebody_is_called_is_text() -> None:
    viewer = Viewer(MARKED, projects=frozenset({MARKED}), roles=frozenset({Role.MANAGER}))
    settings = SignIn("http://localhost", Mapped("a"), oidc=Oidc(MARKED, "https://i", "c", None))
    for page in (
        forms.account(Person(MARKED, MARKED, viewer), MARKED, leaves=True),
        forms.sign_in(settings, f"/{MARKED}", MARKED, MARKED),
    ):
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{0}" in page


def test_who_has_no_role_is_told_what_to_do() -> None:
    page = forms.account(Person("i#n", "Nora", Viewer("nora")), "c", leaves=False)
    assert "Ask the operators" in page
    assert "Sign out" not in page


def test_the_forms_are_in_the_readers_language() -> None:
    settings = SignIn("http://localhost", Mapped("a"), oidc=Oidc("MyAccessID", "https://i", "c",
                                                                None))  # fmt: skip
    asked = {"Accept-Language": "de"}
    with Flask(__name__).test_request_context("/", headers=asked):
        page = forms.sign_in(settings, "/", "c", None)
        account = forms.account(Person("i#n", "Nora", Viewer("nora")), "c", leaves=True)
    assert '<html lang="de">' in page
    assert "Weiter mit MyAccessID" in page and "Anmelden" in page
    assert "Abmelden" in account and "Rollen" in account
    assert '<html lang="en">' in forms.sign_in(settings, "/", "c", None)
