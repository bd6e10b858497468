from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.alerts.machine import Alert, Ended, State, Why
from wattline_collector.alerts.notify.alertmanager import VALID_MS, Alertmanager
from wattline_collector.alerts.notify.mail import Mail, Server, letter, server_of
from wattline_collector.alerts.notify.queued import NotDelivered, Queued
from wattline_collector.alerts.notify.webhook import Webhook, signature
from wattline_collector.alerts.read import shipped
from wattline_collector.alerts.telling import Message, Told, messages, tell

RULES = {rule.id: rule for rule in shipped()}


def told(device: str = "GPU-0", now_ms: int = 1_793_534_400_000, *, over: bool = False) -> Told:
    labels = (("system", "s"), ("node", "n1"), ("device", device))
    alert = Alert("device-lost", labels, State.FIRING, now_ms - 90_000, now_ms - 30_000, 0.0)
    ended = Ended(alert, now_ms, Why.CLEARED) if over else None
    return tell(alert, RULES["device-lost"], ended)


def message(*devices: str) -> Message:
    (found,) = messages("firing", [told(one) for one in devices or ("GPU-0",)], 1_793_534_400_000)
    return found


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread or process does."""
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends, "it did not come"
        time.sleep(0.01)


# The queue


def test_a_message_is_tried_again_and_then_given_up() -> None:
    tried: list[str] = []
    said: list[str] = []

    def deliver(message: str) -> None:
        tried.append(message)
        if message != "good":
            raise NotDelivered("no", again=message != "refused")

    queue = Queued("way", deliver, said.append, tries=3, first_pause=0.001)
    for one in ("bad", "refused", "good"):
        queue.put(one)
    until(lambda: queue.sent + queue.failed == 3)
    assert tried == ["bad", "bad", "bad", "refused", "good"]
    assert (queue.sent, queue.failed) == (1, 2)
    assert said == ["alerts: way: no"]  # once: it is the same complaint
    queue.close()


def test_what_waits_is_bounded_and_the_oldest_is_given_up() -> None:
    started, go = threading.Event(), threading.Event()
    delivered: list[int] = []

    def deliver(message: int) -> None:
        started.set()
        assert go.wait(20)
        delivered.append(message)

    queue = Queued("way", deliver, lambda _: None, most=2)
    queue.put(0)
    assert started.wait(20)
    for one in range(1, 5):
        queue.put(one)  # returns at once, whatever the receiver does
    go.set()
    queue.close()
    assert delivered == [0, 3, 4]
    assert (queue.sent, queue.failed) == (3, 2)


def test_a_fault_of_ours_does_not_end_the_queue() -> None:
    said: list[str] = []

    def deliver(message: int) -> None:
        if message == 0:
            raise ZeroDivisionError("oops")

    queue = Queued("way", deliver, said.append)
    queue.put(0)
    queue.put(1)
    queue.close()
    assert (queue.sent, queue.failed, said) == (1, 1, ["alerts: way: ZeroDivisionError: oops"])


def test_closing_waits_for_no_further_try() -> None:
    def deliver(message: int) -> None:
        raise NotDelivered("away")

    queue = Queued("way", deliver, lambda _: None, first_pause=3600.0)
    queue.put(1)
    queue.close()
    until(lambda: queue.failed == 1)


# The webhook


class Receiver:
    """A web server that takes what is posted."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.path, dict(self.headers), body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("s" * 32 + "\n")
    path.chmod(0o600)
    return path


def test_a_webhook_gets_json_that_says_whose_it_is(
    receiver: Receiver, secret: Path, clock: Any
) -> None:
    hook = Webhook(f"{receiver.url}/hook?x=1", secret, clock, pytest.fail)
    hook.tell([message("GPU-0", "GPU-1")])
    hook.close()
    ((path, fields, body),) = receiver.got
    assert path == "/hook?x=1" and fields["Content-Type"] == "application/json"
    timestamp = fields["X-Wattline-Timestamp"]
    assert timestamp == str(clock.now_ms // 1000)
    assert fields["X-Wattline-Signature"] == signature("s" * 32, timestamp, body)
    content = json.loads(body)
    assert (content["kind"], content["rule"], content["count"]) == ("firing", "device-lost", 2)
    assert [one["labels"]["device"] for one in content["alerts"]] == ["GPU-0", "GPU-1"]
    assert content["alerts"][0]["action"].startswith("Drain the node.")
    assert (hook.sent, hook.failed) == (1, 0)


def test_a_signature_is_the_hmac_of_time_and_body() -> None:
    found = signature("key", "1", b"x")
    assert found == "sha256=" + (
        subprocess.run(
            ["python3", "-c", "import hmac; print(hmac.new(b'key', b'1.x', 'sha256').hexdigest())"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()
    )  # fmt: skip
    assert signature("key", "1", b"y") != found != signature("kex", "1", b"x")


def test_a_refusal_is_not_tried_again_and_a_server_in_trouble_is(
    receiver: Receiver, clock: Any
) -> None:
    said: list[str] = []
    hook = Webhook(receiver.url, None, clock, said.append)
    receiver.statuses = [400]
    hook.tell([message()])
    until(lambda: hook.failed == 1)
    assert len(receiver.got) == 1 and "X-Wattline-Signature" not in receiver.got[0][1]
    assert said == [f"alerts: webhook: {receiver.url}: 400 Bad Request"]
    receiver.statuses = [503]
    hook.tell([message()])
    until(lambda: hook.sent == 1)
    assert len(receiver.got) == 3
    hook.close()


def test_a_webhook_that_cannot_be_is_refused_at_the_start(tmp_path: Path, clock: Any) -> None:
    with pytest.raises(UsageError, match="--alert-webhook: not an address"):
        Webhook("ftp://x", None, clock, pytest.fail)
    with pytest.raises(UsageError, match="use --alert-webhook-secret"):
        Webhook("https://me:pass@x/", None, clock, pytest.fail)
    short = tmp_path / "short"
    short.write_text("x")
    short.chmod(0o600)
    with pytest.raises(UsageError, match="not a token"):
        Webhook("https://x/", short, clock, pytest.fail)


# E-mail


def test_a_letter_says_what_fires_and_what_to_do(mailbox: Any) -> None:
    mail = Mail("ops@site.eu", "wattline@site.eu", Server("127.0.0.1", mailbox.port), pytest.fail)
    mail.tell([message("GPU-0", "GPU-1"), message("GPU-2")])
    mail.close()
    (text,) = [data.decode() for data in mailbox.got]
    assert mailbox.to == ["rcpt TO:<ops@site.eu>"]
    head, _, body = text.partition("\r\n\r\n")
    head = head.replace("\r\n ", " ")
    assert "Subject: [wattline critical] Device GPU-0 on n1 does not answer (and 1 more)" in head
    assert "From: wattline@site.eu" in head and "Auto-Submitted: auto-generated" in head
    body = body.replace("=\r\n", "")
    for said in ("GPU-2", "What it means:", "What to check:", "What to do: Drain the node."):
        assert said in body
    assert (mail.sent, mail.failed) == (1, 0)


def test_a_name_can_add_no_header(mailbox: Any) -> None:
    mail = Mail("ops@site.eu", None, Server("127.0.0.1", mailbox.port), pytest.fail)
    mail.tell([message("x\r\nBcc: everyone@site.eu")])
    mail.close()
    head = mailbox.got[0].decode().partition("\r\n\r\n")[0]
    assert "\r\nBcc:" not in head and len(mailbox.to) == 1


def test_a_server_that_refuses_for_good_is_not_asked_again(mailbox: Any) -> None:
    said: list[str] = []
    mailbox.refuse = {"MAIL": "550 not from you"}
    mail = Mail("ops@site.eu", None, Server("127.0.0.1", mailbox.port), said.append)
    mail.tell([message()])
    until(lambda: mail.failed == 1)
    mail.close()
    assert said == ["alerts: mail: 550 not from you"]


def test_a_password_goes_to_no_server_without_encryption(
    mailbox: Any, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    place = ("127.0.0.1", mailbox.port)
    real = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda _, *more, **named: real(place))
    mail = Mail("ops@site.eu", None, Server("mail.site.eu", 25, "me", secret), said.append)
    mail.tell([message()])
    until(lambda: mail.failed == 1)
    mail.close()
    assert "offers no encryption" in said[0] and mailbox.to == []


def test_what_is_over_says_until_when_and_why() -> None:
    (over,) = messages("resolved", [told(over=True)], 1_793_534_400_000)
    text = letter([over], "a@b.eu", "a@b.eu").get_content()
    assert "until 2026-11-01 12:00 UTC (cleared)" in text and "What to do" not in text


@pytest.mark.parametrize(
    ("address", "smtp", "user", "complaint"),
    [
        ("nobody", "mail:25", None, "not an address such as"),
        ("a@b.eu\nBcc: c@d.eu", "mail:25", None, "not an address such as"),
        ("a@b.eu", "mail", None, "is not HOST:PORT"),
        ("a@b.eu", "mail:25", "me", "belong together"),
    ],
)
def test_mail_that_cannot_be_is_refused_at_the_start(
    address: str, smtp: str, user: str | None, complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        Mail(address, None, server_of(smtp, user, None), pytest.fail)


# Alertmanager


def _has_sent(manager: Alertmanager, requests: int) -> bool:
    return manager.sent == requests


def test_alertmanager_is_told_when_something_changes_and_every_minute(receiver: Receiver) -> None:
    now_ms = 1_793_534_400_000
    manager = Alertmanager(receiver.url, pytest.fail)
    manager.state([], [], now_ms)
    for seconds, requests in (((0, 15, 30), 1), ((60,), 2)):
        for second in seconds:
            manager.state([told()], [], now_ms + second * 1000)
        until(partial(_has_sent, manager, requests))
    manager.state([], [told(over=True)], now_ms + 75_000)
    manager.close()
    assert [path for path, _, _ in receiver.got] == ["/api/v2/alerts"] * 3
    first, second, last = (json.loads(body)[0] for _, _, body in receiver.got)
    assert first["labels"] == {
        "alertname": "WattlineDeviceLost", "severity": "critical", "about": "device",
        "rule": "device-lost", "system": "s", "node": "n1", "device": "GPU-0",
    }  # fmt: skip
    assert first["startsAt"] == "2026-11-01T11:59:30.000+00:00"
    assert VALID_MS == 240_000 and first["endsAt"] == "2026-11-01T12:04:00.000+00:00"
    assert second["endsAt"] == "2026-11-01T12:05:00.000+00:00"
    assert last["endsAt"] == "2026-11-01T12:00:00.000+00:00"


def test_an_alertmanager_that_is_away_holds_nobody_up() -> None:
    said: list[str] = []
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        manager = Alertmanager(f"http://127.0.0.1:{closed.getsockname()[1]}", said.append)
        manager.state([told()], [], 0)
        until(lambda: manager.failed == 1)
    assert "no answer (Connection refused)" in said[0]
    manager.close()


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    """A real one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "am.yml"
    config.write_text("route:\n  receiver: none\nreceivers:\n  - name: none\n")
    process = subprocess.Popen(
        ["prometheus-alertmanager", f"--config.file={config}", f"--storage.path={tmp_path / 'am'}",
         f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"

    def is_ready() -> bool:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        until(is_ready)
        yield url
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.alertmanager
def test_a_real_alertmanager_shows_what_fires_and_forgets_what_is_over(alertmanager: str) -> None:
    def active() -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{alertmanager}/api/v2/alerts", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found

    manager = Alertmanager(alertmanager, pytest.fail)
    now_ms = time.time_ns() // 1_000_000
    manager.state([told("GPU-0", now_ms), told("GPU-1", now_ms)], [], now_ms)
    until(lambda: len(active()) == 2)
    (first, _) = sorted(active(), key=lambda one: str(one["labels"]["device"]))
    assert first["labels"]["alertname"] == "WattlineDeviceLost"
    assert first["annotations"]["summary"] == "Device GPU-0 on n1 does not answer"
    assert first["status"]["state"] == "active"
    manager.state([told("GPU-1", now_ms)], [told("GPU-0", now_ms, over=True)], now_ms)
    until(lambda: [one["labels"]["device"] for one in active()] == ["GPU-1"])
    until(partial(_has_sent, manager, 2))
    assert manager.failed == 0
    manager.close()
