"""A signed page on what jobs used and made, for access proposals and for the AI Act."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from wattline_reports.kinds import Kind, Of, Option

if TYPE_CHECKING:
    from wattline_reports.asked import Asked
    from wattline_reports.document import Report


def _build(asked: Asked) -> Report:
    from wattline_reports.certificate.whole import of

    return of(asked)


def _instead(of: tuple[str, ...], options: Mapping[str, str]) -> int | None:
    if not options["verify"]:
        return None
    from wattline_reports.certificate.check import run

    return run(of, options)


KIND = Kind(
    name="certificate",
    title="Certificate of use and efficiency",
    help="one signed page on what a project or jobs used and made; --verify checks one",
    description=(
        "One page on what a project, or --jobs of it, used and made, with the statement of\n"
        "compute and energy that Annex XI of the AI Act asks for. With --key its JSON is signed\n"
        "with the site's Ed25519 key; --verify FILE checks that JSON without a store and without\n"
        "network."
    ),
    build=_build,
    of=Of("PROJECT", "the project's id, or --jobs", least=0),
    options=(
        Option("--jobs", "of these jobs alone, separated by commas", "IDS"),
        Option("--key", "sign with this private key (`wattline bundle key new` makes one)", "PEM"),
        Option("--signed-on", "the day of the signature; default: today (UTC)", "DAY"),
        Option("--verify", "check this certificate in place of making one", "FILE"),
        Option("--ring", "the ring of public keys to check with", "FILE", default="keys.json"),
    ),
    template="certificate",
    css=("report.css", "certificate.css"),
    instead=_instead,
)
