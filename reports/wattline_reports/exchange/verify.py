"""What a reader of a bundle checks: whole, signed, in its place, and telling on nobody.

Needs the bundle, public keys and, for the chain, earlier bundles of the same factory. No network.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from wattline_collector.kpi.figure import Period
from wattline_reports.exchange import credential, sign
from wattline_reports.exchange.bundle import Bundle
from wattline_reports.exchange.cubes import CUBES, FAMILIES, LINKS, Cube, Row
from wattline_reports.exchange.disclosure.attack import Attack
from wattline_reports.exchange.disclosure.suppress import is_open
from wattline_reports.exchange.disclosure.table import Key, Published, together
from wattline_reports.exchange.eed_file import KPIS
from wattline_reports.exchange.keys import FACTORY, Ring
from wattline_reports.exchange.keys import Key as PublicKey
from wattline_reports.exchange.manifest import Manifest, Parameters
from wattline_reports.exchange.refused import Reason, Refused
from wattline_reports.exchange.sensitive import hides, tells_hidden

LEAST = Parameters()
"""What every bundle must satisfy at least, whatever it says that it satisfies."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What was checked.

    Attributes:
        bundle: Which.
        keys: Who signed it.
        chained: Whether it was held against the bundle it follows.
    """

    bundle: Bundle
    keys: tuple[PublicKey, ...]
    chained: bool


def verify(
    bundle: Bundle,
    ring: Ring,
    dictionaries: Collection[str],
    *,
    earlier: Sequence[Bundle] = (),
    needed: int = 1,
    roles: Sequence[str] = (FACTORY,),
    period: Period | None = None,
) -> Verified:
    """Check a bundle.

    Args:
        bundle: Which; that it is whole was checked when it was read.
        ring: Public keys.
        dictionaries: Digests of KPI dictionaries that are known.
        earlier: Bundles of the same factory and kind that were taken before, in any order. With
            them the chain is checked, and what they tell is counted as known to an attacker.
        needed: Fewest signatures.
        roles: Roles that must be among them.
        period: The period it must be of, if one was asked for.

    Raises:
        Refused: Anything is not as it must be; the reason's code says what.
    """
    told = bundle.manifest
    keys = sign.verify(
        told.digest,
        told.factory,
        bundle.signatures,
        ring,
        needed=needed,
        roles=roles,
        path=bundle.path,
    )
    for signature in bundle.signatures:
        if signature.signed_on < told.period.end.date():
            # An old key could otherwise sign for any later period, with a day of its own time.
            raise Refused(
                Reason.PERIOD,
                f"signed on {signature.signed_on}, before its period was over",
                path=bundle.path,
                field=f"signature of {signature.key}",
            )
    if bundle.credential is not None:
        credential.verify(bundle.credential, told, keys, bundle.path)
    if told.dictionary not in dictionaries:
        raise Refused(
            Reason.DICTIONARY,
            "made with a KPI dictionary that is not known here; a newer program may know it",
            path=bundle.path,
            field="dictionary",
        )
    if period is not None and told.period != period:
        raise Refused(
            Reason.PERIOD,
            f"of {told.period.to_json()}, not of {period.to_json()}",
            path=bundle.path,
            field="period",
        )
    mine = [one for one in earlier if _alike(one.manifest, told)]
    chained = _check_chain(bundle, mine)
    check_disclosure(bundle, standing(mine, told))
    return Verified(bundle, tuple(keys), chained)


def _alike(one: Manifest, other: Manifest) -> bool:
    return (one.factory, one.kind) == (other.factory, other.kind)


def standing(earlier: Iterable[Bundle], told: Manifest) -> list[Bundle]:
    """The newest revision of every other period: what holds beside a bundle.

    A revision that was superseded tells other numbers of the same time; together with those that
    replaced them they would contradict each other.
    """
    newest: dict[Period, Bundle] = {}
    for one in sorted(earlier, key=lambda one: one.manifest.revision):
        if one.manifest.period != told.period:
            newest[one.manifest.period] = one
    return list(newest.values())


def _check_chain(bundle: Bundle, earlier: Sequence[Bundle]) -> bool:
    """Whether it follows from a bundle that was taken before."""
    told = bundle.manifest

    def refused(code: Reason, words: str, field: str) -> Refused:
        return Refused(code, words, path=bundle.path, field=field)

    by_digest = {one.manifest.digest: one.manifest for one in earlier}
    if told.digest in by_digest:
        raise refused(Reason.REPLAYED, "this bundle was taken before", "revision")
    same = [one for one in by_digest.values() if one.period == told.period]
    if same:
        newest = max(same, key=lambda one: one.revision)
        if told.revision <= newest.revision:
            raise refused(
                Reason.REPLAYED,
                f"revision {newest.revision} of this period was taken before",
                "revision",
            )
        if told.supersedes != newest.digest:
            raise refused(
                Reason.CHAIN, f"does not name revision {newest.revision} before it", "supersedes"
            )
    elif told.supersedes is not None and earlier:
        raise refused(Reason.CHAIN, "supersedes a bundle that was never taken", "supersedes")
    if (told.revision == 1) != (told.supersedes is None):
        raise refused(
            Reason.CHAIN, "a first revision supersedes none, a later one does", "revision"
        )
    before = [one for one in by_digest.values() if one.period.end <= told.period.start]
    if not before:
        if told.previous is not None and earlier and not same:
            raise refused(Reason.CHAIN, "follows a bundle that was never taken", "previous")
        return bool(same)
    last = max(one.period.end for one in before)
    allowed = {one.digest for one in before if one.period.end == last}
    if told.previous not in allowed:
        raise refused(Reason.CHAIN, f"does not name the bundle up to {last:%Y-%m-%d}", "previous")
    return True


# Disclosure


def check_disclosure(bundle: Bundle, earlier: Sequence[Bundle] = ()) -> None:
    """Check that nothing is let out of which a project's part can be worked out.

    Raises:
        Refused: Something is.
    """
    rules = _strictest(bundle.manifest.disclosure, bundle.path)
    for figure in bundle.figures:
        if hides(figure, rules) and figure["value"] is not None:
            raise Refused(
                Reason.DISCLOSURE,
                f"made of {figure['n']}, fewer than {rules.contributors}, and shown",
                path=bundle.path,
                field=f"kpis.json {figure['id']}",
            )
    _check_shared(bundle, rules)
    _check_return(bundle)
    for name, cells in bundle.cubes.items():
        if CUBES[name].protected:
            _check_counts(CUBES[name], cells, bundle, rules)
    for family in FAMILIES:
        if any(name in bundle.cubes for name in family):
            _check_family(family, bundle, earlier, rules)


def _check_shared(bundle: Bundle, rules: Parameters) -> None:
    """That no figure tells what a cell hides."""
    for figure in bundle.figures:
        if tells_hidden(figure["id"], bundle.cubes) and any(
            figure[name] is not None for name in ("value", "numerator", "low", "high")
        ):
            raise Refused(
                Reason.DISCLOSURE,
                "made of a sum that a cell of the cubes hides, and shown",
                path=bundle.path,
                field=f"kpis.json {figure['id']}",
            )


def _check_return(bundle: Bundle) -> None:
    """That the yearly return and the figures say the same of what both tell."""
    told = {} if bundle.eed is None else bundle.eed["annex_iii"]
    figures = {one["id"]: one for one in bundle.figures if one["dims"] in ({}, {"kind": "all"})}
    for name, id in KPIS.items():
        if name in told and id in figures and told[name] != figures[id]["value"]:
            raise Refused(
                Reason.SCHEMA,
                f"is {told[name]}, and {figures[id]['value']} in kpis.json",
                path=bundle.path,
                field=f"eed.json {name}",
            )


def _check_counts(
    cube: Cube, cells: Mapping[Key, Row | None], bundle: Bundle, rules: Parameters
) -> None:
    for key, row in cells.items():
        for measure, value in zip(cube.measures, row or (), strict=False):
            if measure in cube.counts and (value is None or value < rules.contributors):
                raise Refused(
                    Reason.DISCLOSURE,
                    f"{value if value is None else int(value)} {measure.lower()}, fewer than "
                    f"{rules.contributors}, and shown",
                    path=bundle.path,
                    field=f"{cube.file} {'/'.join(key)}",
                )


def _check_family(
    family: Sequence[str], bundle: Bundle, earlier: Sequence[Bundle], rules: Parameters
) -> None:
    first = CUBES[family[0]]
    files = {len(CUBES[name].dimensions): CUBES[name].file for name in family}
    table = published_of(family, bundle)
    known = [
        published_of(family, one) for one in earlier if any(name in one.cubes for name in family)
    ]
    measures = [name for name in first.measures if name not in first.counts]
    for place, measure in enumerate(measures):
        attack = Attack([*known, table], place, rules.hour_digits, LINKS[tuple(family)])
        try:
            found = attack.bounds([(table, key) for key in sorted(table.hidden)])
        except ValueError as error:
            raise Refused(
                Reason.SCHEMA, "its sums contradict each other", path=bundle.path, field=first.file
            ) from error
        for (_, key), bounds in found.items():
            if bounds.high > 0 and not is_open(bounds, rules):
                raise Refused(
                    Reason.DISCLOSURE,
                    f"the hidden {measure} follows from what is shown",
                    path=bundle.path,
                    field=f"{files[len(key)]} {'/'.join(key)}",
                )


def published_of(family: Sequence[str], bundle: Bundle) -> Published:
    """What a bundle tells an attacker by the cubes of a family that it has; at least one."""
    return together(
        [
            published(CUBES[name], bundle.cubes[name], bundle.manifest)
            for name in family
            if name in bundle.cubes
        ]
    )


def published(cube: Cube, cells: Mapping[Key, Row | None], told: Manifest) -> Published:
    """What a cube tells an attacker: its measures but the counts, which are rounded apart."""
    places = [i for i, name in enumerate(cube.measures) if name not in cube.counts]
    ends = told.period.to_json()
    return Published(
        ends["from"],
        ends["to"],
        {
            key: tuple(float(row[place] or 0.0) for place in places)
            for key, row in cells.items()
            if row is not None
        },
        frozenset(key for key, row in cells.items() if row is None),
    )


def _strictest(told: Parameters, path: object) -> Parameters:
    """The bundle's own rules, which may be stricter than ours and not laxer.

    Raises:
        Refused: They are laxer.
    """
    laxer = (
        told.contributors < LEAST.contributors
        or told.dominance_one > LEAST.dominance_one
        or told.dominance_two > LEAST.dominance_two
        or told.width < LEAST.width
        or told.count_base < LEAST.count_base
        or told.hour_digits > LEAST.hour_digits
    )
    if laxer:
        raise Refused(
            Reason.DISCLOSURE,
            "its rules for hiding are laxer than those every bundle must keep",
            path=path,
            field="disclosure",
        )
    return told
