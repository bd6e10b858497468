from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.jobs.asking import AskFailed
from wattline_collector.jobs.commands import Commands, check, run

NOW_MS = 1_793_534_400_000
FIELDS = "JobIDRaw JobID State Submit Start End NodeList AllocTRES JobName"


@dataclass
class Shell:
    """Answers as commands would, and keeps what was asked."""

    answers: dict[str, bytes]
    asked: list[tuple[Sequence[str], Mapping[str, str]]] = field(default_factory=list)

    def __call__(
        self, words: Sequence[str], environment: Mapping[str, str], seconds: float, most: int
    ) -> bytes:
        self.asked.append((words, environment))
        if words[1] == "--helpformat":
            return FIELDS.encode()
        text = self.answers[words[0]]
        given = [word for word in words if word.startswith("--delimiter=")]
        return text.replace(b"~", given[0].partition("=")[2].encode()) if given else text


def test_sacct_is_asked_for_fields_it_knows_in_utc_with_a_delimiter_nobody_knows() -> None:
    times = b"2026-11-01T09:00:00~2026-11-01T10:00:00~2026-11-01T11:00:00"
    line = b"7~7~COMPLETED~" + times + b"~n~~a|b\n8|x\n~7\n"
    shell = Shell({"sacct": line})
    commands = Commands({"PATH": "/bin", "SLURM_TIME_FORMAT": "%s", "SACCT_FORMAT": "x"}, shell)
    for _ in range(2):
        [row] = commands.jobs(NOW_MS, None, ()).to_dicts()
        assert (row["job_raw"], row["name"], row["end"]) == (
            "7",
            "a|b\n8|x\n",
            "2026-11-01T11:00:00",
        )
    (_, help), (first, environment), (second, _) = shell.asked
    assert "sacct" in first and "--duplicates" in first and "--allusers" in first
    assert f"--format={','.join([*FIELDS.split(), 'JobIDRaw'])}" in first
    assert "--starttime=2026-11-01T12:00:00" in first
    delimiters = {word for words in (first, second) for word in words if "delimiter" in word}
    assert len(delimiters) == 2
    assert environment["TZ"] == help["TZ"] == "UTC"
    assert environment["SLURM_TIME_FORMAT"] == "standard"
    assert "SACCT_FORMAT" not in environment


def test_jobs_are_asked_for_by_id_whenever_they_ran() -> None:
    shell = Shell({"sacct": b""})
    assert Commands({}, shell).jobs(NOW_MS, None, ("7", "9")).is_empty()
    words, _ = shell.asked[-1]
    assert "--jobs=7,9" in words
    assert not any(word.startswith("--starttime") for word in words)


def test_a_sacct_that_lacks_what_is_needed_is_no_answer() -> None:
    def ancient(words: Sequence[str], *_: object) -> bytes:
        return b"JobID State"

    with pytest.raises(AskFailed, match="knows no field End"):
        Commands({}, ancient).jobs(0, None, ())


def test_node_states_come_with_their_ends_and_the_controllers_word_for_the_rest() -> None:
    shell = Shell(
        {
            "sacctmgr": b"n1|2026-11-01T09:00:00|2026-11-01T10:00:00|DRAIN|a\n"
            b"n2|2026-11-01T09:00:00|Unknown|DOWN|b\n",
            "sinfo": b"n2|2026-11-01T09:00:01|down*|b\nn3|2026-11-01T11:00:00|drained|c\n",
        }
    )
    told = Commands({}, shell).events(NOW_MS - 86_400_000, NOW_MS)
    assert told.rows["host"].to_list() == ["n1", "n2"]
    assert told.now.select("host", "state", "reason").rows() == [("n3", "drain", "c")]


# Running a command


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_command_gives_its_output() -> None:
    assert run(python("print('x' * 100_000)"), os.environ, 20, 1 << 20) == b"x" * 100_000 + b"\n"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import time; time.sleep(60)", "no answer within 0.3 seconds"),
        ("import os, time; os.close(1); os.close(2); time.sleep(60)", "no answer within"),
        ("while True: print('x' * 1000)", "answers more than"),
    ],
)
def test_a_command_that_hangs_or_floods_is_ended(code: str, says: str) -> None:
    seconds = 0.3 if "sleep" in code else 20
    with pytest.raises(AskFailed, match=says):
        run(python(code), os.environ, seconds, 1 << 20)


def test_a_command_that_fails_says_why_in_one_printable_line() -> None:
    code = "import sys; print('first\\nlast \\x1b[31m' + 'x' * 900, file=sys.stderr); sys.exit(1)"
    with pytest.raises(AskFailed) as caught:
        run(python(code), os.environ, 20, 1 << 20)
    assert "last ?[31mxxx" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_command_that_is_not_there_is_said() -> None:
    with pytest.raises(AskFailed, match="cannot be run"):
        run(["/nowhere/sacct"], {}, 1, 1)


def test_without_slurms_commands_the_user_hears_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--slurm-rest"):
        check({"PATH": str(tmp_path)})
