from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from wattline_agents.doctor.exporters import EXPORTERS, Exporter, check
from wattline_agents.doctor.finding import Mark
from wattline_agents.doctor.machine import Answer
from wattline_agents.sources.registry import SOURCES

DCGM = '# HELP x\nDCGM_FI_DEV_POWER_USAGE{gpu="0"} 71.2\n'


def test_an_exporter_that_answers_is_offered(node: Any, answer: Callable[..., Answer]) -> None:
    node.answers["http://127.0.0.1:9400/metrics"] = answer(200, DCGM)
    (finding,) = check(node.machine(), ["host"])
    assert finding.mark is Mark.OK
    assert (
        finding.what == "dcgm-exporter answers at :9400 (can be read: --source auto --source dcgm)"
    )
    (finding,) = check(node.machine(), ["dcgm"])
    assert finding.what == "dcgm-exporter answers at :9400 (read by source dcgm)"


def test_another_program_at_its_port_is_not_taken_for_it(
    node: Any, answer: Callable[..., Answer]
) -> None:
    node.answers["http://127.0.0.1:9400/metrics"] = answer(200, "aif_gpu_power_watts 3\n")
    node.answers["http://127.0.0.1:9100/metrics"] = answer(404, "node_load1 1\n")
    node.answers["http://127.0.0.1:5000/metrics"] = TimeoutError()
    (finding,) = check(node.machine(), [])
    assert finding.mark is Mark.OFF
    assert finding.what.startswith("none at :9400, :5000")


@pytest.mark.parametrize("exporter", EXPORTERS, ids=lambda one: one.source)
def test_an_exporter_is_looked_for_where_its_source_reads_it(exporter: Exporter) -> None:
    module, _, _ = SOURCES[exporter.source].partition(":")
    assert import_module(module).URL == f"http://127.0.0.1:{exporter.port}/metrics"
