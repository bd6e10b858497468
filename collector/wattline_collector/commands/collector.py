"""`wattline collector`: takes batches in, keeps them, books them, and answers for them."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_agents.command import Command
from wattline_agents.errors import UsageError

if TYPE_CHECKING:
    from wattline_collector.alerts.watch import Alerting
    from wattline_collector.follow import Follower

_DESCRIPTION = """\
Takes in what agents send, keeps it in a directory, books it to the ledger, and answers for pages,
reports and other programs over HTTP.

Who sends or reads needs a token: STORE/tokens/write and STORE/tokens/read, made at the first start
and readable by their owner alone.

Examples:
  wattline collector --store /var/lib/wattline
  wattline collector --store ./store --listen 0.0.0.0:8600
  wattline collector --store ./store --projects-url https://portal.example/projects
  wattline collector --store ./store --slurm --slurm-system jupiter
  wattline collector --store ./store --kubernetes in-cluster --kubernetes-system ai-cluster
  wattline collector --store ./store --alertmanager http://127.0.0.1:9093
  curl -H "Authorization: Bearer $(cat ./store/tokens/read)" http://127.0.0.1:8600/v1/latest
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--store", type=Path, required=True, metavar="DIR", help="the store's directory"
    )
    parser.add_argument(
        "--listen",
        default="127.0.0.1:8600",
        metavar="HOST:PORT",
        help="where to answer; port 0 takes a free one (%(default)s)",
    )
    parser.add_argument(
        "--book-every",
        type=_seconds,
        default=15.0,
        metavar="SECONDS",
        help="how often the books are brought up to date (%(default)g)",
    )
    parser.add_argument(
        "--seal-every",
        type=_seconds,
        default=600.0,
        metavar="SECONDS",
        help="how often the log is turned into segments (%(default)g)",
    )
    parser.add_argument(
        "--settle",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="how old readings must be to be booked (%(default)g)",
    )
    parser.add_argument(
        "--bundles", type=Path, metavar="DIR",
        help="bundles of factories, with the ring keys.json (default: bundles in the store)",
    )  # fmt: skip
    slurm = parser.add_argument_group("jobs and nodes, asked for at Slurm")
    slurm.add_argument(
        "--slurm", action="store_true", help="ask by the commands sacct, scontrol and sacctmgr"
    )
    slurm.add_argument(
        "--slurm-rest", metavar="URL", help="ask slurmrestd at http(s)://HOST:PORT or unix:/PATH"
    )
    slurm.add_argument(
        "--slurm-token-file", type=Path, metavar="FILE", help="holds slurmrestd's token"
    )
    slurm.add_argument(
        "--slurm-user", metavar="NAME", help="whose token it is, if it does not say so itself"
    )
    slurm.add_argument(
        "--slurm-system", type=_system, metavar="NAME",
        help="the system its nodes belong to, as their agents call it",
    )  # fmt: skip
    slurm.add_argument(
        "--slurm-every",
        type=_seconds,
        default=30.0,
        metavar="SECONDS",
        help="how often it is asked (%(default)g)",
    )
    kubernetes = parser.add_argument_group("pods and nodes, asked for at Kubernetes")
    kubernetes.add_argument(
        "--kubernetes",
        metavar="URL",
        help="the API server's address, or in-cluster from inside of a pod",
    )
    kubernetes.add_argument(
        "--kubernetes-token-file", type=Path, metavar="FILE", help="holds a token to send along"
    )
    kubernetes.add_argument(
        "--kubernetes-ca-file",
        type=Path,
        metavar="FILE",
        help="certificates to trust, if not the system's",
    )
    kubernetes.add_argument(
        "--kubernetes-system", type=_system, metavar="NAME",
        help="the system its nodes belong to, as their agents call it",
    )  # fmt: skip
    kubernetes.add_argument(
        "--kubernetes-project-label",
        default="project",
        metavar="LABEL",
        help="the label that names a pod's project (%(default)s)",
    )
    projects = parser.add_argument_group("projects, asked for at a program of the site")
    projects.add_argument("--projects-url", metavar="URL", help="answers a JSON list of projects")
    projects.add_argument(
        "--projects-token-file", type=Path, metavar="FILE", help="holds a token to send along"
    )
    projects.add_argument(
        "--projects-every",
        type=_seconds,
        default=3600.0,
        metavar="SECONDS",
        help="how often it is asked (%(default)g)",
    )
    alerts = parser.add_argument_group("alerts for operators (see `wattline alerts`)")
    alerts.add_argument(
        "--alerts",
        action=BooleanOptionalAction,
        default=True,
        help="judge rules of alerts every 15 seconds",
    )
    alerts.add_argument(
        "--alert-rules",
        type=Path,
        metavar="FILE",
        help="the site's rules (STORE/alerts.toml, where there is one)",
    )
    alerts.add_argument("--alertmanager", metavar="URL", help="tell this Prometheus Alertmanager")
    alerts.add_argument("--alert-webhook", metavar="URL", help="post JSON there")
    alerts.add_argument(
        "--alert-webhook-secret", type=Path, metavar="FILE", help="holds what it is signed with"
    )
    alerts.add_argument("--alert-mail", metavar="ADDRESS", help="write e-mail there")
    alerts.add_argument(
        "--alert-mail-from", metavar="ADDRESS", help="as whom (as the one written to)"
    )
    alerts.add_argument("--smtp", metavar="HOST:PORT", help="who takes the e-mail")
    alerts.add_argument("--smtp-user", metavar="NAME", help="whom to log in there as")
    alerts.add_argument(
        "--smtp-password-file", type=Path, metavar="FILE", help="holds the password for it"
    )


def _system(text: str) -> str:
    from wattline_collector.imports.format import plain_name

    return plain_name(text)


def _seconds(text: str) -> float:
    seconds = float(text)  # argparse turns a ValueError into its own message
    if not 0 <= seconds <= 86_400:
        raise ValueError
    return seconds


def _run(arguments: Namespace) -> int:
    from wattline_collector.config import Settings, parse_listen
    from wattline_collector.server import serve

    host, port = parse_listen(arguments.listen)
    if not arguments.book_every or not arguments.seal_every:
        raise UsageError("--book-every and --seal-every must be more than nought")
    return serve(
        Settings(
            store=arguments.store,
            host=host,
            port=port,
            book_every_seconds=arguments.book_every,
            seal_every_seconds=arguments.seal_every,
            settle_seconds=arguments.settle,
            bundles=arguments.bundles,
        ),
        _followers(arguments),
        _alerting(arguments),
    )


def _alerting(arguments: Namespace) -> Alerting | None:
    """What is judged and who is told; None where alerts are off."""
    if not arguments.alerts:
        return None
    from wattline_collector.alerts.start import Ways, alerting

    return alerting(
        arguments.store,
        arguments.alert_rules,
        Ways(
            alertmanager=arguments.alertmanager,
            webhook=arguments.alert_webhook,
            webhook_secret=arguments.alert_webhook_secret,
            mail=arguments.alert_mail,
            mail_from=arguments.alert_mail_from,
            smtp=arguments.smtp,
            smtp_user=arguments.smtp_user,
            smtp_password_file=arguments.smtp_password_file,
        ),
    )


def _slurm(arguments: Namespace) -> Follower:
    import os

    from wattline_agents.clock import SystemClock
    from wattline_collector.jobs import commands, rest
    from wattline_collector.jobs.asking import Scheduler
    from wattline_collector.jobs.follow import SlurmFollower

    if arguments.slurm and arguments.slurm_rest is not None:
        raise UsageError("--slurm and --slurm-rest are two ways to ask one Slurm: choose one")
    if arguments.slurm_system is None:
        raise UsageError("--slurm-system NAME is needed: which system do Slurm's nodes belong to?")
    if arguments.slurm_every < 5:
        raise UsageError("--slurm-every: at least 5 seconds, for Slurm's sake")
    scheduler: Scheduler
    if arguments.slurm:
        commands.check(os.environ)
        scheduler = commands.Commands(dict(os.environ))
    else:
        place = rest.Place(arguments.slurm_rest, arguments.slurm_token_file, arguments.slurm_user)
        place.check()
        scheduler = rest.Rest(place.get)
    return SlurmFollower(
        scheduler, arguments.slurm_system, SystemClock(), pause_seconds=arguments.slurm_every
    )


def _kubernetes(arguments: Namespace) -> Follower:
    from wattline_agents.clock import SystemClock
    from wattline_collector.jobs import kube_api
    from wattline_collector.jobs.kube_pods import Settings
    from wattline_collector.jobs.kubernetes import KubernetesFollower

    if arguments.kubernetes_system is None:
        raise UsageError("--kubernetes-system NAME is needed: which system do its nodes belong to?")
    place = kube_api.place_of(
        arguments.kubernetes, arguments.kubernetes_token_file, arguments.kubernetes_ca_file
    )
    return KubernetesFollower(
        kube_api.fetch_from(place),
        arguments.kubernetes_system,
        SystemClock(),
        Settings(arguments.kubernetes_project_label),
    )


def _followers(arguments: Namespace) -> list[Follower]:
    """What is asked again and again beside the requests."""
    from wattline_agents.clock import SystemClock
    from wattline_collector.service import say_to_stderr

    followers: list[Follower] = []
    if arguments.slurm or arguments.slurm_rest is not None:
        followers.append(_slurm(arguments))
    if arguments.kubernetes is not None:
        followers.append(_kubernetes(arguments))
    if arguments.projects_url is not None:
        from wattline_collector.fetch import Place
        from wattline_collector.registers.hook import LEAST_SECONDS, ProjectsFollower

        place = Place(arguments.projects_url, arguments.projects_token_file)
        place.check("--projects-url", "--projects-token-file")
        if arguments.projects_every < LEAST_SECONDS:
            raise UsageError(f"--projects-every: at least {LEAST_SECONDS:g} seconds")
        followers.append(
            ProjectsFollower(
                arguments.store, place, arguments.projects_every, SystemClock(), say_to_stderr
            )
        )
    return followers


COMMAND = Command(
    name="collector",
    help="take in, keep, book and answer",
    description=_DESCRIPTION,
    configure=_configure,
    run=_run,
)
