import gzip
from pathlib import Path

import pytest

from wattline_agents.sources.registry import SOURCES
from wattline_agents.sources.scraped import pages


def test_every_exporter_is_a_source_of_that_name() -> None:
    assert pages.EXPORTERS.keys() <= SOURCES.keys()


@pytest.mark.recordings
def test_recorded_pages_are_told_apart_and_read_without_loss(shared: Path) -> None:
    folders = {
        "dcgm": sorted((shared / "data/08-dcgm-exporter").glob("*.prom")),
        "nvidia-gpu-exporter": sorted(
            (shared / "data/07-nvidia-smi/expected_metrics").glob("*.metrics")
        ),
    }
    assert [len(files) for files in folders.values()] == [4, 8]
    for name, files in folders.items():
        for file in files:
            text = file.read_text()
            assert pages.detect(text) == name
            readings, page = pages.read(text, name, 1)
            assert readings["device"]
            assert page.bad_lines == 0
    packed = (shared / "data/20-node-exporter/e2e-output.txt.gz").read_bytes()
    assert pages.detect(gzip.decompress(packed).decode(errors="replace")) == "node-exporter"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('DCGM_FI_DEV_GPU_TEMP{gpu="0"} 30\n', "dcgm"),
        ('dcgm_gpu_temp{gpu="0"} 30\n', "dcgm"),
        ('gpu_package_power{gpu_id="0"} 212\n', "amd-exporter"),
        ('amd_gpu_gfx_activity{card_model="x",gpu_id="0"} 97\n', "amd-exporter"),
        ('hw_energy_joules_total{hw_id="1"} 5\n', "xpumd"),
        ("node_load1 0.5\n", "node-exporter"),
        ("# HELP nvidia_smi_x x\nnvidia_smi_failed_scrapes_total 0\n", "nvidia-gpu-exporter"),
        # A textfile collector brings another exporter's series along.
        ("node_load1 0.5\nnode_load5 0.5\nDCGM_FI_DEV_GPU_TEMP 5\n", "node-exporter"),
        ("go_goroutines 5\nhw_info 1\ngpu_temp 1\n", None),
        ("", None),
        ("<html>", None),
    ],
)
def test_an_exporter_is_known_by_its_lines(text: str, name: str | None) -> None:
    assert pages.detect(text) == name


def test_what_was_left_out_is_counted() -> None:
    text = 'DCGM_FI_DEV_GPU_TEMP{UUID="GPU-a"} 30\nDCGM_FI_DEV_GPU_TEMP{UUID="GPU-b 31\n'
    readings, page = pages.read(text, "dcgm", 5)
    assert [row["device"] for row in readings["device"]] == ["GPU-a"]
    assert page.bad_lines == 1
    assert page.first_bad is not None
    assert page.first_bad.startswith("line 2: ")
