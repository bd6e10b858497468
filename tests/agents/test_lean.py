import subprocess
import sys

import pytest


def said(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def test_a_module_is_loaded_when_it_is_used_and_not_before() -> None:
    code = """
import sys
from wattline_agents.lean import load_when_used
load_when_used("dis")
import dis
before = "opcode" in sys.modules
print(before, dis.opmap["NOP"] == sys.modules["opcode"].opmap["NOP"], hasattr(dis, "__path__"))
import dis
from dis import opname
print(sys.modules["dis"].__spec__ is not None, len(opname))
"""
    assert said(code).splitlines() == ["False True False", "True 256"]


def test_what_is_there_already_stays() -> None:
    code = """
import sys, dis
from wattline_agents.lean import load_when_used
load_when_used("dis")
print(sys.modules["dis"] is dis)
"""
    assert said(code) == "True"


@pytest.mark.parametrize(
    "module",
    [
        "inspect",
        "ast",
        "subprocess",
        "datetime",
        "argparse",
        "gettext",
        "locale",
        "json",
        "shutil",
        "tomllib",
        "ipaddress",
        "stringprep",
        "json",
        "copy",
        "weakref",
        "ntpath",
        "selectors",
        "typing",
    ],
)
def test_an_agent_holds_nothing_of_what_it_does_not_use(module: str) -> None:
    """`inspect` and others stand in `sys.modules` as what would load them, without a file."""
    code = f"""
import sys
from wattline_agents.agent_main import main
from wattline_agents.agent import Agent
def run(self, told):
    found = sys.modules.get({module!r})
    print("held" if found is not None and found.__dict__.get("__file__") else "free")
    self.close()
Agent.run = run
sys.argv = ["wattline-agent", "--source", "host", "--prometheus", "127.0.0.1:0", "--no-jobs"]
main()
"""
    assert said(code) == "free"


def test_help_is_as_wide_as_it_is_told() -> None:
    code = """
import os
os.environ["COLUMNS"] = "60"
from wattline_agents.agent_main import main
try:
    main(["--help"])
except SystemExit:
    pass
"""
    lines = said(code).splitlines()
    usage = lines[: lines.index("")]
    assert max(map(len, usage)) <= 60
    assert len(usage) > 10


def test_an_agent_collects_garbage_once_it_reads_and_passes_over_what_it_loaded() -> None:
    code = """
import gc, sys
from wattline_agents.agent_main import main
from wattline_agents.agent import Agent
build = Agent.__init__
def seen(self, *told, **more):
    build(self, *told, **more)
    print(gc.isenabled())
def run(self, told):
    print(gc.isenabled(), gc.get_freeze_count() > 10_000)
    self.close()
Agent.__init__, Agent.run = seen, run
sys.argv = ["wattline-agent", "--source", "host", "--prometheus", "127.0.0.1:0", "--no-jobs"]
main()
"""
    assert said(code).splitlines() == ["False", "True True"]


def test_who_imports_the_agent_goes_on_collecting_garbage() -> None:
    code = """
import gc
import wattline_agents.agent_main
from wattline_agents.lean import settled
settled()
print(gc.isenabled(), gc.get_freeze_count())
gc.disable()
import importlib
importlib.reload(wattline_agents.agent_main)
print(gc.isenabled())
settled()
print(gc.isenabled(), gc.get_freeze_count() > 0)
"""
    assert said(code).splitlines() == ["True 0", "False", "True True"]
