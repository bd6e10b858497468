"""`wattline challenge`: contests with secret items, committed to first and checked by anybody."""

from __future__ import annotations

import json
import secrets
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattline_agents.command import Command
from wattline_agents.errors import UsageError
from wattline_collector.default_store import HELP, default_store

if TYPE_CHECKING:
    from wattline_reports.challenge.documents import Document, Signer
    from wattline_reports.challenge.verify import Verdict
    from wattline_reports.exchange.keys import Ring

STANDS, SOMEBODY_IS_OUT = 0, 1

_DESCRIPTION = """\
Challenges: the organiser commits to rules and secret items, factories commit to results, all is
shown, and anybody checks it without a network. A challenge is a directory; move it by any means.

the organiser:
  wattline challenge definition time-to-train > spec.toml      then fill in times
  wattline challenge commit spec.toml --items items.json --season spring-2027 \\
      --key organiser.pem --secrets sealed.json
  wattline challenge receive DIR --key organiser.pem           signs what came, and when
  wattline challenge give DIR FACTORY --secrets sealed.json --key organiser.pem --out for-it.json
  wattline challenge reveal DIR --secrets sealed.json --key organiser.pem
  wattline challenge score DIR --key organiser.pem             publishes the scores
a factory:
  wattline challenge enter DIR entry.json --key factory.pem
  wattline challenge submit DIR runs.json --items for-it.json --key factory.pem --secrets mine.json
  wattline challenge reveal DIR --secrets mine.json --key factory.pem
  wattline challenge rerun DIR FACTORY runs.json --key factory.pem    as a second site
anybody:
  wattline challenge verify DIR… --ring keys.json
  wattline challenge score DIR --keep --store STORE            for KPIs C04 and C05

Keys and their ring: `wattline bundle key`. Exit code 1: an entrant is refused; 2: the challenge is,
or the command cannot do what was asked. The last word in brackets says why."""


def _configure(parser: ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")

    def verb(name: str, help: str, *, key: bool = True, directory: bool = True) -> ArgumentParser:
        added = verbs.add_parser(name, help=help, formatter_class=RawDescriptionHelpFormatter)
        if directory:
            added.add_argument("directory", type=Path, metavar="DIR", help="of the challenge")
        if key:
            added.add_argument("--key", type=Path, required=True, metavar="PEM")
        if name != "definition":
            added.add_argument(
                "--ring", type=Path, default=Path("keys.json"), metavar="FILE",
                help="the ring of public keys; default: keys.json",
            )  # fmt: skip
            added.add_argument(
                "--at", metavar="TIME", help="when, as 2027-03-01T12:00Z; default: now"
            )
        return added

    definition = verb("definition", "a ready definition", key=False, directory=False)
    definition.add_argument("name", nargs="?", metavar="NAME")

    commit = verb("commit", "commit to rules and secret items", directory=False)
    commit.add_argument("spec", type=Path, metavar="SPEC", help="TOML")
    commit.add_argument("--items", type=Path, required=True, metavar="FILE", help="JSON")
    commit.add_argument("--season", type=Path, required=True, metavar="DIR")
    _secrets(commit, "where what stays sealed goes")

    enter = verb("enter", "enter, with configuration, container, system and power level")
    enter.add_argument("entry", type=Path, metavar="FILE", help="JSON")

    verb("receive", "sign what came since the last receipt")

    give = verb("give", "the items drawn for one entrant, to send to it alone")
    give.add_argument("factory", metavar="FACTORY")
    _secrets(give, "what `commit` wrote")
    give.add_argument("--out", type=Path, required=True, metavar="FILE")

    submit = verb("submit", "commit to a result")
    submit.add_argument("runs", type=Path, metavar="FILE", help="JSON")
    submit.add_argument("--items", type=Path, required=True, metavar="FILE", help="as given")
    submit.add_argument("--why", metavar="TEXT", help="of a retry; there is one")
    _secrets(submit, "where result and nonce go until the reveal")

    reveal = verb("reveal", "show what was committed to")
    _secrets(reveal, "what `commit` or `submit` wrote")

    rerun = verb("rerun", "hand in another entrant's items as a second site")
    rerun.add_argument("factory", metavar="FACTORY", help="whose items")
    rerun.add_argument("runs", type=Path, metavar="FILE", help="JSON")

    score = verb("score", "what it came to", key=False)
    score.add_argument("--key", type=Path, metavar="PEM", help="the organiser's: publish it")
    score.add_argument("--keep", action="store_true", help="in a store's register of results")
    score.add_argument("--store", type=Path, metavar="DIR", help=HELP)
    score.add_argument("--format", choices=("text", "json"), default="text")

    verify = verb("verify", "check challenges, or whole seasons; no network", key=False,
                  directory=False)  # fmt: skip
    verify.add_argument("directories", nargs="+", type=Path, metavar="DIR")
    verify.add_argument("--format", choices=("text", "json"), default="text")


def _secrets(parser: ArgumentParser, help: str) -> None:
    parser.add_argument("--secrets", type=Path, required=True, metavar="FILE", help=help)


def _run(arguments: Namespace) -> int:
    work = {
        "definition": _definition, "commit": _commit, "enter": _enter, "receive": _receive,
        "give": _give, "submit": _submit, "reveal": _reveal, "rerun": _rerun, "score": _score,
        "verify": _verify,
    }.get(arguments.verb)  # fmt: skip
    if work is None:
        raise UsageError("what of a challenge? `wattline challenge --help` shows what there is")
    return work(arguments)


def _definition(arguments: Namespace) -> int:
    from wattline_reports.challenge import spec

    print("\n".join(spec.names()) if arguments.name is None else spec.text(arguments.name), end="")
    if arguments.name is None:
        print()
    return STANDS


def _commit(arguments: Namespace) -> int:
    from wattline_reports.challenge import files, play, spec
    from wattline_reports.exchange import canonical
    from wattline_reports.exchange.keys import ORGANISER

    by = _signer(arguments, ORGANISER)
    made, kept = play.commit(
        arguments.season.resolve().name,
        spec.read(arguments.spec),
        spec.read_json(arguments.items, "items"),
        by,
        _now(arguments),
        secrets.token_bytes,
    )
    # The secret first: a commitment that cannot be opened is worse than none.
    files.write_secret(arguments.secrets, canonical.dumps(kept))
    path = files.add(arguments.season / made.place.challenge, made)
    print(f"{arguments.secrets}: specification, items and nonces; keep a copy, show it to nobody")
    print(f"{path}: publish it; its digest is {made.digest}")
    return STANDS


def _enter(arguments: Namespace) -> int:
    from wattline_reports.challenge import files, play, spec
    from wattline_reports.exchange.keys import FACTORY

    by = _signer(arguments, FACTORY)
    told = files.read(arguments.directory)
    commit = play.commitment_of(told, _ring(arguments), arguments.directory / files.COMMIT)
    made = play.enter(commit, spec.read_json(arguments.entry, "entry_file"), by, _now(arguments))
    return _added(arguments, made)


def _receive(arguments: Namespace) -> int:
    from wattline_reports.challenge import files, play
    from wattline_reports.challenge.verify import contest_of
    from wattline_reports.exchange.keys import ORGANISER

    by, now = _signer(arguments, ORGANISER), _now(arguments)
    contest = contest_of(
        files.read(arguments.directory), _ring(arguments), now, arguments.directory
    )
    made, refusals = play.receive(contest, by, now)
    for refused in refusals:
        print(f"left out: {refused}")
    if made is None:
        print("nothing new came")
    else:
        _added(arguments, made)
        for item in made.body["received"]:
            print(f"  {item['file']}")
    return SOMEBODY_IS_OUT if refusals else STANDS


def _give(arguments: Namespace) -> int:
    from wattline_reports.challenge import files, play, spec
    from wattline_reports.exchange.keys import ORGANISER

    by, now = _signer(arguments, ORGANISER), _now(arguments)
    kept = spec.read_json(arguments.secrets, "organiser_secrets")
    made = play.give(_verdict(arguments, now), arguments.factory, kept, by, now)
    files.write_secret(arguments.out, made.to_bytes())
    print(f"{arguments.out}: {len(made.body['items'])} items, for {arguments.factory} alone")
    return STANDS


def _submit(arguments: Namespace) -> int:
    from wattline_reports.challenge import documents, files, play, spec
    from wattline_reports.exchange import canonical
    from wattline_reports.exchange.keys import FACTORY

    by, now = _signer(arguments, FACTORY), _now(arguments)
    verdict = _verdict(arguments, now)
    given = documents.parse(
        files.read_bounded(arguments.items), documents.Kind.GIVEN, arguments.items
    )
    documents.verify(
        given, _ring(arguments), arguments.items, place=verdict.commit.place,
        author=verdict.commit.author,
    )  # fmt: skip
    told = spec.read_json(arguments.runs, "runs")["runs"]
    made, kept = play.submit(verdict, given, told, by, now, secrets.token_bytes, arguments.why)
    files.write_secret(arguments.secrets, canonical.dumps(kept))
    print(f"{arguments.secrets}: result and nonce; keep a copy, show it to nobody until the reveal")
    return _added(arguments, made)


def _reveal(arguments: Namespace) -> int:
    from wattline_reports.challenge import play, spec
    from wattline_reports.exchange.keys import FACTORY, ORGANISER

    by, now = _signer(arguments, None), _now(arguments)
    verdict = _verdict(arguments, now)
    if _role(arguments) == ORGANISER:
        kept = spec.read_json(arguments.secrets, "organiser_secrets")
        return _added(arguments, play.open(verdict, kept, by, now))
    if _role(arguments) != FACTORY:
        raise UsageError("only factories and the organiser have something to reveal")
    kept = spec.read_json(arguments.secrets, "entrant_secrets")
    return _added(arguments, play.reveal(verdict.commit, kept, by, now))


def _rerun(arguments: Namespace) -> int:
    from wattline_reports.challenge import play, spec
    from wattline_reports.exchange.keys import FACTORY

    by, now = _signer(arguments, FACTORY), _now(arguments)
    told = spec.read_json(arguments.runs, "rerun_file")
    return _added(arguments, play.rerun(_verdict(arguments, now), arguments.factory, told, by, now))


def _score(arguments: Namespace) -> int:
    from wattline_reports.challenge import play
    from wattline_reports.exchange.keys import ORGANISER

    if arguments.store is not None and not arguments.keep:
        raise UsageError("--store goes with --keep")
    now = _now(arguments)
    verdict = _verdict(arguments, now)
    _print(arguments, [verdict])
    if arguments.key is not None:
        _added(arguments, play.publish(verdict, _signer(arguments, ORGANISER), now), quiet=True)
    if arguments.keep:
        _keep(arguments, verdict)
    return _exit(verdict)


def _keep(arguments: Namespace, verdict: Verdict) -> None:
    from wattline_agents.clock import SystemClock
    from wattline_collector.registers import kept
    from wattline_collector.registers.schema import RESULTS
    from wattline_reports.challenge import keeping

    rows = keeping.rows(verdict)
    store = arguments.store or default_store()
    kept.made(store)
    merged = kept.update(
        store, RESULTS, keeping.frame(rows), origin=keeping.ORIGIN,
        source=f"sha256:{verdict.commit.digest[:16]}", now_ms=SystemClock().unix_ms(),
    )  # fmt: skip
    if arguments.format == "text":
        changes = f"{merged.added:,} new, {merged.replaced:,} changed"
        print(f"Kept in the register of results of {store}: {changes}.")


def _verify(arguments: Namespace) -> int:
    from wattline_reports.challenge import files
    from wattline_reports.challenge.season import distinct

    now, found = _now(arguments), []
    for directory in arguments.directories:
        for challenge in files.challenges(directory):
            found.append((challenge, _verdict_of(challenge, _ring(arguments), now)))
    distinct(found)
    _print(arguments, [verdict for _, verdict in found])
    return max((_exit(verdict) for _, verdict in found), default=STANDS)


def _print(arguments: Namespace, verdicts: list[Verdict]) -> None:
    from wattline_reports.challenge.page import page
    from wattline_reports.challenge.verify import scores_of

    if arguments.format == "text":
        print("\n\n".join(page(verdict) for verdict in verdicts))
        return
    told: list[dict[str, Any]] = [
        {
            "season": verdict.commit.place.season,
            "challenge": verdict.rules.id,
            "opened": verdict.is_opened,
            "published": verdict.scores is not None,
            **scores_of(verdict),
        }
        for verdict in verdicts
    ]
    print(json.dumps(told, indent=1, allow_nan=False))


def _exit(verdict: Verdict) -> int:
    out = any(one.refused is not None for one in verdict.entrants.values())
    return SOMEBODY_IS_OUT if out else STANDS


def _verdict(arguments: Namespace, now: datetime) -> Verdict:
    return _verdict_of(arguments.directory, _ring(arguments), now)


def _verdict_of(directory: Path, ring: Ring, now: datetime) -> Verdict:
    from wattline_reports.challenge import files
    from wattline_reports.challenge.verify import verify

    return verify(files.read(directory), ring, now, directory)


def _added(arguments: Namespace, made: Document, *, quiet: bool = False) -> int:
    from wattline_reports.challenge import files

    path = files.add(arguments.directory, made)
    if not quiet:
        print(f"{path}: written; send it to the others")
    return STANDS


def _signer(arguments: Namespace, role: str | None) -> Signer:
    """Whose key it is, by the ring.

    Raises:
        UsageError: The ring does not hold it, or in another role.
    """
    from wattline_reports.challenge.documents import Signer
    from wattline_reports.exchange import keys

    private = keys.read_private(arguments.key)
    key = _ring(arguments).get(keys.id_of(private.public_key()))
    if key is None:
        raise UsageError(f"{arguments.ring} does not hold the key of {arguments.key}")
    if role is not None and key.role != role:
        raise UsageError(f"{arguments.key} is a key of {key.owner} as {key.role}, not as {role}")
    return Signer(key.owner, private)


def _role(arguments: Namespace) -> str:
    from wattline_reports.exchange import keys

    private = keys.read_private(arguments.key)
    return _ring(arguments)[keys.id_of(private.public_key())].role


def _ring(arguments: Namespace) -> Ring:
    from wattline_reports.exchange import keys

    if not arguments.ring.exists():
        raise UsageError(
            f"there is no ring of public keys at {arguments.ring}: the organiser gives it out; "
            "--ring FILE says where it is"
        )
    return keys.read_ring(arguments.ring)


def _now(arguments: Namespace) -> datetime:
    from wattline_collector.kpi.period import parse_time

    if arguments.at is None:
        return datetime.now(UTC).replace(microsecond=0)
    return parse_time(arguments.at, "--at")


COMMAND = Command(
    "challenge",
    "contests between factories: commit, enter, submit, reveal, score, verify",
    _DESCRIPTION,
    _configure,
    _run,
)
