import pytest

from wattline_agents.sinks.prometheus.http import Answer, BadRequest, Request, parse

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,*/*;q=0.2"
)


def request(*fields: str, first: str = "GET /metrics HTTP/1.1") -> Request:
    return parse("\r\n".join((first, *fields)).encode("latin-1"))


def test_a_scrape_is_understood() -> None:
    found = request(
        "Host: n01:9400", "User-Agent: Prometheus/2.42.0", f"Accept: {PROMETHEUS}",
        "Accept-Encoding: gzip", "X-Prometheus-Scrape-Timeout-Seconds: 1",
    )  # fmt: skip
    assert found == Request("GET", "/metrics", openmetrics=True, gzip=True)


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        (PROMETHEUS, True),
        (PROMETHEUS_3, True),
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        ('Application/OpenMetrics-Text; Version="1.0.0"; charset=utf-8', True),
        ("application/openmetrics-text; version=0.0.1", False),
        ("application/openmetrics-text; version=1.0.0; q=0", False),
        ("application/openmetrics-text; version=1.0.0; q=0.4, text/plain; q=0.5", False),
        ("application/openmetrics-text; version=1.0.0; q=0.5, text/plain; q=0.4", True),
        ("application/openmetrics-text; version=1.0.0; q=much", False),
        ("application/openmetrics-text; version=1.0.0; q=1e9, text/plain; q=0.1", False),
        (";;q=,,=;", False),
    ],
)
def test_the_format_is_the_one_wanted_most(accept: str, openmetrics: bool) -> None:
    assert request(f"Accept: {accept}").openmetrics is openmetrics


def test_fields_of_one_name_count_together() -> None:
    found = request("accept: text/plain;q=0.1", "ACCEPT: application/openmetrics-text")
    assert found.openmetrics


@pytest.mark.parametrize(
    ("encoding", "gzip"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("*, gzip;q=0", False),
        ("identity", False),
        ("", False),
    ],
)
def test_it_is_compressed_only_where_that_is_taken(encoding: str, gzip: bool) -> None:
    assert request(f"Accept-Encoding: {encoding}").gzip is gzip


@pytest.mark.parametrize(
    ("first", "fields", "is_last"),
    [
        ("GET / HTTP/1.1", (), False),
        ("GET / HTTP/1.1", ("Connection: close",), True),
        ("GET / HTTP/1.1", ("Connection: TE, Close",), True),
        ("GET / HTTP/1.0", (), True),
        ("GET / HTTP/1.0", ("Connection: keep-alive",), False),
    ],
)
def test_the_connection_lasts_as_http_says(
    first: str, fields: tuple[str, ...], is_last: bool
) -> None:
    assert request(*fields, first=first).is_last is is_last


def test_the_query_does_not_matter() -> None:
    assert request(first="HEAD /metrics?name[]=up HTTP/1.1") == Request("HEAD", "/metrics")


@pytest.mark.parametrize(
    ("first", "fields", "status"),
    [
        ("", (), 400),
        ("GET /metrics", (), 400),
        ("GET  /metrics HTTP/1.1", (), 400),
        ("GET /met\x00rics HTTP/1.1", (), 400),
        ("G(T /metrics HTTP/1.1", (), 400),
        ("\x16\x03\x01\x02\x00\x01\x00", (), 400),
        ("GET /metrics HTTP/2.0", (), 505),
        ("GET /metrics HTTP/1.1", ("no field",), 400),
        ("GET /metrics HTTP/1.1", (" folded: on",), 400),
        ("GET /metrics HTTP/1.1", ("Na me: x",), 400),
        ("GET /metrics HTTP/1.1", ("Content-Length: 5",), 400),
        ("GET /metrics HTTP/1.1", ("Transfer-Encoding: chunked",), 400),
    ],
)
def test_what_cannot_be_followed_is_refused(
    first: str, fields: tuple[str, ...], status: int
) -> None:
    with pytest.raises(BadRequest) as caught:
        request(*fields, first=first)
    assert caught.value.status == status


def test_an_answer_says_how_long_it_is_and_when_it_is_the_last() -> None:
    answer = Answer(b"12345", 503, fields={"Vary": "Accept"})
    assert answer.head(is_last=True) == (
        b"HTTP/1.1 503 Service Unavailable\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: 5\r\n"
        b"X-Content-Type-Options: nosniff\r\n"
        b"Vary: Accept\r\n"
        b"Connection: close\r\n"
        b"\r\n"
    )
    assert b"Connection" not in answer.head(is_last=False)


def test_the_head_of_an_answer_given_twice_is_written_once() -> None:
    answer = Answer(b"12345")
    first = answer.head(is_last=False)
    assert answer.head(is_last=False) is first
    assert b"Connection: close" in answer.head(is_last=True)
    assert answer.head(is_last=False) is first
