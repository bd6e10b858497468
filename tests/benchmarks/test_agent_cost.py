"""What the benchmark of the agent makes of what the system tells it."""

from __future__ import annotations

import os
from typing import Any

import pytest

SMAPS = """\
55d0-55d1 r-xp 00000000 08:01 12 {python}
Size:               1000 kB
Rss:                 600 kB
Pss:                 100 kB
Anonymous:             0 kB
VmFlags: rd ex
55d2-55d3 rw-p 00000000 08:01 12 {python}
Rss:                  40 kB
Pss:                  25 kB
Anonymous:            24 kB
7f00-7f01 r-xp 00000000 08:01 13 /usr/lib/x86_64-linux-gnu/libc.so.6
Rss:                 500 kB
Pss:                   5 kB
Anonymous:             0 kB
7f02-7f03 rw-p 00000000 00:00 0 [heap]
Rss:                 300 kB
Pss:                 300 kB
Anonymous:           300 kB
7f04-7f05 rw-p 00000000 00:00 0
Rss:                   8 kB
Pss:                   8 kB
Anonymous:             8 kB
"""


def test_memory_counts_the_interpreter_whole_but_once(bench: Any) -> None:
    one = bench.processes.mappings(SMAPS.format(python="/opt/python/libpython3.11.so"))
    assert [area.resident for area in one] == [600, 40, 500, 300, 8]
    assert one[0].what == ("/opt/python/libpython3.11.so", "00000000")
    shared, own = 600 + 16, 24 + 5 + 300 + 8
    assert bench.processes.memory_alone([one]) * 1024 == pytest.approx(shared + own, abs=17)
    both = bench.processes.memory_alone([one, one]) - bench.processes.memory_alone([one])
    assert both * 1024 == pytest.approx(own)


def test_a_systems_python_is_counted_whole_too(bench: Any) -> None:
    assert bench.processes.is_shared_by_all("/usr/lib/x86_64-linux-gnu/libc.so.6")
    assert not bench.processes.is_shared_by_all("/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0")
    assert not bench.processes.is_shared_by_all("/opt/agent/bin/python")


def test_to_be_pushed_aside_is_no_wake_up(bench: Any) -> None:
    status = "Name:\tx\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t7\n"
    once = bench.processes.switches(status)
    assert (once.slept, once.pushed) == (150, 7)
    assert once + once == bench.processes.Switches(300, 14)


def test_a_process_is_its_own_first_child(bench: Any) -> None:
    assert bench.processes.children(os.getpid())[0] == os.getpid()


def test_calls_are_read_from_the_counters_of_the_stand_in(bench: Any) -> None:
    raw = b"".join(
        name.ljust(56, b"\0") + count.to_bytes(8, "little")
        for name, count in ((b"nvmlDeviceGetFieldValues", 300), (b"fields", 9000), (b"", 0))
    )
    assert bench.scene.counted_calls(raw) == {"nvmlDeviceGetFieldValues": 300, "fields": 9000}


def test_instructions_are_read_from_a_dump(bench: Any) -> None:
    assert (
        bench.instructions.total("events: Ir\nsummary: 312441670\n\nfn=(1) x\n0 5\n") == 312441670
    )
    assert bench.instructions.total("events: Ir\n") == 0


def test_series_of_a_gpu_are_counted_without_who_it_is(bench: Any) -> None:
    page = 'a{device="G0"} 1\na{device="G1"} 1\nb{device="G0"} 2\nb_info{device="G0"} 1\n'
    assert bench.scene.metrics_per_gpu(page, "G0") == 2


@pytest.mark.parametrize(
    ("ours", "theirs", "ratio", "verdict"),
    [
        (2.0, None, False, "ok, aim met"),
        (5.0, None, False, "ok"),
        (9.0, None, False, "FAIL"),
        (9.0, 3.0, True, "ok, aim met"),
        (9.0, 1.5, True, "ok"),
        (9.0, 1.0, True, "FAIL"),
        (9.0, 0.1, False, "FAIL"),
    ],
)
def test_a_figure_is_judged_by_itself_or_beside_its_peer(
    bench: Any, ours: float, theirs: float | None, ratio: bool, verdict: str
) -> None:
    limits = bench.cost.Limits(must=8, aim=3.5)
    figure = bench.cost.Figure("x", ours, "M", limits, "peer", theirs, is_ratio=ratio)
    assert figure.row()[-1] == verdict


def test_the_table_stands_in_columns(bench: Any) -> None:
    assert bench.cost.table([("a", "b"), ("long", "c")]) == "a     b\nlong  c"
