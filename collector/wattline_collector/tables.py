"""Live tables as Arrow: what `GET /v1/latest` answers to those who accept it.

Seventy columns of 8,000 devices are five megabytes of JSON, and reading these every other second
took a page longer than all that it draws. The tables travel as Arrow IPC streams one after another,
and what is not a table as JSON in the metadata of the first.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import polars as pl
import pyarrow as pa

MEDIA_TYPE = "application/vnd.apache.arrow.stream"
"""Of a body of Arrow IPC streams, as registered with IANA."""

_REST = b"wattline"
"""The key of the metadata that holds everything else, as JSON."""
_NAMES = b"wattline.tables"


def packed(answer: Mapping[str, Any]) -> bytes:
    """An answer whose tables are frames, as bytes.

    A column of nothing but nulls is left out: who reads takes a missing column for unknown. What
    JSON cannot hold, such as an infinity, is unknown here, too.
    """
    tables = {name: value for name, value in answer.items() if isinstance(value, pl.DataFrame)}
    rest = {name: value for name, value in answer.items() if name not in tables}
    told = {
        _REST: json.dumps(rest, allow_nan=False).encode(),
        _NAMES: json.dumps(list(tables)).encode(),
    }
    body = io.BytesIO()
    for place, frame in enumerate(tables.values()):
        table = _known(frame).to_arrow()
        if not place:
            table = table.replace_schema_metadata(told)
        with pa.ipc.new_stream(body, table.schema) as stream:
            stream.write_table(table)
    return body.getvalue()


def unpacked(body: bytes) -> dict[str, Any]:
    """The answer again, with tables that who reads takes what they need from.

    Raises:
        ValueError: It is no such answer.
    """
    source = pa.BufferReader(body)
    answer: dict[str, Any] = {}
    names = [""]
    try:
        while len(answer) < len(names):
            with pa.ipc.open_stream(source) as stream:
                table = stream.read_all()
            if not answer:
                told = table.schema.metadata or {}
                names = [str(name) for name in json.loads(told[_NAMES])]
                rest = json.loads(told[_REST])
            answer[names[len(answer)]] = table.replace_schema_metadata(None)
    except (pa.ArrowException, KeyError, TypeError) as error:
        raise ValueError(f"no answer of live tables: {error}") from error
    return {**rest, **answer}


def _known(rows: pl.DataFrame) -> pl.DataFrame:
    if not rows.height:
        return rows
    floats = pl.selectors.float()
    frame = rows.with_columns(pl.when(floats.is_finite()).then(floats))
    return frame.select(name for name in frame.columns if frame[name].null_count() < frame.height)
