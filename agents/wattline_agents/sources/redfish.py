"""Power of the whole node from its management controller (BMC), by Redfish.

Read are `/redfish/v1/Chassis/<id>/EnvironmentMetrics` (`PowerWatts`, `EnergyJoules` or `EnergykWh`)
and, where there is none, the older `/redfish/v1/Chassis/<id>/Power` (`PowerControl[0]`). See DMTF's
DSP0268. Controllers are slow and few connections overwhelm them, so it is asked every half minute,
and the chassis that meters the node is looked for once. Nothing the controller answers is followed
anywhere but to its own Redfish tree.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from wattline_agents.clock import SystemClock
from wattline_agents.errors import ReadFailed, SourceUnavailable, UsageError, WattlineError
from wattline_agents.sources.scraped.fetch import Hurried
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.source import Readings
from wattline_agents.wire import Value

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

EVERY_SECONDS = 30.0
LEAST_SECONDS = 10.0
BUDGET_SECONDS = 4.0
"""What one reading may take; shorter than the agent waits. A search goes on at the next one."""
REFUSED_MS = 600_000
"""How long a login that was refused is not tried again: controllers lock accounts."""

_MOST_BYTES = 1024 * 1024
"""The largest resource read here is a chassis with its links: some 20 kB."""
_MOST_CHASSIS = 64
_MOST_WATTS = 1_000_000.0
_JOULES_PER_KWH = 3_600_000.0
_PATH = re.compile(r"/redfish/v1/[A-Za-z0-9._~:@%!$&'()*+,;=/-]{1,200}\Z")
_WHOLE = frozenset({"RackMount", "Blade", "Sled", "StandAlone"})
"""Types of chassis that hold a whole node, rather than a part of it or a rack of them."""

_OPTIONS = ("url", "login_file", "token_file", "ca_file", "insecure", "chassis", "every")

Fetch = Callable[[str], Mapping[str, Any] | None]
"""Gets a resource by its path; None where there is none (404)."""


class Refused(WattlineError):
    """The controller does not let us in."""


@dataclass(frozen=True, slots=True)
class Power:
    """What a controller says of a chassis; None is what it does not say.

    Attributes:
        watts: Power drawn now.
        joules: Energy counted, in steps of a joule or so.
        coarse_joules: Energy counted in kilowatt-hours, too coarse to book hours by.
        limit_watts: The cap.
    """

    watts: float | None = None
    joules: float | None = None
    coarse_joules: float | None = None
    limit_watts: float | None = None


def of_environment(resource: Mapping[str, Any]) -> Power:
    """What `EnvironmentMetrics` says."""
    kwh = _number(_in(resource, "EnergykWh", "Reading"))
    limit = _in(resource, "PowerLimitWatts", "SetPoint")
    return Power(
        watts=_watts(_in(resource, "PowerWatts", "Reading")),
        joules=_number(_in(resource, "EnergyJoules", "Reading")),
        coarse_joules=None if kwh is None else kwh * _JOULES_PER_KWH,
        limit_watts=_watts(limit),
    )


def of_power(resource: Mapping[str, Any]) -> Power:
    """What `Power` says: its first control is the chassis as a whole."""
    controls = resource.get("PowerControl")
    first = controls[0] if isinstance(controls, list) and controls else None
    if not isinstance(first, Mapping):
        return Power()
    return Power(
        watts=_watts(first.get("PowerConsumedWatts")),
        limit_watts=_watts(_in(first, "PowerLimit", "LimitInWatts")),
    )


class RedfishSource:
    """Asks one management controller what the whole node draws."""

    name = "redfish"
    may_block = True

    def __init__(
        self,
        open_fetch: Callable[[], Fetch],
        *,
        chassis: str | None = None,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        """Nothing is asked before the first reading.

        Args:
            open_fetch: Begins a reading's time budget and returns what gets resources.
            chassis: Id of the chassis that is the node; looked for if not given.
            every_seconds: How far apart readings are.
        """
        self.every_seconds = every_seconds
        self._open_fetch = open_fetch
        self._finder = _Finder(chassis)
        self._not_before_ms: int | None = None
        self._why: str | None = None

    @classmethod
    def from_config(cls, config: SourceConfig) -> Self:
        """Open it.

        Options: `url` of the controller; `login_file` with one line `user:password`, or
        `token_file` with a session token; `ca_file` to check its certificate by, or `insecure=yes`
        not to check it; `chassis` (its id); `every` (seconds).

        Raises:
            SourceUnavailable: No controller is told.
        """
        config.check_options(cls.name, _OPTIONS)
        url = config.options.get("url")
        if not url:
            raise SourceUnavailable(
                "no management controller is told (redfish:url=https://ADDRESS,login_file=FILE)"
            )
        every = config.number(cls.name, "every", EVERY_SECONDS, LEAST_SECONDS, 3600)
        client = _client(config.options, url)
        return cls(
            client.open,
            chassis=config.options.get("chassis"),
            every_seconds=max(every, config.period_seconds),
        )

    def read(self, now_ms: int) -> Readings:
        """One row of `meter` and one of `node`.

        Raises:
            ReadFailed: The controller is not reached, refuses, or says no power.
        """
        if self._not_before_ms is not None and 0 <= self._not_before_ms - now_ms <= REFUSED_MS:
            raise ReadFailed(f"redfish: {self._why}; tried again every ten minutes")
        fetch = self._open_fetch()
        try:
            power = self._finder.read(fetch)
        except Refused as error:
            self._not_before_ms, self._why = now_ms + REFUSED_MS, str(error)
            raise ReadFailed(f"redfish: {error}") from error
        self._not_before_ms = self._why = None
        energy = power.joules if power.joules is not None else power.coarse_joules
        node: dict[str, Value] = {
            "time_unix_ms": now_ms,
            "energy_joules_total": power.joules,
            "power_watts": power.watts,
        }
        meter: dict[str, Value] = {
            "time_unix_ms": now_ms,
            "source": "redfish",
            "domain": "node",
            "energy_joules_total": energy,
            "power_watts": power.watts,
            "power_limit_watts": power.limit_watts,
        }
        return {"meter": [meter], "node": [node]}

    def describe(self, now_ms: int) -> Readings:
        """One row of `node_info`: what meters the node."""
        return {"node_info": [{"time_unix_ms": now_ms, "power_source": "redfish"}]}

    def why_not(self) -> Mapping[str, Mapping[str, str]]:
        """Why the controller does not answer, where it said so."""
        return {"": {"power_watts": self._why[:250]}} if self._why else {}

    def close(self) -> None:
        """Nothing is held: a connection lasts for one reading."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A resource that gives the node's power, and how to read it."""

    path: str
    parse: Callable[[Mapping[str, Any]], Power]


class _Finder:
    """Finds the chassis that is the node; a search that runs out of time goes on where it was."""

    def __init__(self, chassis: str | None) -> None:
        self._told = chassis
        self._place: _Place | None = None
        self._waiting: list[str] | None = None
        self._found: list[tuple[str, bool, _Place]] = []

    def read(self, fetch: Fetch) -> Power:
        if self._place is None:
            self._place = self._search(fetch)
        resource = fetch(self._place.path)
        power = Power() if resource is None else self._place.parse(resource)
        if power.watts is None and power.joules is None:
            path, self._place = self._place.path, None  # it may have moved: look again next time
            raise ReadFailed(f"redfish: {path} says no power")
        return power

    def _search(self, fetch: Fetch) -> _Place:
        if self._waiting is None:
            self._found = []
            self._waiting = self._members(fetch)
        while self._waiting:
            self._look_at(self._waiting[0], fetch)
            self._waiting.pop(0)  # only now: a look that ran out of time is made again
        self._waiting = None
        return self._chosen()

    def _members(self, fetch: Fetch) -> list[str]:
        if self._told is not None:
            return [f"/redfish/v1/Chassis/{self._told}"]
        members = (fetch("/redfish/v1/Chassis") or {}).get("Members")
        paths = [_link(member) for member in members] if isinstance(members, list) else []
        return [path for path in paths if path is not None][:_MOST_CHASSIS]

    def _look_at(self, path: str, fetch: Fetch) -> None:
        chassis = fetch(path)
        if chassis is None:
            return
        for key, parse in (("EnvironmentMetrics", of_environment), ("Power", of_power)):
            place = _link(chassis.get(key))
            resource = fetch(place) if place is not None else None
            if place is not None and resource is not None and parse(resource).watts is not None:
                is_whole = chassis.get("ChassisType") in _WHOLE
                self._found.append((path, is_whole, _Place(place, parse)))
                return

    def _chosen(self) -> _Place:
        candidates = [one for one in self._found if one[1]] or self._found
        if len(candidates) == 1:
            return candidates[0][2]
        if not candidates:
            told = "no chassis" if self._told is None else f"no chassis {self._told}"
            raise ReadFailed(f"redfish: there is {told} that says what it draws")
        ids = ", ".join(path.rsplit("/", 1)[1] for path, _, _ in candidates)
        raise ReadFailed(
            f"redfish: more than one chassis says what it draws: {ids[:160]}; "
            "name the one that is the node by the option chassis"
        )


@dataclass(frozen=True, slots=True)
class Client:
    """How to reach a controller.

    Attributes:
        url: Its address, `https://HOST[:PORT]`.
        login_file: Holds one line, `user:password`.
        token_file: Holds one line, a session token.
        ca_file: Certificates to check the controller's by; the system's if not given.
        insecure: Do not check its certificate, and allow http.
        seconds: What all requests of one reading may take together.
    """

    url: str
    login_file: Path | None = None
    token_file: Path | None = None
    ca_file: Path | None = None
    insecure: bool = False
    seconds: float = BUDGET_SECONDS

    def open(self) -> Fetch:
        """Begin a reading: read the credentials anew, and start the time."""
        headers = {"Accept": "application/json", "Connection": "close", **self._credentials()}
        until = time.monotonic() + self.seconds
        return lambda path: self._fetch(path, headers, until)

    def _credentials(self) -> dict[str, str]:
        if self.token_file is not None:
            return {"X-Auth-Token": _line(self.token_file)}
        if self.login_file is None:
            return {}
        import binascii

        login = _line(self.login_file)
        if ":" not in login:
            raise ReadFailed(f"redfish: {self.login_file}: not a line `user:password`")
        text = binascii.b2a_base64(login.encode(), newline=False).decode()
        return {"Authorization": f"Basic {text}"}

    def _fetch(
        self, path: str, headers: Mapping[str, str], until: float
    ) -> Mapping[str, Any] | None:
        from http.client import HTTPException

        left = until - time.monotonic()
        if left <= 0:
            raise ReadFailed(f"redfish: {self.url}: no answer within {self.seconds:g} s")
        connection: Any = self._connection(left)
        try:
            connection.connect()
            with connection.sock as opened:
                # What comes byte by byte must not hold us for longer either.
                connection.sock = Hurried(opened, until, SystemClock())
                connection.request("GET", path, headers=dict(headers))
                with connection.getresponse() as response:
                    body = self._body(response, path, until)
        except TimeoutError as error:
            raise ReadFailed(f"redfish: {self.url}: no answer within {self.seconds:g} s") from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise ReadFailed(f"redfish: {self.url}: {reason[:160]}") from error
        finally:
            connection.close()
        return None if body is None else _json(body, path)

    def _body(self, response: HTTPResponse, path: str, until: float) -> bytes | None:
        """What came; None for "there is none"."""
        if response.status == 404:
            return None
        if response.status in (401, 403):
            raise Refused(
                f"{self.url} refuses the login (HTTP {response.status}): "
                "see the option login_file or token_file"
            )
        if response.status != 200:
            raise ReadFailed(f"redfish: {self.url}{path}: HTTP {response.status}")
        body = bytearray()
        while chunk := response.read1(65_536):
            body += chunk
            if len(body) > _MOST_BYTES:
                raise ReadFailed(f"redfish: {path} is larger than {_MOST_BYTES} bytes")
            if time.monotonic() > until:
                raise TimeoutError
        return bytes(body)

    def _connection(self, seconds: float) -> HTTPConnection:
        from http.client import HTTPConnection, HTTPSConnection
        from urllib.parse import urlsplit

        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            return HTTPConnection(host, parts.port, timeout=seconds)
        import ssl

        try:
            context = ssl.create_default_context(
                cafile=None if self.ca_file is None else str(self.ca_file)
            )
        except OSError as error:
            raise ReadFailed(f"redfish: option ca_file: {self.ca_file}: {error}") from error
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return HTTPSConnection(host, parts.port, timeout=seconds, context=context)


def _client(options: Mapping[str, str], url: str) -> Client:
    from urllib.parse import urlsplit

    def wrong(option: str, what: str) -> UsageError:
        return UsageError(f"source redfish: option {option}: {what}")

    insecure = options.get("insecure", "no")
    if insecure not in ("yes", "no"):
        raise wrong("insecure", f"not yes or no: {insecure[:40]!r}")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
        parts = urlsplit("")
    # A password in an address ends up in messages and process lists.
    if not host or parts.username or parts.path.strip("/") or parts.query:
        raise wrong("url", "not an address such as https://10.1.2.3")
    if parts.scheme != "https" and not (parts.scheme == "http" and insecure == "yes"):
        raise wrong("url", "not https (with insecure=yes http is allowed, too)")
    if "login_file" in options and "token_file" in options:
        raise wrong("token_file", "given beside login_file; one of the two is used")
    chassis = options.get("chassis")
    if chassis is not None and not re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", chassis):
        raise wrong("chassis", f"not the id of a chassis: {chassis[:40]!r}")

    def path(option: str) -> Path | None:
        return Path(options[option]).expanduser() if option in options else None

    return Client(
        url.rstrip("/"),
        login_file=path("login_file"),
        token_file=path("token_file"),
        ca_file=path("ca_file"),
        insecure=insecure == "yes",
    )


def _line(path: Path) -> str:
    """The first line of a file of credentials; what it holds is in no message."""
    try:
        with path.open(encoding="utf-8") as file:
            line = file.readline(4096).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise ReadFailed(f"redfish: {path}: {reason}") from error
    if not line or not line.isascii() or not line.isprintable():
        raise ReadFailed(f"redfish: {path}: its first line is not one of printable characters")
    return line


def _json(body: bytes, path: str) -> Mapping[str, Any]:
    import json

    try:
        resource = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ReadFailed(f"redfish: {path} is not JSON") from error
    if not isinstance(resource, dict):
        raise ReadFailed(f"redfish: {path} is not a JSON object")
    return resource


def _link(reference: object) -> str | None:
    """The path another resource is at; None unless it is in the controller's own Redfish tree."""
    path = reference.get("@odata.id") if isinstance(reference, Mapping) else None
    is_plain = isinstance(path, str) and _PATH.match(path) and ".." not in path
    return path.rstrip("/") if isinstance(path, str) and is_plain else None


def _in(resource: Mapping[str, Any], *keys: str) -> object:
    found: object = resource
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _number(value: object) -> float | None:
    """The number from 0 that a value is, or holds as text, as some controllers write it."""
    if isinstance(value, str):
        try:
            value = float(value[:40])
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int) and abs(value) > 10**18:
        return None
    return float(value) if math.isfinite(value) and 0 <= value <= 1e18 else None


def _watts(value: object) -> float | None:
    """A power: from above 0, which no running node draws and no cap is."""
    watts = _number(value)
    return watts if watts is not None and 0 < watts <= _MOST_WATTS else None
