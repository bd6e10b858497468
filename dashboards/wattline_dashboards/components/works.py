"""The sentence that pages on the present open with: how many devices work, and what is wrong."""

from __future__ import annotations

from wattline_collector.ledger.accounts import WORKING, Account
from wattline_dashboards.components.feeds import count
from wattline_dashboards.language import _, ngettext
from wattline_dashboards.picture import Picture


def sentence(
    installed: float, working: float | None, silent: float, down: float, critical: float | None
) -> str:
    """What a reader came for.

    Args:
        installed: Devices there are.
        working: Of them; None: not known.
        silent: Of whose state nothing is known.
        down: That are lost or failed.
        critical: Critical alerts that fire; None: the page knows of no alerts.
    """
    if not installed:
        return _("No device reports yet")
    said = (
        _("Nobody knows what the devices do")
        if silent >= installed
        else ngettext(
            "{n} of {all} device works", "{n} of {all} devices work", int(installed)
        ).format(n=count(working), all=count(installed))
    )
    more = []
    if silent:
        more.append(_("{n} silent, state unknown").format(n=count(silent)))
    if down:
        more.append(_("{n} down").format(n=count(down)))
    if critical is not None:
        more.append(
            ngettext("{n} critical alert", "{n} critical alerts", int(critical)).format(
                n=count(critical)
            )
            if critical
            else _("no critical alert")
        )
    return "; ".join([said, *more])


def of_picture(picture: Picture) -> str:
    """The sentence of what a picture shows; it tells of no alerts."""
    counts = picture.counts
    return sentence(
        picture.devices.rows,
        sum(counts[account] for account in WORKING),
        counts[Account.UNOBSERVED],
        counts[Account.DOWN],
        None,
    )
