from __future__ import annotations

import signal
import urllib.error
import urllib.request
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import UsageError
from wattline_dashboards import serve
from wattline_dashboards.commands.dashboards import COMMAND


@pytest.mark.parametrize(
    ("listen", "address"),
    [("127.0.0.1:8050", ("127.0.0.1", 8050)), ("[::1]:0", ("::1", 0)), ("box:80", ("box", 80))],
)
def test_an_address_is_taken_apart(listen: str, address: tuple[str, int]) -> None:
    assert serve.split_listen(listen) == address


@pytest.mark.parametrize("listen", ["8050", "host:", ":8050", "host:70000", "host:http"])
def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        serve.split_listen(listen)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "kpi.example.eu"])
def test_an_address_others_reach_needs_a_proxy_that_signs_people_in(host: str) -> None:
    with pytest.raises(UsageError, match=r"no sign-in.*--behind-proxy"):
        serve.checked_host(host, behind_proxy=False)
    serve.checked_host(host, behind_proxy=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machines_own_addresses_need_nothing(host: str) -> None:
    serve.checked_host(host, behind_proxy=False)


def run(*words: str) -> int:
    parser = ArgumentParser()
    COMMAND.configure(parser)
    return COMMAND.run(parser.parse_args(words))


def test_the_command_refuses_to_be_seen_by_others(token_file: Path) -> None:
    with pytest.raises(UsageError, match="no sign-in"):
        run("--listen", "0.0.0.0:0", "--token-file", str(token_file))


def test_a_missing_token_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WATTLINE_TOKEN_FILE", raising=False)
    with pytest.raises(UsageError, match="STORE/tokens/read"):
        run("--listen", "127.0.0.1:0")
    with pytest.raises(UsageError, match="nowhere"):
        run("--listen", "127.0.0.1:0", "--token-file", str(tmp_path / "nowhere"))


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_says_where_and_ends_cleanly(pages: Any, end: signal.Signals) -> None:
    assert pages.ready.startswith("dashboards: http://127.0.0.1:")
    with urllib.request.urlopen(f"{pages.url}/health", timeout=30) as answer:
        assert answer.status == 200
    strange = urllib.request.Request(pages.url, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(strange, timeout=30)
    refused.value.close()
    assert refused.value.code == 400
    pages.process.send_signal(end)
    assert pages.process.wait(30) == 0
    assert pages.process.stderr.read() == ""


def test_a_port_that_is_taken_is_said_in_one_line(token_file: Path, collector: Any) -> None:
    taken = collector.url.removeprefix("http://")
    with pytest.raises(UsageError, match="choose another address or port"):
        run("--listen", taken, "--token-file", str(token_file))
