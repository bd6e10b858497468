from itertools import pairwise

import pytest

from wattline_agents.sources.isolated.child import DESCRIBE, START
from wattline_agents.sources.isolated.keeper import (
    CALM_SECONDS,
    MOST_STUCK,
    OPEN,
    OPEN_SECONDS,
    PART_SECONDS,
    PROBE,
    READER,
    Action,
    Keeper,
)

GPUS = [f"GPU-{n}" for n in range(3)]
ASK = Action("ask", READER)


class Driven:
    """A keeper, and processes that do as they are told unless a part is named in `sick`."""

    def __init__(self) -> None:
        self.keeper = Keeper()
        self.now = 0.0
        self.stuck = 0
        self.immortal = False
        self.sick: set[str] = set()
        self.hidden: set[str] = set()
        self.answered: list[tuple[float, str, tuple[str, ...]]] = []
        self.starts: list[tuple[float, str]] = []

    def tick(self) -> list[Action]:
        actions = self.keeper.decide(self.now, self.stuck, dict.fromkeys(GPUS, ()))
        for action in actions:
            if action.do == "start":
                self.starts.append((self.now, action.role))
            elif action.do == "ask":
                self._answer(action)
            else:
                self.stuck += self.immortal
        self.now += 1
        return actions

    def _answer(self, action: Action) -> None:
        done = []
        for part in (START, OPEN, *GPUS, DESCRIBE):
            if part in action.skip or part in self.hidden:
                continue
            self.keeper.part_began(action.role, part, self.now, self.now)
            if part in self.sick:
                return
            done.append(part)
        self.keeper.answered(action.role, self.now)
        self.answered.append((self.now, action.role, tuple(p for p in done if p in GPUS)))

    def run(self, until: float) -> None:
        while self.now < until:
            self.tick()

    def read(self, role: str = READER) -> list[tuple[float, tuple[str, ...]]]:
        return [(at, parts) for at, who, parts in self.answered if who == role]

    def news(self) -> list[str]:
        found = ["; ".join(filter(None, texts)) for _, *texts in self.keeper.news]
        self.keeper.news.clear()
        return found


@pytest.fixture
def driven() -> Driven:
    return Driven()


def test_it_is_started_once_and_asked_at_every_tick(driven: Driven) -> None:
    assert driven.tick() == [Action("start", READER), ASK]
    assert driven.tick() == [ASK]
    driven.run(600)
    assert len(driven.read()) == 600
    assert driven.news() == []


def test_it_is_not_asked_again_before_it_has_answered(driven: Driven) -> None:
    driven.tick()
    driven.sick = {"GPU-1"}
    assert driven.tick() == [ASK]
    assert driven.tick() == []


def test_a_part_that_hangs_is_left_out_and_the_others_go_on(driven: Driven) -> None:
    driven.run(10)
    driven.sick = {"GPU-1"}
    driven.run(60)
    others = ("GPU-0", "GPU-2")
    gap = [at for at, parts in driven.read() if parts == others]
    assert gap[0] - 9 == PART_SECONDS + 2, "a tick after the deadline, and asked at once"
    assert gap == [*range(16, 60)]
    assert driven.keeper.timeouts == {"GPU-1": 1}
    assert driven.news() == ["no answer from the driver within 5 s (GPU-1); asked again in 60 s"]


def test_what_hung_is_tried_apart_so_that_the_others_are_read_meanwhile(driven: Driven) -> None:
    driven.run(10)
    driven.sick = {"GPU-1"}
    driven.run(400)
    probes = [at for at, role in driven.starts if role == PROBE]
    assert probes == [76, 82 + 120], "after 60 s, and 120 s after that was seen to hang"
    reads = [at for at, _ in driven.read()]
    assert max(b - a for a, b in pairwise(reads)) == PART_SECONDS + 2
    assert driven.keeper.timeouts == {"GPU-1": 3}


def test_the_wait_doubles_up_to_ten_minutes(driven: Driven) -> None:
    driven.run(10)
    driven.sick = {"GPU-1"}
    driven.run(5000)
    probes = [at for at, role in driven.starts if role == PROBE]
    waits = [b - a - PART_SECONDS - 1 for a, b in pairwise(probes)]
    assert waits[:6] == [120, 240, 480, 600, 600, 600]


def test_what_answers_again_is_read_again(driven: Driven) -> None:
    driven.run(10)
    driven.sick = {"GPU-1"}
    driven.run(30)
    driven.sick = set()
    driven.run(100)
    assert driven.read()[-1] == (99, tuple(GPUS))
    back = next(at for at, parts in driven.read() if at > 20 and parts == tuple(GPUS))
    assert back == 78, "the probe reads twice, as some figures need two readings"
    assert [parts for _, parts in driven.read(PROBE)] == [("GPU-1",)] * 2
    assert PROBE not in driven.keeper.running
    assert driven.news()[-1] == "reading again (GPU-1)"


@pytest.mark.parametrize(("after", "wait"), [(CALM_SECONDS - 100, 120.0), (CALM_SECONDS, 60.0)])
def test_what_hangs_again_soon_is_left_alone_for_longer(
    driven: Driven, after: float, wait: float
) -> None:
    driven.sick = {"GPU-1"}
    driven.run(20)
    driven.sick = set()
    driven.run(100 + after)
    driven.sick = {"GPU-1"}
    driven.run(120 + after)
    assert driven.keeper.resting["GPU-1"].seconds == wait


def test_opening_may_take_longer_and_is_tried_again_after_a_while(driven: Driven) -> None:
    driven.sick = {OPEN}
    driven.run(OPEN_SECONDS)
    assert READER in driven.keeper.running
    driven.run(OPEN_SECONDS + 5)
    assert driven.keeper.running == {}
    driven.run(400)
    assert driven.starts == [(0, READER), (91, READER), (242, READER)]
    driven.sick = set()
    driven.run(600)
    assert driven.read()[0][0] == 513
    assert driven.keeper.resting == {}


def test_a_process_that_ends_is_started_again_later_and_later(driven: Driven) -> None:
    for _ in range(300):
        driven.tick()
        if READER in driven.keeper.running:
            driven.keeper.ended(READER, "it ended", driven.now)
    gaps = [b - a for (a, _), (b, _) in pairwise(driven.starts)]
    assert gaps[:7] == [2, 3, 5, 9, 17, 33, 61]
    assert driven.news()[0] == "it ended (while at describe); tried again in 1 s"


def test_after_a_minute_of_answers_a_process_that_ends_is_started_at_once(driven: Driven) -> None:
    driven.tick()
    driven.keeper.ended(READER, "it ended", driven.now)
    driven.run(120)
    driven.keeper.ended(READER, "it ended", driven.now)
    driven.news()
    driven.run(122)
    assert driven.starts[-1] == (121, READER)


def test_a_part_in_which_it_dies_twice_is_left_out(driven: Driven) -> None:
    driven.run(10)
    for _ in range(2):
        driven.sick = {"GPU-2"}
        while (
            driven.keeper.running.get(READER) is None or not driven.keeper.running[READER].is_asked
        ):
            driven.tick()
        driven.keeper.ended(READER, "killed by signal 11", driven.now)
    driven.sick = set()
    driven.run(driven.now + 5)
    assert driven.read()[-1][1] == ("GPU-0", "GPU-1")
    assert driven.keeper.timeouts == {}, "it did not hang"


def test_processes_that_cannot_be_ended_stop_it_from_starting_more(driven: Driven) -> None:
    driven.run(10)
    driven.sick, driven.immortal, driven.stuck = {OPEN, *GPUS}, True, MOST_STUCK - 2
    driven.run(2000)
    assert driven.keeper.running == {}
    assert len(driven.starts) == 2, "that of the start, and one in the place of what hung"
    assert driven.stuck == MOST_STUCK
    assert [text for text in driven.news() if "cannot be ended" in text] == [
        "3 processes hang in the driver and cannot be ended; no more are started until one ends "
        "(reset the device or reboot the node)"
    ]
    driven.stuck = MOST_STUCK - 1
    driven.run(2001)
    assert driven.starts[-1] == (2000, READER)


def test_the_last_process_that_may_be_started_is_no_probe(driven: Driven) -> None:
    driven.run(10)
    driven.sick = {"GPU-1"}
    driven.run(30)
    driven.stuck = MOST_STUCK - 1
    driven.run(500)
    assert [role for _, role in driven.starts] == [READER, READER]
    assert driven.read()[-1][0] == 499, "the others are still read"


def test_a_probe_that_dies_is_not_news_and_waits_longer(driven: Driven) -> None:
    driven.run(10)
    driven.sick = {"GPU-1"}
    driven.run(77)
    driven.news()
    driven.keeper.ended(PROBE, "it ended", driven.now)
    assert driven.keeper.resting["GPU-1"].seconds == 120
    assert driven.news() == []


@pytest.mark.parametrize(("target", "described"), [(DESCRIBE, True), ("GPU-1", False)])
def test_a_probe_reads_only_what_it_is_to_try(driven: Driven, target: str, described: bool) -> None:
    driven.run(10)
    driven.sick = {target}
    actions: list[Action] = []
    while all(action.role != PROBE for action in actions):
        actions = driven.tick()
    skipped = actions[-1].skip
    assert target not in skipped
    assert {*GPUS} - {target} <= {*skipped}
    assert (DESCRIBE not in skipped) is described


def test_a_device_that_hangs_is_not_looked_for_either(driven: Driven) -> None:
    found_by = {gpu: (f"find {number}",) for number, gpu in enumerate(GPUS)}
    driven.sick = {"GPU-1"}
    driven.tick()
    actions = driven.keeper.decide(PART_SECONDS + 1, 0, found_by)
    assert actions == [
        Action("end", READER),
        Action("start", READER),
        Action("ask", READER, ("GPU-1", "find 1")),
    ]
    driven.keeper.answered(READER, 10)
    probe, _, ask = driven.keeper.decide(100, 0, found_by)
    assert probe == Action("start", PROBE)
    assert ask == Action("ask", PROBE, ("GPU-0", "GPU-2", DESCRIBE))


def test_a_process_that_begins_no_part_is_replaced(driven: Driven) -> None:
    driven.run(10)
    driven.keeper.decide(10, 0)
    actions = driven.keeper.decide(10 + PART_SECONDS + 1, 0)
    assert actions == [Action("end", READER)]
    assert driven.keeper.resting == {}
    assert driven.news() == ["no answer within 5 s (while at begin); tried again in 1 s"]
    assert driven.keeper.decide(17, 0)[0] == Action("start", READER)


def test_a_probe_that_does_not_come_to_its_target_proves_nothing(driven: Driven) -> None:
    driven.run(10)
    driven.sick = {"GPU-0", "GPU-1"}
    driven.run(50)
    assert driven.keeper.resting.keys() == {"GPU-0", "GPU-1"}
    driven.sick, driven.hidden = {"GPU-0"}, {"GPU-1"}
    driven.run(300)
    assert driven.keeper.resting.keys() == {"GPU-0", "GPU-1"}
    driven.sick, driven.hidden = set(), set()
    driven.run(900)
    assert driven.keeper.resting == {}


def test_a_part_that_is_no_longer_there_is_not_looked_for_for_ever(driven: Driven) -> None:
    driven.run(10)
    driven.sick = {"GPU-1"}
    driven.run(50)
    driven.sick, driven.hidden = set(), {"GPU-1"}
    driven.run(100)
    assert driven.keeper.resting == {}


def test_a_device_under_way_for_long_hangs_before_it_is_given_up(driven: Driven) -> None:
    driven.run(10)
    driven.sick = {"GPU-1"}
    driven.tick()
    keeper = driven.keeper
    assert not keeper.hangs("GPU-1", driven.now - 0.5, 1)
    assert keeper.hangs("GPU-1", driven.now, 1)
    assert not keeper.hangs("GPU-2", driven.now + 99, 1)
    driven.run(20)
    assert keeper.hangs("GPU-1", driven.now, 1)


def test_a_reader_that_is_free_is_asked_ahead_and_its_time_begins_then(driven: Driven) -> None:
    keeper = driven.keeper
    assert keeper.ask_ahead(5) is None, "there is none"
    driven.tick()
    assert keeper.ask_ahead(5.5) == ASK
    assert keeper.asked_for == 5.5
    assert keeper.ask_ahead(6.5) is None, "it is asked already"
    driven.now = 5.5 + PART_SECONDS
    assert keeper.decide(driven.now, 0) == [], "its time has just come to its end"
    assert [action.do for action in keeper.decide(driven.now + 0.1, 0)] == ["end"]
    assert keeper.asked_for == 0


def test_what_is_left_alone_is_left_alone_when_asked_ahead_too(driven: Driven) -> None:
    driven.tick()
    driven.sick = {"GPU-1"}
    driven.run(9)
    action = driven.keeper.ask_ahead(20, {"GPU-1": ("find 1",)})
    assert action is not None
    assert action.skip == ("GPU-1", "find 1")


def test_times_that_make_no_sense_do_not_move_a_deadline(driven: Driven) -> None:
    driven.tick()
    driven.sick = {"GPU-0"}
    driven.tick()
    driven.keeper.part_began(READER, "GPU-0", 1e9, driven.now)
    assert driven.keeper.running[READER].part_since == driven.now
    driven.keeper.part_began(READER, "GPU-0", -1e9, driven.now)
    assert driven.keeper.running[READER].part_since == driven.now


def test_a_probe_that_hangs_where_its_target_is_found_counts_for_its_target(
    driven: Driven,
) -> None:
    driven.run(10)
    driven.sick = {"GPU-1"}
    while PROBE not in driven.keeper.running:
        driven.tick()
    assert driven.keeper.timeouts == {"GPU-1": 1}
    driven.keeper.part_began(PROBE, "find 1", driven.now, driven.now)
    driven.run(driven.now + 10)
    assert driven.keeper.timeouts == {"GPU-1": 2}
