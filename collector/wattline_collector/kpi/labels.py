"""What stands behind a node, a device and a job: model, rack, partition, project and the like.

Pure functions over what a view holds. Each gives one row per thing and a column per dimension;
what is not known is `UNKNOWN`, so that a split by it still adds up.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.schema.system import System
from wattline_collector.registers.tagging import tag_jobs

UNKNOWN = "unknown"
"""Nobody said."""
NONE = "none"
"""There is none: the time belongs to no job, or the job is no service."""
MIXED = "mixed"
"""A node whose devices are not of one model."""

_NODE = ["system", "node"]
_JOB = ["system", "job"]
_TAGS = ("project", "user_category", "access_mode", "participating_state", "sector")


def of_devices(inventory: pl.DataFrame) -> pl.DataFrame:
    """Devices.

    Returns:
        `system`, `device`, `device_model`.
    """
    return inventory.filter(pl.col("kind") == "device").select(
        "system",
        pl.col("key").alias("device"),
        pl.col("model").fill_null(UNKNOWN).alias("device_model"),
    )


def of_nodes(
    inventory: pl.DataFrame, queued: pl.DataFrame, profile: FactoryProfile | None
) -> pl.DataFrame:
    """Nodes.

    A node's partition is its rack's, by the profile; else the system's only one; else the only one
    whose jobs were ever seen on it. A node of several, or of none, has none told.

    Args:
        inventory: `books.INVENTORY`.
        queued: `system`, `node`, `partition`: which partitions' jobs ran on which node.
        profile: What the factory says of itself.

    Returns:
        `system`, `node`, `rack`, `device_model`, `partition`.
    """
    device = pl.col("kind") == "device"
    models = pl.col("model").filter(device)
    nodes = inventory.group_by(_NODE).agg(
        pl.col("rack").drop_nulls().last(),
        pl.when(models.len() == 0)
        .then(pl.lit(UNKNOWN))
        .when(models.n_unique() > 1)
        .then(pl.lit(MIXED))
        .otherwise(models.first().fill_null(UNKNOWN))
        .alias("device_model"),
    )
    seen = (
        queued.drop_nulls()
        .group_by(_NODE)
        .agg(pl.col("partition").unique().alias("_seen"))
        .filter(pl.col("_seen").list.len() == 1)
        .with_columns(pl.col("_seen").list.first())
    )
    return (
        nodes.join(_racks(profile), on=["system", "rack"], how="left")
        .join(_only_partitions(profile), on="system", how="left")
        .join(seen, on=_NODE, how="left")
        .select(
            *_NODE,
            pl.col("rack").fill_null(UNKNOWN),
            "device_model",
            pl.coalesce("_of_rack", "_only", "_seen").alias("partition"),
        )
    )


def _racks(profile: FactoryProfile | None) -> pl.DataFrame:
    told = [
        (system, rack.id, rack.partition)
        for system, one in _systems(profile).items()
        for rack in one.racks.values()
    ]
    names = ("system", "rack", "_of_rack")
    return pl.DataFrame(told, schema=dict.fromkeys(names, pl.String()), orient="row")


def _only_partitions(profile: FactoryProfile | None) -> pl.DataFrame:
    told = [
        (system, next(iter(one.partitions)))
        for system, one in _systems(profile).items()
        if len(one.partitions) == 1
    ]
    names = ("system", "_only")
    return pl.DataFrame(told, schema=dict.fromkeys(names, pl.String()), orient="row")


def _systems(profile: FactoryProfile | None) -> Mapping[str, System]:
    return {} if profile is None else profile.systems


def of_jobs(
    jobs: pl.DataFrame, accounted: pl.DataFrame, projects: pl.DataFrame | None
) -> pl.DataFrame:
    """Jobs.

    A service is a job of kind inference, and called by its name, which stays when it is started
    anew. Where there is no register of projects at all, the account that a job is charged to (or
    the project it names itself) stands for its project; where there is one, only what it knows is a
    project.

    Args:
        jobs: `books.JOBS`.
        accounted: `condense.ACCOUNTED`.
        projects: The register of projects; None where it may not be read.

    Returns:
        `system`, `job`, `partition` (null: not told), `service` and the tags of its project.
    """
    known = (
        jobs.select(*_JOB, "name", "kind", "start_ms", "project")
        .join(
            accounted.select(*_JOB, "account", "partition", "submit_ms"),
            on=_JOB, how="full", coalesce=True,
        )
        .with_columns(pl.coalesce("account", "project").alias("account"))
    )  # fmt: skip
    service = (
        pl.when(pl.col("kind") == "inference")
        .then(pl.coalesce("name", "job"))
        .when(pl.col("kind").is_null())
        .then(pl.lit(UNKNOWN))
        .otherwise(pl.lit(NONE))
    )
    if projects is None:
        tags = [pl.lit(UNKNOWN).alias(name) for name in _TAGS]
    elif projects.is_empty():
        tags = [
            pl.col("account").fill_null(UNKNOWN).alias("project"),
            *(pl.lit(UNKNOWN).alias(name) for name in _TAGS[1:]),
        ]
    else:
        known = tag_jobs(known, projects)
        tags = [
            pl.col("project_id").fill_null(UNKNOWN).alias("project"),
            *(pl.col(name).cast(pl.String).fill_null(UNKNOWN) for name in _TAGS[1:]),
        ]
    return known.select(*_JOB, "partition", service.alias("service"), *tags)
