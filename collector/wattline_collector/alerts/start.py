"""What a collector needs for alerts, from what it was told on the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wattline_agents.clock import SystemClock
from wattline_agents.errors import UsageError
from wattline_collector.alerts.read import rules_of
from wattline_collector.alerts.rule import Rule
from wattline_collector.alerts.watch import Alerting, Notifier
from wattline_collector.service import say_to_stderr
from wattline_collector.store import filenames


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways to tell people, as they were given; None: not that way.

    Attributes:
        alertmanager: Address of an Alertmanager.
        webhook: Address that JSON is posted to.
        webhook_secret: Holds the secret it is signed with.
        mail: Address that is written to.
        mail_from: Address that letters are from.
        smtp: HOST:PORT of the mail server.
        smtp_user: Whom to log in there as.
        smtp_password_file: Holds the password.
    """

    alertmanager: str | None = None
    webhook: str | None = None
    webhook_secret: Path | None = None
    mail: str | None = None
    mail_from: str | None = None
    smtp: str | None = None
    smtp_user: str | None = None
    smtp_password_file: Path | None = None


def rules_of_store(store: Path, file: Path | None = None) -> tuple[Rule, ...]:
    """The rules a site judges by: of a file, of `alerts.toml` in its store, or the shipped ones.

    Raises:
        InputError: As `rules_of`.
    """
    kept = store / filenames.ALERT_RULES
    if file is None and kept.exists():
        file = kept
    return rules_of(file)


def alerting(
    store: Path, file: Path | None, ways: Ways, say: Callable[[str], None] = say_to_stderr
) -> Alerting:
    """The rules, and who is told.

    Args:
        store: The store's directory.
        file: The site's rules, where they are not in the store.
        ways: The ways to tell people.
        say: Takes the few lines meant for a person.

    Raises:
        InputError: The file is no file of rules.
        UsageError: A way is none, or lacks its other half.
    """
    for option, value, needs, other in (
        ("--alert-webhook-secret", ways.webhook_secret, "--alert-webhook", ways.webhook),
        ("--alert-mail", ways.mail, "--smtp", ways.smtp),
        ("--smtp", ways.smtp, "--alert-mail", ways.mail),
        ("--alert-mail-from", ways.mail_from, "--alert-mail", ways.mail),
        ("--smtp-user", ways.smtp_user, "--smtp", ways.smtp),
        ("--smtp-password-file", ways.smtp_password_file, "--smtp", ways.smtp),
    ):
        if value is not None and other is None:
            raise UsageError(f"{option} needs {needs}")
    rules = rules_of_store(store, file)
    notifiers: list[Notifier] = []
    if ways.alertmanager is not None:
        from wattline_collector.alerts.notify.alertmanager import Alertmanager

        notifiers.append(Alertmanager(ways.alertmanager, say))
    if ways.webhook is not None:
        from wattline_collector.alerts.notify.webhook import Webhook

        notifiers.append(Webhook(ways.webhook, ways.webhook_secret, SystemClock(), say))
    if ways.mail is not None and ways.smtp is not None:
        from wattline_collector.alerts.notify.mail import Mail, server_of

        server = server_of(ways.smtp, ways.smtp_user, ways.smtp_password_file)
        notifiers.append(Mail(ways.mail, ways.mail_from, server, say))
    return Alerting(rules, tuple(notifiers))
