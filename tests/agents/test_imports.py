import subprocess
import sys

EVERYTHING = """
import sys
import wattline_agents.agent_main
import wattline_agents.agent
import wattline_agents.assemble
import wattline_agents.assignment.process
import wattline_agents.once
import wattline_agents.sources.deadline
import wattline_agents.sources.host
import wattline_agents.sources.late
import wattline_agents.sources.nvml
import wattline_agents.sources.replay
import wattline_agents.sinks.prometheus
import wattline_agents.sinks.push
import wattline_agents.sinks.record
import wattline_agents.sinks.spool
import wattline_agents.sinks.transport
from wattline_agents.catalogue import NODE
from wattline_agents.wire import encode
encode(NODE, [{"time_unix_ms": 1}])
print(*sorted(sys.modules))
"""

JOB = """
import sys
from wattline_agents.job import Job
print(*sorted(sys.modules))
"""


def modules(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.split())


def test_an_agent_loads_none_of_what_a_compute_node_does_not_install() -> None:
    loaded = modules(EVERYTHING)
    heavy = {"polars", "pyarrow", "dash", "plotly", "flask", "numpy", "pandas", "asyncio"}
    assert loaded & heavy == set()
    assert "prometheus_client" not in loaded, "it is an extra"
    assert "importlib.metadata" not in loaded, "6 MiB to look for other commands"


def test_a_job_that_counts_loads_nothing_beyond_the_standard_library() -> None:
    loaded = modules(JOB)
    assert loaded & {"psutil", "pynvml", "http.client", "asyncio"} == set()
    loaded -= modules("import sys\nprint(*sys.modules)")
    tops = {name.partition(".")[0] for name in loaded}
    assert tops - sys.stdlib_module_names == {"wattline_agents"}
