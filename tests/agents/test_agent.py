import os
import select
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from wattline_agents.agent import Agent
from wattline_agents.config import AgentConfig
from wattline_agents.errors import ReadFailed
from wattline_agents.sinks.sink import Health
from wattline_agents.sources.source import NOT_YET, Readings

CONFIG = AgentConfig(system="test", node="n01", rack="r1", period_seconds=1.0)
DEVICE: dict[str, Any] = {"device": "GPU-1", "up": 1}


def run_for(agent: Agent, clock: Any, seconds: float) -> None:
    end = clock.monotonic() + seconds
    while clock.monotonic() < end - 1e-9:
        clock.sleep(agent.step())


def test_every_source_is_read_at_every_tick(clock: Any, make_source: Any, make_sink: Any) -> None:
    source, sink = make_source(readings={"device": [DEVICE]}), make_sink()
    run_for(Agent(CONFIG, [source], [sink], clock), clock, 5)
    assert [time - source.read_at[0] for time in source.read_at] == [0, 1000, 2000, 3000, 4000]
    assert len(sink.rows("device")) == 5
    assert sink.periods("device") == {1000}


def test_a_source_with_its_own_pace_is_read_at_that_pace(
    clock: Any, make_source: Any, make_sink: Any
) -> None:
    slow, sink = make_source(readings={"node": [{}]}), make_sink()
    slow.every_seconds = 2.5
    run_for(Agent(CONFIG, [slow], [sink], clock), clock, 9)
    ticks = [time // 1000 for time in slow.read_at]
    assert ticks[0] == clock.unix_ms() // 1000 - 9, "at the start, whenever that is"
    assert [tick % 3 for tick in ticks[1:]] == [0, 0, 0], "and together with all other nodes"
    assert sink.periods("node") == {3000}


def test_a_failing_source_does_not_stop_the_others(
    clock: Any, make_source: Any, make_sink: Any, said: list[str], lost: ReadFailed
) -> None:
    sick, broken = make_source("sick", error=lost), make_source("broken", error=KeyError("x"))
    well, sink = make_source("well", readings={"device": [DEVICE]}), make_sink()
    agent = Agent(CONFIG, [sick, broken, well], [sink], clock, say=said.append)
    run_for(agent, clock, 21)
    assert len(sink.rows("device")) == 21
    assert said == ["sick: the sensor is gone", "broken: KeyError: 'x'"], "each is said once"
    assert sink.rows("agent")[-1]["read_errors_total"] == 2 * 21


def test_a_source_that_recovers_is_said_once(
    clock: Any, make_source: Any, make_sink: Any, said: list[str], lost: ReadFailed
) -> None:
    source = make_source("gpu", readings={"device": [DEVICE]}, error=lost)
    agent = Agent(CONFIG, [source], [make_sink()], clock, say=said.append)
    for _ in range(3):
        run_for(agent, clock, 2)
        source.error = None if source.error else lost
    assert said == ["gpu: the sensor is gone", "gpu: reading again"]


def test_a_late_tick_is_counted_and_missed_ones_are_not_made_up_for(
    clock: Any, make_sink: Any
) -> None:
    class Slow:
        name = "slow"
        read_at: list[float] = []  # noqa: RUF012  read by this test alone

        def read(self, now_ms: int) -> Readings:
            self.read_at.append(clock.monotonic())
            clock.sleep(3.7 if len(self.read_at) == 2 else 0.1)
            return {}

        def describe(self, now_ms: int) -> Readings:
            return {}

        def close(self) -> None: ...

    source, sink = Slow(), make_sink()
    start = clock.monotonic()
    agent = Agent(CONFIG, [source], [sink], clock)
    run_for(agent, clock, 4.8)
    clock.sleep(0.8)  # something else held the process up for most of a tick
    run_for(agent, clock, 6)
    places = [at - start for at in source.read_at]
    assert places[:3] == pytest.approx([0, 1, 5.8]), "the ticks at 2, 3 and 4 are left out"
    assert places[3:6] == pytest.approx([6, 7, 8]), "and the later ones keep their places"
    assert sink.rows("agent")[-1]["late_ticks_total"] == 1


def test_its_own_health_is_published(clock: Any, make_source: Any, make_sink: Any) -> None:
    sink = make_sink(own_health=Health(batches_dropped=3, batches_refused=1, spool_bytes=500))
    plain = make_sink()
    source = make_source(readings={"device": [DEVICE, DEVICE]})
    run_for(Agent(CONFIG, [source], [sink, plain], clock), clock, 11)
    first, last = sink.rows("agent")
    assert first["readings_total"] == 2
    assert last["readings_total"] == 22
    assert last["batches_dropped_total"] == 3
    assert last["batches_refused_total"] == 1
    assert last["spool_bytes"] == 500
    assert sink.periods("agent") == {10_000}


def test_without_a_spool_its_figures_are_unknown_and_not_zero(
    clock: Any, make_source: Any, make_sink: Any
) -> None:
    sink = make_sink()
    run_for(Agent(CONFIG, [make_source()], [sink], clock), clock, 1)
    assert sink.rows("agent")[0]["spool_bytes"] is None


def test_info_is_sent_at_start_on_change_and_every_ten_minutes(
    clock: Any, make_source: Any, make_sink: Any
) -> None:
    source = make_source(described={"device_info": [{"device": "GPU-1", "index": 0}]})
    sink = make_sink()
    agent = Agent(CONFIG, [source], [sink], clock)
    run_for(agent, clock, 300)
    assert len(sink.rows("device_info")) == 1
    source.described = {"device_info": [{"device": "GPU-1", "index": 0, "driver": "580"}]}
    run_for(agent, clock, 120)
    assert [row.get("driver") for row in sink.rows("device_info")] == [None, "580"]
    run_for(agent, clock, 660)
    assert len(sink.rows("device_info")) == 3
    assert sink.periods("device_info") == {0}


def test_the_node_is_described_from_settings_and_sources_together(
    clock: Any, make_source: Any, make_sink: Any
) -> None:
    host = make_source(described={"node_info": [{"os": "Debian", "cores": 4, "rack": None}]})
    sink = make_sink()
    run_for(Agent(CONFIG, [host], [sink], clock), clock, 1)
    (row,) = sink.rows("node_info")
    assert (row["rack"], row["os"], row["cores"]) == ("r1", "Debian", 4)
    assert row["agent_version"]


def test_a_source_learns_which_devices_others_found_held(
    clock: Any, make_source: Any, make_sink: Any
) -> None:
    told: list[Mapping[str, str]] = []
    jobs, follower = make_source("jobs"), make_source("simulated")
    follower.on_assignments = told.append
    agent = Agent(CONFIG, [jobs, follower], [make_sink()], clock)
    held = {"device": "GPU-1", "job": "7", "start_unix_ms": 1}
    jobs.readings = {"assignment": [held]}
    run_for(agent, clock, 2)
    jobs.readings = {"assignment": [{**held, "end_unix_ms": 2}]}
    run_for(agent, clock, 2)
    assert told == [{"GPU-1": "7"}, {}]


def test_a_source_is_not_told_of_its_own_assignments(
    clock: Any, make_source: Any, make_sink: Any
) -> None:
    told: list[Mapping[str, str]] = []
    source = make_source(
        readings={"assignment": [{"device": "GPU-1", "job": "7", "start_unix_ms": 1}]}
    )
    source.on_assignments = told.append
    run_for(Agent(CONFIG, [source], [make_sink()], clock), clock, 3)
    assert told == [{}]


def test_a_source_learns_the_devices_by_index_and_keeps_them_while_none_answer(
    clock: Any, make_source: Any, make_sink: Any
) -> None:
    told: list[Mapping[int, str]] = []
    gpus = make_source(described={"device_info": [{"device": "GPU-1", "index": 0}]})
    jobs = make_source("jobs")
    jobs.on_devices = told.append
    agent = Agent(CONFIG, [gpus, jobs], [make_sink()], clock)
    run_for(agent, clock, 2)
    gpus.described = {}
    run_for(agent, clock, 120)
    assert told == [{0: "GPU-1"}]


def node_rows(sink: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in sink.rows("node")]


def test_a_node_has_one_row_per_tick_and_one_meter(
    clock: Any, make_source: Any, make_sink: Any
) -> None:
    host = make_source("host", readings={"node": [{"cpu_busy_ratio": 0.5}]})
    cray = make_source(
        "cray",
        readings={"node": [{"power_watts": 900.0}], "meter": [{"source": "pm_counters"}]},
        described={"node_info": [{"power_source": "pm_counters"}]},
    )
    rapl = make_source(
        "rapl",
        readings={"node": [{"power_watts": 300.0}], "meter": [{"source": "rapl"}]},
        described={"node_info": [{"power_source": "rapl"}]},
    )
    sink = make_sink()
    run_for(Agent(CONFIG, [host, cray, rapl], [sink], clock), clock, 3)
    assert [{**row, "time_unix_ms": 0} for row in node_rows(sink)] == [
        {"time_unix_ms": 0, "cpu_busy_ratio": 0.5, "power_watts": 900.0}
    ] * 3
    assert len(sink.rows("meter")) == 6, "the other meter is still seen for itself"
    assert [row["power_source"] for row in sink.rows("node_info")] == ["pm_counters"]


def test_a_device_that_two_sources_read_has_one_row_per_tick_and_both_their_knowledge(
    clock: Any, make_source: Any, make_sink: Any
) -> None:
    nvml = make_source("nvml", readings={"device": [{**DEVICE, "power_watts": 300.0}]})
    dcgm = make_source(
        "dcgm", readings={"device": [{**DEVICE, "power_watts": 250.0, "sm_active_ratio": 0.5}]}
    )
    nvml.described = {"device_info": [{"device": "GPU-1", "index": 0, "model": "A100"}]}
    dcgm.described = {"device_info": [{"device": "GPU-1", "index": 0, "serial": "17"}]}
    nvml.why_not = lambda: {"GPU-1": {"sm_active_ratio": "no", "memory_power_watts": "no"}}
    dcgm.every_seconds = 5.0
    sink = make_sink()
    run_for(Agent(CONFIG, [nvml, dcgm], [sink], clock), clock, 130)
    rows = sink.rows("device")
    assert len(rows) == 130
    assert {row["power_watts"] for row in rows} == {300.0}
    assert [row.get("sm_active_ratio") for row in rows[1:]] == [0.5] * 129
    (info,) = sink.rows("device_info")[-1:]
    assert (info["model"], info["serial"]) == ("A100", "17")
    assert sink.rows("capability")[-1]["column"] == "memory_power_watts"


def test_reasons_are_sent_as_info_is(clock: Any, make_source: Any, make_sink: Any) -> None:
    source, sink = make_source("gpu"), make_sink()
    reasons = {"GPU-1": {"sm_active_ratio": "no such sensor"}, "": {"power_watts": "ü" * 200}}
    source.why_not = lambda: reasons
    agent = Agent(CONFIG, [source], [sink], clock)
    run_for(agent, clock, 300)
    first, second = sink.rows("capability")
    assert {**first, "time_unix_ms": 0} == {
        "time_unix_ms": 0,
        "source": "gpu",
        "device": "GPU-1",
        "column": "sm_active_ratio",
        "reason": "no such sensor",
    }
    assert (second["device"], second["reason"]) == (None, "ü" * 128)
    reasons["GPU-1"]["sm_active_ratio"] = "no permission"
    run_for(agent, clock, 120)
    assert [row["reason"] for row in sink.rows("capability")][2::2] == ["no permission"]
    run_for(agent, clock, 660)
    assert len(sink.rows("capability")) == 6
    assert sink.periods("capability") == {0}


@pytest.mark.parametrize("table", ["mig", "process", "meter"])
def test_rows_at_a_pace_have_a_period(
    clock: Any, make_source: Any, make_sink: Any, table: str
) -> None:
    source, sink = make_source(readings={table: [{}], "xid": [{}]}), make_sink()
    source.every_seconds = 10
    run_for(Agent(CONFIG, [source], [sink], clock), clock, 20)
    assert sink.periods(table) == {10_000}
    assert sink.periods("xid") == {0}


def test_what_happens_elsewhere_is_counted_with_the_rest(
    clock: Any, make_source: Any, make_sink: Any
) -> None:
    source, sink = make_source(), make_sink()
    source.read_errors, source.read_timeouts, source.processes = 3, 2, lambda: [os.getpid()]
    run_for(Agent(CONFIG, [make_source(), source], [sink], clock), clock, 1)
    (row,) = sink.rows("agent")
    assert row["read_errors_total"] == 3
    assert row["read_timeouts_total"] == 2
    assert 0 < row["cpu_seconds_total"]
    assert 5e6 < row["memory_resident_bytes"]


class Ringing:
    """A source whose rows come between two ticks."""

    name = "later"
    every_seconds = 2.0

    def __init__(self) -> None:
        self.bell, self.rope = os.pipe()
        self.answer: Readings = {}
        self.error: Exception | None = None
        self.described: Readings = {}
        self.is_deaf = self.is_closed = False

    def ring(self, answer: Readings) -> None:
        self.answer = answer
        os.write(self.rope, b"!")

    def read(self, now_ms: int) -> Readings:
        return {}

    def describe(self, now_ms: int) -> Readings:
        return {
            t: [{**r, "time_unix_ms": now_ms} for r in rows] for t, rows in self.described.items()
        }

    def descriptors(self) -> Mapping[int, int]:
        return {} if self.is_deaf else {self.bell: select.POLLIN}

    def handle(self, descriptor: int, events: int) -> Readings:
        assert (descriptor, events) == (self.bell, select.POLLIN)
        os.read(self.bell, 1)
        if self.error is not None:
            raise self.error
        return self.answer

    def close(self) -> None:
        self.is_closed = True
        os.close(self.rope)
        if not self.is_deaf:
            os.close(self.bell)


@pytest.fixture
def ringing() -> Iterator[Ringing]:
    source = Ringing()
    yield source
    if not source.is_closed:
        source.close()


@pytest.fixture
def until() -> Iterator[int]:
    reads, writes = os.pipe()
    yield reads
    os.close(reads)
    os.close(writes)


def test_rows_that_come_between_ticks_are_handed_on_at_once(
    clock: Any, make_sink: Any, ringing: Ringing, until: int
) -> None:
    sink = make_sink()
    agent = Agent(CONFIG, [ringing], [sink], clock)
    agent.step()
    ringing.ring({"device": [{**DEVICE, "time_unix_ms": 7}], "xid": [{"xid": 79}]})
    assert agent.wait(60, until)
    assert [row["time_unix_ms"] for row in sink.rows("device")] == [7]
    assert sink.periods("device") == {2000}
    assert sink.periods("xid") == {0}


def test_a_tick_waits_a_moment_for_readings_that_come_with_it(
    clock: Any, make_source: Any, make_sink: Any
) -> None:
    source = make_source()
    source.is_expected = False
    agent = Agent(CONFIG, [source], [make_sink()], clock)
    assert agent.step() == pytest.approx(1)
    source.is_expected = True
    clock.sleep(0.3)
    assert agent.step() == pytest.approx(0.75), "something else woke it"
    clock.sleep(0.702)
    assert agent.step() == pytest.approx(0.998 + 0.05)
    assert len(source.read_at) == 2
    source.is_expected = False
    assert agent.step() == pytest.approx(0.998)


def test_a_node_row_that_comes_between_ticks_counts_at_the_next(
    clock: Any, make_source: Any, make_sink: Any, ringing: Ringing, until: int
) -> None:
    host = make_source("host", readings={"node": [{"cpu_busy_ratio": 0.5}]})
    sink = make_sink()
    agent = Agent(CONFIG, [host, ringing], [sink], clock)
    clock.sleep(agent.step())
    ringing.ring({"node": [{"time_unix_ms": 7, "power_watts": 900.0}]})
    agent.wait(60, until)
    assert len(sink.rows("node")) == 1
    agent.step()
    first, second = node_rows(sink)
    assert second == {**first, "time_unix_ms": first["time_unix_ms"] + 1000, "power_watts": 900.0}


def test_news_of_who_is_read_is_told_at_the_next_tick(
    clock: Any, make_source: Any, make_sink: Any, ringing: Ringing, until: int
) -> None:
    other = make_source(described={"device_info": [{"device": "GPU-0", "index": 0}]})
    sink = make_sink()
    agent = Agent(CONFIG, [other, ringing], [sink], clock)
    clock.sleep(agent.step())
    ringing.described = {"device_info": [{"device": "GPU-1", "index": 1}]}
    ringing.ring(ringing.describe(1))
    agent.wait(60, until)
    assert len(sink.rows("device_info")) == 1
    agent.step()
    assert [row["device"] for row in sink.rows("device_info")] == ["GPU-0", "GPU-0", "GPU-1"]


def test_a_failure_between_ticks_is_a_failure_of_its_source(
    clock: Any, make_sink: Any, said: list[str], ringing: Ringing, until: int, lost: ReadFailed
) -> None:
    sink = make_sink()
    agent = Agent(CONFIG, [ringing], [sink], clock, say=said.append)
    agent.step()
    ringing.error = lost
    ringing.ring({})
    agent.wait(60, until)
    ringing.error = None
    ringing.ring({"device": [DEVICE]})
    agent.wait(60, until)
    assert said == ["later: the sensor is gone", "later: reading again"]
    run_for(agent, clock, 20)
    assert sink.rows("agent")[-1]["read_errors_total"] == 1


def test_sinks_are_waited_for_as_well(
    clock: Any, make_source: Any, make_sink: Any, said: list[str], until: int
) -> None:
    reads, writes = os.pipe()

    class Scraped(type(make_sink())):  # type: ignore[misc]
        def descriptors(self) -> Mapping[int, int]:
            return {reads: select.POLLIN}

        def handle(self, descriptor: int, events: int) -> Readings:
            raise ValueError(os.read(reads, 1))

    agent = Agent(CONFIG, [make_source()], [Scraped()], clock, say=said.append)
    os.write(writes, b"!")
    assert agent.wait(60, until)
    assert said == ["Scraped: ValueError: b'!'"]
    os.close(reads)
    os.close(writes)


def test_a_descriptor_that_was_closed_is_left_out_until_the_next_tick(
    clock: Any, make_sink: Any, until: int
) -> None:
    source = Ringing()
    agent = Agent(CONFIG, [source], [make_sink()], clock)
    clock.sleep(agent.step())
    os.close(source.bell)
    agent.wait(60, until)
    woken: list[Any] = []
    source.handle = lambda *what: woken.append(what) or {}  # type: ignore[method-assign, func-returns-value]
    agent.wait(0, until)
    assert woken == [], "it would ring for ever"
    source.is_deaf = True
    source.close()


def test_it_runs_until_told_to_stop_and_closes_everything(make_source: Any, make_sink: Any) -> None:
    reads, writes = os.pipe()

    class Stopping(type(make_source())):  # type: ignore[misc]
        def read(self, now_ms: int) -> Readings:
            os.write(writes, b"!")
            return {"device": [{**DEVICE, "time_unix_ms": now_ms}], "node": [{}]}

    source, sink = Stopping(), make_sink()
    Agent(CONFIG, [source], [sink]).run(reads)
    assert source.is_closed
    assert sink.is_closed
    assert sink.rows("device")
    os.close(reads)
    os.close(writes)


def test_a_source_that_cannot_be_closed_does_not_keep_the_rest_from_sending(
    clock: Any, make_source: Any, make_sink: Any, said: list[str]
) -> None:
    source, sink = make_source("gpu"), make_sink()

    def fail() -> None:
        raise OSError("busy")

    source.close = fail
    Agent(CONFIG, [source], [sink], clock, say=said.append).close()
    assert sink.is_closed
    assert said == ["gpu: closing: OSError: busy"]


def test_many_agents_live_in_one_process(clock: Any, make_source: Any, make_sink: Any) -> None:
    sinks = [make_sink() for _ in range(3)]
    agents = [
        Agent(CONFIG, [make_source(readings={"device": [DEVICE]})], [sink], clock) for sink in sinks
    ]
    for agent in agents:
        agent.step()
    assert [len(sink.rows("device")) for sink in sinks] == [1, 1, 1]


def test_a_sink_that_fails_ends_neither_the_agent_nor_what_the_other_sinks_get(
    clock: Any, make_source: Any, make_sink: Any, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(type(make_sink())):  # type: ignore[misc]
        def accept(self, table: str, rows: Any, period_ms: int) -> None:
            raise RuntimeError("no room")

    source = make_source(readings={"node": [{"power_watts": 1.0}]})
    sink = make_sink()
    agent = Agent(CONFIG, [source], [Broken(), sink], clock, say=said.append)
    run_for(agent, clock, 1_000)
    assert len(sink.rows("node")) == 1_000
    assert [line for line in said if "Broken" in line] == [
        "Broken: node is not taken: RuntimeError: no room"
    ] * 2
    assert sink.rows("agent")[-1]["exports_failed_total"] > 990
    agent.close()
    assert sink.is_closed


def test_a_sink_that_fails_at_the_very_end_keeps_nothing_open(
    clock: Any, make_source: Any, make_sink: Any, said: list[str]
) -> None:
    source, sink = make_source(), make_sink()
    agent = Agent(CONFIG, [source], [sink], clock, say=said.append)
    run_for(agent, clock, 1)

    def broken(table: str, rows: Any, period_ms: int) -> None:
        raise OSError("gone")

    sink.accept = broken
    agent._take(agent._slots[0], {"node": [{"time_unix_ms": 1, "power_watts": 1.0}]})
    agent.close()
    assert source.is_closed and sink.is_closed
    assert said == ["ListSink: node is not taken: OSError: gone"]


def test_devices_that_sources_could_not_read_are_counted(
    clock: Any, make_source: Any, make_sink: Any
) -> None:
    lacking, sink = make_source(), make_sink()
    lacking.unread = lambda: ["1", "GPU-3"]
    run_for(Agent(CONFIG, [make_source(), lacking], [sink], clock), clock, 1)
    assert sink.rows("agent")[-1]["devices_unread"] == 2
    other = make_sink()
    run_for(Agent(CONFIG, [make_source()], [other], clock), clock, 1)
    assert other.rows("agent")[-1]["devices_unread"] is None, "nobody here counts any"


def test_reasons_that_pass_by_themselves_are_no_capability(
    clock: Any, make_source: Any, make_sink: Any
) -> None:
    source, sink = make_source("gpu"), make_sink()
    source.why_not = lambda: {"GPU-1": {"a": f"{NOT_YET}a moment", "b": "no such sensor"}}
    run_for(Agent(CONFIG, [source], [sink], clock), clock, 1)
    assert [row["column"] for row in sink.rows("capability")] == ["b"]


def test_a_sink_that_shows_reasons_hears_when_there_are_none_any_more(
    clock: Any, make_source: Any, make_sink: Any
) -> None:
    source, sink, other = make_source("gpu"), make_sink(), make_sink()
    reasons = {"GPU-1": {"b": "no such sensor"}}
    source.why_not = lambda: reasons
    emptied: list[str] = []
    sink.told_none = emptied.append
    agent = Agent(CONFIG, [source], [sink, other], clock)
    run_for(agent, clock, 120)
    assert emptied == []
    reasons = {}
    run_for(agent, clock, 120)
    assert emptied == ["capability"], "once"
    reasons = {"GPU-1": {"b": "no such sensor"}}
    run_for(agent, clock, 60)
    assert len(sink.rows("capability")) == 2
