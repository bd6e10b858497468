from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.cli import main
from wattline_collector.registers import kept

FACTORIES = ("it4lia", "jaif", "lumi-aif")
DOCS = Path(__file__).parents[3] / "docs" / "challenge.md"


class Season:
    """A season in a directory, played with the command alone."""

    def __init__(self, at: Path, capsys: Any, played: Any) -> None:
        self.at, self.capsys = at, capsys
        self.challenge = at / "spring-2027" / "time-to-train"
        self.kit = played()

    def run(self, *words: object, command: str = "challenge") -> tuple[int, str, str]:
        try:
            code = main([command, *map(str, words)])
        except SystemExit as stop:
            code = int(stop.code or 0)
        told = self.capsys.readouterr()
        return code, told.out, told.err

    def does(self, *words: object, code: int = 0) -> str:
        found, out, error = self.run(*words, "--ring", self.at / "keys.json")
        assert found == code, (out, error)
        return out + error

    def file(self, name: str, value: Any) -> Path:
        path = self.at / name
        path.write_text(value if isinstance(value, str) else json.dumps(value, indent=1))
        return path

    def key(self, name: str) -> tuple[str, Path]:
        return "--key", self.at / f"{name}.pem"

    def committed(self) -> Season:
        for name, role in [("eurohpc", "organiser"), *((one, "factory") for one in FACTORIES)]:
            code, _, _ = self.run(
                "key", "new", "--owner", name, "--role", role, *self.key(name), "--ring",
                self.at / "keys.json", "--from", "2026-01-01", command="bundle",
            )  # fmt: skip
            assert code == 0
        code, text, _ = self.run("definition", "time-to-train")
        assert code == 0
        self.does(
            "commit", self.file("spec.toml", text), "--items",
            self.file("items.json", self.kit.items), "--season", self.challenge.parent,
            *self.key("eurohpc"), "--secrets", self.at / "sealed.json", "--at", "2027-02-01",
        )  # fmt: skip
        return self

    def entered(self) -> Season:
        for name in FACTORIES:
            entry = self.file(f"{name}-entry.json", self.kit.entry(name))
            self.does("enter", self.challenge, entry, *self.key(name), "--at", "2027-02-02")
        self.does("receive", self.challenge, *self.key("eurohpc"), "--at", "2027-02-03")
        return self

    def submitted(self) -> Season:
        for name in FACTORIES:
            out = self.at / f"{name}-items.json"
            self.does("give", self.challenge, name, "--secrets", self.at / "sealed.json",
                      *self.key("eurohpc"), "--out", out, "--at", "2027-03-02")  # fmt: skip
            given = tuple(one["index"] for one in json.loads(out.read_text())["body"]["items"])
            runs = self.file(f"{name}-runs.json", {"runs": self.kit.runs(name, given)})
            self.does("submit", self.challenge, runs, "--items", out, *self.key(name),
                      "--secrets", self.at / f"{name}-mine.json", "--at", "2027-03-20")  # fmt: skip
        self.does("receive", self.challenge, *self.key("eurohpc"), "--at", "2027-03-21")
        return self

    def revealed(self, *late: str) -> Season:
        for name in FACTORIES:
            if name not in late:
                self.does("reveal", self.challenge, "--secrets", self.at / f"{name}-mine.json",
                          *self.key(name), "--at", "2027-04-02")  # fmt: skip
        self.does("reveal", self.challenge, "--secrets", self.at / "sealed.json",
                  *self.key("eurohpc"), "--at", "2027-04-02")  # fmt: skip
        self.does("receive", self.challenge, *self.key("eurohpc"), "--at", "2027-04-03")
        return self


@pytest.fixture
def season(tmp_path: Path, capsys: Any, played: Any) -> Season:
    return Season(tmp_path, capsys, played).committed()


def test_a_season_is_played_with_the_command_from_commit_to_the_register(season: Season) -> None:
    season.entered().submitted().revealed()
    rerun = {
        "container": season.kit.entry("it4lia")["container"], "power_level": "L2",
        "system": season.kit.entry("jaif")["system"],
        "runs": [
            season.kit.run("jaif", _given(season, "it4lia")[0], number, 1.0, 1.0, season.kit.again)
            for number in range(5)
        ],
    }  # fmt: skip
    season.does("rerun", season.challenge, "it4lia", season.file("rerun.json", rerun),
                *season.key("jaif"), "--at", "2027-04-20")  # fmt: skip
    season.does("receive", season.challenge, *season.key("eurohpc"), "--at", "2027-04-21")
    store = season.at / "store"
    out = season.does(
        "score", season.challenge, *season.key("eurohpc"), "--keep", "--store", store, "--at",
        "2027-05-02",
    )  # fmt: skip
    assert re.search(r"^ +1 jaif", out, re.MULTILINE), out
    assert "Kept in the register of results" in out
    assert kept.results(store).height == 3 * 7 + 2
    out = season.does("verify", season.challenge.parent, "--at", "2027-06-01")
    assert "scores published, and they follow from what was revealed" in out
    assert "second-site" in out and "not-rerun" in out
    told = json.loads(season.does("verify", season.challenge, "--format", "json"))
    assert [one["entrant"] for one in told[0]["entrants"]] == list(FACTORIES)


def _given(season: Season, name: str) -> list[int]:
    text = (season.at / f"{name}-items.json").read_text()
    return [one["index"] for one in json.loads(text)["body"]["items"]]


def test_an_entrant_that_is_out_makes_exit_code_1_and_the_others_are_ranked(
    season: Season,
) -> None:
    season.entered().submitted().revealed("jaif")
    out = season.does("verify", season.challenge, "--at", "2027-05-02", code=1)
    assert "(not-revealed)" in out and re.search(r"^ +1 it4lia", out, re.MULTILINE)


def test_a_challenge_that_was_altered_exits_2_with_one_line(season: Season) -> None:
    season.entered()
    path = season.challenge / "commit.json"
    path.write_bytes(path.read_bytes().replace(b'"draw":2', b'"draw":3'))
    words = season.does("verify", season.challenge, code=2)
    assert words.count("\n") == 1 and words.rstrip().endswith("(bad-signature)")


def test_secrets_are_written_where_only_their_owner_reads_them(season: Season) -> None:
    season.entered().submitted()
    for name in ("sealed.json", "jaif-mine.json", "jaif-items.json"):
        assert (season.at / name).stat().st_mode & 0o777 == 0o600
    shown = b"".join(path.read_bytes() for path in season.challenge.rglob("*.json"))
    assert b'"content":' not in shown and b'"seconds":' not in shown


def test_a_key_in_the_wrong_role_is_refused_in_words(season: Season) -> None:
    entry = season.file("entry.json", season.kit.entry("jaif"))
    assert "not as factory" in season.does(
        "enter", season.challenge, entry, *season.key("eurohpc"), code=2
    )
    assert "not as organiser" in season.does(
        "receive", season.challenge, *season.key("jaif"), code=2
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [((), "what of a challenge"), (("definition", "x"), "there are"),
     (("verify", "nowhere"), "no challenge"), (("score", "nowhere"), "no ring"),
     (("verify", "nowhere", "--at", "soon"), "--at")],
)  # fmt: skip
def test_what_cannot_be_done_exits_2_and_says_what_to_do(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: Any, played: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    code, out, error = Season(tmp_path, capsys, played).run(*words)
    assert (code, out) == (2, "") and said in error and "Traceback" not in error


def test_the_ready_definitions_are_listed(tmp_path: Path, capsys: Any, played: Any) -> None:
    code, out, _ = Season(tmp_path, capsys, played).run("definition")
    assert code == 0 and out.split() == [
        "energy-to-train", "hpl-mxp-like", "time-to-train", "tokens-per-joule"
    ]  # fmt: skip


def test_the_page_names_every_reason_and_every_flag() -> None:
    from wattline_reports.challenge.flags import Flag
    from wattline_reports.exchange.refused import Reason

    text = DOCS.read_text()
    own = list(Reason)[list(Reason).index(Reason.ALTERED_SPEC) :]
    missing = [str(one) for one in (*own, *Flag) if f"`{one}`" not in text]
    assert missing == []
