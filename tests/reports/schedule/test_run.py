"""Doing what is due, with real letters and without making real reports."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.kpi.figure import Period
from wattline_reports.making import Finished, Order
from wattline_reports.schedule import file
from wattline_reports.schedule import run as running
from wattline_reports.schedule.run import House, post, run
from wattline_reports.shelf import Shelf

NOW = datetime(2026, 12, 10, tzinfo=UTC)
HELD = Period(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 10, tzinfo=UTC))


class Maker:
    """Makes reports of a few bytes; those of a kind in `fails` it does not make."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str | None]] = []
        self.fails: dict[str, Exception] = {}

    def __call__(self, order: Order) -> Finished:
        from wattline_reports.period import parse_period

        if order.kind.name in self.fails:
            raise self.fails[order.kind.name]
        self.made.append((order.kind.name, order.period))
        assert order.period is not None
        report: Any = SimpleNamespace(
            kind=order.kind.name, title=order.kind.title, span=parse_period(order.period),
            as_of="", name=f"{order.kind.name}_{order.period}", code="0a1b 2c3d",
            statement=SimpleNamespace(good=True),
        )  # fmt: skip
        return Finished(report, {form: form.encode() for form in order.formats}, 1.5)


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> Maker:
    maker = Maker()
    monkeypatch.setattr(running, "make", maker)
    monkeypatch.setattr(running, "held", lambda _store: HELD)
    return maker


Do = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def do(tmp_path: Path, maker: Maker) -> Do:
    """Runs a schedule of that text; gives how many failed, and what was said."""

    def do(text: str, now: datetime = NOW, **more: Any) -> tuple[int, list[str]]:
        path = tmp_path / "report.toml"
        path.write_text(text)
        said: list[str] = []
        house = House(tmp_path, Shelf(tmp_path / "shelf"), lambda: now, said.append, post)
        return run(file.read(path), house, **more), said

    return do


def entry(kind: str = "review", every: str = "month", **more: object) -> str:
    lines = [f"[report.{kind}]", f'kind = "{kind}"', f'every = "{every}"']
    lines += [f"{key} = {value!r}".replace("'", '"') for key, value in more.items()]
    return "\n".join(lines) + "\n"


def mail(port: int) -> str:
    return (f'[mail]\nhost = "127.0.0.1"\nport = {port}\nstarttls = false\n'
            'from = "wattline@example.eu"\n')  # fmt: skip


def test_what_is_due_is_made_kept_and_copied_and_not_a_second_time(
    do: Do, maker: Maker, tmp_path: Path
) -> None:
    text = entry(folder="copies", formats=["html", "json"])
    failed, said = do(text)
    assert failed == 0
    assert maker.made == [("review", "2026-11")]
    assert "review 2026-11: making it" in said
    assert (tmp_path / "copies" / "review_2026-11.json").read_bytes() == b"json"
    (made,) = (Shelf(tmp_path / "shelf").find(id) for id in Shelf(tmp_path / "shelf").ids())
    assert made is not None
    assert (made.why, made.by, made.key.period) == ("schedule", "", "2026-11")
    assert do(text) == (0, ["nothing is due"])
    assert len(maker.made) == 1


def test_each_gets_a_letter_of_their_own_with_the_files(do: Do, mailbox: Any) -> None:
    text = mail(mailbox.port) + entry(mail=["a@b.eu", "c@d.eu"], formats=["pdf", "json"])
    failed, said = do(text)
    assert failed == 0
    assert said.count("review 2026-11: sent") == 2
    first, second = mailbox.letters
    assert (first["To"], second["To"]) == ("a@b.eu", "c@d.eu")
    assert first["From"] == "wattline@example.eu"
    assert first["Subject"] == "[wattline] EuroHPC coordination review 2026-11"
    body = first.get_body(("plain",))
    assert body is not None
    assert "Verification code: 0a1b 2c3d" in body.get_content()
    names = [part.get_filename() for part in first.iter_attachments()]
    assert names == ["review_2026-11.pdf", "review_2026-11.json"]
    attached = [part.get_payload(decode=True) for part in first.iter_attachments()]
    assert attached == [b"pdf", b"json"]


def test_a_letter_that_was_not_taken_is_sent_by_the_next_run_alone(
    do: Do, maker: Maker, mailbox: Any
) -> None:
    text = mail(mailbox.port) + entry(mail=["a@b.eu"])
    mailbox.refuse = {"MAIL": "451 come back later"}
    failed, said = do(text)
    assert failed == 1
    assert said[-1] == ("review 2026-11: failed: 451 come back later; the next run tries again")
    mailbox.refuse = {}
    assert do(text) == (0, ["review 2026-11: sent"])
    assert len(maker.made) == len(mailbox.got) == 1


def test_a_server_without_encryption_gets_nothing_unless_that_was_said(
    do: Do, mailbox: Any
) -> None:
    text = mail(mailbox.port).replace("starttls = false\n", "") + entry(mail=["a@b.eu"])
    failed, said = do(text)
    assert failed == 1
    assert "the server offers no encryption" in said[-1]
    assert mailbox.got == []


@pytest.mark.parametrize("where", ["password_env", "password_file"])
def test_a_password_reaches_the_server_and_nobody_else(
    do: Do, mailbox: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(file, "read", partial(file.read, environment={"SECRET": "hush" * 5}))
    (tmp_path / "SECRET").write_text("hush" * 5 + "\n")
    (tmp_path / "SECRET").chmod(0o600)
    text = mail(mailbox.port) + f'user = "me"\n{where} = "SECRET"\n' + entry(mail=["a@b.eu"])
    failed, said = do(text)
    assert failed == 0
    assert mailbox.logins == ["\0me\0" + "hush" * 5]
    assert "hush" not in "".join(said)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UsageError("the store holds nothing"), "failed: the store holds nothing"),
        (ZeroDivisionError("a fault"), "failed: ZeroDivisionError: a fault"),
    ],
)
def test_one_that_fails_does_not_stop_the_others(
    do: Do, maker: Maker, error: Exception, said: str
) -> None:
    maker.fails = {"review": error}
    failed, lines = do(entry("review") + entry("operations"))
    assert failed == 1
    assert maker.made == [("operations", "2026-11")]
    assert any(said in line for line in lines)


def test_a_folder_that_takes_nothing_is_named_and_the_letter_goes_out(
    do: Do, mailbox: Any, tmp_path: Path
) -> None:
    (tmp_path / "copies").write_text("no folder")
    failed, said = do(mail(mailbox.port) + entry(folder="copies", mail=["a@b.eu"]))
    assert failed == 1
    assert "copies: cannot write there" in said[-1]
    assert len(mailbox.got) == 1


def test_at_once_makes_the_last_period_anew_and_sends_the_same_no_second_time(
    do: Do, maker: Maker, mailbox: Any
) -> None:
    text = mail(mailbox.port) + entry(mail=["a@b.eu"], wait=100)
    assert do(text) == (0, ["nothing is due"])
    assert do(text, at_once=True)[0] == 0
    failed, said = do(text, at_once=True)
    assert failed == 0
    assert "review 2026-11: made before, with the same figures (2 s)" in said
    assert len(maker.made) == 2
    assert len(mailbox.got) == 1


def test_two_runs_at_once_do_not_send_a_letter_twice(do: Do, tmp_path: Path) -> None:
    from wattline_reports.schedule.run import _alone

    with (
        _alone(tmp_path / "shelf"),
        pytest.raises(UsageError, match="another run of a schedule is at it"),
    ):
        do(entry())


def test_files_that_are_too_large_for_a_letter_are_named_in_it(
    monkeypatch: pytest.MonkeyPatch, do: Do, mailbox: Any
) -> None:
    monkeypatch.setattr("wattline_reports.schedule.letter.MOST_BYTES", 2)
    assert do(mail(mailbox.port) + entry(mail=["a@b.eu"], formats=["pdf"]))[0] == 0
    (letter,) = mailbox.letters
    assert list(letter.iter_attachments()) == []
    assert "Too large to be attached" in letter.get_content()
    assert "review_2026-11.pdf" in letter.get_content()
