"""The formats there are. A new one is one file and one line here."""

from __future__ import annotations

from wattline_collector.imports import (
    kubernetes_json,
    mlperf_inference,
    mlperf_training,
    nvidia_smi,
    prometheus_text,
    registers,
    rocm_smi,
    slurm_csv,
    slurm_json,
    slurm_sacct,
)
from wattline_collector.imports.format import Direct, Format

FORMATS: dict[str, Format | Direct] = {
    format.name: format
    for format in (
        mlperf_training.FORMAT,
        mlperf_inference.FORMAT,
        nvidia_smi.FORMAT,
        rocm_smi.FORMAT,
        prometheus_text.FORMAT,
        slurm_sacct.FORMAT,
        slurm_json.FORMAT,
        slurm_csv.FORMAT,
        kubernetes_json.FORMAT,
        registers.PROJECTS_CSV,
        registers.PROJECTS_HTTP,
        registers.OUTAGES_CSV,
        registers.ACTIVITIES_CSV,
        registers.METERS_CSV,
        registers.RESULTS_CSV,
        registers.FACTORS_CSV,
        registers.FACTORS_HOURLY_CSV,
    )
}
