"""`wattline bundle`: the signed file of sums that a factory lets out, and what a reader checks."""

from __future__ import annotations

import json
import os
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattline_agents.command import Command
from wattline_agents.errors import InputError, UsageError
from wattline_collector.default_store import HELP, default_store
from wattline_reports import waiting

if TYPE_CHECKING:
    from wattline_reports.exchange.bundle import Bundle
    from wattline_reports.exchange.keys import Ring
    from wattline_reports.exchange.merge import Merged

_DESCRIPTION = """\
Make, check and compare bundles: signed files of sums, without data of persons, jobs or nodes.

a factory:
  wattline bundle key new --owner it4lia --key factory.pem --ring keys.json
  wattline bundle export --store DIR --period 2026-Q4 --key factory.pem --out out
                              --earlier DIR: bundles sent before, to follow them and to tell no
                              more together with them than alone
a reader, without network and without a store:
  wattline bundle verify FILE… --ring keys.json
  wattline bundle show FILE
  wattline bundle merge FILE… --ring keys.json      several factories as one, ratios from sums
  wattline bundle diff FILE FILE                    what a revision changed
an auditor:
  wattline bundle sign FILE --key auditor.pem --role auditor
keys:
  wattline bundle key rotate --key old.pem --new new.pem --ring keys.json
  wattline bundle key revoke ID --key PEM --reason compromised --ring keys.json
  wattline bundle schema manifest                   the JSON Schema of a file of a bundle

Exit code 0: all is well; 2: refused, and the last word in brackets says why."""

DEFAULT_RING = Path("keys.json")
_OWNER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def _configure(parser: ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    export = verbs.add_parser("export", help="make a bundle of a store's books, and sign it")
    export.add_argument("--store", type=Path, metavar="DIR", help=HELP)
    export.add_argument("--period", required=True, metavar="PERIOD", help="2026, 2026-Q4, 2026-11")
    export.add_argument("--kind", default="coordination-review", metavar="KIND")
    export.add_argument("--key", type=Path, required=True, metavar="PEM", help="the private key")
    export.add_argument("--out", type=Path, default=Path("out"), metavar="DIR")
    export.add_argument("--earlier", type=Path, metavar="DIR", help="bundles that were sent before")
    export.add_argument("--public", action="store_true", help="anybody may have it")
    export.add_argument(
        "--credential", action="store_true",
        help="add vc.jwt, a W3C verifiable credential of the same key",
    )  # fmt: skip
    export.add_argument(
        "--issuer", default="", metavar="DID",
        help="its issuer, did:web:example.org; default: the key itself as did:key",
    )  # fmt: skip

    verify = verbs.add_parser("verify", help="check bundles with public keys; no network")
    _files(verify)
    _ring(verify)
    verify.add_argument("--earlier", type=Path, metavar="DIR", help="bundles taken before")
    verify.add_argument("--period", metavar="PERIOD", help="the period it must be of")
    verify.add_argument("--signatures", type=int, default=1, metavar="N", help="fewest signatures")
    verify.add_argument(
        "--role", action="append", metavar="ROLE", help="must have signed; default: factory"
    )
    verify.add_argument("--format", choices=("text", "json"), default="text")

    show = verbs.add_parser("show", help="what stands in a bundle, checked or not")
    _files(show)

    merge = verbs.add_parser("merge", help="several factories as one")
    _files(merge)
    _ring(merge)
    merge.add_argument("--format", choices=("text", "json"), default="text")

    diff = verbs.add_parser("diff", help="what two bundles say differently")
    diff.add_argument("before", type=Path)
    diff.add_argument("after", type=Path)

    sign = verbs.add_parser("sign", help="add a signature; writes the file anew")
    sign.add_argument("file", type=Path)
    sign.add_argument("--key", type=Path, required=True, metavar="PEM")
    sign.add_argument("--role", default="auditor", metavar="ROLE")

    schema = verbs.add_parser("schema", help="the JSON Schema of a file of a bundle")
    schema.add_argument("name", nargs="?")

    _configure_keys(verbs.add_parser("key", help="make, rotate and revoke keys"))


def _configure_keys(parser: ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="key_verb", metavar="VERB")
    new = verbs.add_parser("new", help="make a key and put its public half into a ring")
    new.add_argument("--owner", required=True, metavar="ID", help="the factory's id")
    new.add_argument("--role", default="factory", metavar="ROLE")
    new.add_argument("--key", type=Path, required=True, metavar="PEM", help="where it goes")
    _life(new)
    _ring(new)
    rotate = verbs.add_parser("rotate", help="make the next key; the present one vouches for it")
    rotate.add_argument("--key", type=Path, required=True, metavar="PEM", help="the present key")
    rotate.add_argument(
        "--new", type=Path, required=True, metavar="PEM", help="where the next goes"
    )
    _life(rotate)
    _ring(rotate)
    vouch = verbs.add_parser("vouch", help="vouch for a key, and put it into the ring")
    vouch.add_argument("id", help="of the key that is vouched for")
    vouch.add_argument(
        "--key", type=Path, required=True, metavar="PEM", help="an organiser's, or its owner's"
    )
    vouch.add_argument(
        "--of", type=Path, metavar="FILE", help="the ring that holds it; default: the ring itself"
    )
    _ring(vouch)
    revoke = verbs.add_parser("revoke", help="say that a key holds no longer")
    revoke.add_argument("id", help="of the key that is revoked")
    revoke.add_argument(
        "--key", type=Path, required=True, metavar="PEM",
        help="the key itself, another of its owner, or an organiser's",
    )  # fmt: skip
    revoke.add_argument("--reason", required=True, metavar="WORD")
    revoke.add_argument("--on", type=_day, metavar="DAY", help="from when on; default: today")
    _ring(revoke)
    _ring(verbs.add_parser("list", help="the keys of a ring"))


def _files(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")


def _ring(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--ring", type=Path, default=DEFAULT_RING, metavar="FILE",
        help="the ring of public keys; default: keys.json",
    )  # fmt: skip


def _life(parser: ArgumentParser) -> None:
    parser.add_argument("--from", dest="start", type=_day, metavar="DAY", help="default: today")
    parser.add_argument("--until", type=_day, metavar="DAY", help="default: three years on")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text[:20]!r} is no day; write 2026-11-21") from error


def _today() -> date:
    return datetime.now(UTC).date()


def _run(arguments: Namespace) -> int:
    work = {
        "export": _export,
        "verify": _verify,
        "show": _show,
        "merge": _merge,
        "diff": _diff,
        "sign": _sign,
        "schema": _schema,
        "key": _key,
    }.get(arguments.verb)
    if work is None:
        raise UsageError("what of a bundle? `wattline bundle --help` shows what there is")
    return work(arguments)


# Bundles


def _export(arguments: Namespace) -> int:
    from wattline_reports.exchange import export, keys
    from wattline_reports.period import parse_period

    private = keys.read_private(arguments.key)
    if arguments.issuer and not arguments.credential:
        raise UsageError("--issuer is of a credential: give --credential too")
    store: Path = arguments.store or default_store()
    period = parse_period(arguments.period)
    if period.end > datetime.now(UTC):
        raise UsageError(f"--period {arguments.period} is not over: a bundle is of what was")
    with waiting.said("bundle", "auditing the books, computing figures, hiding cells"):
        made = export.of_store(
            store,
            period,
            arguments.kind,
            earlier=_earlier(arguments.earlier),
            public=arguments.public,
            progress=waiting.counted("bundle", "hours audited"),
        ).signed(private, keys.FACTORY, _today())
    if arguments.credential:
        made = made.credited(private, _today(), arguments.issuer)
    told = made.manifest
    name = f"{told.factory}_{arguments.period}_{told.revision}.aifb.zip"
    path = arguments.out / name.replace("/", "-")
    data = made.to_bytes()
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        is_another = path.exists() and path.read_bytes() != data
    except OSError as error:
        raise InputError(error.strerror or "cannot be written", path=arguments.out) from error
    if is_another:
        raise InputError(
            "there is another bundle of this name, which may have been sent; with --earlier "
            f"{arguments.out} this one becomes its next revision",
            path=path,
        )
    _replace(path, data)
    print(path)
    return 0


def _verify(arguments: Namespace) -> int:
    from wattline_reports.exchange import bundle, dictionary
    from wattline_reports.exchange.verify import verify
    from wattline_reports.period import parse_period

    ring = _read_ring(arguments.ring)
    earlier = _earlier(arguments.earlier)
    told = []
    for path in arguments.files:
        one = bundle.read(path)
        found = verify(
            one,
            ring,
            dictionary.accepted(),
            earlier=[other for other in earlier if other.manifest.digest != one.manifest.digest],
            needed=arguments.signatures,
            roles=tuple(arguments.role or ("factory",)),
            period=None if arguments.period is None else parse_period(arguments.period),
        )
        signers = [f"{key.owner} ({key.role}, {key.id})" for key in found.keys]
        told.append(
            {
                "file": str(path),
                "digest": one.manifest.digest,
                "signers": signers,
                "chained": found.chained,
            }
        )
        if arguments.format == "text":
            print(f"{path}: verified\n{_said(one)}")
            print(f"  signed by   {', '.join(signers)}")
            follows = "the bundle before it" if found.chained else "not checked: no --earlier"
            print(f"  follows     {follows}")
    if arguments.format == "json":
        print(json.dumps(told, indent=1))
    return 0


def _show(arguments: Namespace) -> int:
    from wattline_reports.exchange import bundle

    for path in arguments.files:
        one = bundle.read(path)
        print(f"{path}: whole; `wattline bundle verify` checks who signed it\n{_said(one)}")
        for figure in one.figures:
            dims = " ".join(figure["dims"].values())
            shown = "–" if figure["value"] is None else f"{figure['value']:,.6g}"  # noqa: RUF001
            print(
                f"  {figure['id']:<8}{dims:<24}{shown:>14} {figure['unit']:<12}{figure['status']}"
            )
        for line in _declared(one):
            print(line)
        for name, cells in sorted(one.cubes.items()):
            hidden = sum(row is None for row in cells.values())
            print(f"  {name}: {len(cells)} cells, {hidden} of them hidden")
    return 0


def _declared(one: Bundle) -> Iterator[str]:
    """Systems, the yearly return, factors and the credential, a line each."""
    from wattline_reports.exchange import credential

    for system in () if one.profile is None else one.profile["systems"]:
        devices = ", ".join(f"{told['count']:,} {told['model']}" for told in system["devices"])
        yield f"  system {system['id']}: {devices or 'its devices are not told'}"
    if one.eed is not None:
        told = one.eed["completeness"]
        yield (
            f"  return of {one.eed['year']} ({one.eed['schema']}): {told['valid']} of "
            f"{told['required']} fields"
        )
    for row in one.factors or ():
        of = " ".join(filter(None, (row.role, row.system, row.zone, row.year)))
        yield f"  factor {of}: {row.grams_per_kwh:g} g/kWh CO2e, {row.source or row.method}"
    if one.credential is not None:
        yield f"  credential of {credential.issuer_of(one.credential, one.path)}"


def _said(one: Bundle) -> str:
    told = one.manifest
    ends = told.period.to_json()
    balance = "balance" if told.books.balanced else "DO NOT BALANCE"
    return "\n".join(
        [
            f"  factory     {told.factory} ({told.country}), {told.kind}",
            f"  period      {ends['from']} to {ends['to']}, revision {told.revision}",
            f"  books       {balance}, {told.books.checked_hours:,} hours checked",
            f"  digest      {told.digest}",
        ]
    )


def _merge(arguments: Namespace) -> int:
    from wattline_reports.exchange import bundle, dictionary
    from wattline_reports.exchange.merge import merge
    from wattline_reports.exchange.verify import verify

    ring = _read_ring(arguments.ring)
    bundles = [bundle.read(path) for path in arguments.files]
    for one in bundles:
        verify(one, ring, dictionary.accepted())
    merged = merge(bundles)
    if arguments.format == "json":
        print(json.dumps(_merged(merged), indent=1, allow_nan=False))
        return 0
    print(f"{len(merged.factories)} factories: {', '.join(merged.factories)}")
    for figure in merged.figures:
        dims = " ".join(figure["dims"].values())
        shown = "–" if figure["value"] is None else f"{figure['value']:,.6g}"  # noqa: RUF001
        print(
            f"  {figure['id']:<8}{dims:<24}{shown:>14} {figure['unit']:<12}"
            f"{figure['factories']} of {figure['of']}"
        )
    for found in merged.mismatches:
        print(
            f"  mismatch: {found.kind} in {found.unit}: {found.first} says "
            f"{_says(found.first_says)}, {found.second} says {_says(found.second_says)}"
        )
    return 0


def _says(amount: float | None) -> str:
    return "nothing" if amount is None else f"{amount:,.6g}"


def _merged(merged: Merged) -> dict[str, Any]:
    return {
        "factories": list(merged.factories),
        "figures": [dict(figure) for figure in merged.figures],
        "cubes": {
            name: [
                {"key": list(key), "values": None if row is None else list(row)}
                for key, row in cells.items()
            ]
            for name, cells in merged.cubes.items()
        },
        "exchanges": [one.to_json() for one in merged.exchanges],
        "mismatches": [one.to_json() for one in merged.mismatches],
    }


def _diff(arguments: Namespace) -> int:
    from wattline_reports.exchange import bundle
    from wattline_reports.exchange.diff import diff

    changes = diff(bundle.read(arguments.before), bundle.read(arguments.after))
    for change in changes:
        print(f"{change.where}\n  before  {change.before}\n  after   {change.after}")
    if not changes:
        print("they say the same")
    return 0


def _sign(arguments: Namespace) -> int:
    from wattline_reports.exchange import bundle, keys

    if arguments.role not in keys.ROLES:
        raise UsageError(f"--role {arguments.role[:20]!r}: there are {', '.join(keys.ROLES)}")
    one = bundle.read(arguments.file)
    private = keys.read_private(arguments.key)
    _replace(arguments.file, one.signed(private, arguments.role, _today()).to_bytes())
    print(f"{arguments.file}: signed as {arguments.role} by {keys.id_of(private.public_key())}")
    return 0


def _schema(arguments: Namespace) -> int:
    from wattline_reports.exchange import checked

    if arguments.name not in checked.NAMES:
        raise UsageError(f"which schema? there are {', '.join(checked.NAMES)}")
    print(json.dumps(checked.schema(arguments.name), indent=2))
    return 0


def _earlier(directory: Path | None) -> Sequence[Bundle]:
    from wattline_reports.exchange import bundle

    if directory is None:
        return []
    if not directory.is_dir():
        raise UsageError(f"--earlier {directory}: no such directory")
    return [bundle.read(path) for path in sorted(directory.glob("*.aifb.zip"))]


def _replace(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    except OSError as error:
        raise InputError(error.strerror or "cannot be written", path=path) from error


# Keys


def _key(arguments: Namespace) -> int:
    work = {
        "new": _new, "rotate": _rotate, "vouch": _vouch, "revoke": _revoke, "list": _list,
    }.get(arguments.key_verb)  # fmt: skip
    if work is None:
        raise UsageError(
            "what of keys? new, rotate, vouch, revoke, list: `wattline bundle key --help`"
        )
    return work(arguments)


def _new(arguments: Namespace) -> int:
    from wattline_reports.exchange import keys

    if _OWNER.fullmatch(arguments.owner) is None:
        raise UsageError(
            f"--owner {arguments.owner[:20]!r}: lower-case letters, digits and dashes, as in "
            "`wattline profile factories`"
        )
    if arguments.role not in keys.ROLES:
        raise UsageError(f"--role {arguments.role[:20]!r}: there are {', '.join(keys.ROLES)}")
    owner = arguments.owner
    private = keys.new_private()
    start, until = _from_until(arguments)
    key = keys.public_key(private, owner, arguments.role, start, until)
    ring = _ring_or_none(arguments.ring)
    # Proved before anything is written: a key that the ring will not take is no use to anybody.
    grown = keys.ring_of(ring, key)
    keys.write_private(private, arguments.key)
    keys.write_ring(grown, arguments.ring)
    print(f"{arguments.key}: the private key; keep a copy offline and let nobody read it")
    print(
        f"{arguments.ring}: {owner} signs with {key.id} from {start} to {until}; give it to readers"
    )
    return 0


def _rotate(arguments: Namespace) -> int:
    from wattline_reports.exchange import keys

    present = keys.read_private(arguments.key)
    ring = _read_ring(arguments.ring)
    old = _in_ring(ring, keys.id_of(present.public_key()), arguments.ring)
    private = keys.new_private()
    start, until = _from_until(arguments)
    key = keys.endorsed(keys.public_key(private, old.owner, old.role, start, until), present)
    grown = keys.ring_of(ring, key)
    keys.write_private(private, arguments.new)
    keys.write_ring(grown, arguments.ring)
    print(f"{arguments.new}: the next private key of {old.owner}")
    print(f"{arguments.ring}: {key.id} from {start} to {until}, vouched for by {old.id}")
    return 0


def _vouch(arguments: Namespace) -> int:
    from wattline_reports.exchange import keys

    ring = _read_ring(arguments.ring)
    whence = arguments.of or arguments.ring
    key = _in_ring(_read_ring(whence), arguments.id, whence)
    by = keys.read_private(arguments.key)
    keys.write_ring(keys.ring_of(ring, keys.endorsed(key, by)), arguments.ring)
    told = keys.id_of(by.public_key())
    print(f"{arguments.ring}: {key.id} of {key.owner}, vouched for by {told}; send it around")
    return 0


def _revoke(arguments: Namespace) -> int:
    from wattline_reports.exchange import keys

    if arguments.reason not in keys.REVOCATIONS:
        raise UsageError(
            f"--reason {arguments.reason[:20]!r}: there are {', '.join(keys.REVOCATIONS)}"
        )
    ring = _read_ring(arguments.ring)
    key = _in_ring(ring, arguments.id, arguments.ring)
    by = keys.read_private(arguments.key)
    on = arguments.on or _today()
    gone = key.revocation
    stolen = keys.COMPROMISED
    if gone is not None and arguments.reason != stolen and (gone.reason == stolen or on > gone.on):
        raise UsageError(
            f"{key.id} was revoked on {gone.on}: {gone.reason}; that is not taken back"
        )
    if arguments.reason == stolen:
        _check_vouched(ring, key.id)
    grown = keys.ring_of(ring, keys.revoked(key, by, on, arguments.reason))
    keys.write_ring(grown, arguments.ring)
    print(f"{arguments.ring}: {key.id} of {key.owner} holds no longer from {on} on; send it around")
    return 0


def _check_vouched(ring: Ring, id: str) -> None:
    """Check that no key rests on one that is about to be called stolen.

    Raises:
        UsageError: One does.
    """
    rest = sorted(
        key.id for key in ring.values() if key.endorsement is not None and key.endorsement.key == id
    )
    if rest:
        raise UsageError(
            f"{id} vouches for {', '.join(rest)}, and was revoked as stolen it vouches for none: "
            f"first let another, as the organiser's, do so: `wattline bundle key vouch {rest[0]} "
            "--key PEM`"
        )


def _list(arguments: Namespace) -> int:
    for key in _read_ring(arguments.ring).values():
        gone = key.revocation
        state = "" if gone is None else f"  revoked on {gone.on}: {gone.reason}"
        print(
            f"{key.id}  {key.owner:<20}{key.role:<10}{key.valid_from} to {key.valid_until}{state}"
        )
    return 0


def _from_until(arguments: Namespace) -> tuple[date, date]:
    from wattline_reports.exchange import keys

    start = arguments.start or _today()
    until = arguments.until or start + keys.LIFETIME - timedelta(days=1)
    if until < start:
        raise UsageError(f"--until {until} is before --from {start}")
    return start, until


def _in_ring(ring: Ring, id: str, path: Path) -> Any:
    key = ring.get(id)
    if key is None:
        raise UsageError(f"{path} holds no key {id[:20]!r}: `wattline bundle key list`")
    return key


def _read_ring(path: Path) -> Ring:
    from wattline_reports.exchange import keys

    if not path.exists():
        raise UsageError(
            f"there is no ring of public keys at {path}: the factories, or the organiser, give it "
            "out; --ring FILE says where it is"
        )
    return keys.read_ring(path)


def _ring_or_none(path: Path) -> Ring | None:
    return _read_ring(path) if path.exists() else None


COMMAND = Command(
    "bundle",
    "export, verify, merge: signed sums for EuroHPC and other factories",
    _DESCRIPTION,
    _configure,
    _run,
)
