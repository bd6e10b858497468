from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.kpi.figure import Status

HOUR = 3600


def _job(factory: Any, id: str, hours: float, kind: str, project: str | None = None) -> None:
    factory.device(id, until_s=HOUR * 20)
    factory.job(id, 0, round(HOUR * hours), id, kind=kind, project=project)


def _shares(factory: Any, **dims: str) -> dict[str, float]:
    by = list(dims) or None
    found = factory.figures("P09", by=by)
    return {
        figure.dims["stage"]: figure.value
        for figure in found
        if all(figure.dims[name] == value for name, value in dims.items())
    }


def test_device_time_is_told_by_what_it_was_for_and_adds_up_to_all(factory: Any) -> None:
    _job(factory, "p", 8, "training", "big")
    _job(factory, "f", 4, "training", "small")
    _job(factory, "u", 2, "training")
    _job(factory, "i", 3, "inference", "big")
    _job(factory, "d", 2, "other", "corpus")
    _job(factory, "o", 1, "other")
    factory.book(20 * HOUR)
    factory.register(
        "projects",
        {"project": "big", "life_cycle": "pretrain"},
        {"project": "small", "life_cycle": "fine-tuning"},
        {"project": "corpus", "life_cycle": "data"},
    )
    shares = _shares(factory)
    assert shares == {
        "data": pytest.approx(10), "pretrain": pytest.approx(40), "finetune": pytest.approx(20),
        "inference": pytest.approx(15), "training": pytest.approx(10), "other": pytest.approx(5),
    }  # fmt: skip
    assert sum(shares.values()) == pytest.approx(100)
    figure = factory.one("P09", stage="pretrain")
    assert (figure.numerator, figure.denominator) == (pytest.approx(8), pytest.approx(20))
    # Nobody says what the untagged training job trains, nor what the other one does.
    assert (figure.coverage, figure.status) == (pytest.approx(17 / 20), Status.PARTIAL)
    assert "life_cycle" in factory.one("P09", stage="training").note
    big = _shares(factory, project="big")
    assert big == {"pretrain": pytest.approx(800 / 11), "inference": pytest.approx(300 / 11)}


def test_parts_of_a_period_add_up(factory: Any) -> None:
    _job(factory, "t", 3, "training")
    _job(factory, "i", 2, "inference")
    factory.book(20 * HOUR)
    whole = factory.one("P09", stage="inference")
    parts = [
        factory.one("P09", factory.hours(*ends), stage="inference") for ends in ((0, 1.5), (1.5, 4))
    ]
    assert sum(part.numerator for part in parts) == pytest.approx(whole.numerator)
    assert sum(part.denominator for part in parts) == pytest.approx(whole.denominator)


@pytest.mark.parametrize(
    ("granted", "note"),
    [
        ("20", "1 grant of AI for Science: none put more than 10% of itself into inference in this "
         "period"),
        ("10", "more than 10% of a grant of AI for Science went into inference in this period: "
         "sci 20.0%"),
    ],
)  # fmt: skip
def test_a_grant_of_science_may_put_a_tenth_into_inference(
    factory: Any, granted: str, note: str
) -> None:
    _job(factory, "i", 2, "inference", "sci")
    _job(factory, "t", 4, "training", "sci")
    factory.book(20 * HOUR)
    factory.register(
        "projects",
        {"project": "sci", "access_mode": "ai_for_science", "gpu_hours_granted": granted},
    )
    assert factory.one("P09", stage="inference").note == note


def test_where_nobody_held_anything_it_is_unknown(factory: Any) -> None:
    factory.device("a", until_s=HOUR)
    factory.book(HOUR)
    (figure,) = factory.figures("P09")
    assert (figure.value, figure.status) == (None, Status.UNKNOWN)
