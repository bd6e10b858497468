"""Where energy went, from the grid to the accounts: links that balance at every knot.

    grid -> facility_overhead                    E_DC less E_IT
    grid -> it                                   E_IT
    it -> booked                                 what the books have
    it -> unmetered                              the rest: network, storage, what no meter sees
    booked -> devices, booked -> node_overhead   what devices' own meters saw; the rest of a node
    booked -> undivided                          nodes whose devices have no meter of their own
    devices, node_overhead, undivided -> ACCOUNT

Without a meter of E_IT the grid is linked to `booked` and `unmetered` at once; without any meter of
the facility it begins at `booked`. Where the books have more than the meter above them, the surplus
comes from a source of its own, `over_the_meter`: it is shown, not hidden in a correction.

Both sides are of the same time: the hours in which every meter of the facility that there is has
readings, all hours where there is none. A node's overhead is booked by the rule of the ledger: by
device time. Where a node's own meter is not taken, `devices` is all that is known of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from wattline_collector.kpi import facility
from wattline_collector.kpi.emissions import hour_of
from wattline_collector.kpi.sums import total
from wattline_collector.kpi.view import View
from wattline_collector.ledger.accounts import Account

LINKS = pl.Schema({"source": pl.String, "target": pl.String, "joules": pl.Float64})
"""One link; joules are never negative."""
BOUNDARIES = pl.Schema(
    {
        "boundary": pl.String,  # gpu, module, node, it, facility
        "method": pl.String,  # counter, integrated, mixed; meter
        "joules": pl.Float64,
        "coverage": pl.Float64,  # time with known energy over all, of what has such a meter
    }
)
ORDER = ("gpu", "module", "node", "it", "facility")
KINDS = ("devices", "node_overhead", "undivided")
"""What the books have is made of."""
_CODES = {"it": "E_IT", "facility": "E_DC"}
_NODE = ["system", "node"]


def flow(view: View) -> pl.DataFrame:
    """The links of a period, in the order in which energy flows.

    Returns:
        `LINKS`; none where nothing is metered. At every knot but the first and the last ones what
        comes in goes out.
    """
    hours = shared_hours(view)
    e_dc, e_it = (_sum(hours, code) for code in ("E_DC", "E_IT"))
    parts = _booked(view, hours)
    booked = float(parts["joules"].sum())
    rows = [*_above(e_dc, e_it, booked, has_books=parts.height > 0)]
    for kind in KINDS:
        mine = parts.filter(pl.col("kind") == kind)
        if mine.height:
            rows.append(("booked", kind, float(mine["joules"].sum())))
    order = {account.value: place for place, account in enumerate(Account)}
    ordered = sorted(parts.iter_rows(), key=lambda row: (KINDS.index(row[0]), order[row[1]]))
    rows += [(str(kind), str(account), float(joules)) for kind, account, joules in ordered]
    return pl.DataFrame(rows, schema=LINKS, orient="row").filter(pl.col("joules") > 0)


def boundaries(view: View) -> pl.DataFrame:
    """Energy by boundary and method; boundaries lie in one another and are never added up.

    Returns:
        `BOUNDARIES`, from the inside out; a boundary that nothing is metered at is not there.
    """
    scopes = view.device_scopes.lazy()
    device = view.collected(
        lambda part: (
            part.join(scopes, on=["system", "device"], how="left")
            .group_by(
                pl.col("scope").fill_null("gpu").alias("boundary"),
                pl.col("energy_method").cast(pl.String).alias("method"),
                pl.col("energy_joules").is_not_null().alias("is_known"),
            )
            .agg(
                total("energy_joules").alias("joules"),
                pl.col("energy_ms").cast(pl.Float64).sum().alias("known_ms"),
                pl.col("duration_ms").cast(pl.Float64).sum().alias("all_ms"),
            )
            .drop("is_known")
        )
    )
    node = view.node.select(
        pl.lit("node").alias("boundary"),
        pl.col("energy_method").cast(pl.String).alias("method"),
        pl.col("energy_joules").alias("joules"),
        pl.col("energy_ms").alias("known_ms"),
        pl.col("duration_ms").alias("all_ms"),
    )
    whole = pl.concat([device, node]).with_columns(pl.col("all_ms").sum().over("boundary"))
    found = (
        whole.filter(pl.col("joules").is_not_null())
        .group_by("boundary", "method")
        .agg(pl.col("joules").sum(), pl.col("known_ms").sum() / pl.col("all_ms").first())
        .rename({"known_ms": "coverage"})
    )
    metered = [
        (boundary, "meter", joules, _covered(hours))
        for boundary, code in _CODES.items()
        if (joules := _sum(hours := facility.hours(view, [code], []), code)) is not None
    ]
    made = pl.concat([found, pl.DataFrame(metered, schema=BOUNDARIES, orient="row")])
    return made.sort(pl.col("boundary").cast(pl.Enum(ORDER)), "method")


def shared_hours(view: View) -> pl.DataFrame:
    """The hours that meters of the facility cover whole: those in which books can be held to them.

    Returns:
        As `facility.hours`, with the columns of those of E_DC and E_IT that are metered; all hours
        where neither is.
    """
    codes = [code for code in ("E_DC", "E_IT") if not facility.absent(view, [code])]
    if not codes:
        return facility.hours(view, [], []).with_columns(pl.col("expected_ms").alias("covered_ms"))
    hours = facility.hours(view, codes, [])
    return hours.filter(pl.col("covered_ms") >= pl.col("expected_ms"))


def _above(
    e_dc: float | None, e_it: float | None, booked: float, *, has_books: bool
) -> Iterator[tuple[str, str, float]]:
    """The links between the grid and the books."""
    if e_it is not None:
        if e_dc is not None:
            yield "grid", "facility_overhead", max(0.0, e_dc - e_it)
            yield "grid", "it", min(e_dc, e_it)
            yield "over_the_meter", "it", max(0.0, e_it - e_dc)
        above, whole = "it", e_it
    elif e_dc is not None:
        above, whole = "grid", e_dc
    else:
        return
    if has_books:
        yield above, "booked", min(whole, booked)
        yield "over_the_meter", "booked", max(0.0, booked - whole)
    yield above, "unmetered", max(0.0, whole - booked)


def _booked(view: View, hours: pl.DataFrame) -> pl.DataFrame:
    """`kind` (of `KINDS`), `account`, `joules`, of those hours."""
    inside = hours["hour_ms"].implode()
    at_node = view.energy.filter(pl.col("boundary") == "node").select(_NODE).unique()
    node = view.node.join(at_node, on=_NODE, how="semi").filter(
        hour_of("minute").is_in(inside), pl.col("energy_joules").is_not_null()
    )
    divided = pl.col("device_energy_joules").is_not_null()
    # Two meters that disagree: the node's counts, and what the devices' said beyond it is cut off.
    own = pl.min_horizontal("device_energy_joules", "energy_joules")
    device = view.energy.filter(
        pl.col("boundary") != "node", hour_of("minute").is_in(inside),
        pl.col("joules").is_not_null(),
    )  # fmt: skip
    account = pl.col("account").cast(pl.String)
    return (
        pl.concat(
            [
                node.filter(~divided).select(
                    pl.lit("undivided").alias("kind"),
                    account,
                    pl.col("energy_joules").alias("joules"),
                ),
                node.filter(divided).select(
                    pl.lit("devices").alias("kind"), account, own.alias("joules")
                ),
                node.filter(divided).select(
                    pl.lit("node_overhead").alias("kind"),
                    account,
                    (pl.col("energy_joules") - own).alias("joules"),
                ),
                device.select(pl.lit("devices").alias("kind"), account, "joules"),
            ]
        )
        .group_by("kind", "account")
        .agg(pl.col("joules").sum())
        .filter(pl.col("joules") > 0)
    )


def _sum(hours: pl.DataFrame, code: str) -> float | None:
    if code not in hours.columns or not hours[code].drop_nulls().len():
        return None
    return float(hours[code].sum())


def _covered(hours: pl.DataFrame) -> float:
    return float(hours["covered_ms"].sum()) / float(hours["expected_ms"].sum())
