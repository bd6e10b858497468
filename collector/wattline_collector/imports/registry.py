"""The formats there are. A new one is one file and one line here."""

from __future__ import annotations

from wattline_collector.imports import mlperf_inference, mlperf_training

FORMATS = {
    format.name: format
    for format in (
        mlperf_training.FORMAT,
        mlperf_inference.FORMAT,
    )
}
