"""What accounts, tokens and boundaries are called, in the reader's language.

In English they are called as in the collector's palette, and mean what its accounts say.
"""

from __future__ import annotations

from wattline_collector.ledger.accounts import Account
from wattline_dashboards.language import N_, _

ACCOUNTS = {
    Account.BUSY: N_("busy"),
    Account.SLOWED: N_("slowed"),
    Account.HELD: N_("held"),
    Account.LOST: N_("lost"),
    Account.UNMEASURED: N_("unmeasured"),
    Account.FREE: N_("free"),
    Account.MAINTENANCE: N_("maintenance"),
    Account.DOWN: N_("down"),
    Account.UNOBSERVED: N_("unobserved"),
}
MEANINGS = {
    Account.BUSY: N_("assigned and working"),
    Account.SLOWED: N_(
        "assigned, working, and held back by heat, the power cap or the power brake"
    ),
    Account.HELD: N_("assigned, and no work for longer than the grace time"),
    Account.LOST: N_("worked, and the work was thrown away"),
    Account.UNMEASURED: N_("assigned, and its activity was not measured"),
    Account.FREE: N_("healthy and not assigned"),
    Account.MAINTENANCE: N_("inside a scheduled outage"),
    Account.DOWN: N_("lost or failed, or its node is"),
    Account.UNOBSERVED: N_("no evidence of any kind"),
}
TOKENS = {"trained": N_("trained"), "prompt": N_("prompt"), "generated": N_("generated")}
BOUNDARIES = {
    "gpu": N_("devices only"),
    "module": N_("whole modules"),
    "node": N_("whole nodes"),
    "mixed": N_("whole nodes where metered, else devices"),
}


REGISTERED = {
    "start_up": N_("start-up"),
    "scale_up": N_("scale-up"),
    "sme": N_("SME"),
    "large_industry": N_("large industry"),
    "academia": N_("academia"),
    "public_sector": N_("public sector"),
}
"""User categories, as registers have them."""


def account(which: Account) -> str:
    """An account's name, in running text and beside a bar."""
    return _(ACCOUNTS[which])


def state(which: Account) -> str:
    """What a device in that account is said to be now."""
    return _("silent") if which is Account.UNOBSERVED else account(which)


def meaning(which: Account) -> str:
    """What time on that account was."""
    return _(MEANINGS[which])


def tokens(kind: str) -> str:
    """What a kind of tokens is called."""
    return _(TOKENS[kind])


def boundary(name: str) -> str:
    """What joules were measured around; one nobody declared by its own name."""
    return _(BOUNDARIES[name]) if name in BOUNDARIES else name


def node_overhead() -> str:
    """What nodes used beyond their devices."""
    return _("node overhead")


def registered(word: str) -> str:
    """A word of a register: an access mode, a user category, a sector."""
    return _(REGISTERED[word]) if word in REGISTERED else word.replace("_", " ")
