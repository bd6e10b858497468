import threading
from collections.abc import Mapping
from typing import Any

import pytest

from wattline_agents.agent import Agent
from wattline_agents.config import AgentConfig
from wattline_agents.errors import ReadFailed
from wattline_agents.sinks import Health
from wattline_agents.sources import Readings

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
    assert [time - slow.read_at[0] for time in slow.read_at] == [0, 3000, 6000]
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


def test_it_runs_until_told_to_stop_and_closes_everything(make_source: Any, make_sink: Any) -> None:
    stop = threading.Event()

    class Stopping(type(make_source())):  # type: ignore[misc]
        def read(self, now_ms: int) -> Readings:
            stop.set()
            return {"device": [{**DEVICE, "time_unix_ms": now_ms}]}

    source, sink = Stopping(), make_sink()
    Agent(CONFIG, [source], [sink], stop=stop).run()
    assert source.is_closed
    assert sink.is_closed
    assert sink.rows("device")


def test_many_agents_live_in_one_process(clock: Any, make_source: Any, make_sink: Any) -> None:
    sinks = [make_sink() for _ in range(3)]
    agents = [
        Agent(CONFIG, [make_source(readings={"device": [DEVICE]})], [sink], clock) for sink in sinks
    ]
    for agent in agents:
        agent.step()
    assert [len(sink.rows("device")) for sink in sinks] == [1, 1, 1]
