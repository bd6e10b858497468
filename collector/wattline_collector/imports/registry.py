"""The formats there are. A new one is one file and one line here."""

from __future__ import annotations

from wattline_collector.imports import (
    mlperf_inference,
    mlperf_training,
    nvidia_smi,
    prometheus_text,
    rocm_smi,
)

FORMATS = {
    format.name: format
    for format in (
        mlperf_training.FORMAT,
        mlperf_inference.FORMAT,
        nvidia_smi.FORMAT,
        rocm_smi.FORMAT,
        prometheus_text.FORMAT,
    )
}
