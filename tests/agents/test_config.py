from pathlib import Path

import pytest

from wattline_agents.config import AgentConfig, SourceChoice, default_node, from_toml
from wattline_agents.errors import InputError, UsageError
from wattline_agents.wire import checked_name

FULL = """
system = "leonardo"
node = "n01"
rack = "r07"
period_seconds = 2
sources = ["host", "simulated"]

[push]
url = "http://127.0.0.1:8600"
token_file = "/etc/wattline/token"
every_seconds = 10
spool = "/var/lib/wattline/spool"
spool_bytes = 1000000

[prometheus]
listen = "127.0.0.1:9400"

[job]
socket = "/run/wattline/job.sock"
enabled = false

[source.simulated]
devices = 4
"""


def write(path: Path, text: str) -> Path:
    file = path / "agent.toml"
    file.write_text(text)
    return file


def test_every_key_is_read(tmp_path: Path) -> None:
    settings = from_toml(write(tmp_path, FULL))
    assert settings.agent == AgentConfig("leonardo", "n01", "r07", 2.0)
    assert settings.sources == (
        SourceChoice("host"),
        SourceChoice("simulated", {"devices": "4"}),
    )
    assert settings.push == "http://127.0.0.1:8600"
    assert settings.token_file == Path("/etc/wattline/token")
    assert settings.push_every_seconds == 10
    assert settings.spool == Path("/var/lib/wattline/spool")
    assert settings.spool_bytes == 1_000_000
    assert settings.prometheus == "127.0.0.1:9400"
    assert settings.job_socket == Path("/run/wattline/job.sock")
    assert settings.jobs is False


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    settings = from_toml(write(tmp_path, ""))
    assert settings.agent.system == "local"
    assert [choice.name for choice in settings.sources] == ["nvml", "host"]
    assert settings.jobs is True


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sytem = 'x'", "sytem: no such key; there are system, node"),
        ("node = 7", "node: not text: '7'"),
        ("period_seconds = true", "period_seconds: not a number"),
        ("period_seconds = 0", "period: not from 0.1 to 3600 seconds: 0"),
        ("node = 'a b'", "node: 'a b' is not a name"),
        ("sources = 'nvml'", "sources: not a list"),
        ("sources = [7]", "sources: not text"),
        ("push = 7", "push: not a section [push]"),
        ("[push]\nurl = 7", "push.url: not text: '7'"),
        ("[push]\nspool_bytes = 1.5", "push.spool_bytes: not a whole number: '1.5'"),
        ("[push]\nuri = 'x'", "push.uri: no such key; [push] has url, token_file"),
        ("[job]\nenabled = 1", "job.enabled: not true or false: '1'"),
        ("[source.simulated]\ndevices = 4", "source.simulated: has options and is not in"),
        ("node = ", "not TOML: "),
    ],
)
def test_a_mistake_is_named_by_file_and_key(tmp_path: Path, text: str, complaint: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(InputError) as raised:
        from_toml(file)
    assert str(raised.value).startswith(f"{file}: ")
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: No such file"):
        from_toml(tmp_path / "none.toml")


def test_a_source_is_chosen_with_its_options() -> None:
    choice = SourceChoice.parse("replay:path=/a/b.jsonl,speed=max")
    assert choice == SourceChoice("replay", {"path": "/a/b.jsonl", "speed": "max"})
    assert SourceChoice.parse("host") == SourceChoice("host")


def test_a_source_option_without_a_value_is_refused() -> None:
    with pytest.raises(UsageError, match="not KEY=VALUE: 'devices'"):
        SourceChoice.parse("simulated:devices")


def test_the_default_node_is_a_name() -> None:
    assert checked_name(default_node(), "node") == default_node()
