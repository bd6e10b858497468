"""Meters of the facility over a period: what they counted, over the time in which all of them did.

A ratio of meters is only as good as the time they share. Twelve months of electricity over eleven
of IT would make a better or a worse data centre out of a missing file. So amounts are spread evenly
over their intervals, and only those stretches count in which every meter of every indicator asked
for has a reading; the rest lowers the coverage.

Rules, per meter: a counter's amount is the difference of two readings; where it falls, or the thing
that was read is another one (`device`), it was exchanged, and that stretch is unknown; where
readings overlap, the shorter one counts. Per indicator: meters of one boundary are added up, never
those of two; readings of the whole site go before those of single systems, which are otherwise
added up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from wattline_collector.ledger.overlay import overlay
from wattline_collector.ledger.schema import HOUR_MS

BOUNDARY_ORDER = ("data_centre_input", "ups_output", "pdu_output", "it_input", "site_input",
                  "heat_handover", "cooling", "other")  # fmt: skip
"""Of several boundaries the first counts, unless another is asked for."""
CATEGORIES: Mapping[str, int] = MappingProxyType({"ups_output": 1, "pdu_output": 2, "it_input": 3})
"""EN 50600-4-2: where IT energy is measured."""
_UNSAID = "other"


@dataclass(frozen=True, slots=True)
class Metered:
    """What meters counted.

    Attributes:
        values: By indicator, over the covered time, in J or m3; None where there is no such meter
            or no common time.
        covered_ms: Time in which all of them have readings.
        period_ms: The period.
        boundaries: By indicator: where it was measured; None where nobody says.
        meters: By indicator: how many meters.
    """

    values: Mapping[str, float | None]
    covered_ms: int
    period_ms: int
    boundaries: Mapping[str, str | None]
    meters: Mapping[str, int]

    @property
    def coverage(self) -> float:
        """Covered time over the period, 0-1."""
        return self.covered_ms / self.period_ms

    @property
    def category(self) -> int | None:
        """Category of the IT energy after EN 50600-4-2; None where nobody says where it is."""
        return CATEGORIES.get(self.boundaries.get("E_IT") or "")


def metered(
    meters: pl.DataFrame,
    codes: Sequence[str],
    *,
    start_ms: int,
    end_ms: int,
    system: str | None = None,
    boundaries: Mapping[str, str] | None = None,
) -> Metered:
    """Add meters up over the time they share.

    Args:
        meters: As `registers.meters` gives them.
        codes: Indicators by their code in Regulation (EU) 2024/1364, Annex II.
        start_ms: Start of the period.
        end_ms: Its end.
        system: Only meters of this system; of the site, if not given.
        boundaries: Where to measure an indicator; the first of `BOUNDARY_ORDER` if not given.

    Raises:
        ValueError: There is no period.
    """
    if end_ms <= start_ms:
        raise ValueError("meters need a period")
    chosen = _all_chosen(meters, codes, system, boundaries)
    where = {code: _where(frame) for code, frame in chosen.items()}
    count = _counted(chosen)
    period = end_ms - start_ms
    values: dict[str, float | None] = dict.fromkeys(codes)
    covered = 0
    if all(not frame.is_empty() for frame in chosen.values()):
        shared = _shared(_all_pieces(chosen), start_ms, end_ms)
        covered = int(shared.select("start", "end").unique().select(
            (pl.col("end") - pl.col("start")).sum()).item())  # fmt: skip
        if covered:
            summed = shared.group_by("code").agg(
                (pl.col("rate") * (pl.col("end") - pl.col("start"))).sum()
            )
            values |= dict(summed.iter_rows())
    return Metered(
        MappingProxyType(values), covered, period, MappingProxyType(where), MappingProxyType(count)
    )


def by_hour(
    meters: pl.DataFrame,
    codes: Sequence[str],
    *,
    start_ms: int,
    end_ms: int,
    system: str | None = None,
    boundaries: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """What `metered` adds up, hour by hour: so it can be split by day or month, or have a price.

    An amount over a longer interval is spread evenly over its hours.

    Args:
        meters: As for `metered`, and so are the rest.
        codes: Indicators.
        start_ms: Start of the period.
        end_ms: Its end.
        system: Only meters of this system.
        boundaries: Where to measure an indicator.

    Returns:
        `hour_ms`, `covered_ms` (its time in which all have readings), and a column for each code in
        J or m3; only hours with any such time, none where an indicator has no meter.
    """
    chosen = _all_chosen(meters, codes, system, boundaries)
    if not chosen or any(frame.is_empty() for frame in chosen.values()) or end_ms <= start_ms:
        schema = {"hour_ms": pl.Int64, "covered_ms": pl.Int64, **dict.fromkeys(codes, pl.Float64)}
        return pl.DataFrame(schema=schema)
    first = pl.col("start") // HOUR_MS * HOUR_MS
    inside = (
        _shared(_all_pieces(chosen), start_ms, end_ms)
        .with_columns(pl.int_ranges(first, "end", HOUR_MS).alias("hour_ms"))
        .explode("hour_ms", empty_as_null=False)
        .with_columns(
            (
                pl.min_horizontal("end", pl.col("hour_ms") + HOUR_MS)
                - pl.max_horizontal("start", "hour_ms")
            ).alias("ms")
        )
    )
    amounts = [
        (pl.col("rate") * pl.col("ms")).filter(pl.col("code") == code).sum().alias(code)
        for code in codes
    ]
    covered = pl.col("ms").sum() // pl.col("series").n_unique()
    return (
        inside.group_by("hour_ms").agg(covered.cast(pl.Int64).alias("covered_ms"), *amounts)
        .sort("hour_ms")
    )  # fmt: skip


def counted(
    meters: pl.DataFrame, codes: Sequence[str], *, system: str | None = None
) -> Mapping[str, int]:
    """How many meters each indicator is the sum of.

    Args:
        meters: As for `metered`.
        codes: Indicators.
        system: Only meters of this system.
    """
    return _counted(_all_chosen(meters, codes, system, None))


def mean_of(
    meters: pl.DataFrame, code: str, *, start_ms: int, end_ms: int, system: str | None = None
) -> tuple[float | None, float]:
    """Mean of a temperature over its points and its time (`T_WH`, `T_IN`), and its coverage.

    Returns:
        Degrees Celsius, None where there is no common time; and the share of the period covered.
    """
    found = metered(meters, [code], start_ms=start_ms, end_ms=end_ms, system=system)
    # A mean of an interval was spread over it as an amount is; it comes back by the time.
    total, points = found.values[code], found.meters[code]
    if total is None or not found.covered_ms or not points:
        return None, found.coverage
    return total / found.covered_ms / points, found.coverage


def _all_chosen(
    meters: pl.DataFrame, codes: Sequence[str], system: str | None,
    boundaries: Mapping[str, str] | None,
) -> dict[str, pl.DataFrame]:  # fmt: skip
    return {
        code: _chosen(meters.filter(pl.col("eed") == code), system, (boundaries or {}).get(code))
        for code in codes
    }


def _counted(chosen: Mapping[str, pl.DataFrame]) -> dict[str, int]:
    return {code: frame.select("system", "meter").n_unique() for code, frame in chosen.items()}


def _all_pieces(chosen: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    return pl.concat([_pieces(frame, code) for code, frame in chosen.items()])


def _chosen(rows: pl.DataFrame, system: str | None, boundary: str | None) -> pl.DataFrame:
    """The readings of one indicator that count: one boundary, site or system."""
    rows = rows.with_columns(pl.col("boundary").fill_null(_UNSAID))
    if system is not None:
        rows = rows.filter(pl.col("system") == system)
    elif rows["system"].is_null().any():
        rows = rows.filter(pl.col("system").is_null())
    there = set(rows["boundary"].to_list())
    wanted = boundary or next((name for name in BOUNDARY_ORDER if name in there), _UNSAID)
    return rows.filter(pl.col("boundary") == wanted)


def _where(rows: pl.DataFrame) -> str | None:
    return None if rows.is_empty() else str(rows["boundary"][0])


def _pieces(rows: pl.DataFrame, code: str) -> pl.DataFrame:
    """`series`, `code`, `start`, `end` and `rate` per millisecond; apart within a series."""
    series = pl.concat_str(
        pl.lit(code), pl.lit(" "), pl.col("system").fill_null(""), pl.lit(" "), pl.col("meter")
    ).alias("series")
    # What is taken off an indicator is told by a sign; whoever knows none adds all up.
    sign = pl.col("sign") if "sign" in rows.columns else pl.lit(1.0)
    named = rows.with_columns(series, sign.alias("sign"))
    is_mean = rows["quantity"].is_in(["temperature", "power"]).any()
    counters = (
        named.filter(pl.col("reading") == "counter")
        .sort("series", "end_ms")
        .with_columns(
            # Another thing was read: what stands between the two readings is nobody's.
            (pl.col("device") != pl.col("device").shift(1))
            .over("series")
            .fill_null(False)
            .alias("exchanged")
        )
        .select(
            "series",
            "sign",
            "exchanged",
            pl.col("end_ms").shift(1).over("series").alias("start"),
            pl.col("end_ms").alias("end"),
            (pl.col("value") - pl.col("value").shift(1).over("series")).alias("value"),
        )
        .filter(pl.col("value") >= 0, pl.col("end") > pl.col("start"), ~pl.col("exchanged"))
        .drop("exchanged")
    )
    amounts = named.filter(pl.col("reading") == "amount").select(
        "series", "sign", pl.col("start_ms").alias("start"), pl.col("end_ms").alias("end"), "value"
    )
    both = pl.concat([amounts, counters])
    length = pl.col("end") - pl.col("start")
    rated = both.select(
        "series", pl.lit(code).alias("code"), "start", "end", length.alias("rank"),
        (pl.col("sign") * (pl.col("value") if is_mean else pl.col("value") / length)).alias("rate"),
    )  # fmt: skip
    if rated.is_empty():
        return rated.drop("rank")
    # Two readings of the very same interval: the one imported last stands last.
    return overlay(rated, "series").unique(["series", "start"], keep="last").drop("rank")


def _shared(pieces: pl.DataFrame, start_ms: int, end_ms: int) -> pl.DataFrame:
    """`series`, `code`, `start`, `end` and `rate`, where all series have one."""
    cut = pieces.with_columns(
        pl.col("start").clip(lower_bound=start_ms), pl.col("end").clip(upper_bound=end_ms)
    ).filter(pl.col("end") > pl.col("start"))
    edges = (
        pl.concat([cut.select(pl.col(edge).alias("from")) for edge in ("start", "end")])
        .unique()
        .sort("from")
    )
    stretches = edges.with_columns(pl.col("from").shift(-1).alias("until")).drop_nulls()
    series = pieces.select("series").unique().sort("series")
    return (
        stretches.join(series, how="cross")
        .sort("from")
        .join_asof(
            cut.sort("start"), left_on="from", right_on="start", by="series", strategy="backward",
            check_sortedness=False,
        )
        .filter(pl.col("end") >= pl.col("until"))
        .filter(pl.len().over("from") == series.height)
        .select("series", "code", pl.col("from").alias("start"), pl.col("until").alias("end"),
                "rate")
    )  # fmt: skip
