"""Whether what is read gets where it is to go."""

from __future__ import annotations

import os
import socket
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote

from wattline_agents.assemble import default_spool
from wattline_agents.config import Settings
from wattline_agents.doctor.finding import Finding, missing, ok
from wattline_agents.doctor.machine import ANSWER_SECONDS, Answer, Machine, why_not_reached
from wattline_agents.wire import PATH

_MOST_CLOCK_SECONDS = 2.0
"""An answer's `Date` is whole seconds; beyond this the clocks themselves differ."""


def check(machine: Machine, settings: Settings) -> list[Finding]:
    """Every place readings are to go to, and the clock they are stamped by."""
    found: list[Finding] = []
    if settings.push is not None:
        found += _collector(machine, settings, settings.push)
        found.append(_spool(machine, settings))
    if settings.record is not None:
        found.append(_record(machine, settings.record))
    if settings.prometheus is not None:
        found.append(_listening(settings.prometheus))
    if settings.otlp is not None:
        found += _otlp(machine, settings)
    if settings.influx is not None:
        found += _influx(machine, settings)
    if not settings.goes_somewhere:
        found.append(
            missing(
                "nowhere yet: nothing is told where readings go",
                "--push URL, --prometheus HOST:PORT, --otlp URL or --influx URL",
                asked=False,
            )
        )
    found.append(_clock(machine))
    return found


def _collector(machine: Machine, settings: Settings, url: str) -> list[Finding]:
    headers, finding = _token(machine, "token file", settings.token_file)
    if finding is not None:
        return [finding]
    address = url.rstrip("/") + PATH + "node"
    try:
        # A batch without its header is refused as one (400), after the token was looked at.
        answer = machine.fetch("POST", address, headers, ANSWER_SECONDS)
    except OSError as error:
        return [
            missing(
                f"collector {url}: {why_not_reached(error)}",
                f"start it there, or open the way: curl -v {url}/v1/health",
                asked=True,
            )
        ]
    if answer.status in (401, 403):
        return [
            missing(
                f"collector {url} refuses this token (HTTP {answer.status})",
                "give it the write token (STORE/tokens/write there) with --token-file",
                asked=True,
            )
        ]
    if answer.status not in (400, 411, 413, 415, 204):
        return [
            missing(
                f"{url} answers HTTP {answer.status}, as no collector does",
                "look at [push] url: it is the collector's address without a path",
                asked=True,
            )
        ]
    return [ok(f"collector {url} takes this token", collector=url), *_clocks(machine, answer)]


def _token(machine: Machine, name: str, file: Path | None) -> tuple[dict[str, str], Finding | None]:
    if file is None:
        return {}, None
    try:
        with machine.path(file).open("rb") as opened:
            token = opened.read(4096).decode("ascii").strip()
    except OSError as error:
        cure = f"install -m 0600 -o {machine.user.name} TOKEN {file} (systemd: LoadCredential=)"
        return {}, missing(f"{name} {file}: {error.strerror}", cure, asked=True)
    except UnicodeDecodeError:
        token = ""
    if not token or not token.isprintable():
        return {}, missing(f"{name} {file}: not a line of text", asked=True)
    return {"Authorization": f"Bearer {token}"}, None


def _clocks(machine: Machine, answer: Answer) -> list[Finding]:
    try:
        date = parsedate_to_datetime(answer.headers.get("Date") or answer.headers["date"])
        ahead = machine.unix_seconds() - date.timestamp()
    except (KeyError, ValueError, TypeError):
        return []
    if abs(ahead) <= _MOST_CLOCK_SECONDS:
        return []
    way = "ahead of" if ahead > 0 else "behind"
    return [
        missing(
            f"this node's clock is {abs(ahead):.0f} s {way} the collector's: readings are booked "
            "at the wrong time",
            "systemctl enable --now chronyd (or systemd-timesyncd), here or there",
            asked=True,
            ahead_seconds=ahead,
        )
    ]


def _spool(machine: Machine, settings: Settings) -> Finding:
    told = settings.spool
    spool = told or default_spool(machine.environment, settings.agent.node)
    folder = spool
    while not machine.exists(folder) and folder != folder.parent:
        folder = folder.parent
    if not machine.path(folder).is_dir() or not machine.can(folder, os.W_OK | os.X_OK):
        what = f"spool {spool}: {machine.user.name} may not write in {folder}"
        if told is None:
            what += "; what waits is kept in memory, and lost with the agent"
        cure = f"install -d -o {machine.user.name} {spool} (systemd: StateDirectory=)"
        return missing(what, cure, asked=told is not None)
    space = os.statvfs(machine.path(folder))
    free = space.f_bavail * space.f_frsize
    if free < settings.spool_bytes:
        return missing(
            f"spool {spool}: {free / 2**20:.0f} MiB free, and up to "
            f"{settings.spool_bytes / 2**20:.0f} MiB may wait there",
            "make room, or lower [push] spool_bytes",
            asked=True,
        )
    return ok(f"spool {spool}: writable, {free / 2**30:.1f} GiB free", spool=str(spool))


def _record(machine: Machine, file: Path) -> Finding:
    user = machine.user.name
    if machine.path(file).is_dir():
        return missing(f"record {file}: is a directory", "name a file in it", asked=True)
    if machine.exists(file):
        if machine.can(file, os.W_OK):
            return ok(f"record {file}: writable, and added to", record=str(file))
        return missing(
            f"record {file}: {user} may not write it", f"chown {user} {file}", asked=True
        )
    folder, cure = file.parent, f"install -d -o {user} {file.parent}"
    if not machine.path(folder).is_dir():
        return missing(f"record {file}: there is no directory {folder}", cure, asked=True)
    if not machine.can(folder, os.W_OK | os.X_OK):
        return missing(f"record {file}: {user} may not write in {folder}", cure, asked=True)
    return ok(f"record {file}: can be made", record=str(file))


def _listening(address: str) -> Finding:
    from wattline_agents.config.address import listen_complaint

    if (wrong := listen_complaint(address)) is not None:
        return missing(f"prometheus: {wrong}", asked=True)
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, int(port)))
    except OSError as error:
        if error.errno == 98:  # in use: by this agent, most likely
            return missing(
                f"{address} is taken, by a running agent or by another exporter",
                f"ss -ltnp 'sport = :{port}'; or choose another [prometheus] listen",
                asked=False,
            )
        return missing(f"prometheus: {address}: {why_not_reached(error)}", asked=True)
    return ok(f"scrapes can be answered at {address}", prometheus=address)


def _otlp(machine: Machine, settings: Settings) -> list[Finding]:
    assert settings.otlp is not None
    base = settings.otlp.endpoint.rstrip("/")
    url = base if base.endswith("/v1/metrics") else base + "/v1/metrics"
    headers = {"Content-Type": "application/x-protobuf"}
    if settings.otlp.headers_file is not None:
        text = machine.text(settings.otlp.headers_file)
        if text is None:
            what = f"otlp.headers_file {settings.otlp.headers_file}: unreadable"
            cure = "make it there, readable for the agent, with lines such as NAME: VALUE"
            return [missing(what, cure, asked=True)]
        for line in text.splitlines():
            name, colon, value = line.partition(":")
            if colon and not line.startswith("#"):
                headers[name.strip()] = value.strip()
    # No bytes at all are an export of no metrics.
    return [_posted(machine, "OpenTelemetry", url, headers, "otlp.headers_file")]


def _influx(machine: Machine, settings: Settings) -> list[Finding]:
    assert settings.influx is not None
    influx = settings.influx
    headers, finding = _token(machine, "influx.token_file", influx.token_file)
    if finding is not None:
        return [finding]
    if "Authorization" in headers:
        headers["Authorization"] = headers["Authorization"].replace("Bearer", "Token", 1)
    url = (
        f"{influx.url.rstrip('/')}/api/v2/write?bucket={quote(influx.bucket, safe='')}"
        f"&org={quote(influx.org, safe='')}&precision=ms"
    )
    return [_posted(machine, "InfluxDB", url, headers, "influx.token_file")]


def _posted(
    machine: Machine, name: str, url: str, headers: dict[str, str], token_key: str
) -> Finding:
    """Send nothing there, and see what comes back."""
    shown = url.partition("?")[0]
    try:
        answer = machine.fetch("POST", url, headers, ANSWER_SECONDS)
    except OSError as error:
        cure = f"start it there, or open the way: curl -v {shown}"
        return missing(f"{name} {shown}: {why_not_reached(error)}", cure, asked=True)
    if answer.status in (401, 403):
        return missing(
            f"{name} {shown} wants another token (HTTP {answer.status})",
            f"set {token_key}",
            asked=True,
        )
    if answer.status == 404:
        return missing(f"{name} {shown}: HTTP 404, no such bucket or path", asked=True)
    if answer.status >= 500:
        return missing(f"{name} {shown} fails with HTTP {answer.status}", asked=True)
    return ok(f"{name} {shown} answers", url=shown)


def _clock(machine: Machine) -> Finding:
    state = machine.is_synchronised()
    if state is None:
        return missing("the kernel does not say whether the clock is kept right", asked=False)
    if state:
        return ok("the clock is kept right", synchronised=True)
    return missing(
        "nothing keeps this node's clock right",
        "systemctl enable --now chronyd (or systemd-timesyncd)",
        asked=False,
        synchronised=False,
    )
