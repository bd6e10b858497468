from pathlib import Path

from wattline_agents.catalogue import TABLES
from wattline_agents.catalogue_page import markdown


def test_every_metric_and_every_field_is_on_the_page() -> None:
    page = markdown()
    for table in TABLES.values():
        assert f"## Table `{table.name}`" in page
        for metric in table.metrics:
            assert f"`{metric.column}`" in page
            assert metric.name in page
        if not table.metrics:
            for field in table.fields:
                assert f"| `{field.column}` |" in page


def test_the_series_that_name_things_are_on_the_page_with_their_labels() -> None:
    page = markdown()
    for name in ("gpu_info", "host_info", "job_info", "gpu_assignment", "gpu_capability_off"):
        assert f"| `aif_{name}` |" in page
    assert "| `aif_gpu_assignment` | `device`, `job` |" in page


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    cells = 0
    for line in markdown().splitlines():
        if not line.startswith("|"):
            cells = 0
        elif cells == 0:
            cells = line.count("|")
        else:
            assert line.count("|") == cells, line


def test_no_name_of_prometheus_has_two_kinds_or_label_names() -> None:
    meanings: dict[str, set[object]] = {}
    for table in TABLES.values():
        for metric in table.metrics:
            labels = tuple(name for name, _ in metric.labels)
            meanings.setdefault(metric.name, set()).add((table.name, metric.kind, labels))
    assert [name for name, found in meanings.items() if len(found) > 1] == []


def test_the_page_of_documentation_is_the_catalogue() -> None:
    page = Path(__file__).parents[2] / "docs/metrics.md"
    assert page.read_text() == markdown(), "run: wattline agent --metrics > docs/metrics.md"
