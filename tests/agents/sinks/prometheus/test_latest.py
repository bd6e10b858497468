from typing import Any

import pytest

from wattline_agents.catalogue import TABLES
from wattline_agents.sinks.exposition import Page
from wattline_agents.sinks.prometheus.latest import Latest
from wattline_agents.wire import Value


class Shown:
    """What a scrape would show, as name and labels -> value."""

    def __init__(self, clock: Any) -> None:
        self.latest = Latest(clock)
        self._layout: tuple[int, Page] | None = None
        self._stated = -1

    def put(self, table: str, *rows: dict[str, Value], period: float = 1.0) -> None:
        self.latest.put(TABLES[table], rows, round(period * 1000))

    def __call__(self) -> dict[str, float]:
        """The page that a sink keeps and fills again, which must be as one made anew."""
        self.latest.refresh()
        if self._layout is None or self._layout[0] != self.latest.version:
            self._layout = (self.latest.version, self._page())
        elif self._stated != self.latest.stated:
            self._layout[1].state(self.latest.statements())
        self._stated = self.latest.stated
        text = self._layout[1].render(self.latest.turn)
        assert text == self._page().render()
        lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
        found: dict[str, float] = {}
        for line in lines:
            series, _, number = line.rpartition(" ")
            found[series.replace('node="n01"', "").replace("{,", "{").replace("{}", "")] = float(
                number
            )
        assert len(found) == len(lines), "a series is there twice"
        return found

    def _page(self) -> Page:
        return Page("n01", self.latest.subjects(), self.latest.statements())


@pytest.fixture
def shown(clock: Any) -> Shown:
    return Shown(clock)


def device(time: int = 1, **values: Value) -> dict[str, Value]:
    return {"time_unix_ms": time, "device": "GPU-1", **values}


UP = 'aif_gpu_up{device="GPU-1"}'
POWER = 'aif_gpu_power_watts{device="GPU-1"}'
AGE = 'aif_gpu_sample_age_seconds{device="GPU-1"}'
TIMEOUTS = 'aif_gpu_read_timeouts_total{device="GPU-1"}'
TEMPERATURE = 'aif_gpu_temperature_celsius{device="GPU-1",sensor="core"}'
PENDING = 'aif_gpu_row_remap_pending{device="GPU-1"}'


def test_at_first_there_is_nothing(shown: Shown) -> None:
    assert shown() == {}


def test_a_column_that_was_not_read_this_time_stays(shown: Shown) -> None:
    shown.put("device", device(up=1, power_watts=100.0, temperature_celsius=50.0))
    shown.put("device", device(up=1, power_watts=101.0))
    assert shown() == {UP: 1.0, POWER: 101.0, TEMPERATURE: 50.0}


def test_a_column_that_is_null_is_not_known_any_more(shown: Shown) -> None:
    shown.put("device", device(up=1, power_watts=100.0))
    assert POWER in shown()
    shown.put("device", device(up=1, power_watts=None))
    assert shown() == {UP: 1.0}


def test_each_column_goes_after_three_of_its_periods_but_not_before_ten_seconds(
    shown: Shown, clock: Any
) -> None:
    shown.put("device", device(up=1, power_watts=1.0, temperature_celsius=2.0, row_remap_pending=0))
    left = {}
    for second in range(200):
        left[second] = set(shown())
        clock.sleep(1)
    gone = {name: min(s for s in left if name not in left[s]) for name in left[0]}
    assert gone == {UP: 10, POWER: 10, TEMPERATURE: 15, PENDING: 180}


def test_what_goes_soon_goes_in_time_beside_what_stays_for_long(shown: Shown, clock: Any) -> None:
    shown.put("device", device(row_remap_pending=0))
    clock.sleep(20)
    assert set(shown()) == {PENDING}
    shown.put("device", device(up=1, power_watts=1.0))
    shown.put("device", device(temperature_celsius=2.0))
    clock.sleep(9)
    assert set(shown()) == {UP, POWER, TEMPERATURE, PENDING}
    clock.sleep(1)
    assert set(shown()) == {TEMPERATURE, PENDING}
    clock.sleep(5)
    assert set(shown()) == {PENDING}
    clock.sleep(145)
    assert shown() == {}


def test_a_slow_source_is_given_three_of_its_own_periods(shown: Shown, clock: Any) -> None:
    shown.put("node", {"time_unix_ms": 1, "power_watts": 900.0}, period=60)
    clock.sleep(179)
    assert shown() == {"aif_host_power_watts": 900.0}
    clock.sleep(1)
    assert shown() == {}


def test_rows_of_sources_with_different_paces_make_one_node(shown: Shown, clock: Any) -> None:
    shown.put("node", {"time_unix_ms": 1, "power_watts": 900.0}, period=60)
    for _ in range(6):
        shown.put("node", {"time_unix_ms": 2, "memory_used_bytes": 5}, period=5)
        clock.sleep(5)
    assert shown() == {"aif_host_power_watts": 900.0, "aif_host_memory_used_bytes": 5.0}
    clock.sleep(25)
    assert shown() == {"aif_host_power_watts": 900.0}


def test_what_was_known_for_longer_does_not_come_back_from_before_it_was_null(
    shown: Shown, clock: Any
) -> None:
    shown.put("node", {"time_unix_ms": 1, "power_watts": 900.0}, period=60)
    clock.sleep(1)
    shown.put("node", {"time_unix_ms": 2, "power_watts": None, "memory_used_bytes": 5}, period=5)
    assert shown() == {"aif_host_memory_used_bytes": 5.0}
    for _ in range(40):
        clock.sleep(5)
        assert "aif_host_power_watts" not in shown()


def test_renewed_in_time_nothing_goes(shown: Shown, clock: Any) -> None:
    for second in range(400):
        row = device(up=1, power_watts=float(second))
        if second % 60 == 0:
            row["row_remap_pending"] = 0
        shown.put("device", row)
        assert shown() == {UP: 1.0, POWER: float(second), PENDING: 0.0}
        clock.sleep(1)


def test_what_is_renewed_in_turn_keeps_its_place_on_the_page(shown: Shown, clock: Any) -> None:
    health: dict[str, Value] = {"row_remap_pending": 0}
    for second in range(300):
        slow: dict[str, Value] = {"temperature_celsius": 50.0 + second} if not second % 5 else {}
        health_now = health if not second % 60 else {}
        shown.put("device", device(second, up=1, power_watts=1.0, **slow, **health_now))
        found = shown()
        if second == 0:
            version = shown.latest.version
            ((subject,), first) = (shown.latest.subjects(), found.keys())
            columns = list(subject.readings)
        assert found.keys() == first
        clock.sleep(1)
    # Neither the page nor what is known of a device is arranged anew, as no series came or went.
    assert shown.latest.version == version
    assert list(subject.readings)[:1] == columns
    assert len(subject.readings) == 3


def test_a_device_that_does_not_answer_shows_its_last_sample_for_five_minutes(
    shown: Shown, clock: Any
) -> None:
    shown.put("device", device(up=1, power_watts=100.0, sample_age_seconds=0.0))
    for second in range(1, 300):
        clock.sleep(1)
        row = device(up=0, sample_age_seconds=float(second), read_timeouts_total=second)
        shown.put("device", row)
        assert shown() == {UP: 0.0, POWER: 100.0, AGE: float(second), TIMEOUTS: float(second)}
    clock.sleep(2)
    shown.put("device", device(up=0, sample_age_seconds=301.0, read_timeouts_total=301))
    assert shown() == {UP: 0.0, AGE: 301.0, TIMEOUTS: 301.0}


def test_its_age_grows_even_if_nothing_more_is_heard_of_it(shown: Shown, clock: Any) -> None:
    shown.put("device", device(up=1, power_watts=100.0))
    clock.sleep(1)
    shown.put("device", device(up=0, sample_age_seconds=3.5))
    clock.sleep(200)
    assert shown() == {UP: 0.0, POWER: 100.0, AGE: 203.5}
    clock.sleep(100)
    assert shown() == {}


def test_without_a_word_of_its_age_it_counts_from_the_last_answer(shown: Shown, clock: Any) -> None:
    shown.put("device", device(up=1, power_watts=100.0))
    clock.sleep(4)
    shown.put("device", device(up=0, power_watts=None))
    assert shown() == {UP: 0.0, POWER: 100.0, AGE: 4.0}
    clock.sleep(2)
    shown.put("device", device(up=0))
    assert shown()[AGE] == 6.0


def test_a_device_that_never_answered_has_no_age(shown: Shown, clock: Any) -> None:
    shown.put("device", device(up=0))
    clock.sleep(5)
    assert shown() == {UP: 0.0}


def test_a_device_that_answers_again_shows_what_it_says_now(shown: Shown, clock: Any) -> None:
    shown.put("device", device(up=1, power_watts=100.0, temperature_celsius=50.0))
    shown.put("device", device(up=0))
    clock.sleep(100)
    shown()
    shown.put("device", device(up=1, power_watts=90.0, sample_age_seconds=0.0))
    assert shown() == {UP: 1.0, POWER: 90.0, TEMPERATURE: 50.0, AGE: 0.0}
    for _ in range(15):
        clock.sleep(1)
        shown.put("device", device(up=1, power_watts=90.0, sample_age_seconds=0.0))
    assert shown() == {UP: 1.0, POWER: 90.0, AGE: 0.0}


def test_processes_that_a_newer_reading_does_not_list_are_gone(shown: Shown) -> None:
    def process(time: int, pid: int, name: str = "GPU-1") -> dict[str, Value]:
        return {"time_unix_ms": time, "device": name, "pid": pid, "memory_used_bytes": pid}

    shown.put("process", process(1, 10), process(1, 11), process(1, 20, "GPU-2"))
    shown.put("process", process(2, 11), process(2, 12))
    assert shown() == {
        'aif_process_gpu_memory_used_bytes{device="GPU-1",pid="11"}': 11.0,
        'aif_process_gpu_memory_used_bytes{device="GPU-1",pid="12"}': 12.0,
        'aif_process_gpu_memory_used_bytes{device="GPU-2",pid="20"}': 20.0,
    }


def test_instances_that_are_read_in_turn_stay_until_they_miss_some(
    shown: Shown, clock: Any
) -> None:
    def instance(time: int, uuid: str) -> dict[str, Value]:
        return device(time, instance=uuid, memory_used_bytes=1)

    shown.put("mig", instance(1, "MIG-1"))
    clock.sleep(1)
    shown.put("mig", instance(2, "MIG-2"))
    assert len(shown()) == 2
    clock.sleep(15)
    shown.put("mig", instance(3, "MIG-2"))
    assert len(shown()) == 2
    clock.sleep(30)
    assert list(shown()) == ['aif_mig_memory_used_bytes{device="GPU-1",instance="MIG-2"}']


def test_an_assignment_that_ended_is_gone(shown: Shown) -> None:
    row: dict[str, Value] = device(job="42", start_unix_ms=1)
    shown.put("assignment", row, period=0)
    assert shown() == {'aif_gpu_assignment{device="GPU-1",job="42"}': 1.0}
    shown.put("assignment", {**row, "end_unix_ms": 5}, period=0)
    assert shown() == {}


def test_a_job_that_came_twice_to_a_device_is_there_once(shown: Shown) -> None:
    shown.put("assignment", device(job="42", start_unix_ms=1), period=0)
    shown.put("assignment", device(job="42", start_unix_ms=9), period=0)
    assert shown() == {'aif_gpu_assignment{device="GPU-1",job="42"}': 1.0}


def test_who_somebody_is_changes_with_what_is_said(shown: Shown, clock: Any) -> None:
    shown.put("device_info", device(driver="570.1", index=0), period=0)
    shown.put("device_info", device(driver="580.1", index=0), period=0)
    assert shown() == {'aif_gpu_info{device="GPU-1",index="0",driver="580.1"}': 1.0}
    clock.sleep(1_499)
    assert shown()
    clock.sleep(1)
    assert shown() == {}


def test_an_owner_is_named_nowhere(shown: Shown) -> None:
    row: dict[str, Value] = {"time_unix_ms": 1, "job": "42", "user": "ada", "state": "running"}
    shown.put("job_info", row, period=0)
    assert shown() == {'aif_job_info{job="42",state="running"}': 1.0}


def test_what_cannot_be_read_says_why_until_its_source_says_otherwise(shown: Shown) -> None:
    def off(time: int, name: str | None, column: str) -> dict[str, Value]:
        return {
            "time_unix_ms": time, "source": "nvml", "device": name, "column": column,
            "reason": "no permission",
        }  # fmt: skip

    shown.put("capability", off(1, "GPU-1", "power_watts"), off(1, None, "x"), period=0)
    assert shown() == {
        'aif_gpu_capability_off{source="nvml",device="GPU-1",column="power_watts",'
        'reason="no permission"}': 1.0,
        'aif_gpu_capability_off{source="nvml",column="x",reason="no permission"}': 1.0,
    }
    shown.put("capability", off(2, None, "x"), period=0)
    assert list(shown()) == [
        'aif_gpu_capability_off{source="nvml",column="x",reason="no permission"}'
    ]


def test_an_xid_stays_until_two_repetitions_were_missed(shown: Shown, clock: Any) -> None:
    shown.put("xid", device(xid=79, count_total=1), period=0)
    clock.sleep(1_499)
    assert shown() == {'aif_gpu_xid_total{device="GPU-1",xid="79"}': 1.0}
    clock.sleep(1)
    assert shown() == {}


def test_however_many_subjects_come_there_is_an_end_to_them(shown: Shown) -> None:
    for pid in range(5_000):
        shown.put("process", device(pid=pid, memory_used_bytes=1))
    assert len(shown()) == 4_096


def test_of_rows_whose_columns_alternate_the_newest_of_each_is_shown(shown: Shown) -> None:
    for power in (100.0, 101.0, 100.0, 100.0, 102.0):
        shown.put("device", device(up=1, power_watts=100.0))
        assert shown()[POWER] == 100.0
        shown.put("device", device(up=1, power_watts=power, temperature_celsius=power / 2))
        assert shown() == {UP: 1.0, POWER: power, TEMPERATURE: power / 2}


def test_a_scrape_that_missed_some_rows_shows_the_newest(shown: Shown) -> None:
    wide = device(up=1, power_watts=1.0, temperature_celsius=2.0)
    shown.put("device", wide)
    assert shown() == {UP: 1.0, POWER: 1.0, TEMPERATURE: 2.0}
    shown.put("device", device(up=1, power_watts=3.0))
    shown.put("device", wide)
    shown.put("device", device(up=1, temperature_celsius=4.0))
    assert shown() == {UP: 1.0, POWER: 1.0, TEMPERATURE: 4.0}
    shown.put("device", device(up=1, temperature_celsius=2.0))
    shown.put("device", wide)
    assert shown() == {UP: 1.0, POWER: 1.0, TEMPERATURE: 2.0}


def test_a_device_that_flaps_shows_what_it_says(shown: Shown, clock: Any) -> None:
    for age in (1.0, 2.0, 3.0):
        shown.put("device", device(up=1, power_watts=100.0, sample_age_seconds=0.0))
        assert shown() == {UP: 1.0, POWER: 100.0, AGE: 0.0}
        clock.sleep(30)
        shown.put("device", device(up=0, sample_age_seconds=age, power_watts=None))
        assert shown() == {UP: 0.0, POWER: 100.0, AGE: age}


def test_rows_with_ever_other_columns_do_not_pile_up(shown: Shown) -> None:
    columns = [metric.column for metric in TABLES["device"].metrics if metric.column != "up"]
    for number in range(2_000):
        chosen = {name: 1 for at, name in enumerate(columns) if number >> at & 1}
        shown.put("device", device(up=1, **chosen))
    shown()
    (subject,) = shown.latest.subjects()
    assert len(subject.readings) < 20


def test_a_device_of_which_nothing_comes_grows_older_without_being_called_down(
    shown: Shown, clock: Any
) -> None:
    row = device(up=1, power_watts=100.0, sample_age_seconds=0.5)
    for _ in range(2):
        shown.put("device", row)
        clock.sleep(1.5)
        assert shown()[AGE] == 0.5, "the next one is due, and may yet be on its way"
        clock.sleep(0.5)
        assert shown() == {UP: 1.0, POWER: 100.0, AGE: 2.5}
        clock.sleep(4)
        assert shown() == {UP: 1.0, POWER: 100.0, AGE: 6.5}
    assert row["sample_age_seconds"] == 0.5, "the row belongs to others, too"
    shown.put("device", device(up=0, sample_age_seconds=7.0))
    assert shown() == {UP: 0.0, POWER: 100.0, AGE: 7.0}


def test_a_row_that_comes_once_or_tells_no_age_does_not_grow_older(
    shown: Shown, clock: Any
) -> None:
    shown.put("device", device(up=1, sample_age_seconds=0.0), period=0)
    clock.sleep(9)
    assert shown() == {UP: 1.0, AGE: 0.0}
    shown.put("device", device(up=1, sample_age_seconds=None))
    clock.sleep(9)
    assert shown() == {UP: 1.0}


def test_reasons_are_told_as_a_whole_and_may_become_none(shown: Shown) -> None:
    def off(source: str, column: str) -> dict[str, Value]:
        return device(source=source, column=column, reason="why")

    shown.put("capability", off("nvml", "power_watts"), off("rapl", "x"), period=0)
    shown.put("capability", off("rapl", "x"), period=0)
    assert len(shown()) == 1, "the other has none any more"
    shown.latest.clear("capability")
    assert shown() == {}
