"""Commands run beside the collector: one at a time, bounded, and ended with all they started."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.clock import SystemClock
from wattline_collector.access import Sight
from wattline_collector.reports.workshop import Full, State, Work, Workshop

NEEDS = (Sight.FIGURES,)


@pytest.fixture
def workshop() -> Iterator[Callable[..., Workshop]]:
    opened: list[Workshop] = []

    def make(**more: Any) -> Workshop:
        opened.append(Workshop(SystemClock(), (sys.executable, "-c"), **more))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def until(condition: Callable[[], bool]) -> None:
    for _ in range(12_000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within two minutes")


def ended(shop: Workshop, work: Work) -> Work:
    def found() -> Work:
        return next(one for one in shop.works() if one.id == work.id)

    until(lambda: found().state in (State.DONE, State.FAILED))
    return found()


def gate(path: Path) -> str:
    """A program that says that it runs, and waits for a file."""
    return (f"import os, sys, time\nprint('step 1', file=sys.stderr, flush=True)\n"
            f"while not os.path.exists({str(path)!r}): time.sleep(0.01)\n")  # fmt: skip


def test_what_a_command_prints_is_kept_when_it_is_done(workshop: Callable[..., Workshop]) -> None:
    shop = workshop()
    work = ended(shop, shop.submit(("print('made')",), {"kind": "x"}, NEEDS))
    assert (work.state, work.printed, work.error) == (State.DONE, "made\n", "")
    assert work.about == {"kind": "x"}
    assert work.began_ms is not None
    assert work.ended_ms is not None
    assert work.asked_ms <= work.began_ms <= work.ended_ms


def test_what_it_does_is_told_while_it_runs_and_others_wait(
    workshop: Callable[..., Workshop], tmp_path: Path
) -> None:
    shop = workshop()
    first = shop.submit((gate(tmp_path / "go"),), {}, NEEDS)
    until(lambda: [one.said for one in shop.works()] == ["step 1"])
    second = shop.submit(("print(2)",), {}, NEEDS)
    assert [(one.id, one.state) for one in shop.works()] == [
        (second.id, State.WAITING), (first.id, State.RUNNING),
    ]  # fmt: skip
    (tmp_path / "go").touch()
    assert ended(shop, second).state is State.DONE
    assert ended(shop, first).state is State.DONE


def test_what_is_asked_for_twice_is_run_once(
    workshop: Callable[..., Workshop], tmp_path: Path
) -> None:
    shop = workshop()
    program = gate(tmp_path / "go")
    assert shop.submit((program,), {}, NEEDS).id == shop.submit((program,), {}, NEEDS).id
    waits = shop.submit(("print(1)",), {}, NEEDS)
    assert shop.submit(("print(1)",), {}, NEEDS).id == waits.id
    assert len(shop.works()) == 2


def test_a_queue_that_is_full_says_so(workshop: Callable[..., Workshop], tmp_path: Path) -> None:
    shop = workshop(most_waiting=2)
    shop.submit((gate(tmp_path / "go"),), {}, NEEDS)
    until(lambda: any(one.state is State.RUNNING for one in shop.works()))
    for number in range(2):
        shop.submit((f"print({number})",), {}, NEEDS)
    with pytest.raises(Full, match="2 reports wait already; try again in a few minutes"):
        shop.submit(("print(3)",), {}, NEEDS)


def test_a_command_that_fails_says_why_in_its_last_line(workshop: Callable[..., Workshop]) -> None:
    shop = workshop()
    program = "import sys\nprint('x', file=sys.stderr)\nsys.exit('wattline: no such period')"
    work = ended(shop, shop.submit((program,), {}, NEEDS))
    assert (work.state, work.error) == (State.FAILED, "no such period")
    silent = ended(shop, shop.submit(("import os; os._exit(3)",), {}, NEEDS))
    assert silent.error == "it ended with exit code 3"


def test_a_program_that_cannot_start_fails(tmp_path: Path) -> None:
    shop = Workshop(SystemClock(), (str(tmp_path / "none"),))
    work = ended(shop, shop.submit(("x",), {}, NEEDS))
    assert work.error == "cannot start: No such file or directory"
    shop.close()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, file=sys.stderr, flush=True)
time.sleep(600)
"""


def test_what_takes_too_long_is_ended_with_all_it_started(
    workshop: Callable[..., Workshop],
) -> None:
    shop = workshop(deadline_seconds=1.0)
    work = ended(shop, shop.submit((CHILD,), {}, NEEDS))
    assert work.state is State.FAILED
    assert work.error == "it took longer than 1 s; ask for a shorter period"
    if work.said:  # on a slow machine it was ended before it began
        until(lambda: not alive(int(work.said)))
    assert ended(shop, shop.submit(("print(1)",), {}, NEEDS)).state is State.DONE


def test_the_end_of_the_collector_is_the_end_of_what_runs(
    workshop: Callable[..., Workshop],
) -> None:
    shop = workshop()
    shop.submit((CHILD,), {}, NEEDS)
    until(lambda: bool(shop.works()[0].said))
    child = int(shop.works()[0].said)
    waiting = shop.submit(("print(1)",), {}, NEEDS)
    shop.close()
    until(lambda: not alive(child))
    assert waiting.id not in [one.id for one in shop.works()]
    with pytest.raises(Full):
        shop.submit(("print(2)",), {}, NEEDS)


def test_a_flood_of_words_is_bounded(workshop: Callable[..., Workshop]) -> None:
    shop = workshop()
    program = "import sys\nprint('o' * 10**6)\nprint('e' * 10**6, file=sys.stderr)"
    work = ended(shop, shop.submit((program,), {}, NEEDS))
    assert work.state is State.DONE
    assert len(work.printed) == 64 * 1024
    assert len(work.said) <= 2000


def test_its_words_are_no_ones_to_interpret(
    workshop: Callable[..., Workshop], tmp_path: Path
) -> None:
    shop = workshop()
    words = ("import sys; print(sys.argv[1])", f"$(touch {tmp_path}/shell); `id`")
    assert ended(shop, shop.submit(words, {}, NEEDS)).printed == f"{words[1]}\n"
    assert list(tmp_path.iterdir()) == []


def test_it_runs_behind_the_collector(workshop: Callable[..., Workshop], tmp_path: Path) -> None:
    shop = workshop()
    program = gate(tmp_path / "go") + "print(os.getpriority(os.PRIO_PROCESS, 0))"
    work = shop.submit((program,), {}, NEEDS)
    until(lambda: bool(shop.works()[0].said))
    (tmp_path / "go").touch()
    assert int(ended(shop, work).printed) > os.getpriority(os.PRIO_PROCESS, 0)
