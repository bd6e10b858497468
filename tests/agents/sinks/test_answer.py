import pytest

from wattline_agents.sinks.answer import MOST_WAIT_SECONDS, Backoff, Verdict, any_share, judge


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (204, Verdict.DELIVERED),
        (200, Verdict.DELIVERED),
        (400, Verdict.REFUSED),
        (422, Verdict.REFUSED),
        (413, Verdict.TOO_LARGE),
        (401, Verdict.DENIED),
        (403, Verdict.DENIED),
        (404, Verdict.DENIED),
        (301, Verdict.DENIED),
        (408, Verdict.LATER),
        (429, Verdict.LATER),
        (500, Verdict.LATER),
        (503, Verdict.LATER),
    ],
)
def test_a_status_means_what_to_do(status: int, verdict: Verdict) -> None:
    assert judge(status).verdict is verdict


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("100000", MOST_WAIT_SECONDS),
        ("9" * 400, None),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_a_collector_says_how_long_to_wait(header: str, seconds: float | None) -> None:
    now = 1_792_567_680.0  # 2026-10-21 07:28:00
    assert judge(503, header, now=now).wait_seconds == seconds


def test_waits_double_up_to_a_bound_and_begin_anew_after_success() -> None:
    backoff = Backoff(first_seconds=1, most_seconds=10, chance=lambda: 0.5)
    assert [backoff.failed() for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    backoff.worked()
    assert backoff.failed() == 1


def test_nodes_spread_out() -> None:
    assert Backoff(chance=lambda: 0.0).failed() == 0.5
    assert Backoff(chance=lambda: 1.0).failed() == 1.5


def test_a_thousand_failures_do_not_overflow() -> None:
    backoff = Backoff(chance=lambda: 0.5)
    for _ in range(2000):
        assert backoff.failed() <= 60


def test_any_share_is_another_each_time_and_less_than_all() -> None:
    found = [any_share() for _ in range(1_000)]
    assert len(set(found)) > 990
    assert 0 <= min(found) < 0.05
    assert 0.95 < max(found) < 1
