"""Trackable resources as Slurm lists them: `billing=12,cpu=12,gres/gpu:h100=4,gres/gpu=4,mem=31G`.

A typed device is listed beside the untyped count of the same devices wherever the site accounts for
both, so the two are never added.
"""

from __future__ import annotations

import polars as pl

from wattline_collector.jobs.text import amount, count

_GPU = r"(?:\A|,)gres/gpu=([^,]*)"
_TYPED = r"(?:\A|,)gres/gpu:([^=,]+)="


def one(tres: pl.Expr, name: str) -> pl.Expr:
    """How much of one resource: a whole number; null where it is not listed."""
    return count(tres.str.extract(rf"(?:\A|,){name}=([^,]*)"))


def memory_bytes(tres: pl.Expr) -> pl.Expr:
    """Memory; null where it is not listed, or 0, which says that memory is not handed out."""
    text = tres.str.extract(r"(?:\A|,)mem=([^,]*)")
    # Without a letter it is in megabytes, as Slurm keeps it.
    lettered = pl.when(text.str.contains(r"[0-9]\z")).then(text + "M").otherwise(text)
    value = amount(lettered, 1024)
    return pl.when((value > 0) & (value < 1e18)).then(value.round().cast(pl.Int64))


def gpus(tres: pl.Expr) -> pl.Expr:
    """Devices: the untyped count, or else the sum of the typed ones; 0 where none is listed."""
    typed = (
        tres.str.extract_all(r"(?:\A|,)gres/gpu:[^=,]+=[0-9]{1,9}")
        .list.eval(pl.element().str.extract(r"=([0-9]+)\z").cast(pl.Int64))
        .list.sum()
    )
    return pl.when(tres.str.contains(_GPU)).then(count(tres.str.extract(_GPU))).otherwise(typed)


def gpu_type(tres: pl.Expr) -> pl.Expr:
    """Their types, in order and without repeats, joined by commas; null where none is named."""
    names = (
        tres.str.extract_all(_TYPED)
        .list.eval(pl.element().str.extract(_TYPED))
        .list.unique(maintain_order=True)
    )
    return pl.when(names.list.len() > 0).then(names.list.join(","))


def usage_memory_bytes(usage: pl.Expr) -> pl.Expr:
    """Memory in `TRESUsageInTot`, which is in bytes where it has no letter."""
    value = amount(usage.str.extract(r"(?:\A|,)mem=([^,]*)"), 1024)
    return pl.when(value < 1e18).then(value.round().cast(pl.Int64))
