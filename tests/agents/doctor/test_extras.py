from dataclasses import replace
from typing import Any

from wattline_agents.config import AgentConfig, InfluxSettings, OtlpSettings, Settings, SourceChoice
from wattline_agents.doctor.extras import BASE, EXTRAS, check
from wattline_agents.doctor.finding import Mark

BARE = Settings(AgentConfig(node="n01"), (SourceChoice("host"),))


def test_what_nobody_asks_for_need_not_be_installed(node: Any) -> None:
    node.modules = set(BASE)
    installed, absent = check(node.machine(), BARE)
    assert installed.what == "installed: no extras"
    assert (absent.mark, absent.cure) == (
        Mark.OFF,
        "pip install 'wattline-agents[scrape,otlp,influx]'",
    )


def test_what_the_configuration_asks_for_must_be_installed(node: Any) -> None:
    node.modules = set(BASE) | set(EXTRAS["influx"])
    settings = replace(
        BARE,
        sources=(SourceChoice("dcgm"),),
        otlp=OtlpSettings("http://o"),
        influx=InfluxSettings("http://i"),
    )
    scrape, otlp, installed = check(node.machine(), settings)
    assert scrape.what == "extra `scrape` is not installed, and source dcgm needs it"
    assert otlp.cure == "pip install 'wattline-agents[otlp]'"
    assert {scrape.mark, otlp.mark} == {Mark.PROBLEM}
    assert installed.what == "installed: influx"


def test_a_base_that_is_incomplete_is_a_problem(node: Any) -> None:
    node.modules = {"psutil"}
    finding = check(node.machine(), BARE)[0]
    assert (finding.mark, finding.cure) == (Mark.PROBLEM, "pip install nvidia-ml-py")
