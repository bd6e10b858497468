from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from wattline_collector.ledger.accounts import Account
from wattline_dashboards.columns import Columns, number
from wattline_dashboards.picture import picture

Latest = Callable[..., dict[str, Any]]


def test_a_silent_device_is_unobserved_and_none_of_its_readings_is_known(latest: Latest) -> None:
    shown = picture(latest())
    silent = [at for at, node in enumerate(shown.devices.texts("node")) if node == "sim-r2-n06"]
    assert len(silent) == 8
    assert {shown.accounts[at] for at in silent} == {Account.UNOBSERVED}
    assert {shown.known("power_watts")[at] for at in silent} == {None}


def test_an_old_reading_is_unobserved_whatever_the_collector_calls_it(latest: Latest) -> None:
    answer = latest(2, 1)
    answer["devices"]["age_ms"][0] = 16_001
    answer["devices"]["account"] = ["busy", "busy"]
    assert picture(answer).accounts == [Account.UNOBSERVED, Account.BUSY]


def test_a_reading_that_waits_for_its_batch_is_not_old(latest: Latest) -> None:
    answer = latest(1, 1)
    answer["devices"]["age_ms"] = [15_000]
    answer["devices"]["account"] = ["held"]
    assert picture(answer).accounts == [Account.HELD]


def test_a_lost_device_is_down_and_its_power_is_not_known(latest: Latest) -> None:
    shown = picture(latest())
    (lost,) = [at for at, account in enumerate(shown.accounts) if account is Account.DOWN]
    assert shown.known("power_watts")[lost] is None


def test_an_account_nobody_knows_is_unobserved(latest: Latest) -> None:
    answer = latest(1, 1)
    answer["devices"]["account"] = ["mining"]
    assert picture(answer).accounts == [Account.UNOBSERVED]


def test_an_answer_without_tables_is_an_empty_picture() -> None:
    shown = picture({})
    assert (shown.devices.rows, shown.nodes.rows, shown.jobs.rows) == (0, 0, 0)
    assert shown.systems == []


@pytest.mark.parametrize(
    ("system", "source", "simulated"),
    [("sim", None, ["sim"]), ("meluxina", "simulated", ["meluxina"]), ("meluxina", "nvml", [])],
)
def test_simulated_systems_are_told_by_their_name_or_their_source(
    latest: Latest, system: str, source: str | None, simulated: list[str]
) -> None:
    answer = latest(1, 2, system=system)
    answer["devices"]["source"] = [source, source]
    assert picture(answer).simulated == simulated


def test_a_picture_of_tables_is_that_of_lists(latest: Latest) -> None:
    answer = latest(16, 8)
    lists = picture(answer)
    tables = picture(
        answer
        | {
            name: pl.DataFrame(answer[name], strict=False, infer_schema_length=None).to_arrow()
            for name in ("devices", "nodes", "jobs")
        }
    )
    assert tables.accounts == lists.accounts
    assert tables.silent_nodes == lists.silent_nodes
    assert tables.known("power_watts") == pytest.approx(lists.known("power_watts"))
    for one, other in ((tables.devices, lists.devices), (tables.nodes, lists.nodes)):
        assert one.rows == other.rows
        assert one.texts("node") == other.texts("node")
        assert one.texts("index") == [None] * one.rows
        assert one.numbers("node") == [None] * one.rows
        assert one.row(3) == pytest.approx(other.row(3))
        assert one.only(["node", "nix"]) == other.only(["node"])
    assert tables.devices.only(["node"]) != tables.devices.only(["device"])
    silent = tables.silent_nodes.index(True)
    assert tables.host(silent) == lists.host(silent)


def test_a_few_rows_and_whole_columns_are_the_same_from_tables_and_lists(latest: Latest) -> None:
    devices = latest(4, 8)["devices"]
    lists = Columns.of(devices, "device")
    frame = pl.DataFrame(devices, strict=False, infer_schema_length=None)
    table = Columns.of(frame.to_arrow(), "device")
    names = ("node", "index", "power_watts", "nix")
    for columns in (lists, table):
        some = columns.some([3, 0], names)
        assert some["node"] == [devices["node"][3], devices["node"][0]]
        assert some["power_watts"] == [devices["power_watts"][3], devices["power_watts"][0]]
        assert some["nix"] == [None, None]
        assert columns.some([], ("node",)) == {"node": []}
        assert columns.words("node").to_pylist() == devices["node"]
        assert columns.words("index").to_pylist() == [None] * 32
        assert columns.vector("index").to_pylist() == devices["index"]
        assert columns.vector("node").null_count == columns.vector("nix").null_count == 32


def test_to_ask_whether_a_column_is_there_does_not_read_it() -> None:
    table = Columns.of(pa.table({"device": ["a"], "node": ["n"]}), "device")
    assert "node" in table.data
    assert "nix" not in table.data
    assert not table.data._lists  # type: ignore[attr-defined]


def test_devices_are_counted_by_their_accounts(latest: Latest) -> None:
    shown = picture(latest())
    assert shown.counts == {one: shown.accounts.count(one) for one in Account}


def test_a_silent_host_keeps_its_identity_and_loses_its_readings(latest: Latest) -> None:
    shown = picture(latest())
    silent = shown.silent_nodes.index(True)
    host = shown.host(silent)
    assert host["node"] == "sim-r2-n06"
    assert "cpu_busy_ratio" not in host


def test_what_is_no_finite_number_is_unknown() -> None:
    assert [number(v) for v in (1, 2.5, True, "3", None, float("inf"))] == [
        1, 2.5, None, None, None, None,
    ]  # fmt: skip


def test_a_column_that_was_not_sent_or_has_another_length_reads_as_unknown() -> None:
    table = Columns.of({"device": ["a", "b"], "power_watts": [1.0]}, "device")
    assert table.numbers("power_watts") == [None, None]
    assert table.texts("job") == [None, None]
