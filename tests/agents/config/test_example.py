import re
from pathlib import Path

from wattline_agents.config import Settings, automatic_sources, from_toml
from wattline_agents.config.example import EXAMPLE
from wattline_agents.config.file import SECTIONS, TOP


def read(folder: Path, text: str) -> Settings:
    file = folder / "agent.toml"
    file.write_text(text)
    return from_toml(file)


def with_everything_set() -> str:
    """The example without the `#` before its keys and sections."""
    return re.sub(r"^#(?=\[|[a-z_]+ = )", "", EXAMPLE, flags=re.MULTILINE)


def test_the_example_as_it_stands_says_what_holds_without_it(tmp_path: Path) -> None:
    assert read(tmp_path, EXAMPLE) == read(tmp_path, "")


def test_the_example_is_right_in_every_key_it_offers(tmp_path: Path) -> None:
    settings = read(tmp_path, with_everything_set())
    assert settings.push == "https://collector.example:8600"
    assert settings.otlp is not None
    assert settings.influx is not None
    told = {one.name: one.options for one in settings.sources if one.options}
    assert told.keys() == {"host", "serving"}
    assert told["host"] == {"every": "5"}
    assert len(settings.sources) == len(automatic_sources()) + 1


def test_the_example_has_every_key_there_is() -> None:
    keys = set(re.findall(r"^([a-z_]+) = ", with_everything_set(), re.MULTILINE))
    known = TOP.keys() | {key for section in SECTIONS.values() for key in section}
    assert keys == known | {"every"}
    sections = set(re.findall(r"^\[(.+)\]$", with_everything_set(), re.MULTILINE))
    assert sections == SECTIONS.keys() | {"source.host"}


def test_defaults_that_the_example_shows_are_the_defaults(tmp_path: Path) -> None:
    needed = '[otlp]\nendpoint = "http://127.0.0.1:4318"\n[influx]\nurl = "http://127.0.0.1:8086"'
    least, most = read(tmp_path, needed), read(tmp_path, with_everything_set())
    assert most.push_every_seconds == least.push_every_seconds
    assert most.spool_bytes == least.spool_bytes
    assert most.jobs == least.jobs
    assert least.otlp is not None and most.otlp is not None
    assert most.otlp.every_seconds == least.otlp.every_seconds
    assert most.otlp.gzip == least.otlp.gzip
    assert least.influx is not None and most.influx is not None
    assert (most.influx.bucket, most.influx.org) == (least.influx.bucket, least.influx.org)
