import json
from pathlib import Path

import pytest

from wattline_agents.config import from_toml
from wattline_agents.errors import InputError


def write(folder: Path, text: str) -> Path:
    file = folder / "agent.toml"
    file.write_text(text)
    return file


def test_the_section_alone_adds_the_source(tmp_path: Path) -> None:
    settings = from_toml(write(tmp_path, "[serving]"))
    assert [one.name for one in settings.sources][-1] == "serving"
    assert settings.sources[-1].options == {}
    assert "serving" not in [one.name for one in from_toml(write(tmp_path, "")).sources]


def test_its_keys_are_options_of_the_source(tmp_path: Path) -> None:
    text = """
[serving]
pages = ["http://a:1/metrics", { url = "http://b:2", job = "chat", role = "decode" }]
discover = false
every_seconds = 10
first_token_target_seconds = 0.5
"""
    choice = from_toml(write(tmp_path, text)).sources[-1]
    pages = ["http://a:1/metrics", {"url": "http://b:2", "job": "chat", "role": "decode"}]
    assert json.loads(choice.options["pages"]) == pages
    rest = {key: value for key, value in choice.options.items() if key != "pages"}
    assert rest == {"discover": "false", "every": "10", "first_token_target": "0.5"}
    assert choice.places["pages"] == f"{tmp_path / 'agent.toml'}:3"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[serving]\npages = 'x'", "2: serving.pages: not a list: 'x'"),
        ("[serving]\npages = ['x']", "2: serving.pages: page 1: url: not an address such as"),
        (
            "[serving]\n\npages = ['http://a', { job = 'j' }]",
            "3: serving.pages: page 2: without `url`",
        ),
        ("[serving]\npages = [{ url = 'http://a', role = 'x' }]", "page 1: role: no role 'x'"),
        ("[serving]\npage = []", "2: serving.page: no such key in [serving]; did you mean 'pages'"),
        ("[serving]\ndiscover = 1", "2: serving.discover: not true or false: '1'"),
        ("[serving]\nevery_seconds = 0.1", "2: serving.every_seconds: not from 1 to 3600: 0.1"),
        (
            "[serving]\nper_token_target_seconds = 0",
            "2: serving.per_token_target_seconds: not from 1e-06 to 3600: 0",
        ),
        ("serving = 5", "1: serving: not a section [serving]"),
    ],
)
def test_a_mistake_is_named_by_its_place(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InputError) as raised:
        from_toml(write(tmp_path, text))
    assert f"agent.toml:{reason}" in str(raised.value) or reason in str(raised.value)
