"""New rows into a register: what is added, what replaces what, what stays as it was.

A row that was replaced, or is no longer named by where it came from, is kept with the time since
when it no longer holds: a report of last year can be made again with what was known then.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from wattline_collector.registers.declare import Register

ORIGIN = pl.Schema(
    {
        "origin": pl.String(),  # who brought it: `csv`, or a hook's address
        "source": pl.String(),  # what it was read from, by a digest of its content
        "imported_ms": pl.Int64(),
        "replaced_ms": pl.Int64(),  # null: it holds
    }
)


def kept_schema(register: Register) -> pl.Schema:
    """The columns a register is kept with."""
    return pl.Schema({**register.schema, **ORIGIN})


@dataclass(frozen=True, slots=True)
class Merged:
    """A register after rows were merged into it.

    Attributes:
        frame: All of it, replaced rows included.
        added: Rows with a key it did not have.
        replaced: Rows that say otherwise than the one they replace.
        unchanged: Rows that were there.
        retired: Rows that their origin no longer names.
    """

    frame: pl.DataFrame
    added: int
    replaced: int
    unchanged: int
    retired: int

    @property
    def changes_anything(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.added or self.replaced or self.retired)


def merge(
    kept: pl.DataFrame,
    new: pl.DataFrame,
    register: Register,
    *,
    origin: str,
    source: str,
    now_ms: int,
    is_whole: bool = False,
) -> Merged:
    """Merge rows in.

    Args:
        kept: The register as it is, columns of `kept_schema`.
        new: Rows of the register's schema, no two with one key.
        register: Whose they are.
        origin: Who brings them.
        source: What they were read from.
        now_ms: The time now.
        is_whole: Whether these are all rows of their origin: those it brought before and does not
            name now no longer hold.
    """
    key, content = list(register.key), list(register.schema)
    holds = kept.filter(pl.col("replaced_ms").is_null())
    past = kept.filter(pl.col("replaced_ms").is_not_null())
    same = holds.join(new, on=content, how="semi", nulls_equal=True)
    fresh = new.join(same, on=key, how="anti", nulls_equal=True)
    others = holds.join(same, on=key, how="anti", nulls_equal=True)
    replaced = others.join(fresh, on=key, how="semi", nulls_equal=True)
    others = others.join(fresh, on=key, how="anti", nulls_equal=True)
    is_gone = (pl.col("origin") == origin) if is_whole else pl.lit(False)
    retired, stay = others.filter(is_gone), others.filter(~is_gone)
    ended = pl.concat([replaced, retired]).with_columns(
        pl.lit(now_ms, pl.Int64()).alias("replaced_ms")
    )
    stamped = fresh.select(
        *content,
        pl.lit(origin).alias("origin"),
        pl.lit(source).alias("source"),
        pl.lit(now_ms, pl.Int64()).alias("imported_ms"),
        pl.lit(None, pl.Int64()).alias("replaced_ms"),
    )
    return Merged(
        frame=pl.concat([past, ended, same, stay, stamped]),
        added=fresh.height - replaced.height,
        replaced=replaced.height,
        unchanged=same.height,
        retired=retired.height,
    )
