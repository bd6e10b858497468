"""The Redfish source against a real HTTP server that answers as controllers do."""

import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.catalogue import METER, NODE, NODE_INFO
from wattline_agents.errors import ReadFailed, SourceUnavailable, UsageError
from wattline_agents.rows import checked_row
from wattline_agents.sources.redfish import (
    Client,
    Power,
    RedfishSource,
    of_environment,
    of_power,
)
from wattline_agents.sources.registry import open_source
from wattline_agents.sources.settings import SourceConfig


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate that it signed itself, for the loopback address."""
    path = tmp_path_factory.mktemp("tls") / "bmc.pem"
    key, signed = path.with_name("key.pem"), path.with_name("signed.pem")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
    )
    subprocess.run(
        [*command.split(), "-keyout", str(key), "-out", str(signed)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    path.write_text(key.read_text() + signed.read_text())
    return path


CHASSIS = "/redfish/v1/Chassis"


def link(path: str) -> dict[str, str]:
    return {"@odata.id": path}


class Bmc:
    """What a controller has and how it behaves; change it between readings."""

    def __init__(self) -> None:
        self.tree: dict[str, Any] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.delay = 0.0
        self.raw: bytes | None = None
        self.drips = 0
        self.has_dripped = False

    def chassis(self, name: str, kind: str = "RackMount", **links: Any) -> None:
        members = self.tree.setdefault(CHASSIS, {"Members": []})["Members"]
        members.append(link(f"{CHASSIS}/{name}"))
        for key, resource in links.items():
            self.tree[f"{CHASSIS}/{name}/{key}"] = resource
        self.tree[f"{CHASSIS}/{name}"] = {
            "ChassisType": kind,
            **{key: link(f"{CHASSIS}/{name}/{key}") for key in links},
        }


class Server(ThreadingHTTPServer):
    daemon_threads = True
    bmc: Bmc


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        bmc = self.server.bmc
        bmc.asked.append(self.path)
        bmc.headers.append(dict(self.headers))
        time.sleep(bmc.delay)
        resource = bmc.tree.get(self.path)
        status = 404 if bmc.status == 200 and resource is None and bmc.raw is None else bmc.status
        body = bmc.raw if bmc.raw is not None else json.dumps(resource).encode()
        try:
            for _ in range(bmc.drips):
                self.wfile.write(b"HTTP/1.0 100 Continue\r\n\r\n")
                time.sleep(0.02)
            bmc.has_dripped = True
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", "http://127.0.0.1:1/redfish/v1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # the client gave up, which is what some tests are about

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def bmc() -> Bmc:
    bmc = Bmc()
    bmc.chassis(
        "1U",
        EnvironmentMetrics={
            "PowerWatts": {"Reading": 6438.5},
            "EnergyJoules": {"Reading": 123_456_789},
            "PowerLimitWatts": {"SetPoint": 10_000},
        },
    )
    return bmc


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Starts a controller; returns its address."""
    servers = []

    def serve(bmc: Bmc, *, certificate: Path | None = None) -> str:
        server = Server(("127.0.0.1", 0), Handler)
        server.bmc = bmc
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a refused handshake
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http{'s' if certificate else ''}://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def source(url: str, **options: str) -> RedfishSource:
    if url.startswith("http:"):
        options = {"insecure": "yes", **options}
    return RedfishSource.from_config(SourceConfig("s", "n", options={"url": url, **options}))


def test_power_energy_and_cap_are_the_nodes_and_a_meters(
    bmc: Bmc, serve: Callable[..., str]
) -> None:
    opened = source(serve(bmc))
    readings = opened.read(5_000)
    assert [checked_row(NODE, row) for row in readings["node"]] == [
        {"time_unix_ms": 5_000, "energy_joules_total": 123_456_789.0, "power_watts": 6438.5}
    ]
    assert [checked_row(METER, row) for row in readings["meter"]] == [
        {
            "time_unix_ms": 5_000,
            "source": "redfish",
            "domain": "node",
            "energy_joules_total": 123_456_789.0,
            "power_watts": 6438.5,
            "power_limit_watts": 10_000.0,
        }
    ]
    (info,) = opened.describe(5_000)["node_info"]
    assert checked_row(NODE_INFO, info)["power_source"] == "redfish"


def test_the_chassis_is_looked_for_once(bmc: Bmc, serve: Callable[..., str]) -> None:
    opened = source(serve(bmc))
    opened.read(1)
    opened.read(2)
    place = f"{CHASSIS}/1U/EnvironmentMetrics"
    assert bmc.asked == [CHASSIS, f"{CHASSIS}/1U", place, place, place]


def test_a_controller_of_the_older_kind_is_read_too(serve: Callable[..., str]) -> None:
    bmc = Bmc()
    bmc.chassis("Self", Power={"PowerControl": [{"PowerConsumedWatts": 344}]})
    assert source(serve(bmc)).read(1)["node"][0]["power_watts"] == 344.0


def test_a_chassis_that_moved_is_looked_for_again(bmc: Bmc, serve: Callable[..., str]) -> None:
    opened = source(serve(bmc))
    opened.read(1)
    bmc.tree.clear()
    bmc.chassis("2U", Power={"PowerControl": [{"PowerConsumedWatts": 500}]})
    with pytest.raises(ReadFailed, match="1U/EnvironmentMetrics says no power"):
        opened.read(2)
    assert opened.read(3)["node"][0]["power_watts"] == 500.0


def test_a_whole_node_is_told_from_its_parts(bmc: Bmc, serve: Callable[..., str]) -> None:
    bmc.chassis("HGX_GPU_0", "Module", EnvironmentMetrics={"PowerWatts": {"Reading": 612}})
    bmc.chassis("Riser", "Card")
    assert source(serve(bmc)).read(1)["node"][0]["power_watts"] == 6438.5


def test_where_two_may_be_the_node_a_person_must_say(bmc: Bmc, serve: Callable[..., str]) -> None:
    bmc.chassis("Other", Power={"PowerControl": [{"PowerConsumedWatts": 344}]})
    url = serve(bmc)
    with pytest.raises(ReadFailed, match=r"more than one chassis .*: 1U, Other; name the one"):
        source(url).read(1)
    assert source(url, chassis="Other").read(1)["node"][0]["power_watts"] == 344.0
    with pytest.raises(ReadFailed, match="there is no chassis Third that says what it draws"):
        source(url, chassis="Third").read(1)


def test_a_controller_without_power_is_a_failed_reading(serve: Callable[..., str]) -> None:
    bmc = Bmc()
    bmc.chassis("1U", Power={"PowerControl": []})
    with pytest.raises(ReadFailed, match="there is no chassis that says what it draws"):
        source(serve(bmc)).read(1)


@pytest.mark.parametrize(
    ("resource", "power"),
    [
        ({"PowerWatts": {"Reading": 12.5}}, Power(watts=12.5)),
        ({"EnergykWh": {"Reading": 2.5}}, Power(coarse_joules=9_000_000.0)),
        ({"PowerWatts": {"Reading": None}, "PowerLimitWatts": {"SetPoint": 0}}, Power()),
        ({"PowerWatts": {"Reading": 0}}, Power()),
        ({"PowerWatts": {"Reading": -4}, "EnergyJoules": {"Reading": "7"}}, Power(joules=7.0)),
        ({"PowerWatts": 5, "EnergyJoules": [1]}, Power()),
        ({"PowerWatts": {"Reading": True}, "EnergyJoules": {"Reading": "nan"}}, Power()),
        ({"PowerWatts": {"Reading": 10**400}}, Power()),
    ],
)
def test_what_environment_metrics_say(resource: dict[str, Any], power: Power) -> None:
    assert of_environment(resource) == power


@pytest.mark.parametrize(
    ("controls", "power"),
    [
        (
            [{"PowerConsumedWatts": "69", "PowerLimit": {"LimitInWatts": 800}},
             {"Name": "CPU", "PowerConsumedWatts": 30}],
            Power(watts=69.0, limit_watts=800.0),
        ),
        ([{"PowerConsumedWatts": 0, "PowerLimit": {"LimitInWatts": None}}], Power()),
        ([], Power()),
        ([7], Power()),
        ({"PowerConsumedWatts": 69}, Power()),
    ],
)  # fmt: skip
def test_what_the_older_resource_says(controls: object, power: Power) -> None:
    assert of_power({"PowerControl": controls}) == power


def test_energy_in_kilowatt_hours_is_too_coarse_for_the_node(
    bmc: Bmc, serve: Callable[..., str]
) -> None:
    bmc.tree[f"{CHASSIS}/1U/EnvironmentMetrics"] = {
        "PowerWatts": {"Reading": 500}, "EnergykWh": {"Reading": 2},
    }  # fmt: skip
    readings = source(serve(bmc)).read(1)
    assert readings["meter"][0]["energy_joules_total"] == 7_200_000.0
    assert readings["node"][0]["energy_joules_total"] is None


def test_a_search_that_runs_out_of_time_goes_on_at_the_next_reading(
    serve: Callable[..., str],
) -> None:
    bmc = Bmc()
    for number in range(4):
        bmc.chassis(f"GPU{number}", "Module")
    bmc.chassis("1U", Power={"PowerControl": [{"PowerConsumedWatts": 344}]})
    bmc.delay = 0.08
    opened = RedfishSource(Client(serve(bmc), insecure=True, seconds=0.3).open)
    failed = 0
    while failed < 20:
        try:
            readings = opened.read(failed)
            break
        except ReadFailed as error:
            assert "no answer within 0.3 s" in str(error)
            failed += 1
    assert readings["node"][0]["power_watts"] == 344.0
    assert failed >= 1
    assert bmc.asked.count(CHASSIS) == 1


def test_a_controller_that_drips_its_answer_cannot_hold_its_reader(
    bmc: Bmc, serve: Callable[..., str]
) -> None:
    bmc.drips = 100
    client = Client(serve(bmc), insecure=True, seconds=0.3)
    with pytest.raises(ReadFailed, match=r"no answer within 0\.3 s"):
        RedfishSource(client.open).read(1)
    assert not bmc.has_dripped


def test_credentials_are_sent_and_never_shown(
    bmc: Bmc, serve: Callable[..., str], tmp_path: Path
) -> None:
    login, token = tmp_path / "login", tmp_path / "token"
    login.write_text("wattline:s3cret:x\n")
    token.write_text("t0ken\n")
    url = serve(bmc)
    source(url, login_file=str(login)).read(1)
    assert bmc.headers[-1]["Authorization"] == "Basic d2F0dGxpbmU6czNjcmV0Ong="
    opened = source(url, token_file=str(token))
    opened.read(1)
    assert bmc.headers[-1]["X-Auth-Token"] == "t0ken"
    bmc.status = 500
    with pytest.raises(ReadFailed) as caught:
        opened.read(2)
    assert "HTTP 500" in str(caught.value)
    assert "t0ken" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ("no colon\n", "not a line `user:password`"),
        ("\n", "not one of printable"),
        ("a:b\x1b[0m", "not one of printable"),
    ],
)
def test_credentials_that_cannot_be_used_are_a_failed_reading(
    bmc: Bmc, serve: Callable[..., str], tmp_path: Path, text: str | None, said: str
) -> None:
    login = tmp_path / "login"
    if text is not None:
        login.write_text(text)
    with pytest.raises(ReadFailed, match=said) as caught:
        source(serve(bmc), login_file=str(login)).read(1)
    assert text is None or text.strip() == "" or text.strip() not in str(caught.value)
    assert bmc.asked == []


def test_a_refused_login_is_not_tried_again_at_once(bmc: Bmc, serve: Callable[..., str]) -> None:
    opened = source(serve(bmc))
    bmc.status = 401
    with pytest.raises(ReadFailed, match=r"refuses the login \(HTTP 401\): see the option login"):
        opened.read(0)
    (reason,) = opened.why_not()[""].values()
    assert "refuses the login" in reason
    bmc.status = 200
    asked = len(bmc.asked)
    with pytest.raises(ReadFailed, match="tried again every ten minutes"):
        opened.read(599_000)
    assert len(bmc.asked) == asked
    assert opened.read(601_000)["node"]
    assert opened.why_not() == {}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"<html>", "is not JSON"),
        (b"[1]", "is not a JSON object"),
        (b"[" * 100_000, "is not JSON"),
        (b" " * 1_100_000, "is larger than 1048576 bytes"),
    ],
)
def test_an_answer_that_is_none_is_a_failed_reading(
    bmc: Bmc, serve: Callable[..., str], raw: bytes, said: str
) -> None:
    bmc.raw = raw
    with pytest.raises(ReadFailed, match=said):
        source(serve(bmc)).read(1)


def test_nothing_leads_away_from_the_controllers_own_tree(
    bmc: Bmc, serve: Callable[..., str]
) -> None:
    bmc.tree[CHASSIS] = {
        "Members": [
            link("http://elsewhere/redfish/v1/Chassis/1U"), link("/etc/passwd"),
            link("/redfish/v1/../../secret"), link("/redfish/v1/a b\r\nX: y"), 7, {},
        ]
    }  # fmt: skip
    opened = source(serve(bmc))
    with pytest.raises(ReadFailed, match="there is no chassis"):
        opened.read(1)
    assert bmc.asked == [CHASSIS]
    bmc.status = 302
    with pytest.raises(ReadFailed, match="HTTP 302"):
        opened.read(2)


def test_a_controller_that_is_not_there_is_a_failed_reading() -> None:
    with pytest.raises(ReadFailed, match=r"redfish: http://127\.0\.0\.1:1: Connection refused"):
        source("http://127.0.0.1:1").read(1)


@pytest.mark.openssl
def test_its_certificate_is_checked_unless_told_otherwise(
    bmc: Bmc, serve: Callable[..., str], tmp_path: Path, certificate: Path
) -> None:
    url = serve(bmc, certificate=certificate)
    with pytest.raises(ReadFailed, match="certificate verify failed"):
        source(url).read(1)
    assert source(url, ca_file=str(certificate)).read(1)["node"]
    assert source(url, insecure="yes").read(1)["node"]
    with pytest.raises(ReadFailed, match="option ca_file"):
        source(url, ca_file=str(tmp_path / "none")).read(1)


def test_without_an_address_it_is_absent() -> None:
    with pytest.raises(SourceUnavailable, match="no management controller is told"):
        open_source("redfish", SourceConfig("s", "n"))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"url": "bmc"}, "option url: not an address such as"),
        ({"url": "https://user:pw@bmc"}, "option url: not an address such as"),
        ({"url": "https://bmc:x"}, "option url: not an address such as"),
        ({"url": "http://bmc"}, "option url: not https"),
        ({"url": "https://bmc", "insecure": "maybe"}, "option insecure: not yes or no: 'maybe'"),
        ({"url": "https://bmc", "every": "5"}, "option every: not a number from 10"),
        ({"url": "https://bmc", "chassis": "../x"}, "option chassis: not the id of a chassis"),
        ({"url": "https://bmc", "login_file": "a", "token_file": "b"}, "option token_file: given"),
        ({"url": "https://bmc", "password": "x"}, "no option 'password'; there are url"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        RedfishSource.from_config(SourceConfig("s", "n", options=options))
    assert "pw" not in str(caught.value)


def test_it_is_asked_every_half_minute_in_a_thread_of_its_own() -> None:
    opened = source("https://bmc")
    assert (opened.every_seconds, opened.may_block) == (30.0, True)
