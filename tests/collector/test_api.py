from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from wattline_agents.wire import MAX_BODY_BYTES
from wattline_collector import api, tables
from wattline_collector.access import Right
from wattline_collector.receive import decode as receive_decode
from wattline_collector.store import log

NOW_MS = 1_793_534_400_000

Serve = Callable[..., Any]


# Who may


def test_no_route_is_open_but_health(serve: Serve) -> None:
    client = serve()
    for route in client.app.routes:
        assert isinstance(route, Route), f"{route}: not behind the door"
        assert isinstance(route.endpoint, api._Door), f"{route.path}: not behind the door"
        assert (route.endpoint.right is None) == (route.path == "/v1/health")
        for method in route.methods or ():
            target = route.path.replace("{table}", "device").replace("{id}", "S10")
            others = set(Right) - {route.endpoint.right}
            if route.endpoint.right is None:
                assert client.request(method, target, token=None).status == 200
                continue
            assert client.request(method, target, token=None).status == 401
            assert client.request(method, target, token="x" * 40).status == 401
            for other in others:
                assert client.request(method, target, token=other).status == 403


def test_a_refusal_says_what_is_needed(serve: Serve) -> None:
    answer = serve().get("/v1/latest", token=None)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json() == {"error": "a token is needed: Authorization: Bearer TOKEN"}


def test_an_unknown_path_and_a_wrong_method_answer_json(serve: Serve) -> None:
    client = serve()
    assert client.get("/nix").json() == {"error": "Not Found"}
    wrong = client.request("GET", "/v1/batches/device")
    assert (wrong.status, wrong.json()) == (405, {"error": "Method Not Allowed"})
    assert wrong.headers["allow"] == "POST"


def test_no_answer_says_where_the_store_lies(serve: Serve, tmp_path: Path) -> None:
    client = serve()
    store = client.app.state.store
    answer = client.get("/v1/overview")
    assert answer.status == 400
    assert str(store) not in answer.json()["error"]
    assert answer.json()["error"].startswith("the store holds no booked hours")
    assert api._without_place(f"{store}/profile.toml: no", store) == "the store/profile.toml: no"


def test_health_tells_the_version(serve: Serve) -> None:
    assert serve().get("/v1/health", token=None).json() == {"status": "ok", "version": "0.1.0"}


# Batches in


def test_an_accepted_batch_is_durable_when_it_is_answered(
    serve: Serve, open_store: Any, sender: Any
) -> None:
    client = serve()
    assert client.post(sender.devices(NOW_MS)).status == 204
    assert open_store(write=False).read("device", 0, 2**62).height == 2


def test_a_batch_sent_again_is_answered_the_same_and_has_no_effect(
    serve: Serve, sender: Any
) -> None:
    client = serve()
    batch = sender.devices(NOW_MS)
    assert [client.post(batch).status for _ in range(3)] == [204, 204, 204]
    assert client.service.intake.duplicate_batches == 2
    assert client.service.store.read("device", 0, 2**62).height == 2


def test_many_requests_share_a_commit(serve: Serve, new_sender: Any) -> None:
    client = serve()
    batches = [new_sender(node=f"n{number}").devices(NOW_MS) for number in range(50)]
    answers = client.post_all([*batches, *batches[:10]])
    assert {answer.status for answer in answers} == {204}
    assert client.service.store.read("device", 0, 2**62).height == 100
    assert client.service.counters.commits < 10


def test_a_wrong_batch_is_answered_with_its_place_and_kept(serve: Serve, sender: Any) -> None:
    client = serve()
    answer = client.post(sender.devices(NOW_MS, sm_active_ratio=93.0))
    assert answer.status == 400
    assert answer.json() == {"error": "device.sm_active_ratio, row 0: not a ratio, which is 0-1"}
    assert client.service.store.refused_total == 1


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"Wattline-Node": "../etc"}, 400, "header Wattline-Node: '../etc' is not a name"),
        ({"Wattline-Sequence": "0"}, 400, "header Wattline-Sequence: not a whole number"),
        ({"Wattline-Catalogue": "99"}, 400, "header Wattline-Catalogue: not a whole number"),
        ({"Content-Type": "text/plain"}, 400, "header Content-Type: not application/vnd.apache"),
        ({"Content-Encoding": "gzip"}, 400, "header Content-Encoding: bodies are taken uncompr"),
        ({"Content-Length": str(MAX_BODY_BYTES + 1)}, 413, "body over"),
        ({"Content-Length": "-1"}, 413, "body over"),
    ],
)
def test_headers_are_checked(
    serve: Serve, sender: Any, change: dict[str, str], status: int, message: str
) -> None:
    batch = sender.devices(NOW_MS)
    headers = batch.header.to_http() | change
    answer = serve().request("POST", "/v1/batches/device", [batch.body], headers)
    assert answer.status == status
    assert answer.json()["error"].startswith(message)


def test_an_unknown_table_is_answered_with_the_list(serve: Serve, sender: Any) -> None:
    headers = sender.devices(NOW_MS).header.to_http()
    answer = serve().request("POST", "/v1/batches/gpu", [b""], headers)
    assert answer.status == 400
    assert "no table 'gpu'; there are device, node" in answer.json()["error"]


def test_a_body_too_large_is_cut_off_while_it_streams(serve: Serve, sender: Any) -> None:
    headers = sender.devices(NOW_MS).header.to_http()
    parts = [b"x" * 1_000_000] * 20
    answer = serve().request("POST", "/v1/batches/device", parts, headers)
    assert answer.status == 413
    assert answer.json() == {"error": f"body over {MAX_BODY_BYTES} bytes"}


def test_a_body_in_parts_is_put_together(serve: Serve, sender: Any) -> None:
    client = serve()
    batch = sender.devices(NOW_MS)
    parts = [batch.body[:10], b"", batch.body[10:500], batch.body[500:]]
    answer = client.request("POST", "/v1/batches/device", parts, batch.header.to_http())
    assert answer.status == 204


def test_a_sender_that_goes_in_the_middle_leaves_nothing(serve: Serve, sender: Any) -> None:
    client = serve()
    batch = sender.devices(NOW_MS)
    answer = client.request("POST", "/v1/batches/device", [], batch.header.to_http())
    assert answer.status == 0
    assert client.service.store.span("device") is None


def test_a_body_that_does_not_arrive_is_given_up(serve: Serve, sender: Any) -> None:
    client = serve(body_seconds=0.01)
    headers = [
        (k.lower().encode(), v.encode()) for k, v in sender.devices(1).header.to_http().items()
    ]
    headers.append((b"authorization", b"Bearer " + client.tokens[Right.WRITE].encode()))
    statuses: list[int] = []

    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http", "method": "POST", "path": "/v1/batches/device", "headers": headers,
        "query_string": b"", "root_path": "",
    }  # fmt: skip
    client.runner.run(client.app(scope, never, send))
    assert statuses == [408]


def test_when_too_much_waits_agents_are_told_to_come_back(serve: Serve, sender: Any) -> None:
    client = serve(unsealed_bytes=1)
    assert client.post(sender.devices(NOW_MS)).status == 204
    answer = client.post(sender.devices(NOW_MS + 1))
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    client.service.store.seal()
    assert client.post(sender.devices(NOW_MS + 2)).status == 204


def test_a_fault_of_ours_stops_the_batch_that_finds_it_and_no_other(
    serve: Serve, new_sender: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve()
    decode = receive_decode.decode

    def faulty(table: Any, body: bytes) -> Any:
        if b"GPU-n13-0" in body:
            raise ZeroDivisionError("unforeseen")
        return decode(table, body)

    monkeypatch.setattr(receive_decode, "decode", faulty)
    batches = [new_sender(node=f"n{number}").devices(NOW_MS) for number in (12, 13, 14)]
    answers = client.post_all(batches)
    assert [answer.status for answer in answers] == [204, 400, 204]
    assert "the collector failed on it: ZeroDivisionError" in answers[1].json()["error"]
    assert client.service.store.refused_total == 1
    assert client.service.store.read("device", 0, 2**62)["node"].unique().sort().to_list() == [
        "n12",
        "n14",
    ]


def test_what_the_disk_does_not_take_is_not_answered_as_stored(
    serve: Serve, sender: Any, open_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve()
    batch = sender.devices(NOW_MS)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", full)
        for _ in range(2):  # sent again, it was seen and is still not durable
            answer = client.post(batch)
            assert answer.status == 503
            assert "No space left on device" in answer.json()["error"]
    assert open_store(write=False).span("device") is None
    assert client.post(batch).status == 204
    assert open_store(write=False).read("device", 0, 2**62).height == 2


# Figures out


def test_latest_shows_what_was_just_sent(serve: Serve, sender: Any) -> None:
    client = serve()
    client.post(sender.devices(NOW_MS))
    latest = client.get("/v1/latest").json()
    assert latest["devices"]["device"] == ["GPU-n01-0", "GPU-n01-1"]
    assert latest["totals"]["power_watts"] == 201.0


def test_latest_says_the_same_as_arrow_to_those_who_accept_it(serve: Serve, sender: Any) -> None:
    client = serve()
    client.post(sender.devices(NOW_MS))
    known = client.get("/v1/latest").json()
    accept = {"Accept": f"{tables.MEDIA_TYPE}, application/json"}
    answer = client.request("GET", "/v1/latest", headers=accept, token=Right.READ)
    assert answer.headers["content-type"] == tables.MEDIA_TYPE
    told = tables.unpacked(answer.body)
    assert set(told) == set(known)
    assert told["totals"] == known["totals"]
    for name in ("devices", "nodes", "jobs"):
        columns = told[name].to_pydict()
        assert columns == {key: known[name][key] for key in columns}
        assert all(set(known[name][key]) <= {None} for key in set(known[name]) - set(columns))


def test_of_latest_the_columns_that_are_named_are_told_and_which_row_each_is(
    serve: Serve, sender: Any
) -> None:
    client = serve()
    client.post(sender.devices(NOW_MS))
    whole = client.get("/v1/latest").json()
    some = client.get("/v1/latest?columns=power_watts,account,power_watts").json()
    assert set(some["devices"]) == {"system", "node", "device", "account", "power_watts"}
    assert set(some["nodes"]) == {"system", "node", "power_watts"}  # nodes have no account
    assert set(some["jobs"]) == {"system", "job", "power_watts"}
    for table in ("devices", "nodes", "jobs"):
        assert some[table] == {name: whole[table][name] for name in some[table]}
    assert some["totals"] == whole["totals"]
    headers = {"Accept": tables.MEDIA_TYPE}
    arrow = client.request(
        "GET", "/v1/latest?columns=power_watts", headers=headers, token=Right.READ
    )
    columns = tables.unpacked(arrow.body)["devices"].to_pydict()
    assert columns == {
        name: whole["devices"][name] for name in ("system", "node", "device", "power_watts")
    }


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("columns=account,wealth", "'wealth'"),
        ("columns=", "''"),
        ("columns=account,", "''"),
        ("columns=" + "x" * 4000, "xxx"),
        ("columns=account&columns=job", "given 2 times"),
    ],
)
def test_a_column_of_latest_that_there_is_not_is_refused(
    serve: Serve, query: str, reason: str
) -> None:
    answer = serve().get(f"/v1/latest?{query}")
    assert answer.status == 400
    said = answer.json()["error"]
    assert said.startswith("columns: ") and reason in said and len(said) < 300


def test_a_restarted_collector_still_knows_the_latest(
    serve: Serve, sender: Any, tmp_path: Path
) -> None:
    client = serve()
    client.post(sender.devices(NOW_MS))
    client.runner.run(client.service.stop())
    assert serve().get("/v1/latest").json()["devices"]["power_watts"] == [100.0, 101.0]


@pytest.mark.parametrize("path", ["/v1/overview", "/v1/kpis"])
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("from=yesterday", "from: 'yesterday' is not a time"),
        ("to=2026-11-01", "to: needs a from"),
        ("from=2026-11-02&to=2026-11-01", "the period does not end after it starts"),
    ],
)
def test_a_period_that_is_none_is_refused(
    serve: Serve, path: str, query: str, message: str
) -> None:
    answer = serve().get(f"{path}?{query}")
    assert answer.status == 400
    assert message in answer.json()["error"]


def test_an_unknown_figure_is_refused_with_the_list(serve: Serve) -> None:
    client = serve()
    answer = client.get("/v1/kpis?id=P99")
    assert answer.status == 400
    assert "P99" in answer.json()["error"] and "P01" in answer.json()["error"]
    assert client.get("/v1/explain/P99").status == 404


def test_explain_tells_what_a_figure_is(serve: Serve) -> None:
    answer = serve().get("/v1/explain/S10").json()
    assert answer["id"] == "S10"
    assert answer["unit"] == "tok/J"


def test_what_was_booked_is_answered(
    serve: Serve, new_sender: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(settle_seconds=0.0)
    agent = new_sender(period_ms=60_000)
    for minute in range(30):
        at = NOW_MS - (30 - minute) * 60_000
        client.post(agent.devices(at, energy_joules_total=minute * 6000.0, busy_ratio=0.9))
    client.service._book()
    assert client.service.counters.booking_errors == 0
    assert client.service.counters.booked_hours > 0
    overview = client.get("/v1/overview").json()
    assert overview["devices"] == 2
    (figure,) = client.get("/v1/kpis?id=OEE_A&from=2026-11-01T11:00Z").json()
    assert figure["id"] == "OEE_A"
    asked = "/v1/kpis?id=LOADING&by=node&by=device,hour"
    split = client.get(asked).json()
    assert [list(figure["dims"]) for figure in split] == [["node", "device", "hour"]] * 2
    (figure,) = client.get(
        "/v1/kpis?id=LOADING&from=2026-11-01T11:45Z&to=2026-11-01T12:00Z&compare=previous"
    ).json()
    assert figure["previous"]["period"]["to"] == "2026-11-01T11:45:00Z"
    monkeypatch.setattr("wattline_collector.api._MOST_FIGURES", 1)
    refused = client.get(asked)
    assert refused.status == 400
    assert refused.json()["error"].startswith("too many figures: LOADING alone has 2")


def test_a_booking_that_fails_is_said_counted_and_tried_again(
    serve: Serve, sender: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve()
    client.post(sender.devices(NOW_MS))

    def fails(store: Any, **_: object) -> int:
        assert store.take_dirty()
        raise ZeroDivisionError("by\nnought")

    monkeypatch.setattr("wattline_collector.ledger.booking.book", fails)
    for _ in range(2):
        client.service._book()
    assert client.service.counters.booking_errors == 2
    said = client.service._say.__self__
    assert said == ["collector: booking failed: ZeroDivisionError: by"]


def test_a_booking_is_broken_off_when_the_collector_ends(
    serve: Serve, sender: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve()
    client.post(sender.devices(NOW_MS))

    def long(store: Any, *, progress: Callable[[int, int], None], **_: object) -> int:
        assert store.take_dirty()
        client.service._ending.set()
        progress(1, 1000)
        raise AssertionError("not broken off")

    monkeypatch.setattr("wattline_collector.ledger.booking.book", long)
    client.service._book()
    assert client.service.counters.booking_errors == 0
    assert client.service.store.take_dirty()


def test_metrics_are_valid_exposition(serve: Serve, sender: Any) -> None:
    client = serve()
    client.post(sender.devices(NOW_MS))
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    values = {}
    for line in answer.body.decode().splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            values[name] = float(value)
    assert values["wattline_collector_batches_accepted_total"] == 1
    assert values["wattline_collector_rows_accepted_total"] == 2
    assert values["wattline_collector_commits_total"] >= 1


def test_no_error_shows_a_token(serve: Serve) -> None:
    client = serve()
    token = client.tokens[Right.READ]
    for target in ("/v1/latest", "/v1/batches/device", "/nix", "/v1/kpis?from=x"):
        for method in ("GET", "POST"):
            answer = client.request(method, target, token=Right.READ)
            assert token not in answer.body.decode() + str(answer.headers)


def test_the_log_is_sealed_when_it_is_large(serve: Serve, sender: Any) -> None:
    client = serve(seal_every_seconds=0.01, seal_bytes=1)
    client.post(sender.devices(NOW_MS))

    async def sealed() -> None:
        while not client.service.counters.seals or client.service.store.unsealed_bytes:
            await asyncio.sleep(0.01)

    client.runner.run(asyncio.wait_for(sealed(), 10))
    assert client.service.store.read("device", 0, 2**62).height == 2


@pytest.mark.parametrize("data", [b"", log.MARK, b"\x00" * 50, b"garbage"])
def test_a_log_of_nonsense_holds_no_record(data: bytes) -> None:
    assert list(log.scan(data)) == [0]
