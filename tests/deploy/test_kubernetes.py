"""What the manifests start and mount must be what Wattline understands and looks for."""

import argparse
import json
import re
import textwrap
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.assignment.kubernetes import SOCKET
from wattline_agents.assignment.pods import CGROUPS, LOGS
from wattline_agents.command import Command
from wattline_agents.config import from_toml
from wattline_collector.jobs import kube_api

DEPLOY = Path(__file__).parents[2] / "deploy/kubernetes"
MANIFESTS = sorted(DEPLOY.glob("*.yaml"))


def text(name: str) -> str:
    return (DEPLOY / name).read_text()


def started() -> list[list[str]]:
    """Every command line of the manifests, from the subcommand on."""
    lines = []
    for manifest in MANIFESTS:
        for args in re.findall(r"^ +args: (\[.*\])$", manifest.read_text(), re.MULTILINE):
            words = json.loads(args)
            lines.append(words if manifest.name == "collector.yaml" else ["agent", *words])
    return lines


@pytest.mark.parametrize("words", started(), ids=lambda words: words[0])
def test_every_command_that_is_started_takes_its_arguments(words: list[str]) -> None:
    (point,) = entry_points(group="wattline.commands", name=words[0])
    command = point.load()
    assert isinstance(command, Command)
    parser = argparse.ArgumentParser(prog=words[0])
    command.configure(parser)
    parser.parse_args(words[1:])


def test_there_is_a_command_for_every_container() -> None:
    assert sorted(words[0] for words in started()) == ["agent", "collector", "dashboards"]
    images = [line for name in MANIFESTS for line in re.findall(r"image: (\S+)", name.read_text())]
    assert len(images) == len(started())


def configuration() -> str:
    (block,) = re.findall(r"  agent\.toml: \|\n((?:    .*\n|\n)+)", text("agent.yaml"))
    return textwrap.dedent(block)


def test_the_agent_s_configuration_is_one(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(configuration())
    settings = from_toml(file)
    assert settings.assignment.kubernetes == Path(SOCKET)
    (collector,) = [words for words in started() if words[0] == "collector"]
    assert settings.agent.system == collector[collector.index("--kubernetes-system") + 1]
    assert str(settings.job_socket).startswith("/run/wattline/")


@pytest.mark.parametrize("path", [str(Path(SOCKET).parent), LOGS, CGROUPS, "/run/wattline"])
def test_what_the_agent_looks_for_is_mounted_where_it_looks(path: str) -> None:
    assert f"mountPath: {path}" in text("agent.yaml")
    assert f"hostPath: {{path: {path}," in text("agent.yaml")


def test_only_what_is_written_is_mounted_to_be_written() -> None:
    mounts = re.findall(r"- \{name: (\S+), mountPath: [^}]*\}", text("agent.yaml"))
    writable = [
        name for name in mounts
        if f"name: {name}," in text("agent.yaml")
        and not re.search(rf"name: {name}, mountPath: [^}}]*readOnly: true", text("agent.yaml"))
    ]  # fmt: skip
    assert writable == ["jobs", "spool", "tmp"]


def test_nothing_is_privileged_or_may_write_to_its_own_files() -> None:
    for manifest in MANIFESTS:
        content = manifest.read_text()
        assert "privileged: true" not in content
        containers = len(re.findall(r"^ +image: ", content, re.MULTILINE))
        narrowed = content.count("readOnlyRootFilesystem: true")
        shared = content.count("*narrow")
        assert narrowed + shared == containers
        assert content.count("drop: [ALL]") + shared == containers
        assert content.count("allowPrivilegeEscalation: false") + shared == containers


def test_rights_in_the_cluster_are_to_read_what_is_asked_for() -> None:
    verbs = {
        verb
        for manifest in MANIFESTS
        for found in re.findall(r"verbs: \[(.*)\]", manifest.read_text())
        for verb in found.split(", ")
    }
    assert verbs == {"get", "list", "watch"}
    for path in (kube_api.PODS, kube_api.NODES, kube_api.JOBS):
        assert re.search(rf"resources: \[.*{path.split('/')[-1]}.*\]", text("collector.yaml"))
    assert "secrets" not in text("collector.yaml").replace("secretName", "")


def test_the_agent_s_image_holds_the_agent_alone() -> None:
    assert text("Dockerfile.dockerignore").split() == ["**", "!agents", "**/__pycache__"]
    assert 'ENTRYPOINT ["wattline-agent"]' in text("Dockerfile")


def objects() -> list[Any]:
    yaml = pytest.importorskip("yaml")
    return [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text())]


def test_manifests_are_yaml_and_refer_to_what_there_is() -> None:
    every = [one for one in objects() if one["kind"] != "Kustomization"]
    assert {one["kind"] for one in every} >= {"DaemonSet", "Deployment", "Service", "ClusterRole"}
    names = {(one["kind"], one["metadata"]["name"]) for one in every}
    for one in every:
        if one["kind"] == "ClusterRoleBinding":
            assert ("ClusterRole", one["roleRef"]["name"]) in names
            assert ("ServiceAccount", one["subjects"][0]["name"]) in names
        if one["kind"] in ("DaemonSet", "Deployment"):
            pod = one["spec"]["template"]["spec"]
            assert ("ServiceAccount", pod["serviceAccountName"]) in names
            volumes = {volume["name"] for volume in pod["volumes"]}
            for container in pod["containers"]:
                mounted = {mount["name"] for mount in container["volumeMounts"]}
                assert mounted == volumes
            labels = one["spec"]["template"]["metadata"]["labels"]
            assert one["spec"]["selector"]["matchLabels"] == labels


def test_the_agents_reach_the_collector_by_its_service() -> None:
    (service,) = [one for one in objects() if one["kind"] == "Service"]
    name, space = service["metadata"]["name"], service["metadata"]["namespace"]
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    assert f'url = "http://{name}.{space}:{ports["http"]}"' in configuration()


def test_what_is_applied_together_is_there() -> None:
    (kustomization,) = [one for one in objects() if one["kind"] == "Kustomization"]
    assert all((DEPLOY / name).exists() for name in kustomization["resources"])
