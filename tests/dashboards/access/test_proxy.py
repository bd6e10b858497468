from __future__ import annotations

import pytest
from werkzeug.datastructures import Headers

from wattline_collector.access import Role
from wattline_dashboards.access.people import Grant, Mapped
from wattline_dashboards.access.proxy import person_of
from wattline_dashboards.access.settings import Proxy

PROXY = Proxy("s" * 32)
MAPPED = Mapped("account", grants=(Grant("groups", "ops", Role.OPERATOR),))
GOOD = {"X-Wattline-Proxy-Secret": "s" * 32, "X-Remote-User": "anna", "X-Remote-Groups": "a, ops"}


def test_the_proxy_says_account_and_groups() -> None:
    who = person_of(Headers(GOOD), PROXY, MAPPED)
    assert who is not None
    assert (who.id, who.viewer.name, who.viewer.roles) == (
        "proxy:anna",
        "anna",
        frozenset({Role.OPERATOR}),
    )


@pytest.mark.parametrize(
    "change",
    [{"X-Wattline-Proxy-Secret": ""}, {"X-Wattline-Proxy-Secret": "s" * 31},
     {"X-Wattline-Proxy-Secret": "\udc80"}, {"X-Remote-User": ""}, {"X-Remote-User": "anna,ben"}],
)  # fmt: skip
def test_without_the_secret_or_one_account_it_is_nobody(change: dict[str, str]) -> None:
    assert person_of(Headers(GOOD | change), PROXY, MAPPED) is None
