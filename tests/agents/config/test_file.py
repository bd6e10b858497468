from pathlib import Path

import pytest

from wattline_agents.config import (
    AUTOMATIC,
    AgentConfig,
    AssignmentSettings,
    InfluxSettings,
    OtlpSettings,
    SourceChoice,
    from_toml,
)
from wattline_agents.config.document import MOST_BYTES
from wattline_agents.errors import InputError

FULL = """
system = "leonardo"
node = "n01"
rack = "r07"
period_seconds = 2
sources = ["host", "simulated"]
nice = 10
cpus = "0,64-67"

[push]
url = "http://127.0.0.1:8600"
token_file = "/etc/wattline/token"
every_seconds = 10
spool = "/var/lib/wattline/spool"
spool_bytes = 1000000

[prometheus]
listen = "127.0.0.1:9400"

[otlp]
endpoint = "http://127.0.0.1:4318"
every_seconds = 15
headers_file = "/etc/wattline/headers"
gzip = true

[influx]
url = "http://127.0.0.1:8086"
bucket = "b"
org = "o"
token_file = "/etc/wattline/influx"
every_seconds = 20

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
    assert settings.otlp == OtlpSettings(
        "http://127.0.0.1:4318", 15.0, Path("/etc/wattline/headers"), gzip=True
    )
    assert settings.influx == InfluxSettings(
        "http://127.0.0.1:8086", "b", "o", Path("/etc/wattline/influx"), 20.0
    )
    assert (settings.nice, settings.cpus) == (10, "0,64-67")
    assert settings.job_socket == Path("/run/wattline/job.sock")
    assert settings.jobs is False
    assert settings.goes_somewhere


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    settings = from_toml(write(tmp_path, ""))
    assert settings.agent.system == "local"
    assert settings.sources == tuple(SourceChoice(name, automatic=True) for name in AUTOMATIC)
    assert settings.jobs is True
    assert not settings.goes_somewhere


def test_a_source_that_is_named_beside_the_automatic_ones_is_not_merely_tried(
    tmp_path: Path,
) -> None:
    settings = from_toml(write(tmp_path, 'sources = ["auto", "dcgm", "rapl"]'))
    automatic = {choice.name for choice in settings.sources if choice.automatic}
    named = {choice.name for choice in settings.sources if not choice.automatic}
    assert automatic == set(AUTOMATIC) - {"rapl"}
    assert named == {"dcgm", "rapl"}


def test_an_option_knows_where_it_was_given(tmp_path: Path) -> None:
    file = write(tmp_path, 'sources = ["host"]\n\n[source.host]\nevery = 5\nloud = true\n')
    (choice,) = from_toml(file).sources
    assert choice.options == {"every": "5", "loud": "true"}
    assert choice.places == {"": f"{file}:3", "every": f"{file}:4", "loud": f"{file}:5"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("\nsytem = 'x'", "2: sytem: no such key; did you mean 'system'?"),
        ("\n[pushh]", "2: pushh: no such key; did you mean 'push'?"),
        ("xyzzy = 1", "1: xyzzy: no such key; there are system, node"),
        ("node = 7", "1: node: not text: '7'"),
        ("node = ''", "1: node: not a line of text: ''"),
        ("rack = 'a\\nb'\nnode = \"a\\nb\"", "2: node: not a line of text"),
        ("period_seconds = true", "1: period_seconds: not a number: 'True'"),
        ("period_seconds = 0", "1: period_seconds: not from 0.1 to 3600: 0"),
        ("period_seconds = nan", "1: period_seconds: not from 0.1 to 3600: nan"),
        ("nice = 20", "1: nice: not from 0 to 19: 20"),
        (f"nice = {10**400}", "1: nice: not from 0 to 19: 10000000"),
        ("nice = " + 5_000 * "7", "not a configuration: a number of too many digits"),
        (f"rack = '{300 * 'r'}'", "1: rack: not a line of text of at most 256 bytes: 'rrr"),
        ("nice = 1.5", "1: nice: not a whole number: '1.5'"),
        ("cpus = '4-2'", "1: cpus: not processors such as 0,64-67: '4-2'"),
        ("# comment\nnode = 'a b'", "2: node: 'a b' is not a name"),
        ("sources = 'nvml'", "1: sources: not a list: 'nvml'"),
        ("sources = 'auto'", "1: sources: not a list: 'auto'; write [\"auto\"]"),
        ("sources = [7]", "1: sources: not text: '7'"),
        ("sources = []", "1: sources: names no source"),
        ("sources = ['nvlm']", "1: sources: no source 'nvlm'; did you mean 'nvml'?"),
        ("sources = ['host', 'host']", "1: sources: 'host' is named twice"),
        ("push = 7", "1: push: not a section [push]"),
        ("[push]\nurl = 7", "2: push.url: not text: '7'"),
        ("[push]\nurl = 'collector'", "2: push.url: not an address such as http://host:8600"),
        ("[push]\nurl = 'http://x:0'", "2: push.url: not an address such as"),
        ("[push]\nspool_bytes = -5", "2: push.spool_bytes: not from 65536 to"),
        ("[push]\nevery_seconds = 0", "2: push.every_seconds: not from 0.1 to 3600: 0"),
        ("[push]\nurl = 'http://u:p@c'", "2: push.url: no user or password in an address: use to"),
        ("[otlp]\nendpoint = 'http://u:p@c'", "in an address: use headers_file"),
        (
            "sources = ['redfish']\n[source.redfish]\nurl = 'https://u:p@c'",
            "3: source.redfish.url: no user or password in an address: use login_file",
        ),
        ("[push]\nspool_bytes = 1.5", "2: push.spool_bytes: not a whole number: '1.5'"),
        ("[push]\nspool-bytes = 1", "no such key in [push]; did you mean 'spool_bytes'?"),
        ("[push]\nxyzzy = 'x'", "push.xyzzy: no such key in [push]; there are url, token_file"),
        ("[prometheus]", "1: prometheus: without `listen`, which [prometheus] needs"),
        ("prometheus.listen = '9400'", "1: prometheus.listen: not HOST:PORT such as"),
        ("prometheus.listen = ':70000'", "1: prometheus.listen: not HOST:PORT such as"),
        ("[otlp]\ngzip = true", "1: otlp: without `endpoint`, which [otlp] needs"),
        ("[otlp]\nurl = 'http://x'", "2: otlp.url: no such key in [otlp]; there are endpoint"),
        ("[influx]\nurl = 'http://x'\nevery_seconds = 0", "3: influx.every_seconds: not from 1"),
        ("[influx]\ntoken = 'x'", "2: influx.token: no such key in [influx]; did you mean 'tok"),
        ("[job]\nenabled = 1", "2: job.enabled: not true or false: '1'"),
        ("source = 7", "1: source: not a section [source.NAME]"),
        ("source.host = 7", "1: source.host: not a section [source.host]"),
        ("[source.hots]", "1: source.hots: no source 'hots'; did you mean 'host'?"),
        ("[source.dcgm]\nurl = 'x'", "1: source.dcgm: has options and is not in `sources`"),
        ("[source.host]\nevery = [5]", "2: source.host.every: not text, a number, or true"),
        ("system = 'x'\nnode = ", "2: not TOML: "),
        ("node = 'a'\nnode = 'b'\n", "2: not TOML: Cannot overwrite a value"),
        ("node = 'a", "1: not TOML: "),
        ("rack = '''a\nb", "2: not TOML: "),
    ],
)
def test_a_mistake_is_named_by_file_line_and_key(tmp_path: Path, text: str, complaint: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(InputError) as raised:
        from_toml(file)
    assert str(raised.value).startswith(f"{file}:")
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: cannot be read: No such file"):
        from_toml(tmp_path / "none.toml")


def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_bytes(b'node = "a"\nrack = "\xff"\n')
    with pytest.raises(InputError, match=r"agent\.toml:2: not TOML: not UTF-8"):
        from_toml(file)
    file.write_text("rack = " + "[" * 5_000 + "]" * 5_000)
    with pytest.raises(InputError, match="nested too deep"):
        from_toml(file)
    file.write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(InputError, match="over 1 MiB"):
        from_toml(file)


def test_a_file_from_another_system_is_read(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_bytes(b'\xef\xbb\xbfnode = "n01"\r\n[push]\r\nuri = "x"\r\n')
    with pytest.raises(InputError, match=r"agent\.toml:3: push\.uri: no such key"):
        from_toml(file)


def test_how_jobs_and_devices_are_joined_is_told_in_a_section_of_its_own(tmp_path: Path) -> None:
    text = """
[assignment]
records = "/run/records"
dcgm = "/run/mapping"
numbers = "minor"
shards_per_device = 64
"""
    assert from_toml(write(tmp_path, text)).assignment == AssignmentSettings(
        records=Path("/run/records"),
        dcgm=Path("/run/mapping"),
        numbers="minor",
        shards_per_device=64,
    )
    assert from_toml(write(tmp_path, "")).assignment == AssignmentSettings()
    assert not from_toml(write(tmp_path, "[assignment]\nenabled = false")).assignment.enabled


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('numbers = "order"', "assignment.numbers: not auto, index or minor: 'order'"),
        ("numbers = 3", "assignment.numbers: not text: '3'"),
        ("shards_per_device = 0", "assignment.shards_per_device: not from 1 to 100000: 0"),
        (
            'record = "/x"',
            "assignment.record: no such key in [assignment]; did you mean 'records'?",
        ),
        ('enabled = "yes"', "assignment.enabled: not true or false: 'yes'"),
    ],
)
def test_a_mistake_in_it_is_named_by_its_line(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        from_toml(write(tmp_path, f"[assignment]\n{line}\n"))
    assert str(caught.value) == f"{tmp_path}/agent.toml:2: {reason}"
