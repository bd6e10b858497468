"""Claims become a person: an account, roles, and the projects they lead.

Nobody is anything by default. A role comes from a grant in the settings that fits a claim, or from
`everyone`; an account comes from the one claim the settings name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wattline_collector.access import Role, Viewer

MOST_VALUES = 1000
"""Values of one claim that are looked at; people are in dozens of groups."""
MOST_CHARACTERS = 1000
MOST_PROJECTS = 200
MOST_SHOWN = 80

PLACEHOLDER = "{project}"
_PROJECT = r"([A-Za-z0-9][A-Za-z0-9._-]{0,62})"
_ACCOUNT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}")


@dataclass(frozen=True, slots=True)
class Grant:
    """A role for whoever has a value in a claim.

    Attributes:
        claim: The claim's name; dots lead into objects.
        value: The value, exactly; in it `{project}` stands for the name of a project.
        role: The role it gives; with `{project}` it is `project lead`, of that project.
    """

    claim: str
    value: str
    role: Role

    def fits(self, value: str) -> str | None:
        """The project the value names, "" where none is asked for; None where it does not fit."""
        if PLACEHOLDER not in self.value:
            return "" if value == self.value else None
        before, _, after = self.value.partition(PLACEHOLDER)
        found = re.fullmatch(re.escape(before) + _PROJECT + re.escape(after), value)
        return found[1] if found else None


@dataclass(frozen=True, slots=True)
class Mapped:
    """How claims become people.

    Attributes:
        account_claim: The claim that holds the account jobs run under.
        accounts: Where the claim holds something else: the account of each of its values. If there
            is any, a value that is not here has no account.
        grants: Who gets which role.
        everyone: Roles of whoever is signed in and has an account.
        shown_claim: The claim pages greet people with.
    """

    account_claim: str
    accounts: Mapping[str, str] = field(default_factory=dict)
    grants: tuple[Grant, ...] = ()
    everyone: frozenset[Role] = frozenset()
    shown_claim: str = "name"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in.

    Attributes:
        id: Who they are to whoever vouches for them: stable, and nobody else's.
        shown: What pages call them.
        viewer: What decides what they see.
    """

    id: str
    shown: str
    viewer: Viewer


def person(id: str, claims: Mapping[str, Any], mapped: Mapped) -> Person:
    """The person that claims describe."""
    account = _account(claims, mapped)
    roles: set[Role] = set(mapped.everyone) if account is not None else set()
    projects: set[str] = set()
    for grant in mapped.grants:
        for value in texts(claims, grant.claim):
            project = grant.fits(value)
            if project is None:
                continue
            roles.add(grant.role)
            if project and len(projects) < MOST_PROJECTS:
                projects.add(project)
    viewer = Viewer(name=account, projects=frozenset(projects), roles=frozenset(roles))
    names = [*texts(claims, mapped.shown_claim), account or "", id]
    return Person(id, clean(next(name for name in names if name)), viewer)


def texts(claims: Mapping[str, Any], name: str) -> list[str]:
    """The values of a claim: one text, or a list of them; what is something else is none."""
    found: Any = claims
    if name in claims:
        found = claims[name]
    else:
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    values: Iterable[Any] = found[:MOST_VALUES] if isinstance(found, list) else [found]
    return [value for value in values if isinstance(value, str) and len(value) <= MOST_CHARACTERS]


def clean(text: str) -> str:
    """A name as pages and logs show it: short, and of letters that can be seen."""
    seen = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}"
                   for letter in text[: MOST_SHOWN + 1])  # fmt: skip
    return seen if len(seen) <= MOST_SHOWN else seen[: MOST_SHOWN - 1] + "…"


def _account(claims: Mapping[str, Any], mapped: Mapped) -> str | None:
    values = texts(claims, mapped.account_claim)
    if len(values) != 1:
        return None  # of two accounts neither is certain
    account = mapped.accounts.get(values[0]) if mapped.accounts else values[0]
    return account if account is not None and valid_account(account) else None


def valid_account(text: str) -> bool:
    """Whether a text can be the name of an account."""
    return _ACCOUNT.fullmatch(text) is not None
