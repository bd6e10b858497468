import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.catalogue import CAPABILITY
from wattline_agents.errors import ReadFailed, SourceUnavailable, UsageError
from wattline_agents.rows import checked_row
from wattline_agents.sources.registry import SOURCES, open_source
from wattline_agents.sources.scraped.dcgm import DcgmSource
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.source import ReadsAtOwnPace, SaysWhyNot

NAMES = [name for name, place in SOURCES.items() if ".scraped." in place]


def temperature(*devices: str) -> str:
    return "".join(
        f'DCGM_FI_DEV_GPU_TEMP{{gpu="{index}",UUID="{device}"}} 30\n'
        for index, device in enumerate(devices)
    )


def config(**options: str) -> SourceConfig:
    return SourceConfig("s", "n", options=options)


def test_a_page_is_read_at_its_own_pace_and_with_a_deadline(exporter: Any) -> None:
    exporter.body = temperature("GPU-a").encode()
    source = DcgmSource.from_config(config(url=exporter.url))
    assert isinstance(source, ReadsAtOwnPace)
    assert isinstance(source, SaysWhyNot)
    assert (source.every_seconds, source.may_block) == (15.0, True)
    (row,) = source.read(1_000)["device"]
    assert (row["device"], row["temperature_celsius"], row["time_unix_ms"]) == (
        "GPU-a",
        30.0,
        1_000,
    )
    source.close()


def test_it_is_never_read_more_often_than_the_agent_ticks(exporter: Any) -> None:
    options = {"url": exporter.url, "every": "1"}
    source = DcgmSource.from_config(SourceConfig("s", "n", period_seconds=30.0, options=options))
    assert source.every_seconds == 30.0


def test_the_token_is_sent(exporter: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    exporter.body = temperature("GPU-a").encode()
    DcgmSource.from_config(config(url=exporter.url, token_file=str(tmp_path / "token"))).read(1)
    assert exporter.asked[0][1]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("name", NAMES)
def test_an_exporter_nobody_told_of_is_absent_without_noise(
    name: str, monkeypatch: pytest.MonkeyPatch, unused_url: str
) -> None:
    module, attribute = SOURCES[name].split(":")
    kind = getattr(importlib.import_module(module), attribute)
    monkeypatch.setattr(kind, "default_url", unused_url)
    with pytest.raises(SourceUnavailable, match=f"no exporter: {unused_url}: Connection refused"):
        open_source(name, config())


def test_an_exporter_that_was_told_may_start_later(exporter: Any) -> None:
    exporter.status = 503
    source = DcgmSource.from_config(config(url=exporter.url))
    with pytest.raises(ReadFailed, match="HTTP 503"):
        source.read(1)
    exporter.status, exporter.body = 200, temperature("GPU-a").encode()
    assert source.read(2)["device"]


def test_another_exporter_at_the_usual_address_is_not_taken_for_it(
    exporter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DcgmSource, "default_url", exporter.url)
    exporter.body = b"go_goroutines 5\n"
    with pytest.raises(SourceUnavailable, match="another exporter's page"):
        DcgmSource.from_config(config())


def without_parser(name: str, package: str | None = None) -> None:
    return None


def test_without_the_parser_a_told_address_is_a_mistake_and_a_found_one_is_not(
    exporter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", without_parser)
    monkeypatch.setattr(DcgmSource, "default_url", exporter.url)
    missing = r"pip install wattline-agents\[scrape\]"
    with pytest.raises(UsageError, match=f"source dcgm: .*{missing}"):
        DcgmSource.from_config(config(url=exporter.url))
    with pytest.raises(SourceUnavailable, match=missing):
        DcgmSource.from_config(config())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"port": "9400"}, "no option 'port'; there are url, every, token_file"),
        ({"url": "nonsense"}, "source dcgm: option url: not an address such as"),
        ({"every": "often"}, "option every: not a number from 0.1 to 3600"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        DcgmSource.from_config(SourceConfig("s", "n", options=options))


def test_a_page_with_nothing_known_is_a_failed_reading(address: Callable[..., Any]) -> None:
    with pytest.raises(ReadFailed, match="nothing of dcgm on the page"):
        DcgmSource(address("up 1\n")).read(1)
    with pytest.raises(ReadFailed, match="nothing of dcgm on the page; line 1: "):
        DcgmSource(address("<html>\n")).read(1)


def test_lines_left_out_are_counted_and_the_first_is_named(address: Callable[..., Any]) -> None:
    page = temperature("GPU-a") + 'DCGM_FI_DEV_GPU_TEMP{UUID="GPU-b 31\n{{{\n'
    source = DcgmSource(address(page, temperature("GPU-a")))
    assert len(source.read(1)["device"]) == 1
    told = source.why_not()[""]["page"]
    assert told.startswith("2 lines of http://node:9/metrics left out; line 2: ")
    source.read(2)
    assert "" not in source.why_not()


def test_what_the_page_lacks_is_named_by_what_would_fill_it(address: Callable[..., Any]) -> None:
    source = DcgmSource(address(temperature("GPU-a")))
    source.read(1)
    why = source.why_not()["GPU-a"]
    assert why["sm_active_ratio"] == "DCGM_FI_PROF_SM_ACTIVE is not on the exporter's page"
    for column, reason in why.items():
        checked_row(
            CAPABILITY,
            {"time_unix_ms": 1, "source": "dcgm", "device": "GPU-a", "column": column,
             "reason": reason},
        )  # fmt: skip


def test_a_device_that_leaves_the_page_is_down_and_comes_back(address: Callable[..., Any]) -> None:
    source = DcgmSource(
        address(temperature("GPU-a", "GPU-b"), temperature("GPU-a"), temperature("GPU-a", "GPU-b"))
    )
    ups = [{row["device"]: row["up"] for row in source.read(tick)["device"]} for tick in range(3)]
    assert ups == [{"GPU-a": 1, "GPU-b": 1}, {"GPU-a": 1, "GPU-b": 0}, {"GPU-a": 1, "GPU-b": 1}]


def test_a_device_that_left_the_page_is_forgotten_after_an_hour(
    address: Callable[..., Any],
) -> None:
    source = DcgmSource(address(temperature("GPU-a", "GPU-b"), *[temperature("GPU-a")] * 3))
    devices = [
        {row["device"]: row["up"] for row in source.read(now_ms)["device"]}
        for now_ms in (0, 15_000, 3_600_000, 3_615_000)
    ]
    assert devices[2] == {"GPU-a": 1, "GPU-b": 0}
    assert devices[3] == {"GPU-a": 1}


def test_who_is_on_the_page_is_described_and_not_sent_at_every_reading(
    address: Callable[..., Any],
) -> None:
    source = DcgmSource(address(temperature("GPU-a")))
    assert source.describe(1) == {}
    assert "device_info" not in source.read(1)
    (info,) = source.describe(7)["device_info"]
    assert (info["device"], info["index"], info["time_unix_ms"]) == ("GPU-a", 0, 7)
