"""Three made-up factories that play a challenge, in memory and by a clock that the test sets."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wattline_reports.challenge import documents, files, play, spec
from wattline_reports.challenge.documents import Document, Kind, Signer
from wattline_reports.challenge.rules import Rules, rules_of
from wattline_reports.challenge.verify import Verdict, contest_of, verify
from wattline_reports.exchange import keys

ORGANISER = "eurohpc"


@dataclass(frozen=True)
class Site:
    """A factory and how good it is.

    Attributes:
        speed: Reference systems that it is worth.
        watts: It draws.
        price: Euros an hour.
        peak_flops: Of all its devices.
    """

    speed: float
    watts: float
    price: float
    peak_flops: float


SITES = {
    "it4lia": Site(speed=8.0, watts=40e3, price=300.0, peak_flops=6e16),
    "jaif": Site(speed=2.0, watts=8e3, price=55.0, peak_flops=1.2e16),
    "lumi-aif": Site(speed=4.0, watts=34e3, price=320.0, peak_flops=7e16),
}
"""it4lia is the fastest; jaif gets most out of what it takes, lumi-aif least."""
_WATTS = 1e5
"""Of the reference system."""


def private(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def signer(name: str) -> Signer:
    return Signer(name, private(name))


def ring(*more: str) -> keys.Ring:
    told = [(name, keys.FACTORY) for name in (*SITES, *more)] + [(ORGANISER, keys.ORGANISER)]
    return keys.ring_of(
        None,
        *(
            keys.public_key(private(name), name, role, date(2026, 1, 1), date(2028, 12, 31))
            for name, role in told
        ),
    )


def sha(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _length(item: int | None) -> float:
    """Seconds that an item takes on the reference system."""
    return 3600.0 if item is None else 1000.0 + 100 * item


def reference(rules: dict[str, Any], length: float) -> float | None:
    """What the reference system comes to."""
    told = {"seconds": length, "joules": length * _WATTS, "work_per_joule": 2.0}
    return told.get(rules["score"]) if rules["relative"] else None


Runs = list[dict[str, Any]]


class Played:
    """A challenge that is being played.

    Attributes:
        told: Its files.
        sealed: What the organiser keeps to itself.
        mine: What entrants keep to themselves.
    """

    def __init__(
        self, definition: str = "time-to-train", *, seed: int = 1, items: int = 9,
        season: str = "spring-2027", secret: dict[str, Any] | None = None, **rules: Any,
    ) -> None:  # fmt: skip
        self.dice = random.Random(seed)
        self.ring, self.sites = ring("slaif"), SITES
        told = spec.parse(spec.text(definition), definition)
        told["rules"] |= rules
        told["secret"] |= secret or {}
        self.items = [
            {
                "title": f"task {index}",
                "reference": reference(told["rules"], _length(index)),
                "content": {"seed": index * 7919},
            }
            for index in range(items)
        ]
        self.rules: Rules = rules_of(told["rules"], items, "test")
        times = self.rules.times
        self.before = times.enter_by - timedelta(days=5)
        self.running = times.enter_by + timedelta(days=1)
        self.showing = times.submit_by + timedelta(days=1)
        self.again = times.reveal_by + timedelta(days=1)
        self.over = times.rerun_by + timedelta(days=1)
        made, self.sealed = play.commit(
            season, told, self.items, signer(ORGANISER), self.before, self.random
        )
        self.told: dict[str, bytes] = {}
        self.mine: dict[str, dict[str, Any]] = {}
        self.put(made)
        self.commit = made

    def random(self, count: int) -> bytes:
        return self.dice.randbytes(count)

    @staticmethod
    def signer(name: str) -> Signer:
        return signer(name)

    # What is there

    def put(self, document: Document) -> Document:
        self.told[files.name_of(document)] = document.to_bytes()
        return document

    def verdict(self, now: datetime | None = None) -> Verdict:
        return verify(self.told, self.ring, now or self.over, "challenge")

    def document(self, name: str) -> Document:
        kind, _ = files.kind_of(name, "test")
        return documents.parse(self.told[name], kind, name)

    def forge(
        self, name: str, by: str | None = None, at: datetime | None = None, **body: Any
    ) -> None:
        """The same document with another body, signed as it should be."""
        old = self.document(name)
        self.put(
            documents.write(
                old.kind, old.place, signer(by or old.author), at or old.at, {**old.body, **body}
            )
        )

    # Moves

    def receive(self, at: datetime) -> None:
        contest = contest_of(self.told, self.ring, at, "challenge")
        made, refused = play.receive(contest, signer(ORGANISER), at)
        assert made is not None and refused == []
        self.put(made)

    def enter(self, *names: str) -> None:
        for name in names or SITES:
            self.put(play.enter(self.commit, self.entry(name), signer(name), self.before))

    def entry(self, name: str) -> dict[str, Any]:
        site = SITES.get(name, SITES["jaif"])
        return {
            "config": sha(f"{name} config"), "container": sha(f"{name} container"),
            "system": {
                "name": name, "accelerator": "H200", "devices": 64, "precision": "bf16",
                "peak_flops": site.peak_flops,
            },
            "power_level": "L2", "baseline": self.baseline(site),
        }  # fmt: skip

    def baseline(self, site: Site) -> float | None:
        """A tenth worse than what it comes to now."""
        energy = site.watts / site.speed / _WATTS
        told = {"seconds": 1.1 / site.speed, "joules": 1.1 * energy}
        return told.get(self.rules.score, 1 / energy / 1.1 if self.rules.relative else None)

    def given(self, name: str) -> Document:
        verdict = self.verdict(self.running)
        return play.give(verdict, name, self.sealed, signer(ORGANISER), self.running)

    def runs(
        self, name: str, given: tuple[int, ...], *, noise: float = 0.005, speed: float = 1.0,
        start: datetime | None = None,
    ) -> list[dict[str, Any]]:  # fmt: skip
        found: list[dict[str, Any]] = []
        for item in (*given, *([None] if self.rules.public_runs else [])):
            count = self.rules.public_runs if item is None else self.rules.runs
            for number in range(count):
                found.append(
                    self.run(name, item, number, 1 + self.dice.gauss(0, noise), speed, start)
                )
        return found

    def run(
        self, name: str, item: int | None, number: int, noise: float, speed: float,
        start: datetime | None,
    ) -> dict[str, Any]:  # fmt: skip
        site = SITES.get(name, SITES["jaif"])
        length = _length(item)
        seconds = length * noise / (site.speed * speed)
        # What is `speed` times as fast takes as much energy.
        joules = length * noise / site.speed * site.watts
        reached = self.rules.limit
        return {
            "id": f"{name}-{item}-{number}", "item": item,
            "start": documents.written((start or self.running) + timedelta(hours=number)),
            "seconds": seconds, "joules": joules, "euros": seconds / 3600 * site.price,
            "work": length * 2 * _WATTS, "size": 400_000, "bits": 16, "quality": reached,
            "output": sha(f"{name} {item} {number}"), "log": sha(f"log {name} {item} {number}"),
        }  # fmt: skip

    def submit(
        self, name: str, change: Callable[[list[dict[str, Any]]], object] | None = None,
        **told: Any,
    ) -> None:  # fmt: skip
        """An entrant submits, past the command's own checks: the verifier's are looked at."""
        verdict = self.verdict(self.running)
        one = verdict.entrants[name]
        runs = self.runs(name, one.given, **told)
        if change is not None:
            change(runs)
        self.submit_runs(name, runs)

    def submit_runs(self, name: str, runs: list[dict[str, Any]]) -> None:
        from wattline_reports.challenge import commitment

        entry = self.document(f"entries/{name}.json")
        result = {"commit": self.commit.digest, "entrant": name, "runs": runs}
        nonce = self.random(32)
        body = {
            "commit": self.commit.digest, "entry": entry.digest, "attempt": 1, "why": None,
            "result": commitment.commit(commitment.What.RESULT, result, nonce).to_json(),
        }  # fmt: skip
        made = documents.write(Kind.SUBMISSION, self.commit.place, signer(name), self.running, body)
        self.put(made)
        self.mine[name] = {"submission": made.digest, "result": result, "nonce": nonce.hex()}

    def reveal(self, name: str, at: datetime | None = None) -> None:
        self.put(
            documents.write(
                Kind.REVEAL, self.commit.place, signer(name), at or self.showing, self.mine[name]
            )
        )

    def open(self) -> None:
        verdict = self.verdict(self.showing)
        self.put(play.open(verdict, self.sealed, signer(ORGANISER), self.showing))

    def rerun(self, name: str, site: str, *, speed: float = 1.0) -> None:
        item = self.verdict(self.again).entrants[name].given[0]
        own = self.entry(site)
        told = {
            "container": self.entry(name)["container"], "system": own["system"],
            "power_level": "L2",
            "runs": [
                self.run(name, item, 50 + number, 1.0, speed, self.again)
                for number in range(self.rules.runs)
            ],
        }  # fmt: skip
        verdict = self.verdict(self.again)
        self.put(play.rerun(verdict, name, told, signer(site), self.again + timedelta(days=2)))

    # Whole stretches

    def entered(self) -> Played:
        self.enter()
        self.receive(self.before + timedelta(days=1))
        return self

    def submitted(
        self,
        changes: dict[str, Callable[[list[dict[str, Any]]], object]] | None = None,
        **told: Any,
    ) -> Played:
        self.entered()
        for name in SITES:
            self.submit(name, (changes or {}).get(name), **told)
        self.receive(self.running + timedelta(days=2))
        return self

    def shown(self) -> Played:
        for name in SITES:
            self.reveal(name)
        self.open()
        self.receive(self.showing + timedelta(days=1))
        return self

    def whole(self, **told: Any) -> Played:
        """All moves but the scores."""
        self.submitted(**told).shown()
        if self.rules.reruns:
            for name, site in zip(SITES, [*list(SITES)[1:], next(iter(SITES))], strict=True):
                # The same machine as the entrant's, elsewhere: efficiency is compared.
                own = SITES[name].peak_flops / SITES[site].peak_flops
                self.rerun(name, site, speed=1 / own if own else 1.0)
            self.receive(self.again + timedelta(days=3))
        return self

    def publish(self) -> None:
        self.put(play.publish(self.verdict(self.over), signer(ORGANISER), self.over))


@pytest.fixture
def played() -> type[Played]:
    """A challenge to play."""
    return Played


@pytest.fixture
def entrant_refused() -> Callable[..., str]:
    """That one entrant is out for one reason, and the others are not."""

    def holds(game: Played, code: Any, *names: str, now: datetime | None = None) -> str:
        verdict = game.verdict(now)
        out = {id: one.refused for id, one in verdict.entrants.items() if one.refused is not None}
        assert {id: refused.code for id, refused in out.items()} == dict.fromkeys(names, code), out
        assert all(verdict.entrants[name].rank is None for name in names)
        return str(out[names[0]])

    return holds


@pytest.fixture
def refused() -> Callable[..., str]:
    """That something is refused for one reason."""
    from wattline_reports.exchange.refused import Refused

    def holds(code: Any, work: Callable[[], object]) -> str:
        with pytest.raises(Refused) as told:
            work()
        assert told.value.code == code, str(told.value)
        return str(told.value)

    return holds
