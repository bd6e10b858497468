"""The file of a schedule: every mistake is named by file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from wattline_agents.config.document import MOST_BYTES
from wattline_agents.errors import InputError
from wattline_reports.schedule import file
from wattline_reports.schedule.template import TEMPLATE

MAIL = """
[mail]
host = "mail.example.eu"
from = "wattline@example.eu"
"""
ENTRY = """
[report.monthly]
kind = "review"
every = "month"
"""


def read(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> file.Schedule:
    path = tmp_path / "report.toml"
    path.write_text(text)
    return file.read(path, environment or {})


def complaint(tmp_path: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    return str(caught.value).removeprefix(f"{tmp_path / 'report.toml'}:")


def test_the_template_is_a_schedule(tmp_path: Path) -> None:
    schedule = read(tmp_path, TEMPLATE)
    assert [entry.name for entry in schedule.entries] == ["monthly-review", "access-time"]
    monthly, yearly = schedule.entries
    assert (monthly.kind.name, monthly.every, monthly.wait_days) == ("review", "month", 5)
    assert monthly.folder == tmp_path / "reviews"
    assert yearly.formats == ("pdf", "xlsx", "json")
    assert schedule.mail is not None
    assert schedule.mail.server.encrypted


def test_all_that_the_template_offers_in_comments_is_understood(tmp_path: Path) -> None:
    offered = TEMPLATE.replace('\n#password_env = "WATTLINE_MAIL_PASSWORD"', "")
    offered = "\n".join(
        line[1:] if line.startswith("#") and not line.startswith("# ") else line
        for line in offered.splitlines()
    )
    schedule = read(tmp_path, offered)
    assert [entry.of for entry in schedule.entries] == [(), (), ("P1",)]
    assert schedule.entries[0].mail == ("board@example.eu",)
    assert schedule.mail is not None
    assert schedule.mail.server.password_file == tmp_path / "mail-password"


def test_what_is_not_said_has_a_sensible_value(tmp_path: Path) -> None:
    (entry,) = read(tmp_path, ENTRY).entries
    assert (entry.wait_days, entry.catch_up, entry.formats) == (5, 3, ("html", "pdf"))
    assert entry.options == {"variant": "public"}
    assert (entry.folder, entry.mail, entry.of) == (None, (), ())
    for every, days in (("quarter", 10), ("year", 20)):
        (other,) = read(tmp_path, ENTRY.replace('"month"', f'"{every}"')).entries
        assert other.wait_days == days


def test_a_password_comes_from_the_environment_or_a_file_and_is_never_shown(tmp_path: Path) -> None:
    text = MAIL + 'user = "me"\npassword_env = "SECRET"\n' + ENTRY
    schedule = read(tmp_path, text, {"SECRET": "hush"})
    assert schedule.mail is not None
    assert schedule.mail.server.password == "hush"
    assert "hush" not in repr(schedule)
    assert "SECRET is not set" in complaint(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no report in it: give [report.NAME]"),
        ("x = ", "not TOML: "),
        (ENTRY + "[mial]\n", "5: mial: not known; did you mean 'mail'?"),
        (ENTRY + 'formts = ["pdf"]\n', "5: report.monthly.formts: not known; did you mean"),
        (ENTRY + "wait = true\n", "5: report.monthly.wait: not a whole number"),
        (ENTRY + "wait = 400\n", "5: report.monthly.wait: 400 is not from 0 to 366"),
        (ENTRY + "catch_up = 0\n", "5: report.monthly.catch_up: 0 is not from 1 to 60"),
        (ENTRY + 'formats = ["docx"]\n', "5: report.monthly.formats: 'docx': there are html"),
        (ENTRY + "formats = [1]\n", "5: report.monthly.formats: not a list of at most 100 texts"),
        (ENTRY + 'of = ["P1"]\n', "5: report.monthly.of: review is of the whole factory"),
        (ENTRY + "options = { varint = 'public' }\n",
         "5: report.monthly.options.varint: not an option of review; did you mean 'variant'?"),
        (ENTRY + "options = { variant = 'publik' }\n",
         "5: report.monthly.options.variant: 'publik': did you mean 'public'?"),
        (ENTRY + "options = { variant = 1 }\n", "5: report.monthly.options.variant: not a text"),
        (ENTRY + 'mail = ["board@example.eu"]\n', "5: report.monthly.mail: there is no [mail]"),
        (MAIL + ENTRY + 'mail = ["a@b.eu\\nBcc: c@d.eu"]\n', "is not an address"),
        (ENTRY.replace("review", "reviw"), "3: report.monthly.kind: 'reviw': did you mean"),
        (ENTRY.replace("review", "network"), "3: report.monthly.kind: 'network': there are"),
        (ENTRY.replace("review", "eed"), "4: report.monthly.every: eed is of a year"),
        (ENTRY.replace("review", "project"), "2: report.monthly.of: missing"),
        (ENTRY.replace('"month"', '"week"'), "4: report.monthly.every: 'week': there are month"),
        ("[report]\nmonthly = 1\n", "2: report.monthly: not a table"),
        ('[report.x]\nkind = "review"\n', "1: report.x.every: missing"),
        (MAIL.replace('"mail.example.eu"', '"mail:25"') + ENTRY, "3: mail.host: the server's name"),
        (MAIL.replace("wattline@", "") + ENTRY, "4: mail.from: not an address"),
        (MAIL + "port = 0\n" + ENTRY, "5: mail.port: 0 is not from 1 to 65535"),
        (MAIL + 'user = "me"\n' + ENTRY, "5: mail.user: user, and password_file"),
        (MAIL + 'user = "me"\npassword_env = "A"\npassword_file = "b"\n' + ENTRY,
         "6: mail.password_env: password_file is given as well"),
        ('[mail]\nfrom = "a@b.eu"\n' + ENTRY, "1: mail.host: missing"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_line_and_key(tmp_path: Path, text: str, said: str) -> None:
    assert said in complaint(tmp_path, text)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: cannot be read: No such file"):
        file.read(tmp_path / "none.toml", {})
    (tmp_path / "bin.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"bin\.toml:1: not TOML"):
        file.read(tmp_path / "bin.toml", {})
    (tmp_path / "long.toml").write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(InputError, match="not a schedule"):
        file.read(tmp_path / "long.toml", {})
