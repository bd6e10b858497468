import subprocess
import sys

FIRST_CHART = """
import sys
from wattline_collector.palette import TOKEN_KINDS, Mode
from wattline_dashboards.figures import ahead, days
{before}
kind = next(iter(TOKEN_KINDS))
known = {{name for name in sys.modules if "plotly" in name}}
rows = [{{"day": f"2026-01-{{day:02}}", f"tokens_{{kind}}": 5.0 * day, "coverage": 0.5}}
        for day in range(1, 9)]
for mode in Mode:
    assert len(days.figure(rows, mode).data) == 1
print(*sorted({{name for name in sys.modules if "plotly" in name}} - known))
"""


def loaded_by_the_first_chart(before: str) -> list[str]:
    """Modules of Plotly that are first loaded for a chart of days, after something else."""
    program = [sys.executable, "-c", FIRST_CHART.format(before=before)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_what_charts_share_is_loaded_before_the_first_of_them() -> None:
    assert "plotly.graph_objs._bar" in loaded_by_the_first_chart("")
    assert loaded_by_the_first_chart("ahead.prepare()") == []
