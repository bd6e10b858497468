from collections.abc import Mapping
from typing import Any

from wattline_agents.config import AgentConfig, Settings, SourceChoice
from wattline_agents.doctor.examine import examine, sources
from wattline_agents.doctor.finding import Mark, problems
from wattline_agents.doctor.probing import Probed
from wattline_agents.sources.settings import SourceConfig

NOBODY: frozenset[str] = frozenset()


def test_every_subject_has_its_section(node: Any) -> None:
    node.modules = {"pynvml", "psutil"}
    asked: dict[str, SourceConfig] = {}

    def prober(configs: Mapping[str, SourceConfig]) -> dict[str, Probed]:
        asked.update(configs)
        return {name: Probed(name, readings={"node": [{"x": 1}]}) for name in configs}

    settings = Settings(
        AgentConfig("leonardo", "n01"), (SourceChoice("host", {"every": "5"}, automatic=True),)
    )
    sections = examine(node.machine(), settings, prober)
    assert [section.title for section in sections] == [
        "Node", "Accelerators", "Sources", "Node power", "Exporters running here", "Jobs",
        "Sending", "Installed",
    ]  # fmt: skip
    assert problems(sections) == []
    assert asked["host"].options == {"every": "5"}
    assert (asked["host"].system, asked["host"].node) == ("leonardo", "n01")


def test_sources_say_what_they_gave() -> None:
    probed = {
        "host": Probed("host", readings={"node": [{"a": 1, "b": None}]}),
        "simulated": Probed("simulated", readings={"device": [{}, {}]}),
        "cray": Probed("cray", readings={"meter": [{}]}),
        "jobs": Probed("jobs"),
    }
    assert [finding.what for finding in sources(probed, NOBODY)] == [
        "host: 1 value", "simulated: 2 devices", "cray: 1 meter", "jobs: answers, and says nothing"
    ]  # fmt: skip


def test_a_source_that_is_not_here_is_a_problem_only_if_it_was_asked_for() -> None:
    probed = {"rapl": Probed("rapl", "no zone"), "cray": Probed("cray", "no Cray")}
    (finding,) = sources(probed, NOBODY)
    assert (finding.mark, finding.what) == (Mark.OFF, "nothing for rapl, cray to read here")
    rapl, cray = sources(probed, frozenset({"rapl"}))
    assert (rapl.mark, rapl.what) == (Mark.PROBLEM, "rapl: no zone")
    assert cray.mark is Mark.OFF


def test_what_fails_hangs_or_is_mistaken_is_a_problem() -> None:
    probed = {
        "host": Probed("host", mistake="source host: no option 'evry'"),
        "redfish": Probed("redfish", hung=["read"], failed=["it broke"]),
        "ipmi": Probed("ipmi", why_not={"": {"power_watts": "only root may"}}),
    }
    found = sources(probed, NOBODY)
    assert [(finding.mark, finding.what) for finding in found] == [
        (Mark.PROBLEM, "source host: no option 'evry'"),
        (Mark.PROBLEM, "redfish: it broke"),
        (Mark.PROBLEM, "redfish: read does not answer"),
        (Mark.OFF, "ipmi: power_watts: only root may"),
    ]


def test_what_cannot_be_read_comes_with_a_next_step() -> None:
    choices = (
        SourceChoice("redfish", {"url": "https://10.0.0.1"}),
        SourceChoice("dcgm"),
        SourceChoice("ipmi"),
    )
    probed = {
        "redfish": Probed("redfish", failed=["redfish: no answer"]),
        "dcgm": Probed("dcgm", "no exporter"),
        "ipmi": Probed("ipmi", failed=["no power"]),
    }
    found = sources(probed, frozenset(probed), choices)
    assert [finding.what for finding in found] == [
        "redfish: no answer", "dcgm: no exporter", "ipmi: no power"
    ]  # fmt: skip
    steps = [finding.cure or "" for finding in found]
    assert "curl -kv https://10.0.0.1/redfish/v1/" in steps[0]
    assert "start dcgm-exporter, or set [source.dcgm] url" in steps[1]
    assert "ipmitool dcmi power reading" in steps[2]


def test_a_mistake_names_its_source_and_option() -> None:
    choices = (SourceChoice("simulated", {"profile": "h1"}),)
    probed = {"simulated": Probed("simulated", mistake="no profile 'h1'")}
    (finding,) = sources(probed, NOBODY, choices)
    assert finding.what == "source simulated: option profile: no profile 'h1'"
